"""Lists are sorted, multiplied and added up."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('Sort[{3, 1., 2, "b", "a", x, f[1], 1/2}]', '{1/2, 1., 2, 3, "a", "b", x, f[1]}'),
        ("Sort[{3, 1, 2}]", "{1, 2, 3}"),
        ("Sort[f[b, a]]", "f[a, b]"),
        ("{1, 2} . {3, 4}", "11"),
        ("{{1, 2}, {3, 4}} . {5, 6}", "{17, 39}"),
        ("{1, 2} . {{1, 2}, {3, 4}}", "{7, 10}"),
        ("{{1, 2}, {3, 4}} . {{0, 1}, {1, 0}}", "{{2, 1}, {4, 3}}"),
        ("{{1., 2}} . {{3}, {4}}", "{{11.}}"),
        ("{10^20, 1} . {10^20, 1}", "10000000000000000000000000000000000000001"),
        ("{a, b} . {1, 2}", "a + 2*b"),
        ("SortBy[{{2, b}, {1, c}, {2, a}}, First]", "{{1, c}, {2, a}, {2, b}}"),
        ('SortBy[{"bb", "a", "ccc", "dd"}, {StringLength}]', '{"a", "bb", "dd", "ccc"}'),
        ("SortBy[{{2, b}, {1, c}, {2, a}}, {-First[#] &, Last}]", "{{2, a}, {2, b}, {1, c}}"),
        ("SortBy[{b[1], a[1], c[0]}, {First}]", "{c[0], b[1], a[1]}"),
        ("{Ordering[{c, a, b, a}], Ordering[{}], Ordering[{3, 1, 2}, -2], Ordering[{3, 1, 2}, 2]}", "{{2, 4, 3, 1}, {}, {3, 1}, {2, 3}}"),
        ("Total[{1, 2, 3}]", "6"),
        ("Total[{1, 2.5}]", "3.5"),
        ("Total[{}]", "0"),
        ("Total[{{1, 2}, {3, 4}}]", "{4, 6}"),
    ],
)
def test_arrays(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected

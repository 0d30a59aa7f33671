"""Functions that descend into expressions reach the values of associations."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.associations import walking


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('Map[f, <|"a" -> <|"b" -> 3|>|>, {2}]', '<|"a" -> <|"b" -> f[3]|>|>'),
        ('Map[f, {<|"a" -> 1|>}, {2}]', '{<|"a" -> f[1]|>}'),
        ('Position[{<|"a" -> {5}|>}, 5]', '{{1, Key["a"], 1}}'),
        ('Cases[{<|"a" -> 5, 5 -> x|>}, 5, Infinity]', "{5}"),
        ('Count[{<|"a" -> 5|>}, 5, Infinity]', "1"),
        ('Level[<|"a" -> {1, 2}|>, {-1}]', "{1, 2}"),
        ('DeleteCases[<|"a" -> {1, x}, "b" -> 1|>, 1, {2}]', '<|"a" -> {x}, "b" -> 1|>'),
        ('DeleteCases[<|"a" -> 1, "b" -> 2, "c" -> 3|>, _Integer, {1}, 2]', '<|"c" -> 3|>'),
        ("DeleteCases[f[1, x], _Integer]", "f[x]"),
    ],
)
def test_values_are_reached(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert walking.correct_walking

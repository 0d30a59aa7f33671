"""Sparse arrays: all forms of positions, parts, arithmetic, functions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mathics.core.atoms import Integer

from kernelbus.kernelhost.mathics.library.sparse import Sparse, made, read


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("SparseArray[{1 -> 5}]", "SparseArray[Automatic, {1}, 0, {1, {{0, 1}, {{1}}}, {5}}]"),
        ("SparseArray[{{1, 2} -> a, {2, 1} -> 0}]", "SparseArray[Automatic, {2, 2}, 0, {1, {{0, 1, 1}, {{2}}}, {a}}]"),
        ("Normal[SparseArray[{3 -> x}, 4, 7]]", "{7, 7, x, 7}"),
        ("Normal[SparseArray[{{1, 1}, {2, 3}} -> {7, 8}]]", "{{7, 0, 0}, {0, 0, 8}}"),
        ("Normal[SparseArray[{{i_, i_} -> 1, {i_, j_} /; i > j :> i + j}, {3, 3}]]", "{{1, 0, 0}, {3, 1, 0}, {4, 5, 1}}"),
        ("Normal[SparseArray[{Band[{1, 1}] -> {a, b}, Band[{1, 2}] -> x}, {3, 3}]]", "{{a, x, 0}, {0, b, x}, {0, 0, a}}"),
        ("Normal[SparseArray[Band[{1, 1}, {2, 2}] -> 5, {3, 3}]]", "{{5, 0, 0}, {0, 5, 0}, {0, 0, 0}}"),
        ("ArrayRules[SparseArray[{1 -> 5, 4 -> 2}]]", "{{1} -> 5, {4} -> 2, {_} -> 0}"),
        ("ArrayRules[{{0, a}, {b, 0}}]", "{{1, 2} -> a, {2, 1} -> b, {_, _} -> 0}"),
        ("Normal[2*SparseArray[{1 -> 5}, 2] + SparseArray[{2 -> 1}, 2]]", "{10, 1}"),
        ("SparseArray[{1 -> 1}, 3] + {1, 2, 3}", "{2, 2, 3}"),
        ("Normal[SparseArray[{{1, 2} -> 1, {2, 2} -> 3}][[All, 2]]]", "{1, 3}"),
        ("Normal[SparseArray[{{1, 2} -> 1, {2, 2} -> 3}][[-1 ;; 1 ;; -1]]]", "{{0, 3}, {0, 1}}"),
        ("s = SparseArray[{{1, 2} -> 1}, {2, 2}]; s[[2, 1]] = 9; Normal[s]", "{{0, 1}, {9, 0}}"),
        ("SparseArray[{{1, 1} -> 1}, {10^6, 10^6}][[10^6, 10^6]]", "0"),
        ("Head[SparseArray[{{1, 1} -> 2}] . SparseArray[{{1, 1} -> 2}]]", "SparseArray"),
        ("{Det[SparseArray[{{1, 1} -> 2, {2, 2} -> 4}]], Max[SparseArray[{2 -> 3}]]}", "{8, 3}"),
        ("SparseArray[{1 -> 5}, 2] == {5, 0}", "True"),
        ("Normal[Map[f, SparseArray[{1 -> 5}, 2]]]", "{f[5], f[0]}"),
        ('SparseArray[{2 -> 5}]["NonzeroPositions"]', "{{2}}"),
        ("Normal[IdentityMatrix[2, SparseArray]]", "{{1, 0}, {0, 1}}"),
        ("SparseArray[{3 -> x}, 2]", "SparseArray[{3 -> x}, 2]"),
        ("ToString[SparseArray[{1 -> 5}, 3]]", '"SparseArray[<1>, {3}]"'),
    ],
)
def test_sparse_arrays(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


def test_what_is_written_is_read() -> None:
    given = Sparse((2, 3, 4), Integer(7), {(1, 3, 4): Integer(1), (2, 1, 1): Integer(2)})
    assert read(made(given)) == given
    assert read(Integer(3)) is None

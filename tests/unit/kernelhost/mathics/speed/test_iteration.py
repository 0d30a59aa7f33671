"""Loops, nests and folds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.speed import iteration


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Table[i, {i, 3}]", "{1, 2, 3}"),
        ("Table[i, {i, 1, 2, 1/2}]", "{1, 3/2, 2}"),
        ("Table[i, {i, 0, 1, 0.25}]", "{0., 0.25, 0.5, 0.75, 1.}"),
        ("Table[i, {i, 3, 1, -1}]", "{3, 2, 1}"),
        ("Table[i, {i, 5.5}]", "{1, 2, 3, 4, 5}"),
        ("Table[i, {i, {a, b}}]", "{a, b}"),
        ("Table[x, 2]", "{x, x}"),
        ("Table[x, {0}]", "{}"),
        ("Table[i + j, {i, 2}, {j, i}]", "{{2}, {3, 4}}"),
        ("Table[i, {i, x, x + 2}]", "{x, 1 + x, 2 + x}"),
        ("Table[i, {i, 3, 2}]", "{}"),
        ("Table[If[OddQ[i], i, Nothing], {i, 4}]", "{1, 3}"),
        ("i = 7\nTable[i, {i, 2}]\ni", "7"),
        ("i = 7\nCheckAbort[Do[If[i == 2, Abort[]], {i, 3}], 0]\ni", "7"),
        ("s = 0\nDo[If[i == 3, Break[]]; s += i, {i, 9}]\ns", "3"),
        ("s = 0\nDo[If[i == 3, Continue[]]; s += i, {i, 4}]\ns", "7"),
        ("Do[If[i == 3, Return[i^2]], {i, 9}]", "9"),
        ("f[] := Do[If[i == 3, Return[i^2]], {i, 9}]\nf[]", "9"),
        ("Do[i = i + 10; s = i, {i, 2}]\ns", "12"),
        ("Fold[f, x, {a, b}]", "f[f[x, a], b]"),
        ("Fold[f, {a, b, c}]", "f[f[a, b], c]"),
        ("Fold[f, x, g[a]]", "f[x, a]"),
        ("FoldList[f, x, {a, b}]", "{x, f[x, a], f[f[x, a], b]}"),
        ("FoldList[Plus, {1, 2, 3}]", "{1, 3, 6}"),
        ("FoldList[f, x, g[a]]", "g[x, f[x, a]]"),
        ("FoldList[f, {}]", "{}"),
        ("Accumulate[{a, b, c}]", "{a, a + b, a + b + c}"),
        ("Accumulate[Range[500]][[-1]]", "125250"),
        ("NestList[f, x, 2]", "{x, f[x], f[f[x]]}"),
        ("NestWhileList[#/2 &, 12, EvenQ]", "{12, 6, 3}"),
        ("NestWhile[# + 1 &, 1, #1 + #2 < 10 &, 2]", "6"),
        ("NestWhileList[# + 1 &, 1, True &, 1, 3]", "{1, 2, 3, 4}"),
        ("FixedPointList[Floor[#/2] &, 5]", "{5, 2, 1, 0, 0}"),
        ("TakeWhile[{1, 2, 5, 1}, # < 3 &]", "{1, 2}"),
        ("LengthWhile[{1, 2, 5, 1}, # < 3 &]", "2"),
    ],
)
def test_iteration(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert iteration.install_iteration

"""Evaluation gives what the language documents, in the order that it documents."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mathics.core.interrupt import AbortInterrupt

from kernelbus.kernelhost.mathics.speed import evaluating


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("SetAttributes[h, HoldFirst]\nh[1 + 1, 1 + 1]", "h[1 + 1, 2]"),
        ("SetAttributes[h, HoldRest]\nh[1 + 1, 1 + 1]", "h[2, 1 + 1]"),
        ("SetAttributes[h, HoldAll]\nh[1 + 1, Evaluate[1 + 1], Sequence[a, b]]", "h[1 + 1, 2, a, b]"),
        ("SetAttributes[h, HoldAllComplete]\nh[1 + 1, Evaluate[1 + 1], Sequence[a, b]]", "h[1 + 1, Evaluate[1 + 1], Sequence[a, b]]"),
        ("SetAttributes[h, SequenceHold]\nh[Sequence[a, b]]", "h[Sequence[a, b]]"),
        ("h[Sequence[], a, Sequence[b, c]]", "h[a, b, c]"),
        ("SetAttributes[h, {Flat, Orderless}]\nh[c, h[b, a]]", "h[a, b, c]"),
        ("SetAttributes[h, Listable]\nh[{1, 2}, x]", "{h[1, x], h[2, x]}"),
        ("h[Unevaluated[1 + 1]]", "h[Unevaluated[1 + 1]]"),
        ("Length[Unevaluated[a + b + c]]", "3"),
        ("{1, Nothing, Sequence[2, 3], Unevaluated[1 + 1]}", "{1, 2, 3, Unevaluated[1 + 1]}"),
        ("x = 5\nl = {x, y}\ny = 6\nl", "{5, 6}"),
        ("k := (n++; n)\nn = 0\n{k, k}", "{1, 2}"),
        ("f[x_] := (Return[x]; 7)\nf[3]", "3"),
        ("u /: h[u] = 4\nh[u]", "4"),
        ("h[a][b_] := b + 1\nh[a][2]", "3"),
        ("i = j\nj = 3\ni", "3"),
        ("f = g\ng[x_] := x^2\nf[3]", "9"),
        ("s /; True := 5\n1", "1"),
        ("With[{e = 2 + 2}, Hold[e]]", "Hold[4]"),
        ("Block[{x = 3}, y = x]\ny", "3"),
        ("{Evaluate[1 + 1]}", "{2}"),
    ],
)
def test_steps_of_an_evaluation(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert evaluating.ATOMS


def test_limits(value: Callable[[str], str]) -> None:
    assert value("$RecursionLimit") == "1024"
    assert value("f[0] = 0\nf[n_] := f[n - 1] + 1\nf[900]") == "900"
    assert value("Block[{$RecursionLimit = 50}, f[20]]") == "20"
    # Symbols with values that are no literals, more often than $IterationLimit.
    assert value("l = {a, b}\nDo[l, {5000}]\nl") == "{a, b}"


@pytest.mark.parametrize(
    "code",
    ["g[n_] := g[n + 1] + 1\ng[1]", "h[n_] := h[n + 1]\nh[1]", "Block[{$RecursionLimit = 50}, f[0] = 0; f[n_] := f[n - 1] + 1; f[90]]"],
)
def test_what_never_ends_is_aborted(code: str, value: Callable[[str], str]) -> None:
    with pytest.raises(AbortInterrupt):
        value(code)

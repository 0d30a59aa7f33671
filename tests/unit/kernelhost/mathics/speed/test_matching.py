"""Rules match as Mathics3 matches them, with and without a search."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.speed import matching


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("f[x_, x_] := same\nf[x_, y_] := other\n{f[1, 1], f[1, 2]}", "{same, other}"),
        ("f[x_, y_] := other\nf[x_, x_] := same\n{f[1, 1], f[1, 2]}", "{same, other}"),
        ("f[x_] /; x > 0 := first\nf[x_] /; x < 9 := second\n{f[5], f[-1]}", "{first, second}"),
        ("f[x_] := one\nf[x_] := two\nf[1]", "two"),
        ("f[_] = any\nf[1] = one\nf[_Integer] = int\n{f[1], f[2], f[a]}", "{one, int, any}"),
        ("f[a_, b__, c_] := {a, {b}, c}\n{f[1, 2, 3, 4], f[1, 2, 3], f[1, 2]}", "{{1, {2, 3}, 4}, {1, {2}, 3}, f[1, 2]}"),
        ("f[x___] := {x}\n{f[], f[1], f[1, 2]}", "{{}, {1}, {1, 2}}"),
        ("f[x_Integer] := i\nf[x_Symbol] := s\n{f[1], f[a], f[1.]}", "{i, s, f[1.]}"),
        ("f[{x_, y_}, g[z_]] := {x, y, z}\nf[{1, 2}, g[3]]", "{1, 2, 3}"),
        ("f[x__Integer] := {x}\n{f[1, 2], f[1, a]}", "{{1, 2}, f[1, a]}"),
        ("f[x_][y_] := {x, y}\nf[1][2]", "{1, 2}"),
        ("f[0] = zero\nf[x_] := other\n{f[0], f[0.], f[1]}", "{zero, other, other}"),
        ("f[x_] /; x > 2 := big\n{f[1], f[3]}", "{f[1], big}"),
        ("f[x_] := big /; x > 2\n{f[1], f[3]}", "{f[1], big}"),
        ("f[x_ : 5] := x\n{f[], f[1]}", "{5, 1}"),
        ("SetAttributes[f, Orderless]\nf[a, x_] := x\nf[b, a]", "b"),
        ("SetAttributes[f, Flat]\nf[x_, y_] := g[x, y]\nf[1, 2]", "g[1, 2]"),
        ("Options[f] = {k -> 1}\nf[x_, OptionsPattern[]] := {x, OptionValue[k]}\n{f[1], f[1, k -> 2], f[1]}", "{{1, 1}, {1, 2}, {1, 1}}"),
        ("f[x_] := Function[t, t + x]\nf[2][3]", "5"),
        ("f[x_] := Function[{t}, t]\nf[2][3]", "3"),
        ("f[x_] := Module[{y = x}, y + 1]\n{f[1], f[2]}", "{2, 3}"),
        ("{g[1], g[2, 3], h[1]} /. g[x_] :> {x}", "{{1}, g[2, 3], h[1]}"),
        ("f[x_] := (x++; x)\nf[3]", "3"),
        ("f[h : g[_]] := {h}\nf[g[1]]", "{g[1]}"),
        ("f[x_, y___, x_] := {y}\n{f[1, 2, 1], f[1, 2, 3]}", "{{2}, f[1, 2, 3]}"),
    ],
)
def test_rules_apply(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value("ClearAll[f]\n" + code) == expected
    assert matching.correct_matching

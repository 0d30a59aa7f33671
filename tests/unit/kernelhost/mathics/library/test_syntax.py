"""Operators that Mathics3 lacks, beside those it has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import syntax


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("(x |-> x^2)[3]", "9"),
        ("({x, y} |-> x + y)[1, 2]", "3"),
        ("Map[t |-> t + 1, {1, 2}]", "{2, 3}"),
        ("x = 3\nx //= f\nx", "f[3]"),
        ("l = {3, 1}\nl //= Sort\nl", "{1, 3}"),
        ("{a || b, c | d, 4 // Sqrt, 6/2}", "{a || b, c | d, 2, 3}"),
        ("{(f @* g /* h)[x], (f /* g @* h)[x]}", "{h[f[g[x]]], g[h[f[x]]]}"),
        ('StringReplace["xb xa", "x" ~~ ("a" | "b") -> "!"]', '"! !"'),
        ('{StringMatchQ["a1", {"a", "b"} ~~ DigitCharacter], StringMatchQ["b", {"a", "b"}]}', "{True, True}"),
        ('StringReplace["abc", c : CharacterRange["a", "b"] :> c <> c]', '"aabbc"'),
        ('StringCases["a", NumberString]', "{}"),
        (r"\[Alpha]x", "αx"),
        (r"Context[\[Alpha]x1]", '"Global`"'),
        (r'ToExpression["2*\\[Beta]y"]', "2*βy"),
        (r"\[Alpha] + \[Alpha]", "2*α"),
    ],
)
def test_values(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert syntax.__doc__

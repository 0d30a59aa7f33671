"""Roots of numbers in the form of the language: below the bar, and one in each product."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mathics.core.atoms import Integer, Rational

from kernelbus.kernelhost.mathics.speed import roots


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("{1/Sqrt[2], Sqrt[2]/2, 2/Sqrt[2], Sqrt[3]/2}", "{1/Sqrt[2], 1/Sqrt[2], Sqrt[2], Sqrt[3]/2}"),
        ("{3*Sqrt[2]/2, Sqrt[2]/4, Sqrt[6]/2, 2*Sqrt[3]/3, 6/Sqrt[3]}", "{3/Sqrt[2], 1/(2*Sqrt[2]), Sqrt[3/2], 2/Sqrt[3], 2*Sqrt[3]}"),
        ("{Sqrt[2/3], Sqrt[4/3], Sqrt[8/27], 12^(-1/2)}", "{Sqrt[2/3], 2/Sqrt[3], (2*Sqrt[2/3])/3, 1/(2*Sqrt[3])}"),
        ("{Sqrt[2]*Sqrt[3], Sqrt[2]/Sqrt[3], x*Sqrt[2]/Sqrt[8]}", "{Sqrt[6], Sqrt[2/3], x/2}"),
        ("{2^(1/3)/2, 4/2^(1/3), 2^(-1/3)}", "{2^(-2/3), 2*2^(2/3), 2^(-1/3)}"),
        ("{I/Sqrt[2], -1/Sqrt[2], Sqrt[-1/2]}", "{I/Sqrt[2], -(1/Sqrt[2]), I/Sqrt[2]}"),
        ("{Sqrt[2*Pi]/2, 1/Sqrt[2*Pi], Sqrt[2]*Sqrt[Pi], 2*Sqrt[Pi]}", "{Sqrt[Pi/2], 1/Sqrt[2*Pi], Sqrt[2*Pi], 2*Sqrt[Pi]}"),
        ("{Sin[Pi/4], Tan[Pi/6], N[1/Sqrt[2], 5]}", "{1/Sqrt[2], 1/Sqrt[3], 0.70711`5.}"),
        ("Expand[(1/Sqrt[2] + x)^2]", "1/2 + Sqrt[2]*x + x^2"),
        ("{Sqrt[2]*Sqrt[x], 1/Sqrt[2] + 1/Sqrt[2], Sqrt[1/2] == Sqrt[2]/2}", "{Sqrt[2]*Sqrt[x], Sqrt[2], True}"),
    ],
)
def test_roots(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


# The first example may be slow: modules are loaded for it.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.fractions(min_value=Fraction(1, 10**6), max_value=10**6), st.fractions(min_value=Fraction(1, 500), max_value=500))
def test_a_product_keeps_its_value_and_its_form(number: Fraction, radicand: Fraction) -> None:
    outside, made = roots._root(number, radicand, {})
    inside = Fraction(1)
    for each in made:
        base = each.elements[0].value
        degree = 1 if each.elements[1].value > 0 else -1
        inside *= (Fraction(int(base.p), int(base.q)) if isinstance(each.elements[0], Rational) else Fraction(int(base))) ** degree
    assert outside**2 * inside == number**2 * radicand
    assert roots._root(outside, inside, {})[0] == outside


def test_large_and_negative_bases_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert roots.power_of(Integer(10**40), Rational(-1, 2)) is None
    assert roots.power_of(Integer(-2), Rational(-1, 2)) is None
    monkeypatch.setattr(roots, "_on", [])
    assert roots.with_roots([Integer(2), Integer(3)]) is None

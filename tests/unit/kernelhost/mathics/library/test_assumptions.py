"""Assumptions in Simplify, Refine, Integrate and Limit, with the second engine and without."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import assumptions

BOTH = [
    ("Assuming[a > 0, Simplify[Sqrt[a^2]]]", "a"),
    ("Assuming[x > 0, Assuming[y > 0, Simplify[Sqrt[x^2*y^2]]]]", "x*y"),
    ("Block[{$Assumptions = x > 0}, Refine[Abs[x]]]", "x"),
    ("Simplify[Sqrt[a^2], Assumptions -> a < 0]", "-a"),
    ("Simplify[{Sqrt[x^2], Abs[x]}, x < 0]", "{-x, -x}"),
    ("Simplify[Sqrt[x^2], 1 < x <= 3]", "x"),
    ("FullSimplify[Log[x^2], x > 0]", "2*Log[x]"),
    ("Refine[Sin[n*Pi], Element[n, Integers]]", "0"),
    ("Assuming[n > 0, Integrate[x^n, {x, 0, 1}]]", "(1 + n)^(-1)"),
    ("Integrate[Exp[-a*x], {x, 0, Infinity}, Assumptions -> a > 0]", "a^(-1)"),
    ("Limit[x^n, x -> Infinity, Assumptions -> n < 0]", "0"),
    ("Assuming[a > 0, Limit[a*x, x -> Infinity]]", "Infinity"),
    ("Simplify[Sqrt[x^2]]", "Sqrt[x^2]"),
]


@pytest.mark.parametrize(("code", "expected"), BOTH)
def test_assumptions_are_used(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code).replace("1/(1 + n)", "(1 + n)^(-1)").replace("1/a", "a^(-1)") == expected


@pytest.mark.parametrize(("code", "expected"), [BOTH[0], BOTH[5], BOTH[7], BOTH[9]])
def test_sympy_uses_them_alone(code: str, expected: str, value: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assumptions.Delegate, "value", lambda *_, **__: None)
    assert value(code).replace("1/a", "a^(-1)") == expected


def test_what_is_assumed_of_a_bound_variable_is_not_used(value: Callable[[str], str]) -> None:
    assert value("Integrate[Abs[x], {x, -1, 1}, Assumptions -> x > 0]") == "1"

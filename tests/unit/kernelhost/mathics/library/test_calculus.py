"""Derivatives by vectors and of pieces, and limits that SymPy does not find."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import calculus


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("D[{x^2, x*y}, {{x, y}}]", "{{2*x, 0}, {y, x}}"),
        ("D[x^2*y, {{x, y}, 2}]", "{{2*y, 2*x}, {2*x, 0}}"),
        ("D[Piecewise[{{x^2, x < 1}}, x], x]", "Piecewise[{{2*x, x < 1}}, 1]"),
        ("DSolve[{y'[x] == 2*y[x], y[0] == 1}, y[x], x]", "{{y[x] -> E^(2*x)}}"),
        ("DSolve[{y''[x] == 2, y[0] == 0, y[1] == 3}, y, x]", "{{y -> Function[{x}, 2*x + x^2]}}"),
        ("DSolve[{y'[x] == y[x]}, y[x], x]", "{{y[x] -> E^x*C[1]}}"),
        ("D[x^x, x]", "x^x*(1 + Log[x])"),
        ("D[a^x + x^n, x]", "n*x^(-1 + n) + a^x*Log[a]"),
        ("Integrate[x*y, {x, 0, 1}, {y, 0, x}]", "1/8"),
        ("Integrate[1, {x, 0, 1}, {y, 0, 1 - x}, {z, 0, 1 - x - y}]", "1/6"),
        ("Integrate[x*y, x, y]", "(x^2*y^2)/4"),
        ("{Integrate[Log[x], x], Integrate[x^2*Log[x], x]}", "{-x + x*Log[x], -1/9*x^3 + (x^3*Log[x])/3}"),
        ("Integrate[x*E^x, x]", "E^x*(-1 + x)"),
        ("{Integrate[1/x, {x, 1, E}], Integrate[1/x^2, {x, 1, Infinity}]}", "{1, 1}"),
        ("Quiet[Integrate[1/x, {x, 0, 1}]]", "Integrate[x^(-1), {x, 0, 1}]"),
        ("Limit[ArcTan[x/a]/a, x -> Infinity]", "Limit[ArcTan[x/a]/a, x -> Infinity]"),
    ],
)
def test_derivatives_and_limits(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert calculus.install_derivatives

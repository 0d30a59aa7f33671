"""Products and powers of trigonometric functions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import reciprocals


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("{1/Cos[x], 1/Sin[x]^2, 1/Tan[x], 1/Sec[x], 1/Coth[x]}", "{Sec[x], Csc[x]^2, Cot[x], Cos[x], Tanh[x]}"),
        ("{Sin[x]/Cos[x], Cos[x]/Sin[x], Sin[x]^2/Cos[x]^2, Sinh[x]/Cosh[x]}", "{Tan[x], Cot[x], Tan[x]^2, Tanh[x]}"),
        ("{Sin[x]/Cos[x]^2, Sin[x]^2/Cos[x], Cos[x]*Tan[x], Sec[x]*Cos[x]}", "{Sec[x]*Tan[x], Sin[x]*Tan[x], Sin[x], 1}"),
        ("{Sin[x]*Cos[x], Sin[x]/Cos[y], a*Tan[x]*Cot[x], 1/Sinh[x]/Cosh[x]}", "{Cos[x]*Sin[x], Sec[y]*Sin[x], a, Csch[x]*Sech[x]}"),
        ("{Sec[x], Csch[x], Sec[-x], Csc[-x], Sec[Pi/3], Csc[0], Sec[1.]}",
         "{Sec[x], Csch[x], Sec[x], -Csc[x], 2, ComplexInfinity, 1.8508157176809257}"),
        ("{D[Log[Cos[x]], x], D[Sin[x]^x, x]}", "{-Tan[x], (x*Cot[x] + Log[Sin[x]])*Sin[x]^x}"),
        ("{Sin[x]^a/Cos[x]^a, Cos[x]^(-1/2), Cos[]^-1}", "{Sin[x]^a/Cos[x]^a, 1/Sqrt[Cos[x]], Cos[]^(-1)}"),
    ],
)
def test_products_and_powers(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


@pytest.mark.parametrize("sine", range(-2, 3))
@pytest.mark.parametrize("cosine", range(-2, 3))
def test_what_is_written_is_the_same(sine: int, cosine: int) -> None:
    powers = {head.name.removeprefix("System`"): each for head, each in reciprocals._POWERS.items()}
    found = reciprocals._written("", sine, cosine)
    assert sum(powers[name][1] * exponent for name, exponent in found) == sine
    assert sum(powers[name][2] * exponent for name, exponent in found) == cosine
    assert all(exponent > 0 for _, exponent in found)

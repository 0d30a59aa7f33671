"""Trigonometric functions of rational multiples of Pi."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import angles


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("{Sin[Pi/12], Cos[Pi/12], Tan[Pi/12]}", "{(-1 + Sqrt[3])/(2*Sqrt[2]), (1 + Sqrt[3])/(2*Sqrt[2]), 2 - Sqrt[3]}"),
        ("{Cos[Pi/5], Sin[Pi/10], Sin[75 Degree]}", "{(1 + Sqrt[5])/4, (-1 + Sqrt[5])/4, (1 + Sqrt[3])/(2*Sqrt[2])}"),
        ("{Sin[2], Cos[-2], Tan[0], N[Sin[1], 5]}", "{Sin[2], Cos[2], 0, 0.84147`5.}"),
        ("{Sin[Pi/8], Cos[Pi/7]}", "{Sin[Pi/8], Cos[Pi/7]}"),
        ("{Sin[Pi/4], Cos[Pi/3], Tan[Pi/6], Sin[2*Pi], Sin[x*Pi]}", "{1/Sqrt[2], 1/2, 1/Sqrt[3], 0, Sin[Pi*x]}"),
    ],
)
def test_values(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


def test_every_value_is_right_in_numbers(value: Callable[[str], str]) -> None:
    places = "Join[Range[-23, 23]/12, Range[-19, 19]/10]"
    code = "Max[Abs[N[#[place*Pi]] - N[#[N[place*Pi, 30]]]] & /@ {functions}] < 10^-9"
    for each in ("Sin, Cos", "Tan, Sec", "Cot, Csc"):
        kept = f"Select[{places}, FreeQ[N[{{{', '.join(name + '[#*Pi]' for name in each.split(', '))}}}], ComplexInfinity] &]"
        whole = f"AllTrue[{kept}, Function[place, {code.replace('functions', each)}]]"
        assert value(f"Quiet[{whole}]") == "True", each
    assert angles.turned

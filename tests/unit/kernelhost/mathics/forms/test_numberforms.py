"""Numbers in the forms of numbers."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.atoms import Integer, MachineReal, PrecisionReal, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolTrue
from sympy import Float

from kernelbus.kernelhost.mathics.forms.numberforms import Written, in_base, style_of


def pair(first: int, second: int) -> Any:
    return ListExpression(Integer(first), Integer(second))


def rule(name: str, value: Any) -> Any:
    return Expression(Symbol("System`Rule"), Symbol(f"System`{name}"), value)


def strings(*texts: str) -> Any:
    return ListExpression(*map(String, texts))


@pytest.mark.parametrize(
    ("name", "number", "spec", "expected"),
    [
        ("ScientificForm", MachineReal(12345.6), [], Written("1.23456", "4")),
        ("ScientificForm", MachineReal(0.000123), [], Written("1.23", "-4")),
        ("ScientificForm", MachineReal(12345.678), [Integer(3)], Written("1.23", "4")),
        ("ScientificForm", MachineReal(9.99999999), [], Written("1.", "1")),
        ("ScientificForm", MachineReal(1.5), [], Written("1.5")),
        ("ScientificForm", MachineReal(0.0), [], Written("0.")),
        ("ScientificForm", MachineReal(1234.5), [pair(3, 2)], Written("1.23", "3")),
        ("ScientificForm", Integer(123), [], None),
        ("EngineeringForm", MachineReal(12345.6), [], Written("12.3456", "3")),
        ("AccountingForm", MachineReal(-12.5), [], Written("(12.5)")),
        ("AccountingForm", MachineReal(1234567.0), [rule("DigitBlock", Integer(3))], Written("1,234,567.")),
        ("PaddedForm", Integer(12), [Integer(5)], Written("    12")),
        ("PaddedForm", Integer(7), [Integer(3), rule("NumberPadding", strings("0", " "))], Written("0007")),
        ("PaddedForm", Integer(123456), [Integer(10), rule("DigitBlock", Integer(3))], Written("       123,456")),
        ("PaddedForm", MachineReal(3.14159), [pair(6, 2)], Written("    3.14")),
        ("PaddedForm", MachineReal(3.14159), [Integer(4)], Written(" 3.142")),
        ("PaddedForm", String("x"), [Integer(4)], None),
        ("NumberForm", MachineReal(3.14159265), [Integer(3)], Written("3.14")),
        ("NumberForm", MachineReal(2.675), [pair(4, 2)], Written("2.68")),
        ("NumberForm", MachineReal(1234567.891), [pair(10, 2)], Written("1234567.89")),
        ("NumberForm", MachineReal(1.5e10), [], Written("1.5", "10")),
        ("NumberForm", MachineReal(1.5e10), [rule("ExponentFunction", Expression(Symbol("System`Function"), Symbol("System`Null")))],
         Written("15000000000.")),
        ("NumberForm", Integer(1234567), [rule("DigitBlock", Integer(3))], Written("1,234,567")),
        ("NumberForm", MachineReal(1234567.1234567), [pair(14, 7), rule("DigitBlock", Integer(3))], Written("1,234,567.123 456 7")),
        ("NumberForm", MachineReal(1234.5), [rule("NumberPoint", String(","))], Written("1234,5")),
        ("NumberForm", Integer(5), [pair(5, 2)], Written("5")),
        ("NumberForm", MachineReal(2.5), [rule("NumberSigns", strings("-", "+"))], Written("+2.5")),
        ("NumberForm", MachineReal(-2.5), [pair(4, 2), rule("NumberPadding", strings("0", "0")), rule("SignPadding", SymbolTrue)],
         Written("-02.50")),
        ("NumberForm", PrecisionReal(Float("3.14159265358979323846264338328", 30)), [Integer(10)], Written("3.141592654")),
        ("PercentForm", MachineReal(0.125), [], Written("12.5%")),
        ("PercentForm", MachineReal(0.25), [], Written("25%")),
        ("DecimalForm", MachineReal(1.2e-6), [], Written("0.0000012")),
        ("DecimalForm", MachineReal(1.5e10), [], Written("15000000000.")),
    ],
)  # fmt: skip
def test_numbers_are_written(name: str, number: Any, spec: list[Any], expected: Written | None) -> None:
    style = style_of(name, spec)
    assert style is not None
    assert style.written(number) == expected


@pytest.mark.parametrize("spec", [[String("x")], [Integer(0)], [Integer(1), Integer(2)]])
def test_what_is_no_form(spec: list[Any]) -> None:
    assert style_of("NumberForm", spec) is None


@pytest.mark.parametrize(
    ("number", "base", "expected"),
    [
        (Integer(10), 2, "1010"),
        (Integer(-255), 16, "-ff"),
        (MachineReal(0.5), 2, "0.1"),
        (MachineReal(10.25), 2, "1010.01"),
        (String("x"), 2, None),
        (Integer(1), 1, None),
    ],
)
def test_bases(number: Any, base: int, expected: str | None) -> None:
    assert in_base(number, base) == expected

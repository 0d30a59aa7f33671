"""Numbers in the forms of numbers."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.atoms import Integer, MachineReal, String
from mathics.core.list import ListExpression

from kernelbus.kernelhost.mathics.forms.numberforms import Written, written

PAIR = ListExpression(Integer(6), Integer(2))


@pytest.mark.parametrize(
    ("name", "number", "spec", "expected"),
    [
        ("ScientificForm", MachineReal(12345.6), [], Written("1.23456", "4")),
        ("ScientificForm", MachineReal(0.000123), [], Written("1.23", "-4")),
        ("ScientificForm", MachineReal(12345.678), [Integer(3)], Written("1.23", "4")),
        ("ScientificForm", MachineReal(9.99999999), [], Written("1.", "1")),
        ("ScientificForm", MachineReal(1.5), [], Written("1.5")),
        ("ScientificForm", Integer(123), [], None),
        ("EngineeringForm", MachineReal(12345.6), [], Written("12.3456", "3")),
        ("AccountingForm", MachineReal(-12.5), [], Written("(12.5)")),
        ("PaddedForm", Integer(12), [Integer(5)], Written("    12")),
        ("PaddedForm", MachineReal(3.14159), [PAIR], Written("    3.14")),
        ("PaddedForm", MachineReal(3.14159), [Integer(4)], Written(" 3.142")),
        ("PaddedForm", String("x"), [Integer(4)], None),
        ("PaddedForm", Integer(1), [String("x")], None),
    ],
)
def test_numbers_are_written(name: str, number: Any, spec: list[Any], expected: Written | None) -> None:
    assert written(name, number, spec) == expected

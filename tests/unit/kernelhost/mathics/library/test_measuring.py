"""Quantities with units that the engine does not know."""

from __future__ import annotations

from fractions import Fraction

import pytest
from mathics.core.atoms import Integer, MachineReal
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.measuring import read_text

pytest.importorskip("woxi")


def test_numbers_in_texts() -> None:
    assert read_text("5 km") == (Integer(5), {"Kilometers": Fraction(1)})
    assert read_text("2.5e3 g") == (MachineReal(2500.0), {"Grams": Fraction(1)})
    assert read_text("hours") == (Integer(1), {"Hours": Fraction(1)})
    assert read_text("5") is None
    assert read_text("five km") is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('UnitConvert[Quantity[1, "Pints"], "Cups"]', 'Quantity[2, "Cups"]'),
        ('UnitConvert[Quantity[90, "ArcMinutes"], "AngularDegrees"]', 'Quantity[3/2, "AngularDegrees"]'),
        ('UnitConvert[Quantity[90, "Minutes"], MixedUnit[{"Hours", "Minutes"}]]',
         'Quantity[MixedMagnitude[{1, 30}], MixedUnit[{"Hours", "Minutes"}]]'),
        ('UnitConvert[Quantity[1, "Tablespoons"], "Seconds"]', "$Failed"),
        ('CompatibleUnitQ["Torr", "Pascals"]', "True"),
        ('UnitSimplify[Quantity[2, "Meters"]]', 'Quantity[2, "Meters"]'),
        ('Cos[Quantity[60, "AngularDegrees"]]', "1/2"),
        ('Quantity[1, "Quarts"] + Quantity[2, "Pints"]', 'Quantity[4, "Pints"]'),
        ('Quantity[1, "Quarts"] == Quantity[2, "Pints"]', "True"),
    ],
)  # fmt: skip
def test_functions(loaded: Loaded, code: str, expected: str) -> None:
    assert text_of(loaded, f"Quiet[{code}]") == expected

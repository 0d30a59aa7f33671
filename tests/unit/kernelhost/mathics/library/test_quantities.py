"""Dates and quantities, as the second engine has them, and what is added to that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.engine.process import is_installed
from kernelbus.kernelhost.mathics.library import quantities

needs_woxi = pytest.mark.skipif(not is_installed(), reason="woxi is not installed")


@needs_woxi
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("{Head[Now], Head[Today], Tomorrow - Yesterday}", '{DateObject, DateObject, Quantity[2, "Days"]}'),
        ("DateObject[{2024, 1, 31}] + Quantity[1, \"Days\"]", 'DateObject[{2024, 2, 1}, "Day"]'),
        ('DatePlus["2024-01-01", 3]', 'DateObject[{2024, 1, 4}, "Day"]'),
        ("DateDifference[{2024, 1, 1}, {2024, 3, 1}, \"Month\"]", 'Quantity[2, "Months"]'),
        ('DateString[DateObject[{2024, 5, 6}], {"DayName", " ", "Year"}]', '"Monday 2024"'),
        ('DateObject[{2024, 5, 6}]["DayName"]', "Monday"),
        ("DateObject[{2024, 1, 1}] < DateObject[{2024, 1, 2}]", "True"),
        ("DateList[FromUnixTime[0]]", "{1970, 1, 1, 0, 0, 0.}"),
        ("{BusinessDayQ[{2024, 1, 1}], BusinessDayQ[{2024, 1, 6}]}", "{True, False}"),
        ('Quantity[3, "Meters"] + Quantity[20, "Centimeters"]', 'Quantity[320, "Centimeters"]'),
        ('2*Quantity[6, "Meters"]/Quantity[2, "Seconds"]', 'Quantity[6, "Meters"/"Seconds"]'),
        ('{Quantity[1, "Hours"] == Quantity[60, "Minutes"], Quantity[1, "Kilometers"] > Quantity[500, "Meters"]}', "{True, True}"),
        ('UnitConvert[Quantity[1, "Hours"], "SI"]', 'Quantity[3600, "Seconds"]'),
        ('UnitConvert[Quantity[25, "DegreesCelsius"], "Kelvins"]', 'Quantity[5963/20, "Kelvins"]'),
        ('ToString[Quantity[3, "Meters"/"Seconds"^2]]', '"3 meters per second squared"'),
        ('ToString[Quantity[1, "LightYears"]]', '"1 light year"'),
        ('Check[Quantity[3, "Foos"], "unknown", Quantity::unkunit]', '"unknown"'),
        ('Check[Quantity[3, "DegreesCelsius"]; Quantity[3, "Meter"], "unknown"]', 'Quantity[3, "Meters"]'),
    ],
)
def test_dates_and_quantities(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert quantities.install_quantities

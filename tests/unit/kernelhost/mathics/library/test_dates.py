"""Moving dates, and what lies between two."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.dates import advanced, whole_units


@pytest.mark.parametrize(
    ("count", "unit", "expected"),
    [
        (1, "Month", datetime(2020, 2, 29)),
        (-1, "Month", datetime(2019, 12, 31)),
        (1, "Year", datetime(2021, 1, 31)),
        (Fraction(1, 2), "Day", datetime(2020, 1, 31, 12)),
        (90, "Minute", datetime(2020, 1, 31, 1, 30)),
    ],
)
def test_a_moment_later(count: int, unit: str, expected: datetime) -> None:
    assert advanced(datetime(2020, 1, 31), Fraction(count), unit) == expected


def test_units_between() -> None:
    begin, end = datetime(2020, 1, 31), datetime(2021, 3, 1, 6)
    assert whole_units(begin, end, ["Year", "Month", "Day"]) == [1, 1, Fraction(5, 4)]
    assert whole_units(end, begin, ["Day"]) == [-Fraction(1581, 4)]
    assert whole_units(begin, begin, ["Month"]) == [0]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('DatePlus[{2022, 3, 4, 23, 0, 0}, {2, "Hour"}]', "{2022, 3, 5, 1, 0, 0.}"),
        ('DatePlus[{2022, 3, 4}, {30, "Minute"}]', "{2022, 3, 4, 0, 30, 0.}"),
        ('Rest[DateRange[{2022, 1, 1}, {2022, 1, 2}, {12, "Hour"}]]', "{{2022, 1, 1, 12, 0, 0.}, {2022, 1, 2, 0, 0, 0.}}"),
        ('DateDifference[{2022, 1, 1}, {2022, 3, 15}, {"Month"}][[2]]', '"Months"'),
        ('DayCount[{2022, 1, 7}, {2022, 1, 10}, "Weekday"]', "1"),
        ("DateRange[{2022, 1, 1}, x]", "DateRange[{2022, 1, 1}, x]"),
    ],
)
def test_functions(loaded: Loaded, code: str, expected: str) -> None:
    assert text_of(loaded, code) == expected

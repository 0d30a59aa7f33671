"""Sizes, dimensions and names of units."""

from __future__ import annotations

from fractions import Fraction

import pytest

from kernelbus.kernelhost.mathics.library.units import (
    DIMENSIONS,
    Measure,
    base_units,
    measure,
    parse,
    simpler,
)


def unit(**powers: int) -> dict[str, Fraction]:
    return {name: Fraction(power) for name, power in powers.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("km", unit(Kilometers=1)),
        ("kilometers", unit(Kilometers=1)),
        ("Kilometer", unit(Kilometers=1)),
        ("km/h", unit(Kilometers=1, Hours=-1)),
        ("meters per second", unit(Meters=1, Seconds=-1)),
        ("kg m/s^2", unit(Kilograms=1, Meters=1, Seconds=-2)),
        ("square feet", unit(Feet=2)),
        ("meters squared", unit(Meters=2)),
        ("m\u00b3", unit(Meters=3)),
        ("m^-1", unit(Meters=-1)),
        ("nautical miles", unit(NauticalMiles=1)),
        ("mph", unit(Miles=1, Hours=-1)),
        ("\u00b0C", unit(DegreesCelsius=1)),
        ("MB", unit(Megabytes=1)),
        ("kWh", unit(KilowattHours=1)),
        ("m/m", None),
        ("frobs", None),
        ("5", None),
        ("km +", None),
    ],
)
def test_texts(text: str, expected: dict[str, Fraction] | None) -> None:
    assert parse(text) == expected


def test_sizes() -> None:
    assert measure(unit(Miles=1)) == Measure(Fraction(1609344, 1000), 0, (("Meters", Fraction(1)),))
    assert measure(unit(AngularDegrees=1)) == Measure(Fraction(1, 180), 1, (("Radians", Fraction(1)),))
    joule = measure(unit(Joules=1))
    assert joule is not None
    assert measure(unit(KilowattHours=1)) == Measure(Fraction(3600000), 0, joule.dimensions)
    assert measure(unit(Frobs=1)) is None
    assert measure({"Feet": Fraction(1, 2)}) is None


def test_every_dimension_is_its_own_unit() -> None:
    for name in DIMENSIONS:
        assert base_units(unit(**{name: 1})) == unit(**{name: 1})


def test_simpler_units() -> None:
    assert simpler(unit(Kilograms=1, Meters=1, Seconds=-2)) == (unit(Newtons=1), Fraction(1))
    assert simpler(unit(Kilometers=1, Meters=-1)) == ({}, Fraction(1000))
    assert simpler(unit(Newtons=1)) is None
    assert simpler(unit(Meters=1, Seconds=-1)) is None

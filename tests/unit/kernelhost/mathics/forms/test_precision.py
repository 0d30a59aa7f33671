"""Mathics3's reals with the sign and the precision that they were given."""

from __future__ import annotations

import math

import pytest
from mathics.core.atoms import Complex, Integer, MachineReal, PrecisionReal, Rational

from kernelbus.kernelhost.mathics.forms.precision import (
    complex_number,
    digits_of,
    machine_real,
    precise_real,
    real_number,
    real_text,
)
from kernelbus.kernelhost.mathics.forms.reals import parse_real


def test_a_zero_keeps_its_sign() -> None:
    zero, other = machine_real(-0.0), machine_real(0.0)
    assert math.copysign(1, zero.value) == -1
    assert math.copysign(1, other.value) == 1
    assert zero == other
    assert hash(zero) == hash(other)
    assert zero.sameQ(other)
    assert machine_real(-1.5) is MachineReal(-1.5)


@pytest.mark.parametrize("text", ["17.`30.2304", "-1.5`20.17609125905568", "1.`20.*^-1000", "0``20.5", "2.5`3.25*^6"])
def test_a_precision_is_kept(text: str) -> None:
    number = real_number(parse_real(text))
    assert type(number) is PrecisionReal
    assert real_text(number) == text
    assert digits_of(number) == parse_real(text).digits
    assert digits_of(-number) is None


def test_two_precisions_of_one_value_are_two_numbers_that_are_the_same() -> None:
    one, other = precise_real("17", 30.23), precise_real("17", 30.24)
    assert one.value == other.value
    assert (digits_of(one), digits_of(other)) == (30.23, 30.24)
    assert one == other
    assert hash(one) == hash(other)
    assert one.sameQ(other)
    assert digits_of(PrecisionReal(one.value)) is None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1.*^400", "1.`15.954589770191003*^400"),
        ("-1.5*^-400", "-1.5`15.954589770191003*^-400"),
    ],
)
def test_a_machine_number_that_no_machine_holds(text: str, written: str) -> None:
    assert real_text(real_number(parse_real(text))) == written


@pytest.mark.parametrize(("text", "value"), [("1.5", 1.5), ("-0.", -0.0), ("0.*^999", 0.0), ("1.*^308", 1e308)])
def test_machine_numbers(text: str, value: float) -> None:
    number = real_number(parse_real(text))
    assert type(number) is MachineReal
    assert repr(number.value) == repr(value)


def test_the_parts_of_a_complex_number_keep_theirs() -> None:
    made = complex_number(precise_real("1.5", 20.25), precise_real("2.5", 30.5))
    assert (real_text(made.real), real_text(made.imag)) == ("1.5`20.25", "2.5`30.5")
    again = complex_number(precise_real("1.5", 20.26), precise_real("2.5", 30.51))
    assert (real_text(again.real), real_text(again.imag)) == ("1.5`20.26", "2.5`30.51")
    zeros = complex_number(machine_real(-0.0), machine_real(-0.0))
    assert [math.copysign(1, part.value) for part in (zeros.real, zeros.imag)] == [-1, -1]
    assert math.copysign(1, zeros._value.real) == -1
    plus = complex_number(machine_real(0.0), machine_real(0.0))
    assert [math.copysign(1, part.value) for part in (plus.real, plus.imag)] == [1, 1]
    assert zeros == plus


def test_complex_numbers_of_other_parts_are_as_mathics_makes_them() -> None:
    assert complex_number(Integer(1), Rational(1, 2)) is Complex(Integer(1), Rational(1, 2))
    assert complex_number(precise_real("1.5", 20.25), Integer(0)).value == precise_real("1.5", 20.25).value
    rounded = complex_number(machine_real(0.5), precise_real("1.5", 30.5))
    assert type(rounded.real) is type(rounded.imag) is MachineReal
    with pytest.raises(OverflowError):
        complex_number(Integer(0), Integer(10**400))

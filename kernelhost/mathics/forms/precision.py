"""Make Mathics3's real numbers so that they keep what they came with, and write them out again.

Mathics3 has one object for all reals of one value, and knows a precision only as a number of bits.
The numbers made here are objects of their own: a machine zero keeps its sign, and a number of
arbitrary precision keeps the precision in decimal digits that it was given, as ``digits``. What is
computed from them has neither.
"""

from __future__ import annotations

import math
from typing import Any

import sympy
from mathics.core.atoms import Complex, MachineReal, PrecisionReal

from kernelbus.kernelhost.mathics.forms.reals import MACHINE_DIGITS, ParsedReal, bits_of_digits, precise_text

__all__ = ["complex_number", "digits_of", "machine_real", "precise_real", "real_number", "real_text"]

_new = object.__new__


def machine_real(value: float) -> Any:
    """Return the machine real of a finite value; -0. stays -0."""
    if value == 0.0 and math.copysign(1.0, value) < 0:
        number = _new(MachineReal)
        number._value = value
        number.hash = hash((MachineReal, value))
        return number
    return MachineReal(value)


def precise_real(text: str | sympy.Number, digits: float) -> Any:
    """Return the real of a value, given as ``1.5e3`` or a number, with a precision in digits."""
    value = sympy.Float(text, precision=bits_of_digits(digits))
    number = _new(PrecisionReal)
    number._sympy = number._value = value
    number.hash = hash((PrecisionReal, value))
    number.digits = digits
    return number


def real_number(parsed: ParsedReal) -> Any:
    """Return the real that was read from a text.

    A machine number beyond the range of the machine's becomes one of arbitrary precision.
    """
    digits = parsed.digits
    if digits is None:
        value = float(parsed)
        if math.isfinite(value) and (value or not parsed.mantissa):
            return machine_real(value)
        digits = MACHINE_DIGITS
    sign = "-" if parsed.negative else ""
    return precise_real(f"{sign}{parsed.mantissa}e{parsed.exponent}", digits)


def digits_of(number: Any) -> float | None:
    """Return the precision in decimal digits that a real was given, None if it was given none."""
    digits: float | None = getattr(number, "digits", None)
    return digits


def real_text(number: Any) -> str:
    """Return the InputForm of a real of arbitrary precision."""
    return precise_text(number.value._mpf_, number.value._prec, digits_of(number))


def complex_number(real: Any, imaginary: Any) -> Any:
    """Return the number of two parts, each of which keeps what it came with.

    Raises:
        OverflowError: an exact part is beyond the range of machine numbers, for which Mathics3 has
            no complex number.
    """
    made = Complex(real, imaginary)
    parts = (real, imaginary)
    if type(made) is not Complex or not any(map(_is_own, parts)):
        return made
    if type(made.real) is not type(real) or type(made.imag) is not type(imaginary):
        return made  # a part was rounded to the precision of the other
    number = _new(Complex)
    number.__dict__.update(made.__dict__)
    number.real, number.imag = parts
    number._exact_value = (*parts, made.precision)
    number._value = complex(real.value, imaginary.value)
    return number


def _is_own(number: Any) -> bool:
    return "digits" in number.__dict__ or (type(number) is MachineReal and number._value == 0.0)

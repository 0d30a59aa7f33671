"""Write and read real numbers as InputForm text, the form in which they travel beyond machine
precision.

A Mathics3 ``PrecisionReal`` holds a binary mantissa of so many bits; the language counts decimal
digits. Here they are matched so that a number that goes out and comes back has the same bits: bits
stand for the digits that ``mpmath`` takes them for where that is a whole number, and for a fraction
of one otherwise.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import mpmath.libmp as libmp

__all__ = ["ParsedReal", "bits_of_digits", "digits_of_bits", "float_text", "parse_real", "precise_text"]

_LOG2_10 = 3.3219280948873626

#: An exponent of ten beyond this would take minutes and gigabytes to turn into a binary number.
MAXIMUM_EXPONENT = 1_000_000
#: The greatest precision or accuracy that a number may be marked with, digits: it is computed with
#: that many.
MAXIMUM_DIGITS = 1_000_000

_REAL = re.compile(
    r"(?P<sign>[-+]?)(?P<whole>[0-9]*)\.?(?P<part>(?<=\.)[0-9]*|)"
    r"(?:(?P<mark>``?)(?P<digits>[-+]?[0-9]*\.?[0-9]*))?"
    r"(?:\*\^(?P<exponent>[-+]?[0-9]+))?"
)


@dataclass(frozen=True, slots=True)
class ParsedReal:
    """Hold a number read from InputForm text.

    ``negative``, ``mantissa`` and ``exponent`` give the value, mantissa times ten to the exponent.
    ``bits`` is the precision in binary digits, or None for a machine number.
    """

    negative: bool
    mantissa: int
    exponent: int
    bits: int | None


def bits_of_digits(digits: float) -> int:
    """Return the binary precision that stands for ``digits`` decimal digits."""
    return max(1, round((digits + 1) * _LOG2_10))


def digits_of_bits(bits: int) -> str:
    """Return the precision mark for ``bits`` binary digits, such that :func:`bits_of_digits` gives
    them back.
    """
    whole = libmp.prec_to_dps(bits)
    if bits_of_digits(whole) == bits:
        return f"{whole}."
    fraction = f"{max(bits / _LOG2_10 - 1, 0.0):.4f}".rstrip("0")
    return fraction


def _place(negative: bool, digits: str, exponent: int, mark: str) -> str:
    """Return InputForm text for ``0.d1 d2 d3...`` times ten to ``exponent + 1``, with a precision
    mark.

    The language writes the number out while its scientific exponent is -5 to 5, and ``m*^e``
    beyond.
    """
    digits = digits.rstrip("0") or "0"
    if -5 <= exponent <= 5:
        if exponent < 0:
            body = "0." + "0" * (-exponent - 1) + digits
        else:
            padded = digits.ljust(exponent + 1, "0")
            body = padded[: exponent + 1] + "." + padded[exponent + 1 :]
        tail = ""
    else:
        body = digits[0] + "." + digits[1:]
        tail = f"*^{exponent}"
    return ("-" if negative else "") + body + mark + tail


def float_text(value: float) -> str:
    """Return the InputForm of a machine real, with the fewest digits that give it back: ``0.1``,
    ``100000.``, ``1.*^20``.
    """
    if math.isnan(value):
        return "Indeterminate"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0." if math.copysign(1.0, value) < 0 else "0."
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    leading = len(whole) - 1 if whole.strip("0") else -(len(part) - len(part.lstrip("0"))) - 1
    if whole.strip("0"):
        leading = len(whole.lstrip("0")) - 1
    return _place(value < 0, digits, leading + int(exponent or 0), "")


def precise_text(value: tuple[int, int, int, int], bits: int) -> str:
    """Return the InputForm of an arbitrary-precision real: ``3.14`20.``, ``1.`20.*^-1000``,
    ``0``20.``.

    ``value`` is an mpmath tuple (sign, mantissa, exponent, bit count), ``bits`` its precision. The
    text has the fewest digits that give the same bits back.
    """
    sign, mantissa, _, _ = value
    if not mantissa:
        return f"0``{digits_of_bits(bits)}"
    digits = libmp.prec_to_dps(bits)
    limit = digits + 6
    _, known, exponent = libmp.to_digits_exp((0, *value[1:]), limit + 6)
    while True:
        text, places = _rounded(known, digits)
        if digits == limit or _scaled(int(text), exponent + places - len(text) + 1, bits)[1:3] == value[1:3]:
            break
        digits += 1
    return _place(bool(sign), text, exponent + places, "`" + digits_of_bits(bits))


def _rounded(digits: str, count: int) -> tuple[str, int]:
    """Return the first ``count`` digits, rounded, and how many places the point moved (1 when 9.99
    became 10).
    """
    if len(digits) <= count:
        return digits, 0
    text = str(int(digits[:count]) + (digits[count] >= "5"))
    return (text, 0) if len(text) == count else (text[:-1], 1)


def _scaled(mantissa: int, exponent: int, bits: int) -> tuple[int, int, int, int]:
    """Return mantissa times ten to the exponent as an mpmath tuple, rounded to nearest."""
    if exponent >= 0:
        return libmp.from_int(mantissa * 10**exponent, bits, "n")
    return libmp.from_rational(mantissa, 10**-exponent, bits, "n")


def parse_real(text: str) -> ParsedReal:
    """Read a real in InputForm: digits, a precision or accuracy mark, an exponent of ten.

    Text without a mark has machine precision up to 17 digits and as many digits as are written
    beyond, as the language reads it.

    Raises:
        ValueError: the text is not such a number, its exponent is beyond ``MAXIMUM_EXPONENT``, or
            its mark beyond ``MAXIMUM_DIGITS``.
    """
    match = _REAL.fullmatch(text)
    if match is None or not (match["whole"] or match["part"]):
        raise ValueError(f"{text[:40]!r} is not a real number in InputForm")
    part = match["part"].rstrip("0")
    exponent = int(match["exponent"] or 0)
    if abs(exponent) > MAXIMUM_EXPONENT:
        raise ValueError(f"the exponent of {text[:40]!r} is beyond {MAXIMUM_EXPONENT}")
    mantissa = int((match["whole"] + part) or "0")
    scale = exponent - len(part)
    bits = _bits(match, mantissa, scale)
    return ParsedReal(match["sign"] == "-", mantissa, scale, bits)


def _bits(match: re.Match[str], mantissa: int, scale: int) -> int | None:
    mark = match["mark"]
    if mark is None:
        written = len((match["whole"] + match["part"]).lstrip("0"))
        return None if written <= 17 else bits_of_digits(written - 1)
    if match["digits"] in ("", "."):
        return None
    digits = float(match["digits"])
    if digits > MAXIMUM_DIGITS:
        raise ValueError(f"the precision of {match[0][:40]!r} is beyond {MAXIMUM_DIGITS} digits")
    if mark == "``":
        # Digits after the point that are known: a precision of accuracy plus the number's size.
        # Zero has no size.
        digits += (math.log10(mantissa) + scale) if mantissa else 0.0
    return bits_of_digits(max(digits, 0.0))

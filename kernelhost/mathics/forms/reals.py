"""Write and read real numbers as InputForm text, in which they travel beyond machine precision.

A Mathics3 ``PrecisionReal`` holds a binary mantissa with a number of bits; the language counts
decimal digits. The two are matched so that a number that goes out and comes back has the same bits:
where ``mpmath`` gives a whole number of digits for the bits, that number stands for them, otherwise
a fraction does. A number that came with a precision keeps it beside the bits
(``forms/precision.py``).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import mpmath.libmp as libmp

__all__ = [
    "MACHINE_DIGITS",
    "ParsedReal",
    "bits_of_digits",
    "digits_of_bits",
    "float_text",
    "parse_real",
    "precise_text",
]

_LOG2_10 = 3.3219280948873626

#: The precision of a machine number, digits.
MACHINE_DIGITS = 53 / _LOG2_10
#: The greatest exponent of ten. A greater one would take minutes and gigabytes to make binary.
MAXIMUM_EXPONENT = 1_000_000
#: The greatest precision or accuracy that a mark may ask for, digits. That many are computed.
MAXIMUM_DIGITS = 1_000_000

_REAL = re.compile(
    r"(?P<sign>[-+]?)(?P<whole>[0-9]*)\.?(?P<part>(?<=\.)[0-9]*|)"
    r"(?:(?P<mark>``?)(?P<digits>[-+]?[0-9]*\.?[0-9]*))?"
    r"(?:\*\^(?P<exponent>[-+]?[0-9]+))?"
)


@dataclass(frozen=True, slots=True)
class ParsedReal:
    """Hold a number that was read from InputForm text.

    Attributes:
        negative: whether the number is negative.
        mantissa: the digits, a non-negative integer.
        exponent: the exponent of ten by which the mantissa is scaled.
        digits: the precision in decimal digits, that is the accuracy of a zero; None for a machine
            number.
    """

    negative: bool
    mantissa: int
    exponent: int
    digits: float | None

    @property
    def bits(self) -> int | None:
        """Return the precision in binary digits; None for a machine number."""
        return None if self.digits is None else bits_of_digits(self.digits)

    def __float__(self) -> float:
        """Return the nearest machine number: 0. or an infinity when it is out of range."""
        return float(f"{'-' if self.negative else ''}{self.mantissa}e{self.exponent}")


def bits_of_digits(digits: float) -> int:
    """Return the binary precision that stands for ``digits`` decimal digits."""
    return max(1, round((digits + 1) * _LOG2_10))


def digits_of_bits(bits: int) -> str:
    """Return the precision mark for a number of bits; :func:`bits_of_digits` inverts it."""
    whole = libmp.prec_to_dps(bits)
    if bits_of_digits(whole) == bits:
        return f"{whole}."
    fraction = f"{max(bits / _LOG2_10 - 1, 0.0):.4f}".rstrip("0")
    return fraction


def _place(negative: bool, digits: str, exponent: int, mark: str) -> str:
    """Return InputForm text for digits, an exponent and a precision mark.

    The value is ``d1.d2 d3...`` times ten to ``exponent``. The language writes a number out if its
    scientific exponent is -5 to 5, and as ``m*^e`` otherwise.
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
    """Return the InputForm of a machine real, with the fewest digits that give it back.

    For example ``0.1``, ``100000.``, ``1.*^20``.
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


def _mark(digits: float) -> str:
    """Return a precision as it is written: ``20.``, ``30.2304``."""
    text = repr(float(digits))
    return (f"{digits:.17f}".rstrip("0") if "e" in text else text).removesuffix(".0") + "." * (digits == int(digits))


def precise_text(value: tuple[int, int, int, int], bits: int, precision: float | None = None) -> str:
    """Return the InputForm of an arbitrary-precision real, with as few digits as keep its bits.

    For example ``3.14`20.``, ``1.`20.*^-1000``, ``0``20.``.

    Args:
        value: an mpmath tuple: sign, mantissa, exponent, bit count.
        bits: the precision in binary digits.
        precision: the precision in decimal digits that is to be written, when it is known.
    """
    sign, mantissa, _, _ = value
    mark = digits_of_bits(bits) if precision is None else _mark(precision)
    if not mantissa:
        return f"0``{mark}"
    digits = libmp.prec_to_dps(bits)
    limit = digits + 6
    _, known, exponent = libmp.to_digits_exp((0, *value[1:]), limit + 6)
    while True:
        text, places = _rounded(known, digits)
        if digits == limit or _scaled(int(text), exponent + places - len(text) + 1, bits)[1:3] == value[1:3]:
            break
        digits += 1
    return _place(bool(sign), text, exponent + places, "`" + mark)


def _rounded(digits: str, count: int) -> tuple[str, int]:
    """Return the first ``count`` digits, rounded, and by how many places the point moved.

    The point moves by 1 when 9.99 becomes 10.
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

    As in the language, text without a mark is a machine number if it has up to 17 digits, and
    otherwise is precise to its last digit. A text of 16 or 17 digits that no machine number has is
    precise to its last digit too: a program that puts it has a decimal number in mind.

    Raises:
        ValueError: the text is no such number, its exponent is beyond ``MAXIMUM_EXPONENT``, or its
            mark is beyond ``MAXIMUM_DIGITS``.
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
    digits = _digits(match, mantissa, scale)
    return ParsedReal(match["sign"] == "-", mantissa, scale, digits)


def _digits(match: re.Match[str], mantissa: int, scale: int) -> float | None:
    """Return the precision in decimal digits, None for a machine number."""
    mark = match["mark"]
    if mark is None:
        written = (match["whole"] + match["part"]).lstrip("0")
        if len(written) <= 15 or (len(written) <= 17 and _survives(written, match["exponent"], len(match["part"]))):
            return None
        return math.log10(int(written))
    if match["digits"] in ("", "."):
        return None
    digits = float(match["digits"])
    if digits > MAXIMUM_DIGITS:
        raise ValueError(f"the precision of {match[0][:40]!r} is beyond {MAXIMUM_DIGITS} digits")
    if mark == "``":
        # The mark counts known digits after the point; the precision is that plus the number's size
        # in digits. Zero has no size.
        digits += (math.log10(mantissa) + scale) if mantissa else 0.0
    return max(digits, 0.0)


def _survives(written: str, exponent: str | None, places: int) -> bool:
    """Tell whether a machine number has these digits, when it is written with as many."""
    value = float(f"{written}e{int(exponent or 0) - places}")
    return f"{value:.{len(written) - 1}e}".partition("e")[0].replace(".", "") == written

"""Conversions that Python does not have: huge decimal texts and 80-bit reals. No I/O."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["decimal_to_int", "extended_to_float", "extended_to_real_text", "int_to_decimal"]

# Up to this many digits Python converts by itself, whatever sys.set_int_max_str_digits says (the
# lowest limit that it takes is 640).
_PLAIN: Final = 600


def decimal_to_int(text: str) -> int:
    """Return the integer in a decimal text of any length, in less than quadratic time.

    `int()` refuses more than 4300 digits. The caller bounds the digits (`Limits.integer_digits`).
    """
    if len(text) <= _PLAIN:
        return int(text)
    negative = text.startswith("-")
    digits = text[1:] if negative else text
    powers: dict[int, int] = {}

    def value(start: int, end: int) -> int:
        # The text is halved, so the recursion is only as deep as the logarithm of its length.
        if end - start <= _PLAIN:
            return int(digits[start:end])
        low = (end - start) // 2
        power = powers.get(low)
        if power is None:
            power = powers[low] = 10**low
        return value(start, end - low) * power + value(end - low, end)

    result = value(0, len(digits))
    return -result if negative else result


def int_to_decimal(number: int) -> str:
    """Return the decimal text of an integer of any size; `str()` refuses more than 4300 digits."""
    if -(1 << 1900) < number < 1 << 1900:
        return str(number)
    # Put binary halves together in decimal arithmetic: its multiplication is fast, and the decimal
    # text of its numbers costs nothing.
    import decimal

    magnitude = abs(number)
    with decimal.localcontext() as context:
        context.prec = decimal.MAX_PREC
        context.Emax = decimal.MAX_EMAX
        context.Emin = decimal.MIN_EMIN
        two = decimal.Decimal(2)
        powers: dict[int, decimal.Decimal] = {}

        def power(width: int) -> decimal.Decimal:
            found = powers.get(width)
            if found is None:
                half = width >> 1
                found = two**width if width <= 128 else power(half) * power(width - half)
                powers[width] = found
            return found

        def value(part: int, width: int) -> decimal.Decimal:
            if width <= 128:
                return decimal.Decimal(part)
            half = width >> 1
            high = part >> half
            return value(part & ((1 << half) - 1), half) + value(high, width - half) * power(half)

        text = str(value(magnitude, magnitude.bit_length()))
    return f"-{text}" if number < 0 else text


def _extended_parts(data: bytes) -> tuple[int, int, int]:
    """Return (sign, exponent, mantissa) of an x87 real.

    It has 10 bytes, little-endian; six more bytes have no meaning.
    """
    mantissa = int.from_bytes(data[:8], "little")
    top = int.from_bytes(data[8:10], "little")
    return (-1 if top & 0x8000 else 1), (top & 0x7FFF), mantissa


def extended_to_float(data: bytes) -> float:
    """Return the machine real nearest to a real of type 0xF8.

    Both real libraries on x86 send C's `long double`: the x87's 80 bits in 16 bytes, not IEEE
    binary128.
    """
    sign, exponent, mantissa = _extended_parts(data)
    if exponent == 0x7FFF:
        return math.nan if mantissa & 0x7FFF_FFFF_FFFF_FFFF else sign * math.inf
    try:
        return sign * math.ldexp(mantissa, max(exponent, 1) - 16383 - 63)
    except OverflowError:
        return sign * math.inf


def extended_to_real_text(data: bytes) -> str | None:
    """Return a real of type 0xF8 in InputForm; None when a machine real equals it."""
    sign, exponent, mantissa = _extended_parts(data)
    nearest = extended_to_float(data)
    if exponent == 0x7FFF or (nearest - nearest == 0 and _is_exact(nearest, sign, exponent, mantissa)):
        return None
    import decimal

    with decimal.localcontext() as context:
        context.prec = 60
        context.Emax = decimal.MAX_EMAX
        context.Emin = decimal.MIN_EMIN
        value = decimal.Decimal(sign * mantissa) * decimal.Decimal(2) ** (max(exponent, 1) - 16446)
        digits, _, power = f"{value:.20e}".partition("e")
    return f"{digits}`19.27*^{int(power)}"


def _is_exact(nearest: float, sign: int, exponent: int, mantissa: int) -> bool:
    numerator, denominator = nearest.as_integer_ratio()
    shift = max(exponent, 1) - 16446
    if shift >= 0:
        return numerator == sign * mantissa << shift and denominator == 1
    return numerator << -shift == sign * mantissa * denominator

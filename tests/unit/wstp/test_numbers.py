"""Conversions of huge integers and of 80-bit reals."""

from __future__ import annotations

import math
import struct

import pytest

from wstp.numbers import decimal_to_int, extended_to_float, extended_to_real_text, int_to_decimal


@pytest.mark.parametrize("digits", [1, 599, 601, 5000, 50_001])
def test_integers_of_any_size(digits: int) -> None:
    for number in (10**digits, -(10**digits) + 1, 7 * 10**digits // 9):
        text = int_to_decimal(number)
        assert decimal_to_int(text) == number
        if digits < 4000:
            assert text == str(number)


def extended(sign: int, exponent: int, mantissa: int) -> bytes:
    """Return the 16 bytes of an x87 real; the last six have no meaning."""
    return struct.pack("<QH6s", mantissa, sign << 15 | exponent, b"??????")


@pytest.mark.parametrize(
    ("data", "value", "text"),
    [
        (extended(0, 0, 0), 0.0, None),
        (extended(1, 16383, 3 << 62), -1.5, None),
        (extended(0, 0x7FFF, 1 << 63), math.inf, None),
        (extended(1, 0x7FFF, 1 << 63), -math.inf, None),
        (extended(0, 16383, (1 << 63) + 1), 1.0, "1.00000000000000000011`19.27*^0"),
        (extended(0, 16383 + 2000, 1 << 63), math.inf, "1.14813069527425452423`19.27*^602"),
        (extended(0, 16383 - 2000, 1 << 63), 0.0, "8.70980981621721667558`19.27*^-603"),
    ],
)
def test_reals_of_80_bits(data: bytes, value: float, text: str | None) -> None:
    assert extended_to_float(data) == value
    assert extended_to_real_text(data) == text


def test_a_nan_of_80_bits() -> None:
    data = extended(0, 0x7FFF, 3 << 62)
    assert math.isnan(extended_to_float(data))
    assert extended_to_real_text(data) is None

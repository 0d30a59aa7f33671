"""Real numbers as InputForm text."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath.libmp as libmp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbus.kernelhost.mathics.forms.reals import (
    ParsedReal,
    bits_of_digits,
    digits_of_bits,
    float_text,
    parse_real,
    precise_text,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0."),
        (-0.0, "-0."),
        (1.0, "1."),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (100000.0, "100000."),
        (123456.7, "123456.7"),
        (999999.0, "999999."),
        (1e6, "1.*^6"),
        (1234567.0, "1.234567*^6"),
        (123456789.123, "1.23456789123*^8"),
        (1e-5, "0.00001"),
        (1e-6, "1.*^-6"),
        (1e20, "1.*^20"),
        (5e-324, "5.*^-324"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, "Indeterminate"),
    ],
)
def test_machine_reals(value: float, text: str) -> None:
    assert float_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_machine_reals_read_back(value: float) -> None:
    text = float_text(value).replace("*^", "e")
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)


@pytest.mark.parametrize(
    ("digits", "precision", "text"),
    [
        ("3.14", 20, "3.14`20."),
        ("-3.14", 20, "-3.14`20."),
        ("1", 20, "1.`20."),
        ("1e40", 20, "1.`20.*^40"),
        ("1e-1000", 20, "1.`20.*^-1000"),
        ("0.001", 5, "0.001`5."),
        ("0", 20, "0``20."),
        ("9.99999999999", 5, "10.`5."),
        ("123456789.123", 30, "1.23456789123`30.*^8"),
    ],
)
def test_precise_reals(digits: str, precision: int, text: str) -> None:
    bits = bits_of_digits(precision)
    assert precise_text(libmp.from_str(digits, bits, "n"), bits) == text


@given(
    mantissa=st.integers(min_value=-(10**60), max_value=10**60),
    exponent=st.integers(min_value=-400, max_value=400),
    bits=st.integers(min_value=8, max_value=500),
)
def test_precise_reals_read_back_bit_by_bit(mantissa: int, exponent: int, bits: int) -> None:
    value = libmp.from_man_exp(mantissa, exponent, bits, "n")
    parsed = parse_real(precise_text(value, bits))
    assert parsed.bits == bits
    sign = -1 if parsed.negative else 1
    if parsed.exponent >= 0:
        again = libmp.from_int(sign * parsed.mantissa * 10**parsed.exponent, bits, "n")
    else:
        again = libmp.from_rational(sign * parsed.mantissa, 10**-parsed.exponent, bits, "n")
    assert again == value


@given(st.integers(min_value=4, max_value=100_000))
def test_every_precision_in_bits_has_digits_of_its_own(bits: int) -> None:
    assert bits_of_digits(float(digits_of_bits(bits))) == bits


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("3.14`20.", ParsedReal(False, 314, -2, 20.0)),
        ("3.14`20", ParsedReal(False, 314, -2, 20.0)),
        ("-1.5`30", ParsedReal(True, 15, -1, 30.0)),
        ("17.`30.2304", ParsedReal(False, 17, 0, 30.2304)),
        ("1.`20.*^-1000", ParsedReal(False, 1, -1000, 20.0)),
        ("12`5", ParsedReal(False, 12, 0, 5.0)),
        ("0``20.", ParsedReal(False, 0, 0, 20.0)),
        ("100.``10", ParsedReal(False, 100, 0, 12.0)),
        ("1.5``-3", ParsedReal(False, 15, -1, 0.0)),
        ("1.5", ParsedReal(False, 15, -1, None)),
        ("1.5`", ParsedReal(False, 15, -1, None)),
        (".5", ParsedReal(False, 5, -1, None)),
        ("2.*^5", ParsedReal(False, 2, 5, None)),
        ("0.10000000000000001", ParsedReal(False, 10000000000000001, -17, None)),
        ("0.98765432109876541", ParsedReal(False, 98765432109876541, -17, math.log10(98765432109876541))),
        ("1.0000000000000000000", ParsedReal(False, 1, 0, 19.0)),
        ("1.23456789012345678901234", ParsedReal(False, 123456789012345678901234, -23, math.log10(123456789012345678901234))),
    ],
)
def test_reading(text: str, parsed: ParsedReal) -> None:
    assert parse_real(text) == parsed
    assert float(parse_real(text)) == float(text.partition("`")[0].partition("*^")[0] + "e" + (text.partition("*^")[2] or "0"))


@pytest.mark.parametrize("digits", [20.0, 30.2304, 0.0, 5000.0, 0.5, 0.00001, 15.954589770191003])
def test_a_precision_that_is_known_is_written(digits: float) -> None:
    bits = bits_of_digits(digits)
    text = precise_text(libmp.from_int(17), bits, digits)
    assert parse_real(text) == ParsedReal(False, 17, 0, digits)
    assert parse_real(precise_text(libmp.fzero, bits, digits)) == ParsedReal(False, 0, 0, digits)


@given(st.integers(min_value=0, max_value=10**40), st.integers(-40, 40))
def test_numbers_without_a_mark_are_precise_to_their_last_digit(mantissa: int, exponent: int) -> None:
    parsed = parse_real(f"{mantissa}.*^{exponent}")
    if parsed.bits is None:
        written = str(mantissa).lstrip("0")
        assert not written or f"{float(parsed):.{len(written) - 1}e}".partition("e")[0].replace(".", "") == written
        assert len(written) <= 17
    else:
        value = libmp.from_rational(mantissa * 10 ** max(exponent, 0), 10 ** max(-exponent, 0), parsed.bits, "n")
        back = parse_real(precise_text(value, parsed.bits, parsed.digits))
        assert Fraction(back.mantissa) * Fraction(10) ** back.exponent == Fraction(mantissa) * Fraction(10) ** exponent


@pytest.mark.parametrize("text", ["", ".", "x", "1e5", "1.`20.*^", "1.`2.*^1000001", "--1.", "1.5 "])
def test_what_is_no_real_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"real number|exponent"):
        parse_real(text)

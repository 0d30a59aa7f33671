"""Numbers of Python and numpy as expressions, and back."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbus.shell.pool.numbers import decimal_of, from_numpy, inward, outward
from kernelbus.shell.pool.values import to_expr, to_python
from wstp import BigReal, Expr, Symbol, same, write_expression

MISSING = Symbol("Missing")("NotAvailable")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.50"), "1.50`3."),
        (Decimal("-0.00123"), "-1.23`3.*^-3"),
        (Decimal("12E+400"), "1.2`2.*^401"),
        (Decimal("0.00"), "0``2."),
        (Decimal("-7"), "-7.`1."),
    ],
)
def test_a_decimal_has_the_precision_of_its_digits(value: Decimal, text: str) -> None:
    real = outward(value)
    assert real == BigReal(text)
    assert decimal_of(real) == value


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_decimal_comes_back(value: Decimal) -> None:
    real = outward(value)
    assert isinstance(real, BigReal)
    with localcontext() as context:
        context.prec = 1000
        back = decimal_of(real)
        assert isinstance(back, Decimal)
        assert back == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", "1.5"),
        ("1.5`", "1.5"),
        ("1.5`4.", "1.500"),
        ("1.5`3.2*^10", "1.500E+10"),
        ("3.14159265`5.", "3.14159265"),
        ("0``2.", "0.00"),
        ("0.``20.5", "0E-21"),
        ("-12.5``3.", "-12.500"),
        ("5*^400", "5E+400"),
        (".5", "0.5"),
    ],
)
def test_a_real_is_a_decimal_with_as_many_digits_as_its_precision(text: str, value: str) -> None:
    assert str(decimal_of(BigReal(text))) == value


def test_a_real_beyond_decimals_stays() -> None:
    real = BigReal("1.5`2.*^99999999999")
    assert decimal_of(real) is real


def test_what_is_no_finite_number() -> None:
    for value in (Decimal("NaN"), Decimal("sNaN"), mpmath.nan):
        assert outward(value) == Symbol("Indeterminate")
    for value in (Decimal("-Infinity"), mpmath.ninf):
        assert outward(value) == Symbol("DirectedInfinity")(-1)
    assert outward("text") is None


def test_reals_of_mpmath_travel_with_their_digits() -> None:
    with mpmath.workdps(50):
        third = mpmath.mpf(1) / 3
        back = to_python(to_expr(third))
        assert isinstance(back, Decimal)
        assert mpmath.mpf(str(back)) == third
        both = to_python(to_expr(mpmath.mpc(third, -2)))
        assert isinstance(both, mpmath.mpc)
        assert both == mpmath.mpc(third, -2)


@pytest.mark.parametrize("dtype", ["?", *"bBhHiIlLefdgFDG", ">i4", ">f8", "U3", "O"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0), (2, 1, 3)])
def test_arrays_of_every_type_and_rank(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, dtype)
    expr = to_expr(array)
    write_expression(expr)
    plain = expr.tolist() if isinstance(expr, np.ndarray) else expr
    assert np.array(to_python(plain)).tolist() == array.tolist()


def test_what_is_not_finite_in_an_array_is_an_expression() -> None:
    infinity = Symbol("DirectedInfinity")(1)
    assert to_expr(np.array([1, math.inf], "f4")) == [1.0, infinity]
    assert to_expr(np.array([[1, math.nan]])) == [[1.0, Symbol("Indeterminate")]]
    infinite = complex(0, math.inf)
    for value in (infinite, np.array([1 + 2j, infinite]), np.clongdouble(infinite), mpmath.mpc(0, mpmath.inf)):
        with pytest.raises(TypeError, match="no number of the Wolfram Language"):
            to_expr([value])
    large = np.full(2, 1.7e308)
    assert to_expr(large) is large


def test_rarer_arrays() -> None:
    assert to_expr(np.array([b"a", b"b"])) == [b"a", b"b"]
    assert to_expr(np.ma.array([1, 2], mask=[False, True])) == [1, None]
    assert to_expr(np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])) == [
        Symbol("Association")(Symbol("Rule")("a", 1), Symbol("Rule")("b", 2.0))
    ]
    date = Symbol("DateObject")([2024, 1, 2], "Day", "Gregorian", Symbol("None"))
    assert to_expr(np.array(["2024-01-02", "NaT"], "M8[D]")) == [date, MISSING]
    assert to_expr(np.datetime64("NaT")) == MISSING
    assert to_expr(np.array([[1500]], "m8[ms]")) == [[Symbol("Quantity")(1.5, "Seconds")]]
    assert to_expr(np.timedelta64(1500, "ns")) == Symbol("Quantity")(1e-06, "Seconds")
    for wrong in (np.timedelta64(3, "M"), np.array([3], "m8[Y]"), np.datetime64("20000-01-01")):
        with pytest.raises(TypeError, match="no date or duration"):
            to_expr(wrong)


def test_long_doubles_keep_their_digits() -> None:
    third = np.longdouble(1) / 3
    real = to_expr(third)
    assert isinstance(real, BigReal)
    assert np.longdouble(str(decimal_of(real))) == third
    assert from_numpy(np.longdouble(0.5)) == 0.5


@pytest.mark.parametrize(
    ("name", "args", "value"),
    [
        ("Rational", (1, 0), None),
        ("DirectedInfinity", (2,), None),
        ("NumericArray", ([300], "UnsignedInteger8"), None),
        ("NumericArray", ([Symbol("x")], "Real64"), None),
        ("NumericArray", ([1], "Strange"), None),
        ("Plus", (1, 2), None),
    ],
)
def test_what_stands_for_no_number(name: str, args: tuple[Expr, ...], value: Any) -> None:
    assert inward(name, args) is value


def test_numeric_arrays_have_their_type() -> None:
    array = inward("NumericArray", ([[1, 2]], "UnsignedInteger8"))
    assert same(array, np.array([[1, 2]], "u1"))

"""Dates, times and durations as expressions, and back."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbus.shell.pool.dates import inward, outward
from wstp import Expr, Function, Symbol

NONE, GREGORIAN = Symbol("None"), "Gregorian"
DATE, TIME, QUANTITY = Symbol("DateObject"), Symbol("TimeObject"), Symbol("Quantity")


@pytest.mark.parametrize(
    ("value", "expr"),
    [
        (dt.date(2024, 2, 29), DATE([2024, 2, 29], "Day", GREGORIAN, NONE)),
        (dt.datetime(2024, 1, 2, 3, 4, 5, 500_000), DATE([2024, 1, 2, 3, 4, 5.5], "Instant", GREGORIAN, NONE)),
        (dt.datetime(2024, 1, 2, tzinfo=dt.UTC), DATE([2024, 1, 2, 0, 0, 0.0], "Instant", GREGORIAN, 0)),
        (
            dt.datetime(2024, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
            DATE([2024, 1, 2, 0, 0, 0.0], "Instant", GREGORIAN, 5.5),
        ),
        (dt.datetime(2024, 1, 2, tzinfo=ZoneInfo("Asia/Tokyo")), DATE([2024, 1, 2, 0, 0, 0.0], "Instant", GREGORIAN, "Asia/Tokyo")),
        (dt.time(1, 2, 3), TIME([1, 2, 3.0], "Instant")),
        (dt.time(1, 2, tzinfo=dt.UTC), TIME([1, 2, 0.0], "Instant", Symbol("Rule")(Symbol("TimeZone"), 0))),
        (dt.timedelta(hours=1), QUANTITY(3600, "Seconds")),
        (dt.timedelta(seconds=1.5), QUANTITY(1.5, "Seconds")),
        (dt.timedelta(days=10**6, microseconds=1), QUANTITY(Symbol("Rational")(86400 * 10**12 + 1, 10**6), "Seconds")),
    ],
)
def test_both_ways(value: object, expr: Function) -> None:
    assert outward(value) == expr
    assert inward(expr.head.name, expr.args) == value
    if isinstance(value, dt.datetime):
        assert inward(expr.head.name, expr.args).tzinfo == value.tzinfo


@given(st.one_of(st.datetimes(), st.dates(), st.times(), st.timedeltas()))
def test_every_one_comes_back(value: object) -> None:
    expr = outward(value)
    assert isinstance(expr, Function)
    assert inward(expr.head.name, expr.args) == value


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("DateObject", ([2024, 13, 1], "Day")),
        ("DateObject", ([2024, 1], "Month")),
        ("DateObject", ([0, 1, 1], "Day")),
        ("DateObject", ([2024, 1, 1], "Day", "Julian")),
        ("DateObject", ([2024, 1, 1, 0, 0, 0.0], "Instant", GREGORIAN, "No/Where")),
        ("DateObject", ([2024, 1, 1, 0, 0, 60.0], "Instant")),
        ("DateObject", ([2024, 1, 1, 0, 0, 1e400], "Instant")),
        ("DateObject", ([Symbol("y"), 1, 1], "Day")),
        ("DateObject", ()),
        ("TimeObject", ([25, 0, 0.0],)),
        ("TimeObject", ([1, 0], "Instant")),
        ("Quantity", (3, "Meters")),
        ("Quantity", (Symbol("x"), "Seconds")),
        ("Quantity", (1e300, "Seconds")),
        ("Quantity", (float("nan"), "Seconds")),
        ("Plus", (1, 2)),
    ],
)
def test_what_is_none_stays_an_expression(name: str, args: tuple[Expr, ...]) -> None:
    assert inward(name, args) is None


def test_kernels_say_it_in_words_or_symbols() -> None:
    computed = ([2024, 1, 2], Symbol("Day"), Symbol("Gregorian"), 0.0, Symbol("Automatic"))
    assert inward("DateObject", computed) == dt.date(2024, 1, 2)
    assert inward("DateObject", ([2024, 1, 2, 3, 4, 5],)) == dt.datetime(2024, 1, 2, 3, 4, 5)
    assert inward("Quantity", (2, "hour")) == inward("Quantity", (120, "Minutes")) == dt.timedelta(hours=2)


def test_what_is_no_date() -> None:
    assert outward("2024") is None

"""Dates, times and durations for expressions, and back. No I/O.

A time zone travels as its name where it has one (`zoneinfo`), else as its offset in hours. What has
no time zone travels with `None` as its own, and comes back without one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

from kernelbus.shell.commands import name_of
from wstp import Expr, Function, Symbol

__all__ = ["inward", "outward"]

_INSTANT: Final = ("Instant", "Gregorian")
_SECOND: Final = 10**6
_UNITS: Final = {
    "microsecond": 1,
    "millisecond": 1000,
    "second": _SECOND,
    "minute": 60 * _SECOND,
    "hour": 3600 * _SECOND,
    "day": 86400 * _SECOND,
    "week": 7 * 86400 * _SECOND,
}
_NONE: Final = Symbol("None")


def outward(value: object) -> Expr | None:
    """Return the expression for a date, a time, both or a duration; None for any other value."""
    if isinstance(value, dt.datetime):
        if value != value:  # NaT of pandas
            return Symbol("Missing")("NotAvailable")
        day = [value.year, value.month, value.day, value.hour, value.minute, _seconds(value)]
        return Symbol("DateObject")(day, *_INSTANT, _zone(value, value))
    if isinstance(value, dt.date):
        return Symbol("DateObject")([value.year, value.month, value.day], "Day", "Gregorian", _NONE)
    if isinstance(value, dt.time):
        rules = [] if value.tzinfo is None else [Symbol("Rule")(Symbol("TimeZone"), _zone(value, None))]
        return Symbol("TimeObject")([value.hour, value.minute, _seconds(value)], "Instant", *rules)
    if isinstance(value, dt.timedelta):
        number = Fraction(_microseconds(value), 10**6)
        seconds: Expr = number.numerator if number.denominator == 1 else float(number)
        if isinstance(seconds, float) and dt.timedelta(seconds=seconds) != value:
            seconds = Symbol("Rational")(number.numerator, number.denominator)
        return Symbol("Quantity")(seconds, "Seconds")
    return None


def _microseconds(value: dt.timedelta) -> int:
    return (value.days * 86400 + value.seconds) * 10**6 + value.microseconds


def _seconds(value: dt.datetime | dt.time) -> float:
    return value.second + value.microsecond / 1e6


def _zone(value: dt.datetime | dt.time, at: dt.datetime | None) -> Expr:
    if value.tzinfo is None:
        return _NONE
    key = getattr(value.tzinfo, "key", None)
    if isinstance(key, str):
        return key
    offset = value.tzinfo.utcoffset(at)
    if offset is None:
        return _NONE
    hours = offset / dt.timedelta(hours=1)
    return int(hours) if hours == int(hours) else hours


def inward(name: str, args: Sequence[Expr]) -> Any:
    """Return the value of a date's, time's or duration's expression; None if it stands for none."""
    try:
        match name, args:
            case "DateObject", (list() as day, *rest):
                return _date(day, rest)
            case "TimeObject", (list() as clock, *rest):
                return _time(clock, rest)
            case "Quantity", (number, str(unit)):
                return _duration(number, unit)
    except (ValueError, OverflowError, TypeError, KeyError):
        pass  # a date before the year 1, a name that is no time zone: it stays an expression
    return None


def _date(day: list[Expr], rest: Sequence[Expr]) -> Any:
    granularity = _word(rest[0]) if rest else ("Day" if len(day) == 3 else "Instant")
    if not all(type(part) is int for part in day[:5]) or (len(rest) > 1 and _word(rest[1]) not in ("Gregorian", "Automatic")):
        return None
    if granularity == "Day" and len(day) == 3:
        return dt.date(*day)
    if granularity == "Instant" and len(day) == 6:
        moment = dt.datetime(*day[:5])
        zone = _time_zone(rest[2]) if len(rest) > 2 else None
        return (moment + _exact(day[5])).replace(tzinfo=zone)
    return None


def _time(clock: list[Expr], rest: Sequence[Expr]) -> Any:
    if len(clock) != 3 or not all(type(part) is int for part in clock[:2]):
        return None
    zone: dt.tzinfo | None = None
    for option in rest:
        if isinstance(option, Function) and name_of(option.head) == "Rule" and name_of(option.args[0]) == "TimeZone":
            zone = _time_zone(option.args[1])
        elif _word(option) not in ("Instant", "Automatic", "Null", "None"):
            return None
    return (dt.datetime(1, 1, 1, *clock[:2]) + _exact(clock[2])).time().replace(tzinfo=zone)


def _exact(seconds: Expr) -> dt.timedelta:
    if type(seconds) not in (int, float) or not 0 <= seconds < 60:
        raise ValueError("no seconds of a minute")
    return dt.timedelta(microseconds=round(seconds * 10**6))


def _time_zone(zone: Expr) -> dt.tzinfo | None:
    if isinstance(zone, str):
        from zoneinfo import ZoneInfo

        return ZoneInfo(zone)
    if type(zone) in (int, float):
        return dt.timezone(dt.timedelta(hours=zone)) if zone else dt.UTC
    if name_of(zone) in ("None", "Null"):
        return None
    raise ValueError("no time zone")


def _duration(number: Expr, unit: str) -> Any:
    scale = _UNITS.get(unit.lower().removesuffix("s"))
    if scale is None:
        return None
    if isinstance(number, Function) and name_of(number.head) == "Rational":
        number = Fraction(*number.args)
    if type(number) not in (int, float, Fraction):
        return None
    return dt.timedelta(microseconds=round(Fraction(number) * scale))


def _word(value: Expr) -> str:
    return value if isinstance(value, str) else name_of(value)

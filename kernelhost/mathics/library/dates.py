"""Arithmetic with dates that the second engine leaves, or has only for whole days.

A date is a list ``{y, m, d, h, m, s}`` of one to six numbers, a ``DateObject``, or a text; results
are of the kind of what was given.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final

from mathics.core.atoms import Integer, MachineReal, Rational, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import NativeRule, call, define, definition_of

__all__ = ["added", "advanced", "install_dates", "moved", "whole_units"]

#: Units of dates: months, days and microseconds of each.
_MONTHS: Final = {"Year": 12, "Quarter": 3, "Month": 1, "Decade": 120, "Century": 1200}
_DAYS: Final = {"Day": 1, "Week": 7}
_SECONDS: Final = {"Hour": 3600, "Minute": 60, "Second": 1}
_UNITS: Final = (*_MONTHS, *_DAYS, *_SECONDS)
_DAY: Final = 86400
_RULES: Final = ("Rule", "RuleDelayed")


def _unit(expr: Any) -> str | None:
    """Return the singular name of a unit of time."""
    text = expr.get_string_value() or ""
    name = "Century" if text == "Centuries" else text.removesuffix("s")
    return name if name in _UNITS else None


def _number(expr: Any) -> Fraction | None:
    if isinstance(expr, (Integer, Rational)):
        return Fraction(str(expr.value))
    if isinstance(expr, MachineReal):
        return Fraction(float(expr.value))
    return None


def _parts(date: Any) -> list[Fraction] | None:
    """Return the numbers of a date, None if it is none."""
    listed = date.elements[0] if date.has_form("DateObject", None) and date.elements else date
    if not listed.has_form("List", 1, 2, 3, 4, 5, 6):
        return None
    numbers = [_number(each) for each in listed.elements]
    return None if None in numbers else [each for each in numbers if each is not None]


def _moment(parts: Sequence[Fraction]) -> datetime | None:
    """Return a date as a moment; what is missing is the beginning, what is too large is carried."""
    year, month, day, hour, minute, second = (*parts, *[Fraction(1), Fraction(1), Fraction(1), *[Fraction(0)] * 3][len(parts) :])
    try:
        months = int(year) * 12 + int(month) - 1
        base = datetime(months // 12, months % 12 + 1, 1)
        return base + timedelta(days=float(day) - 1, seconds=float(hour * 3600 + minute * 60 + second))
    except (OverflowError, ValueError):
        return None


def advanced(moment: datetime, count: Fraction, unit: str) -> datetime:
    """Return a moment so many units later.

    Months end on the last day if there is no such day in them. Parts of a month are of 30 days.
    """
    if unit in _MONTHS:
        months = count * _MONTHS[unit]
        whole = math.floor(months)
        index = moment.year * 12 + moment.month - 1 + whole
        year, month = index // 12, index % 12 + 1
        day = min(moment.day, calendar.monthrange(year, month)[1])
        return moment.replace(year=year, month=month, day=day) + timedelta(days=float(months - whole) * 30)
    if unit in _DAYS:
        return moment + timedelta(days=float(count * _DAYS[unit]))
    return moment + timedelta(seconds=float(count * _SECONDS[unit]))


def whole_units(begin: datetime, end: datetime, units: Sequence[str]) -> list[Fraction]:
    """Return how many units lie between two moments: whole ones, and what is left of the last."""
    sign = 1
    if end < begin:
        begin, end, sign = end, begin, -1
    found = []
    for index, unit in enumerate(units):
        if unit in _MONTHS:
            count = ((end.year - begin.year) * 12 + end.month - begin.month) // _MONTHS[unit]
            while advanced(begin, Fraction(count), unit) > end:
                count -= 1
        else:
            seconds = Fraction((end - begin) // timedelta(microseconds=1), 1000000)
            size = _DAYS[unit] * _DAY if unit in _DAYS else _SECONDS[unit]
            if index == len(units) - 1:
                found.append(sign * seconds / size)
                break
            count = int(seconds // size)
        begin = advanced(begin, Fraction(count), unit)
        left = Fraction(0)
        if index == len(units) - 1 and begin != end:
            following = advanced(begin, Fraction(1), unit)
            left = Fraction((end - begin) / (following - begin)).limit_denominator(10**6)
        found.append(sign * (count + left))
    return found


def _amounts(expr: Any) -> list[tuple[Fraction, str]] | None:
    """Return what is added to a date: ``3``, ``{3, "Hour"}``, a list of such, or a quantity."""
    number = _number(expr)
    if number is not None:
        return [(number, "Day")]
    if expr.has_form(("List", "Quantity"), 2) and (unit := _unit(expr.elements[1])) is not None:
        number = _number(expr.elements[0])
        return None if number is None else [(number, unit)]
    if expr.has_form("List", None) and expr.elements:
        found = [_amounts(each) if each.has_form(("List", "Quantity"), 2) else None for each in expr.elements]
        return None if None in found else [pair for each in found if each for pair in each]
    return None


def _listed(moment: datetime, count: int) -> Any:
    """Return the first numbers of a moment as a list."""
    second = Fraction(moment.second) + Fraction(moment.microsecond, 1000000)
    numbers = [*map(Integer, (moment.year, moment.month, moment.day, moment.hour, moment.minute)), MachineReal(float(second))]
    return ListExpression(*numbers[:count])


def moved(date: Any, amounts: Sequence[tuple[Fraction, str]]) -> Any | None:
    """Return a date so much later, of the same kind; None if it is no date."""
    parts = _parts(date)
    moment = None if parts is None else _moment(parts)
    if parts is None or moment is None:
        return None
    within = any(unit in _SECONDS or (unit in _DAYS and count.denominator != 1) for count, unit in amounts)
    try:
        for amount, unit in amounts:
            moment = advanced(moment, amount, unit)
    except (OverflowError, ValueError):
        return None
    count = 6 if within else len(parts)
    if date.has_form("List", None):
        return _listed(moment, count)
    if count <= 3:
        return call("DateObject", _listed(moment, count), *date.elements[1:])
    rest = date.elements[1:] if len(parts) > 3 else ()
    if not rest:
        rest = (String("Instant"), String("Gregorian"), Symbol("System`$TimeZone"))
    return call("DateObject", _listed(moment, 6), *rest)


def _plus(expression: Any, evaluation: Any) -> Any:
    """``DatePlus`` with hours, minutes and seconds; whole days are the engine's."""
    if len(expression.elements) != 2:
        return None
    date, amounts = expression.elements[0], _amounts(expression.elements[1])
    parts = _parts(date)
    if amounts is None or parts is None:
        return None
    if len(parts) <= 3 and not any(unit in _SECONDS or count.denominator != 1 for count, unit in amounts):
        return None
    return moved(date, amounts)


def added(expression: Any, evaluation: Any) -> Any:
    """Return the sum of a date and quantities of time."""
    if not expression.has_form("Plus", 2):
        return None
    date = next((each for each in expression.elements if each.has_form("DateObject", None)), None)
    other = next((each for each in expression.elements if each.has_form("Quantity", 2)), None)
    if date is None or other is None:
        return None
    amounts = _amounts(other)
    return None if amounts is None else moved(date, amounts)


def _difference(expression: Any, evaluation: Any) -> Any:
    """``DateDifference[a, b, {unit, ...}]``, and with one unit of months or years."""
    if len(expression.elements) != 3 or not expression.elements[2].has_form("List", None):
        return None
    begin, end = (None if (parts := _parts(each)) is None else _moment(parts) for each in expression.elements[:2])
    units = [_unit(each) for each in expression.elements[2].elements]
    if begin is None or end is None or not units or None in units:
        return None
    names = [each for each in units if each is not None]
    values = [Integer(each.numerator) if each.denominator == 1 else MachineReal(float(each)) for each in whole_units(begin, end, names)]
    plural = [String("Centuries" if name == "Century" else f"{name}s") for name in names]
    if len(names) == 1:
        return call("Quantity", values[0], plural[0])
    return call("Quantity", call("MixedMagnitude", ListExpression(*values)), call("MixedUnit", ListExpression(*plural)))


#: The most dates in a range.
_MOST: Final = 1_000_000


def _range(expression: Any, evaluation: Any) -> Any:
    """``DateRange[a, b]``, ``DateRange[a, b, step]``."""
    elements = [each for each in expression.elements if not each.has_form(_RULES, 2)]
    if not 2 <= len(elements) <= 3:
        return None
    first, last = (_parts(each) for each in elements[:2])
    begin, end = (None if each is None else _moment(each) for each in (first, last))
    if first is None or last is None or begin is None or end is None:
        return None
    amounts: list[tuple[Fraction, str]] | None = [(Fraction(1), "Day")]
    if len(elements) == 3:
        unit = _unit(elements[2])
        amounts = [(Fraction(1), unit)] if unit is not None else _amounts(elements[2])
    if not amounts or not all(count > 0 for count, _ in amounts):
        return None
    is_object = elements[0].has_form("DateObject", None)
    count = max(len(first), len(last))
    if any(unit in _SECONDS for _, unit in amounts):
        count = 6
    found: list[Any] = []
    for number in range(_MOST):
        moment = begin
        for amount, unit in amounts:
            moment = advanced(moment, amount * number, unit)
        if moment > end:
            break
        listed = _listed(moment, count)
        if is_object:
            rest = elements[0].elements[1:] if count == len(first) else (String("Instant"), String("Gregorian"), Symbol("System`$TimeZone"))
            listed = call("DateObject", listed, *rest)
        found.append(listed)
    return ListExpression(*found)


def _weekdays(expression: Any, evaluation: Any) -> Any:
    """``DayCount[a, b, "Weekday"]``: how many days behind the first there are of a kind."""
    elements = expression.elements
    kind = elements[2].get_string_value() if len(elements) == 3 else None
    if kind not in ("Weekday", "Weekend", "BusinessDay", "WeekendDay"):
        return None
    begin, end = (None if (parts := _parts(each)) is None else _moment(parts) for each in elements[:2])
    if begin is None or end is None:
        return None
    days = (end - begin).days
    weekend = kind in ("Weekend", "WeekendDay")
    return Integer(sum(((begin + timedelta(days=day)).weekday() >= 5) is weekend for day in range(1, days + 1)))


def _several(expression: Any, evaluation: Any) -> Any:
    """``date[{"Year", "Month"}]``."""
    if len(expression.elements) != 1 or not expression.elements[0].has_form("List", None):
        return None
    return ListExpression(*(Expression(expression.head, each) for each in expression.elements[0].elements))


def _now(expression: Any, evaluation: Any) -> Any:
    """``DateValue["Year"]``: of the present date."""
    if len(expression.elements) != 1:
        return None
    return call("DateValue", Symbol("System`Now"), expression.elements[0])


def _extreme(last: bool) -> Callable[[Any, Any], Any]:
    def choose(expression: Any, evaluation: Any) -> Any:
        """``Max`` and ``Min`` of dates."""
        elements = expression.elements
        dates = elements[0].elements if len(elements) == 1 and elements[0].has_form("List", None) else elements
        if not dates or not all(each.has_form("DateObject", None) for each in dates):
            return None
        moments = [None if (parts := _parts(each)) is None else _moment(parts) for each in dates]
        if None in moments:
            return None
        known = [each for each in moments if each is not None]
        return dates[known.index((max if last else min)(known))]

    return choose


def install_dates(definitions: Any) -> None:
    """Define the functions, before those of the engine."""
    define(definitions, "DatePlus", _plus)
    define(definitions, "DateDifference", _difference)
    define(definitions, "DateRange", _range)
    define(definitions, "DayCount", _weekdays)
    define(definitions, "DateValue", _now)
    define(definitions, "Max", _extreme(True))
    define(definitions, "Min", _extreme(False))
    date = Symbol("System`DateObject")
    rule = NativeRule(Expression(date, Expression(Symbol("System`BlankNullSequence"))), _several)
    definition_of(definitions, date.name).subvalues.insert(0, rule)

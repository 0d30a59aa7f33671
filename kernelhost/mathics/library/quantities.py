"""Dates and quantities: what the second engine computes with them, and what it lacks.

Both are inert expressions, ``DateObject[{2024, 1, 1}, "Day"]`` and ``Quantity[3, "Meters"]``, that
the engine makes (``engine/better.toml``). A function of numbers that has one among its arguments is
asked of the engine. Without the engine Mathics3's own stay, which are of another kind.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from mathics.core.atoms import Integer, MachineReal, Rational, String
from mathics.core.expression import Expression
from mathics.core.rules import BaseRule
from mathics.core.symbols import Symbol, SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.engine.delegation import Delegate
from kernelbus.kernelhost.mathics.engine.process import is_installed
from kernelbus.kernelhost.mathics.library.dates import added, install_dates
from kernelbus.kernelhost.mathics.library.measuring import (
    combined,
    install_measuring,
    of_angle,
    read_text,
    spelled,
)
from kernelbus.kernelhost.mathics.library.units import measure
from kernelbus.kernelhost.mathics.native import add_message, call, define, define_up, definition_of

__all__ = ["install_quantities"]

#: Functions of numbers that the engine answers for dates and quantities.
_OF_NUMBERS: Final = frozenset((
    "Abs", "Ceiling", "Clip", "Divide", "Equal", "Floor", "Greater", "GreaterEqual", "IntegerPart", "Less", "LessEqual", "Max", "Min",
    "Minus", "Mod", "N", "Plus", "Power", "Quotient", "Round", "Sign", "Sqrt", "Subtract", "Times", "Unequal",
))  # fmt: skip
#: Functions of dates, which may be given as text.
_OF_DATES: Final = (
    "DatePlus", "DateDifference", "DateRange", "DateValue", "DayCount", "DayName", "DayPlus", "DayRange", "DayRound", "UnixTime",
)  # fmt: skip
_NUMBERS: Final = (Integer, MachineReal, Rational)
#: Seconds from the beginning of 1900 to that of 1970.
_UNIX: Final = 2208988800


def _of_numbers(delegate: Delegate) -> Callable[[Any, Any], Any]:
    def apply(expression: Any, evaluation: Any) -> Any:
        name = expression.get_name() or expression.get_head_name()
        if name.removeprefix("System`") not in _OF_NUMBERS:
            return of_angle(expression, evaluation)
        if expression.has_form("Plus", 2) and expression.elements[0].has_form("Times", 2):
            # The engine takes the first of two dates for the one that the other is subtracted from.
            (number, date), other = expression.elements[0].elements, expression.elements[1]
            if isinstance(number, Integer) and number.value == -1 and date.has_form("DateObject", None):
                return delegate.value(call("Subtract", other, date), evaluation)
        found = added(expression, evaluation) or delegate.value(expression, evaluation, quiet=True)
        found = combined(expression, evaluation) if found is None else found
        return delegate.value(expression, evaluation) if found is None else found

    return apply


class _Units:
    """Say of a unit that it is unknown: the engine makes a quantity of every text."""

    def __init__(self, delegate: Delegate) -> None:
        self._delegate = delegate
        self._known: dict[str, bool] = {}

    def __call__(self, expression: Any, evaluation: Any) -> Any:
        elements = expression.elements
        unit = elements[-1] if elements else None
        if len(elements) == 1 and isinstance(unit, String) and (found := read_text(unit.value)) is not None:
            return call("Quantity", found[0], spelled(found[1]))
        if len(elements) == 2 and isinstance(unit, String) and measure({unit.value: Fraction(1)}) is None:
            read = read_text(unit.value)
            if read is not None:
                return call("Quantity", elements[0], spelled(read[1]))
            if not self._knows(unit, evaluation):
                evaluation.message("Quantity", "unkunit", unit)
        return None

    def _knows(self, unit: Any, evaluation: Any) -> bool:
        if unit.value not in self._known:
            # While it is asked for, it is taken for known: the answer may have this unit.
            self._known[unit.value] = True
            single = call("Quantity", Integer(1), unit)
            found = self._delegate.value(call("UnitConvert", single), evaluation, quiet=True)
            self._known[unit.value] = found is not None or call("KnownUnitQ", unit).evaluate(evaluation) is SymbolTrue
        return self._known[unit.value]


def _convert(expression: Any, evaluation: Any) -> Any:
    """Return ``UnitConvert[q, "SI"]``, which is ``UnitConvert[q]``, and that of a text."""
    elements = expression.elements
    if elements and isinstance(elements[0], String) and (found := read_text(elements[0].value)) is not None:
        return Expression(expression.head, call("Quantity", found[0], spelled(found[1])), *elements[1:])
    if len(elements) == 2 and elements[1].get_string_value() in ("SI", "SIBase"):
        return call("UnitConvert", elements[0])
    return None


def _magnitude(expression: Any, evaluation: Any) -> Any:
    """``QuantityMagnitude[q, unit]`` for units that the engine does not know."""
    elements = expression.elements
    if len(elements) != 2 or not elements[0].has_form("Quantity", 2):
        return None
    converted = call("UnitConvert", *elements).evaluate(evaluation)
    return converted.elements[0] if converted.has_form("Quantity", 2) else None


def _with_dates(expression: Any, evaluation: Any) -> Any:
    """Take a text for the date that it says."""
    elements = expression.elements
    count = 2 if expression.get_head_name() in ("System`DateDifference", "System`DateRange", "System`DayCount", "System`DayRange") else 1
    alone = len(elements) == 1 and expression.get_head_name() == "System`DateValue"
    if alone or not any(isinstance(each, String) for each in elements[:count]):
        return None
    dates = [call("DateObject", each).evaluate(evaluation) if isinstance(each, String) else each for each in elements[:count]]
    if any(each.has_form("DateObject", 1) for each in dates):
        return None
    return Expression(expression.head, *dates, *elements[count:])


def _instant(seconds: Any) -> Any:
    return call("DateObject", call("DateList", seconds), String("Instant"), String("Gregorian"), Symbol("System`$TimeZone"))


def _date(expression: Any, evaluation: Any) -> Any:
    """Return the date of an absolute time in seconds, or of now."""
    elements = expression.elements
    if not elements:
        return Symbol("System`Now")
    return _instant(elements[0]) if len(elements) == 1 and isinstance(elements[0], _NUMBERS) else None


def _from_time(offset: int) -> Callable[[Any, Any], Any]:
    def apply(expression: Any, evaluation: Any) -> Any:
        elements = expression.elements
        if len(elements) != 1 or not isinstance(elements[0], _NUMBERS):
            return None
        return _instant(call("Plus", elements[0], Integer(offset)).evaluate(evaluation))

    return apply


def _business_day(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 1:
        return None
    name = call("DayName", expression.elements[0]).evaluate(evaluation)
    if not isinstance(name, Symbol):
        return None
    return SymbolFalse if name.get_name() in ("System`Saturday", "System`Sunday") else SymbolTrue


class _Value(BaseRule):
    """Give a symbol a value that is another one each time."""

    def __init__(self, symbol: Any, value: Callable[[Any], Any]) -> None:
        from mathics.core.pattern import BasePattern

        self.location = None
        self.system = True
        self.pattern = BasePattern.create(symbol)
        self._value = value

    def apply(self, expression: Any, evaluation: Any, fully: bool = True, return_list: bool = False, max_list: int | None = None) -> Any:
        """Return the value."""
        found = self._value(evaluation).evaluate(evaluation)
        return [found] if return_list else found


def _today(evaluation: Any) -> Any:
    now = call("DateList").evaluate(evaluation)
    return call("DateObject", call("List", *now.elements[:3]), String("Day"))


def install_quantities(definitions: Any) -> None:
    """Define what there is beside the engine's own; call this when its functions are installed."""
    for name, value in (
        ("Now", lambda evaluation: _instant(call("AbsoluteTime"))),
        ("Today", _today),
        ("Tomorrow", lambda evaluation: call("DatePlus", _today(evaluation), Integer(1))),
        ("Yesterday", lambda evaluation: call("DatePlus", _today(evaluation), Integer(-1))),
    ):
        symbol = Symbol(f"System`{name}")
        definition_of(definitions, symbol.name).ownvalues = [_Value(symbol, value)]
    define(definitions, "FromUnixTime", _from_time(_UNIX))
    define(definitions, "FromAbsoluteTime", _from_time(0))
    if not is_installed():
        return
    delegate = Delegate()
    for name in ("Quantity", "DateObject", "TimeObject"):
        define_up(definitions, name, _of_numbers(delegate))
    define(definitions, "Quantity", _Units(delegate))
    install_measuring(definitions, lambda expression, evaluation: delegate.value(expression, evaluation, quiet=True))
    define(definitions, "UnitConvert", _convert)
    define(definitions, "DateObject", _date)
    define(definitions, "BusinessDayQ", _business_day)
    install_dates(definitions)
    define(definitions, "CurrentDate", lambda expression, evaluation: None if expression.elements else Symbol("System`Now"))
    for name in _OF_DATES:
        define(definitions, name, _with_dates)
    define(definitions, "QuantityMagnitude", _magnitude)
    add_message(definitions, "Quantity", "unkunit", "Unable to interpret unit specification `1`.")

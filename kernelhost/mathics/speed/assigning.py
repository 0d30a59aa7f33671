"""Assign to a plain symbol that has a value already: replace the value, and nothing else.

Mathics3 makes a pattern and sorts a rule into the symbol's rules at each assignment. What is not a
plain assignment to a plain symbol is left to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mathics.core.atoms import Integer
from mathics.core.attributes import A_LOCKED, A_PROTECTED
from mathics.core.expression import Expression
from mathics.core.rules import Rule
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import define

__all__ = ["install_assigning"]

_CONDITION, _PLUS, _TIMES, _POWER = (Symbol(f"System`{name}") for name in ("Condition", "Plus", "Times", "Power"))
_ONE, _MINUS_ONE = Integer(1), Integer(-1)


def _stored(symbol: Any, value: Any, definitions: Any) -> bool:
    """Replace the value of a symbol; return False if this is not for this function."""
    name = symbol.name
    definition = definitions.user.get(name)
    if definition is None or name.startswith("System`"):
        return False
    values = definition.ownvalues
    if len(values) != 1 or definition.attributes & (A_PROTECTED | A_LOCKED):
        return False
    old = values[0]
    if type(old) is not Rule or old.pattern.expr is not symbol:
        return False
    if any(isinstance(each, Expression) and each._head is _CONDITION for each in (value, old.replace)):
        return False
    new = object.__new__(Rule)
    new.__dict__.update(old.__dict__)
    new.replace = value
    definition.ownvalues = [new]
    definitions.mark_changed(definition)
    if definitions.definitions_cache.get(name) is not definition:
        definitions.clear_definitions_cache(name)
    return True


def _set(expression: Any, evaluation: Any) -> Any:
    if len(expression._elements) != 2:
        return None
    symbol, value = expression._elements
    if type(symbol) is not Symbol or not _stored(symbol, value, evaluation.definitions):
        return None
    return value


def _changing(change: Callable[[Any, Any], Any], returns_old: bool, count: int) -> Callable[[Any, Any], Any]:
    """Return the function of ``x++`` and its like for a symbol with a value."""

    def apply(expression: Any, evaluation: Any) -> Any:
        elements = expression._elements
        if len(elements) != count or type(elements[0]) is not Symbol:
            return None
        symbol = elements[0]
        definition = evaluation.definitions.user.get(symbol.name)
        if definition is None or not definition.ownvalues:
            return None
        old = symbol.evaluate(evaluation)
        if old is symbol:
            return None
        by = elements[1].evaluate(evaluation) if count == 2 else _ONE
        new = change(old, by).evaluate(evaluation)
        if not _stored(symbol, new, evaluation.definitions):
            Expression(Symbol("System`Set"), symbol, new).evaluate(evaluation)
        return old if returns_old else new

    return apply


def _added(old: Any, by: Any) -> Any:
    return Expression(_PLUS, old, by)


def _subtracted(old: Any, by: Any) -> Any:
    return Expression(_PLUS, old, Expression(_TIMES, _MINUS_ONE, by))


def _multiplied(old: Any, by: Any) -> Any:
    return Expression(_TIMES, old, by)


def _divided(old: Any, by: Any) -> Any:
    return Expression(_TIMES, old, Expression(_POWER, by, _MINUS_ONE))


def install_assigning(definitions: Any) -> None:
    """Give assignments their values for plain symbols, before all others."""
    define(definitions, "Set", _set)
    for name, change, returns_old, count in (
        ("Increment", _added, True, 1),
        ("Decrement", _subtracted, True, 1),
        ("PreIncrement", _added, False, 1),
        ("PreDecrement", _subtracted, False, 1),
        ("AddTo", _added, False, 2),
        ("SubtractFrom", _subtracted, False, 2),
        ("TimesBy", _multiplied, False, 2),
        ("DivideBy", _divided, False, 2),
    ):
        define(definitions, name, _changing(change, returns_old, count))

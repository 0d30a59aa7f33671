"""Expressions whose functions wait: ``Inactive``, ``Inactivate``, ``Activate``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mathics.core.attributes import A_HOLD_ALL, A_HOLD_FIRST, A_PROTECTED
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol
from mathics.eval.patterns import Matcher

from kernelbus.kernelhost.mathics.native import define, definition_of

__all__ = ["install_inactive"]

_INACTIVE = Symbol("System`Inactive")
#: Heads that stay active: they hold data, or are notation.
_ALWAYS_ACTIVE = frozenset(
    f"System`{name}"
    for name in (
        "List", "Rule", "RuleDelayed", "Association", "Inactive", "Hold", "HoldForm", "HoldComplete", "HoldPattern", "Blank",
        "BlankSequence", "BlankNullSequence", "Pattern", "Slot", "SlotSequence", "Complex", "Rational", "DirectedInfinity",
    )
)  # fmt: skip


def _test(spec: Any, evaluation: Any) -> Callable[[Any], bool]:
    matcher = Matcher(spec, evaluation)
    return lambda head: bool(matcher.match(head, evaluation))


def _inactivated(expr: Any, wanted: Callable[[Any], bool]) -> Any:
    if not isinstance(expr, Expression):
        return expr
    elements = [_inactivated(each, wanted) for each in expr.elements]
    head = expr.head if isinstance(expr.head, Symbol) else _inactivated(expr.head, wanted)
    if isinstance(head, Symbol) and wanted(head):
        head = Expression(_INACTIVE, head)
    return ListExpression(*elements) if head.get_name() == "System`List" else Expression(head, *elements)


def _inactivate(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    if not 1 <= len(elements) <= 2:
        return None
    if len(elements) == 1:
        return _inactivated(elements[0], lambda head: head.get_name() not in _ALWAYS_ACTIVE)
    return _inactivated(elements[0], _test(elements[1], evaluation))


def _activated(expr: Any, wanted: Callable[[Any], bool]) -> Any:
    if not isinstance(expr, Expression):
        return expr
    if expr.head is _INACTIVE and len(expr.elements) == 1 and wanted(expr.elements[0]):
        return expr.elements[0]
    elements = [_activated(each, wanted) for each in expr.elements]
    if expr.has_form(("List", "Association"), None):
        return ListExpression(*elements) if expr.has_form("List", None) else Expression(expr.head, *elements)
    return Expression(_activated(expr.head, wanted), *elements)


def _activate(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    if not 1 <= len(elements) <= 2:
        return None
    return _activated(elements[0], (lambda head: True) if len(elements) == 1 else _test(elements[1], evaluation))


def install_inactive(definitions: Any) -> None:
    """Define the functions."""
    define(definitions, "Inactivate", _inactivate)
    define(definitions, "Activate", _activate)
    for name in ("Inactivate", "Inactive"):
        definition_of(definitions, f"System`{name}").attributes = A_HOLD_FIRST | A_PROTECTED
    definition_of(definitions, "System`Defer").attributes = A_HOLD_ALL | A_PROTECTED

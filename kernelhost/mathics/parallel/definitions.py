"""Define symbols in another kernel as they are defined here.

:func:`defining` makes the expression that does so for one symbol. Symbols go from kernel to kernel
with their contexts (:class:`Whole`): the other kernel may have another ``$Context``.
"""

from __future__ import annotations

from typing import Any

from mathics.core.attributes import attributes_bitset_to_list
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.library.dependencies import VALUES

__all__ = ["Whole", "defining", "state_of"]

_SYSTEM, _GLOBAL = "System`", "Global`"
_SET, _RULE, _DELAYED = Symbol("System`Set"), Symbol("System`Rule"), Symbol("System`RuleDelayed")
_HOLD_PATTERN, _COMPOUND, _NULL = Symbol("System`HoldPattern"), Symbol("System`CompoundExpression"), Symbol("System`Null")


class Whole:
    """Stand for a kernel's definitions in the conversion of values: names keep their contexts."""

    def __init__(self, definitions: Any) -> None:
        self._definitions = definitions
        self.builtin = definitions.builtin

    def shorten_name(self, name: str) -> str:
        """Return a name without the context ``System` ``, and with any other."""
        return name.removeprefix(_SYSTEM)

    def lookup_name(self, name: str) -> str:
        """Return the whole name for a name that another kernel sends.

        That kernel leaves out the contexts on its ``$ContextPath``: ``System` ``, ``Global` `` and
        those of packages that it has read.
        """
        if "`" in name:
            return name
        definitions = self._definitions
        for context in (_SYSTEM, _GLOBAL, *definitions.get_context_path()):
            if context + name in definitions.builtin or context + name in definitions.user:
                return str(context + name)
        return _GLOBAL + name


def state_of(definition: Any) -> int:
    """Return a number that changes when a definition does."""
    parts = [tuple(map(id, getattr(definition, values))) for values in VALUES.values()]
    return hash((definition.changed, definition.attributes, tuple(definition.options), *parts))


def defining(name: str, definition: Any) -> Any:
    """Return the expression that gives a symbol of another kernel this definition."""
    symbol = Symbol(name)
    steps = [Expression(Symbol("System`ClearAll"), symbol)]
    for title, values in VALUES.items():
        rules = [
            Expression(_DELAYED, Expression(_HOLD_PATTERN, rule.pattern.expr), rule.replace)
            for rule in getattr(definition, values)
            if hasattr(rule, "replace")
        ]
        if rules:
            steps.append(Expression(_SET, Expression(Symbol(_SYSTEM + title), symbol), ListExpression(*rules)))
    if definition.options:
        options = (Expression(_RULE, Symbol(key), value) for key, value in definition.options.items())
        steps.append(Expression(_SET, Expression(Symbol("System`Options"), symbol), ListExpression(*options)))
    if definition.attributes:
        attributes = map(Symbol, attributes_bitset_to_list(definition.attributes))
        steps.append(Expression(_SET, Expression(Symbol("System`Attributes"), symbol), ListExpression(*attributes)))
    return Expression(_COMPOUND, *steps, _NULL)

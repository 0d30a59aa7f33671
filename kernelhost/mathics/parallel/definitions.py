"""What a kernel for parallel work has to know: the definitions of a program's symbols.

:func:`needed` finds the symbols with definitions that occur in an expression, and in these
definitions, and so on. :func:`defining` makes the expression that defines one of them elsewhere.
Symbols go from kernel to kernel with their contexts (:class:`Whole`): the other kernel may have
another ``$Context``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mathics.core.attributes import attributes_bitset_to_list
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

__all__ = ["Whole", "defining", "needed", "state_of"]

_SYSTEM = "System`"
_VALUES = {
    "OwnValues": "ownvalues", "DownValues": "downvalues", "SubValues": "subvalues", "UpValues": "upvalues", "NValues": "nvalues",
    "DefaultValues": "defaultvalues", "Messages": "messages",
}  # fmt: skip
_SET, _RULE, _DELAYED = Symbol("System`Set"), Symbol("System`Rule"), Symbol("System`RuleDelayed")
_HOLD_PATTERN, _COMPOUND, _NULL = Symbol("System`HoldPattern"), Symbol("System`CompoundExpression"), Symbol("System`Null")
#: Contexts whose symbols every kernel has.
_EVERYWHERE = ("System`", "Internal`", "Developer`", "kernelbus`", "JLink`", "NETLink`", "ImportExport`")


class Whole:
    """Stand for a kernel's definitions in the conversion of values: names keep their contexts."""

    def __init__(self, definitions: Any) -> None:
        self._definitions = definitions
        self.builtin = definitions.builtin

    def shorten_name(self, name: str) -> str:
        """Return a name without the context ``System` ``, and with any other."""
        return name.removeprefix(_SYSTEM)

    def lookup_name(self, name: str) -> str:
        """Return the whole name that :meth:`shorten_name` has made shorter."""
        return name if "`" in name else _SYSTEM + name


def state_of(definition: Any) -> int:
    """Return a number that changes when a definition does."""
    parts = [tuple(map(id, getattr(definition, values))) for values in _VALUES.values()]
    return hash((definition.changed, definition.attributes, tuple(definition.options), *parts))


def needed(expressions: Iterable[Any], definitions: Any) -> dict[str, Any]:
    """Return the definitions, by name, that expressions need, directly and indirectly."""
    found: dict[str, Any] = {}
    stack = list(expressions)
    while stack:
        item = stack.pop()
        if isinstance(item, Expression):
            stack.append(item.head)
            stack.extend(item.elements)
        elif isinstance(item, Symbol) and item.name not in found and not item.name.startswith(_EVERYWHERE):
            definition = definitions.user.get(item.name)
            if definition is None or not _has_values(definition):
                continue
            found[item.name] = definition
            for rule in _rules(definition):
                stack += [rule.pattern.expr, rule.replace]
            stack.extend(definition.options.values())
    return found


def _rules(definition: Any) -> list[Any]:
    return [rule for values in _VALUES.values() for rule in getattr(definition, values) if hasattr(rule, "replace")]


def _has_values(definition: Any) -> bool:
    return bool(definition.attributes or definition.options or _rules(definition))


def defining(name: str, definition: Any) -> Any:
    """Return the expression that gives a symbol of another kernel this definition."""
    symbol = Symbol(name)
    steps = [Expression(Symbol("System`ClearAll"), symbol)]
    for title, values in _VALUES.items():
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

"""Find the definitions that an expression needs, directly and through other definitions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from mathics.core.expression import Expression
from mathics.core.symbols import Symbol

__all__ = ["VALUES", "needed", "rules_of"]

#: The kinds of values that a symbol can have, by the function that gives them.
VALUES = {
    "OwnValues": "ownvalues", "DownValues": "downvalues", "SubValues": "subvalues", "UpValues": "upvalues", "NValues": "nvalues",
    "DefaultValues": "defaultvalues", "Messages": "messages",
}  # fmt: skip
#: Contexts whose symbols every kernel has.
_EVERYWHERE = ("System`", "Internal`", "Developer`", "kernelbus`", "JLink`", "NETLink`", "ImportExport`")


def needed(expressions: Iterable[Any], definitions: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the definitions, by name, that expressions need.

    Those of the language are left out, and those of the names in `without`.
    """
    found: dict[str, Any] = {}
    stack = list(expressions)
    while stack:
        item = stack.pop()
        if isinstance(item, Expression):
            stack.append(item.head)
            stack.extend(item.elements)
        elif isinstance(item, Symbol) and item.name not in found and item.name not in without and not item.name.startswith(_EVERYWHERE):
            definition = definitions.user.get(item.name)
            if definition is None or not (definition.attributes or definition.options or rules_of(definition)):
                continue
            found[item.name] = definition
            for rule in rules_of(definition):
                stack += [rule.pattern.expr, rule.replace]
            stack.extend(definition.options.values())
    return found


def rules_of(definition: Any) -> list[Any]:
    """Return all rules of a definition."""
    return [rule for values in VALUES.values() for rule in getattr(definition, values) if hasattr(rule, "replace")]

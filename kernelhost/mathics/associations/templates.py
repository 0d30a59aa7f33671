"""Templates of text: ``StringTemplate`` and ``TemplateApply``.

A template's slots are `` ` ` `` (the next argument), `` `2` `` and `` `name` `` (a key); what
stands between ``<*`` and ``*>`` is evaluated.
"""

from __future__ import annotations

import re
from typing import Any

from mathics.core.atoms import Integer, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.associations.expression import AssociationExpression
from kernelbus.kernelhost.mathics.native import NativeRule, call, define, definition_of

__all__ = ["install_templates"]

_TEMPLATE, _OBJECT = Symbol("System`StringTemplate"), Symbol("System`TemplateObject")
_PART = re.compile(r"<\*(?P<code>.*?)\*>|`(?P<slot>[^`\n]*)`", re.DOTALL)


def _text(value: Any, evaluation: Any) -> str:
    """Return a value as text, as ``TextString`` does for what is no string."""
    found = call("ToString", value).evaluate(evaluation)
    return found.value if isinstance(found, String) else str(found)


def _filled(template: str, arguments: Any, evaluation: Any) -> Any:
    """Return a template with its slots filled by a list's elements or an association's values.

    A slot that nothing is given for stays.
    """
    values = arguments.elements if isinstance(arguments, ListExpression) else ()
    association = arguments if isinstance(arguments, AssociationExpression) else None
    if association is None and values and isinstance(values[0], AssociationExpression):
        association = values[0]
    taken = 0

    def part(match: re.Match[str]) -> str:
        nonlocal taken
        if match["code"] is not None:
            return _text(call("ToExpression", String(match["code"].strip())).evaluate(evaluation), evaluation)
        slot = match["slot"]
        found: Any = None
        if not slot or slot.isdigit():
            taken = int(slot) if slot else taken + 1
            if 0 < taken <= len(values):
                found = values[taken - 1]
            elif association is not None and slot:
                found = association.get(Integer(int(slot)))
        elif association is not None:
            found = association.get(String(slot))
        return match[0] if found is None else _text(found, evaluation)

    return String(_PART.sub(part, template))


def _source(template: Any) -> str | None:
    if isinstance(template, Expression) and template.head in (_TEMPLATE, _OBJECT) and template.elements:
        template = template.elements[0]
    return template.value if isinstance(template, String) else None


def _apply(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) not in (1, 2):
        return None
    template = _source(expression.elements[0])
    if template is None:
        return None
    arguments = expression.elements[1] if len(expression.elements) == 2 else ListExpression()
    return _filled(template, arguments, evaluation)


def _call(expression: Any, evaluation: Any) -> Any:
    """Return ``StringTemplate[text][arguments]``."""
    template = _source(expression.head)
    if template is None or expression.head.get_head() is not _TEMPLATE:
        return None
    arguments: Any = ListExpression(*expression.elements)
    if len(expression.elements) == 1 and isinstance(expression.elements[0], (AssociationExpression, ListExpression)):
        arguments = expression.elements[0]
    return _filled(template, arguments, evaluation)


def install_templates(definitions: Any) -> None:
    """Define the functions."""
    define(definitions, "TemplateApply", _apply)
    definition_of(definitions, _TEMPLATE.name).subvalues.insert(0, NativeRule(Expression(_TEMPLATE), _call))

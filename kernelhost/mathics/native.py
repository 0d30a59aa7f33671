"""Define functions of the language in Python, without a pattern.

Mathics3 chooses a function's method by matching a pattern with the call. That takes longer than
most of these functions, and time that grows with the arguments. A :class:`NativeRule` hands the
call itself to a Python function, which looks at the arguments and returns None for those that it
has no value for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mathics.core.atoms import String
from mathics.core.attributes import A_NO_ATTRIBUTES, A_PROTECTED
from mathics.core.definitions import Definition
from mathics.core.expression import Expression
from mathics.core.pattern import BasePattern
from mathics.core.rules import BaseRule, Rule
from mathics.core.symbols import Symbol

__all__ = ["Native", "NativeRule", "add_message", "call", "define", "define_operator", "define_up", "definition_of"]

#: Takes a call and the evaluation, and returns the call's value or None.
Native = Callable[[Any, Any], Any]

_ANY = Expression(Symbol("System`BlankNullSequence"))


class NativeRule(BaseRule):
    """Apply a Python function to a whole call."""

    def __init__(self, head: Any, function: Native) -> None:
        self.location = None
        self.pattern = BasePattern.create(Expression(head, _ANY))
        self.system = True
        self.function = function

    def apply(
        self, expression: Any, evaluation: Any, fully: bool = True, return_list: bool = False, max_list: int | None = None
    ) -> Any:
        """Return the value of a call, or None if it has none."""
        result = self.function(expression, evaluation)
        if return_list:
            return [] if result is None else [result]
        return result

    def __repr__(self) -> str:
        return f"<NativeRule: {self.pattern}>"


def call(name: str, *arguments: Any) -> Any:
    """Return the call of a ``System` `` function, unevaluated."""
    return Expression(Symbol(f"System`{name}"), *arguments)


def definition_of(definitions: Any, name: str) -> Any:
    """Return the built-in definition of a full name; make one if there is none."""
    found = definitions.builtin.get(name)
    if found is None:
        attributes = A_PROTECTED if name.startswith("System`") else A_NO_ATTRIBUTES
        found = definitions.builtin[name] = Definition(name=name, attributes=attributes)
    return found


def define(definitions: Any, name: str, function: Native, *, replace: bool = False) -> None:
    """Give a ``System` `` function a value in Python, which is tried before all others it has.

    Args:
        definitions: the definitions to change.
        name: the function's name without its context.
        function: the value.
        replace: whether the function's other values are removed.
    """
    definition = definition_of(definitions, f"System`{name}")
    if replace:
        definition.downvalues = []
    definition.downvalues.insert(0, NativeRule(Symbol(definition.name), function))


def define_operator(definitions: Any, name: str, count: int, order: Callable[[Sequence[Any], Any], Sequence[Any]]) -> None:
    """Give a function its operator form: ``name[a, ...][x]`` is ``name[...]`` of both.

    Args:
        definitions: the definitions to change.
        name: the function's name without its context.
        count: how many arguments the operator has.
        order: returns the arguments of the whole call, from those of the operator and ``x``.
    """
    head = Symbol(f"System`{name}")

    def operate(expression: Any, evaluation: Any) -> Any:
        operator = expression.head
        if operator.head is not head or len(operator.elements) != count or len(expression.elements) != 1:
            return None
        return Expression(head, *order(operator.elements, expression.elements[0]))

    definition_of(definitions, head.name).subvalues.insert(0, NativeRule(Expression(head, _ANY), operate))


def define_up(definitions: Any, name: str, function: Native) -> None:
    """Give calls with an argument of the head ``name`` a value in Python, as an upvalue does."""
    definition_of(definitions, f"System`{name}").upvalues.insert(0, NativeRule(Symbol("System`HoldPattern"), function))


def add_message(definitions: Any, name: str, tag: str, text: str) -> None:
    """Give ``name::tag`` a text."""
    symbol = Symbol(f"System`{name}")
    rule = Rule(Expression(Symbol("System`MessageName"), symbol, String(tag)), String(text), system=True)
    definition_of(definitions, symbol.name).messages.insert(0, rule)



"""Write a question: a Mathics3 expression as text, with the definitions that it needs.

The engine has no state, so a question carries the definitions of the user's symbols that occur in
the expression, and of those that occur in these definitions, and so on. Nothing is evaluated here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from mathics.core.attributes import attributes_bitset_to_list
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.forms.inputform import input_form

__all__ = ["MOST_TEXT", "Question", "TooLarge", "draws_random_numbers", "needed", "written"]

#: The most bytes of text that are sent.
MOST_TEXT: Final = 100_000
_SYSTEM: Final = "System`"
#: What is not said in a question: the engine could not give the value back.
_LOCKS: Final = ("System`Protected", "System`ReadProtected", "System`Locked", "System`Temporary")
#: The values of a symbol, with the operator that gives them.
_VALUES: Final = (("ownvalues", ":="), ("downvalues", ":="), ("subvalues", ":="), ("upvalues", "^:="), ("messages", "="))
_RANDOM: Final = re.compile(r"\b(Random\w*|BootstrapSample\w*|\w*RandomFunction)\b")


class TooLarge(Exception):
    """Say that a question is larger than :data:`MOST_TEXT`; ``size`` is its size in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Question(str):
    """The text of a question. ``random`` tells whether random numbers may be drawn for it."""

    @property
    def random(self) -> bool:
        return draws_random_numbers(self)


def draws_random_numbers(text: str) -> bool:
    """Tell whether random numbers may be drawn for a question."""
    return _RANDOM.search(text) is not None


def written(expr: Any, definitions: Any) -> Question:
    """Return the question for the value of an expression, as the only element of a list.

    Args:
        expr: a Mathics3 expression.
        definitions: Mathics3's definitions, which are not changed.

    Raises:
        TooLarge: the question is too large.
    """
    # In a list, a value may be a Sequence.
    lines = [*needed(expr, definitions), f"ToString[{{{input_form(expr)}}}, InputForm]"]
    text = "\n".join(lines)
    size = len(text.encode(errors="replace"))
    if size > MOST_TEXT:
        raise TooLarge(size)
    return Question(text)


def needed(expr: Any, definitions: Any) -> Iterator[str]:
    """Give a line for each definition that an expression needs, directly or not."""
    seen: set[str] = set()
    waiting = [expr]
    while waiting:
        found = waiting.pop()
        for name in _names(found) - seen:
            seen.add(name)
            definition = definitions.user.get(name)
            if definition is None:
                continue
            attributes = [each for each in attributes_bitset_to_list(definition.attributes) if each not in _LOCKS]
            short = name.removeprefix("Global`")
            if attributes:
                yield f"SetAttributes[{short}, {{{', '.join(each.removeprefix(_SYSTEM) for each in attributes)}}}]"
            for values, sign in _VALUES:
                for rule in getattr(definition, values):
                    if not hasattr(rule, "replace"):
                        continue
                    pattern = _bare(rule.pattern.expr)
                    waiting += [pattern, rule.replace]
                    yield f"{input_form(pattern)} {sign} ({input_form(rule.replace)})"
            if definition.options:
                options = [f"{input_form(Symbol(key))} -> {input_form(value)}" for key, value in definition.options.items()]
                waiting += definition.options.values()
                yield f"Options[{short}] = {{{', '.join(options)}}}"


def _bare(pattern: Any) -> Any:
    while pattern.has_form("HoldPattern", 1):
        pattern = pattern.elements[0]
    return pattern


def _names(expr: Any) -> set[str]:
    """Return the names of the symbols in an expression that are not of the language."""
    found: set[str] = set()
    waiting = [expr]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Symbol):
            if not each.name.startswith(_SYSTEM):
                found.add(each.name)
        elif isinstance(each, Expression):
            waiting.append(each.head)
            waiting += each.elements
    return found

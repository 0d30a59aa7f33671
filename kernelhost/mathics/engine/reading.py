"""Read what the engine gave back: text in InputForm becomes a Mathics3 expression."""

from __future__ import annotations

import re
from typing import Any, Final

from mathics.core.expression import Expression
from mathics.core.parser.convert import convert
from mathics.core.parser.feed import MathicsMultiLineFeeder
from mathics.core.parser.parser import Parser
from mathics.core.symbols import Symbol
from mathics_scanner.errors import SyntaxError as WolframSyntaxError

__all__ = ["read"]

_SEQUENCE: Final = Symbol("System`Sequence")
#: What stands for a value that has no text, such as a picture, outside of strings.
_NO_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|(-[A-Z][A-Za-z0-9]*-)')


class _Names:
    """Find the symbol of a name: of the language if it has one, else the user's.

    The session's ``$Context`` has no part in it: the engine writes the full names of other symbols.
    """

    def __init__(self, known: Any) -> None:
        self._known = known

    def lookup_name(self, name: str) -> str:
        if "`" in name:
            return f"Global{name}" if name.startswith("`") else name
        system = f"System`{name}"
        return system if system in self._known else f"Global`{name}"


def read(text: str, definitions: Any) -> Any | None:
    """Return the expression that is written in a text.

    Args:
        text: InputForm text of a list with that expression in it; of a Sequence, the list has its
            elements.
        definitions: Mathics3's definitions, which tell the language's names.

    Returns:
        The expression; None if the text is no list, or stands for what has no text.
    """
    if any(match[1] for match in _NO_TEXT.finditer(text)):
        return None
    feeder = MathicsMultiLineFeeder(text, "")
    try:
        tree = Parser().parse(feeder)
        if tree is None or not feeder.empty():
            return None
        found = convert(tree, _Names(definitions.builtin))
    except (WolframSyntaxError, RecursionError):
        return None
    if not found.has_form("List", None):
        return None
    return found.elements[0] if len(found.elements) == 1 else Expression(_SEQUENCE, *found.elements)

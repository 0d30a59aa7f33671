"""What stands at a cursor: a name, a string, a long name, and within which function. Sans-IO.

Positions count characters (code points), as the Jupyter protocol does from 5.2 on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from kernelbus.shell.clients.statements import TOKEN

__all__ = ["Place", "name_at", "place_at"]

_COMMENT = re.compile(r"\(\*|\*\)")
_LONG_NAME = re.compile(r"\\\[(\w*)$")
_MAGIC = re.compile(r"%%?[A-Za-z]\w*")
_NAME = re.compile(r"[\w$`]")
#: The name at the end of a word: not the digits of a number, nor what a pattern's _ is behind.
_TAIL = re.compile(r"(?:[^\W\d_]|[$`])(?:[^\W_]|[$`])*$")


@dataclass(frozen=True, slots=True)
class Place:
    """What is before a cursor.

    Attributes:
        kind: `string` is the inside of one, `character` a long name as ``\\[Alpha]``, `none` a
            comment.
        text: what is there so far: of a name, of a string's content, of a long name.
        start: where that begins.
        function: the function whose arguments these are; "" outside of any.
    """

    kind: Literal["name", "string", "character", "magic", "none"]
    text: str
    start: int
    function: str = ""


def place_at(code: str, cursor: int) -> Place:
    """Return what is before a cursor."""
    before = code[:cursor]
    line = before[before.rfind("\n") + 1 :]
    if _MAGIC.fullmatch(line):
        return Place("magic", line, cursor - len(line))
    functions: list[str] = []
    position, name = 0, ""
    while position < len(before):
        token = TOKEN.match(before, position)
        assert token is not None
        kind, word, began = token.lastgroup, token.group(), position
        position = token.end()
        match kind:
            case "comment":
                position = _behind_comment(before, position)
                if position < 0:
                    return Place("none", "", cursor)
                continue
            case "string" | "quote" if not token["quote"]:
                long_name = _LONG_NAME.search(word)
                if long_name is not None:
                    return Place("character", long_name[1], cursor - len(long_name[1]))
                return Place("string", word[1:], began + 1)
            case "open":
                functions.append(name if word == "[" else "")
            case "close" if functions:
                functions.pop()
            case "space":
                continue
        name = word if kind == "name" else ""
    long_name = _LONG_NAME.search(before)
    if long_name is not None:
        return Place("character", long_name[1], cursor - len(long_name[1]))
    function = functions[-1] if functions else ""
    tail = _TAIL.search(before)
    text = tail.group() if tail is not None else ""
    return Place("name", text, cursor - len(text), function)


def name_at(code: str, cursor: int) -> str:
    """Return the name at a cursor, or else the function whose arguments are there; "": neither."""
    end = cursor
    while end < len(code) and _NAME.match(code[end]):
        end += 1
    place = place_at(code, end)
    if place.kind != "name":
        return ""
    return place.text or place.function


def _behind_comment(text: str, position: int) -> int:
    """Return where a comment ends; -1: it does not."""
    depth = 1
    for found in _COMMENT.finditer(text, position):
        depth += 1 if found.group() == "(*" else -1
        if not depth:
            return found.end()
    return -1

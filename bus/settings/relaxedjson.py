"""Relaxed JSON for configuration files, read with the line of every key.

Accepted beyond RFC 8259: ``#`` comments anywhere outside strings, a comma after the last element, a
UTF-8 byte order mark, any line ends. Refused although Python's own reader accepts it: a key given
twice, ``NaN`` and ``Infinity``, lone surrogates. This module does no I/O and does not know what the
keys mean.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

__all__ = ["MAXIMUM_DEPTH", "Document", "Path", "SyntaxFault", "parse"]

#: Keys and indices that lead from the whole document to one value.
Path = tuple[str | int, ...]

#: Deeper nesting is refused, so that a hostile file cannot exhaust Python's stack.
MAXIMUM_DEPTH = 64

# Longer numbers are a mistake, and the time of int() grows with the square of their length.
_MAXIMUM_NUMBER = 400

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\n]+ | \#[^\n]*)
  | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
  | (?P<mark>[{}\[\],:])
  | (?P<word>[^\s{}\[\],:"\#]+)
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_CLOSING = {"{": "}", "[": "]"}


class SyntaxFault(ValueError):
    """The text is not JSON, not even in the relaxed form.

    Attributes:
        line: the line of the fault, from 1.
    """

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text: its value and where its parts stand.

    Attributes:
        value: dicts, lists, strings, numbers, booleans, None.
        lines: for the path of every key and list element (and ``()``, the whole), its line, from 1.
    """

    value: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """Return the line of `path`, or of the nearest thing around it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


class _Token(NamedTuple):
    kind: str  # "string", "mark", "word" or "end"
    text: str
    line: int


def parse(text: str) -> Document:
    """Parse `text`.

    Raises:
        SyntaxFault: it is not JSON; the error says what was found and what to do.
    """
    return _Parser(_tokens(text)).document()


def _tokens(text: str) -> list[_Token]:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found: list[_Token] = []
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            if text[position] == '"':
                raise SyntaxFault(line, "a string that does not end on its line: add the closing double quote")
            raise SyntaxFault(line, f"the character U+{ord(text[position]):04X} has no place here: remove it")
        kind, part = str(match.lastgroup), match.group()
        if kind != "blank":
            found.append(_Token(kind, part, line))
        line += part.count("\n")
        position = match.end()
    found.append(_Token("end", "", line))
    return found


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._lines: dict[Path, int] = {}

    def document(self) -> Document:
        first = self._peek()
        if first.kind == "end":
            raise SyntaxFault(first.line, "there is nothing here but space and comments: write at least {}")
        self._lines[()] = first.line
        value = self._value(())
        rest = self._peek()
        if rest.kind != "end":
            raise SyntaxFault(rest.line, f"{_shown(rest)} comes after the end of the JSON text: remove it, or a bracket too many")
        return Document(value, self._lines)

    def _peek(self) -> _Token:
        return self._tokens[self._index]

    def _next(self) -> _Token:
        token = self._tokens[self._index]
        if token.kind != "end":
            self._index += 1
        return token

    def _value(self, path: Path) -> Any:
        if len(path) > MAXIMUM_DEPTH:
            raise SyntaxFault(self._peek().line, f"brackets nested more than {MAXIMUM_DEPTH} deep: is one not closed?")
        token = self._next()
        if token.text == "{":
            return self._object(path, token)
        if token.text == "[":
            return self._list(path, token)
        if token.kind == "string":
            return _string(token)
        if token.kind == "word":
            return _scalar(token)
        raise SyntaxFault(token.line, f"a value is missing before {_shown(token)}")

    def _object(self, path: Path, opening: _Token) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while self._peek().text != "}":
            token = self._next()
            if token.kind != "string":
                self._refuse_key(token, opening)
            key = _string(token)
            inner = (*path, key)
            if key in members:
                raise SyntaxFault(
                    token.line, f"{_shown(token)} is given twice, first on line {self._lines[inner]}: remove one of the two"
                )
            self._lines[inner] = token.line
            colon = self._next()
            if colon.text != ":":
                raise SyntaxFault(colon.line, f"a colon and a value must follow {_shown(token)}, not {_shown(colon)}")
            members[key] = self._value(inner)
            self._separator(opening)
        self._next()
        return members

    def _list(self, path: Path, opening: _Token) -> list[Any]:
        elements: list[Any] = []
        while self._peek().text != "]":
            if self._peek().kind == "end":
                _refuse_end(opening)
            inner = (*path, len(elements))
            self._lines[inner] = self._peek().line
            elements.append(self._value(inner))
            self._separator(opening)
        self._next()
        return elements

    def _separator(self, opening: _Token) -> None:
        token = self._peek()
        if token.text == ",":
            self._next()
        elif token.kind == "end":
            _refuse_end(opening)
        elif token.text != _CLOSING[opening.text]:
            raise SyntaxFault(token.line, f"a comma or {_CLOSING[opening.text]} is missing before {_shown(token)}")

    def _refuse_key(self, token: _Token, opening: _Token) -> NoReturn:
        if token.kind == "end":
            _refuse_end(opening)
        if token.text.startswith("//"):
            raise SyntaxFault(token.line, "comments begin with #, not with //")
        if token.kind == "word":
            raise SyntaxFault(token.line, f"a key stands in double quotes: write {json.dumps(token.text.strip(chr(39)))}")
        raise SyntaxFault(token.line, f"a key in double quotes is missing before {_shown(token)}")


def _refuse_end(opening: _Token) -> NoReturn:
    closing = _CLOSING[opening.text]
    raise SyntaxFault(opening.line, f"the {opening.text} of this line is still open at the end of the file: add {closing}")


def _string(token: _Token) -> str:
    try:
        text = str(json.loads(token.text))
        text.encode()
    except UnicodeEncodeError:
        raise SyntaxFault(token.line, f"{_shown(token)} has half a surrogate pair: write the character itself") from None
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        raise SyntaxFault(token.line, f"{_shown(token)} is not a JSON string: {reason}") from None
    return text


def _scalar(token: _Token) -> Any:
    word = token.text
    if word in _WORDS:
        return _WORDS[word]
    match = _NUMBER.fullmatch(word)
    if match is not None:
        if len(word) > _MAXIMUM_NUMBER:
            raise SyntaxFault(token.line, f"a number of {len(word)} digits is longer than any that is meant")
        if match["fraction"] is None and match["exponent"] is None:
            return int(word)
        if math.isfinite(number := float(word)):
            return number
        raise SyntaxFault(token.line, f"{_shown(token)} is too large a number")
    if word.startswith("//") or word.startswith("/*"):
        raise SyntaxFault(token.line, f"comments begin with #, not with {word[:2]}")
    if word.lower() in _WORDS:
        raise SyntaxFault(token.line, f"{word} is not JSON: write {word.lower()}")
    raise SyntaxFault(token.line, f"{_shown(token)} is neither a number nor true, false or null: put a string in double quotes")


def _shown(token: _Token) -> str:
    if token.kind == "end":
        return "the end of the file"
    return token.text if len(token.text) <= 40 else token.text[:37] + "..."

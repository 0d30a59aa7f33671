"""Read WXF, the binary form of expressions, as far as Woxi writes it. Sans-IO, without recursion.

The format is documented (reference.wolfram.com, "WXF Format Description"): a header, then for each
part a letter, and its length or its value.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from wstp import BigReal, Expr, Function, Symbol

__all__ = ["WXFError", "read_wxf"]

_NUMBERS: Final = {"C": "<b", "j": "<h", "i": "<i", "L": "<q", "r": "<d"}


class WXFError(ValueError):
    """The bytes are not WXF, or have a part that is not known here."""


class _Open:
    """An expression whose parts are being read."""

    def __init__(self, parts: int, made: Callable[[list[Expr]], Expr]) -> None:
        self.left = parts
        self.made = made
        self.parts: list[Expr] = []


def read_wxf(data: bytes) -> Expr:
    """Return the expression.

    Raises:
        WXFError: it cannot be read.
    """
    if not data.startswith(b"8:"):
        raise WXFError(f"no header: {data[:8]!r}")
    reader, waiting = _Reader(data, 2), [_Open(1, lambda parts: parts[0])]
    while True:
        opened = waiting[-1]
        if opened.left:
            opened.left -= 1
            part = reader.part()
            if isinstance(part, _Open):
                waiting.append(part)
            else:
                opened.parts.append(part)
            continue
        waiting.pop()
        value = opened.made(opened.parts)
        if not waiting:
            return value
        waiting[-1].parts.append(value)


class _Reader:
    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    def part(self) -> Expr | _Open:
        """Return the next part: a value, or what is to be filled with parts."""
        kind = chr(self._take(1)[0])
        match kind:
            case "f":
                return _Open(self._length() + 1, _function)
            case "A":
                return _Open(self._length(), lambda rules: Function(Symbol("Association"), *rules))
            case "-" | ":":
                head = Symbol("Rule" if kind == "-" else "RuleDelayed")
                return _Open(2, lambda parts: Function(head, *parts))
            case "s":
                return self._symbol()
            case "S":
                return self._text()
            case "I":
                return int(self._text())
            case "R":
                return BigReal(self._text())
            case "B":
                return self._take(self._length())
            case _ if kind in _NUMBERS:
                form = _NUMBERS[kind]
                return struct.unpack(form, self._take(struct.calcsize(form)))[0]
        raise WXFError(f"a part of kind {kind!r} is not known")

    def _symbol(self) -> Symbol:
        name = self._text()
        # Woxi writes a pattern as a symbol: Global`x_.
        if not name or "_" in name or not all(character.isalnum() or character in "$`" for character in name):
            raise WXFError(f"{name!r} is no symbol")
        # As kernels do, which leave out the contexts that need not be named.
        return Symbol(name.removeprefix("Global`"))

    def _text(self) -> str:
        try:
            return self._take(self._length()).decode()
        except UnicodeDecodeError as error:
            raise WXFError(str(error)) from None

    def _length(self) -> int:
        number = shift = 0
        while True:
            byte = self._take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def _take(self, count: int) -> bytes:
        piece = self._data[self._position : self._position + count]
        if len(piece) < count:
            raise WXFError("it ends too early")
        self._position += count
        return piece


def _function(parts: list[Expr]) -> Expr:
    head, *arguments = parts
    return arguments if head == Symbol("List") else Function(head, *arguments)

"""Excerpts of packets for the log, where `--log-contents` asks for contents, and for nothing else.

Sans-IO. The first 16 KiB of each packet are kept and written as text from their tokens, so that
the beginning of a packet is enough.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable

from wstp import NEED_DATA, WSTPError
from wstp.tokens import (
    ArrayToken,
    BigRealToken,
    FunctionToken,
    IntegerToken,
    MisreadToken,
    PackedToken,
    RealToken,
    StringToken,
    SymbolToken,
    TokenReader,
)
from wstp.tracker import End, Mark, Start

__all__ = ["KEPT", "Beginnings", "excerpt"]

#: Bytes of each packet that are kept for its excerpt.
KEPT = 16 * 1024
#: Characters of an excerpt.
_SHOWN = 200


class Beginnings:
    """The first bytes of every packet of a stream.

    Args:
        kept: how many bytes of each packet; 0: none, at no cost.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._whole: deque[bytes] = deque()
        self._current: bytearray | None = None

    def feed(self, data: bytes | bytearray | memoryview, marks: Iterable[Mark], base: int) -> None:
        """Take the next bytes of the stream.

        Args:
            data: the bytes.
            marks: the tracker's marks in them.
            base: the stream offset of the first of them.
        """
        if not self._kept:
            return
        view = memoryview(data)
        at = 0
        for mark in marks:
            if isinstance(mark, Start):
                self._current, at = bytearray(), mark.offset - base
            elif isinstance(mark, End):
                self._keep(view[at : mark.offset - base])
                self._whole.append(bytes(self._current or b""))
                self._current = None
        self._keep(view[at:])

    def _keep(self, data: memoryview) -> None:
        if self._current is not None and len(self._current) < self._kept:
            self._current += data[: self._kept - len(self._current)]

    def take(self) -> bytes:
        """Remove and return the first bytes of the earliest packet that is complete.

        If none is complete, this is the packet in progress, which never will be.
        """
        if self._whole:
            return self._whole.popleft()
        current, self._current = self._current, None
        return bytes(current or b"")


def excerpt(data: bytes) -> str:
    """Return the expression at the beginning of `data` as text, at most 200 characters of it.

    What is missing or left out is shown as `...`.
    """
    reader = TokenReader()
    reader.feed(data)
    text = ""
    # For each open function: how many arguments it has, and how many of them are written; -1: its
    # head is not written yet.
    opened: list[list[int]] = []
    numbers = 0  # numbers of an array that are still to come, and are left out
    while len(text) <= _SHOWN:
        try:
            token = reader.next_token()
        except WSTPError:
            token = NEED_DATA
        if token is NEED_DATA:
            return text[:_SHOWN] + "..."
        if numbers > 0:
            numbers -= token.values.size if isinstance(token, PackedToken) else 1
            continue
        if opened and opened[-1][1] > 0:
            text += ", "
        match token:
            case FunctionToken(arguments):
                opened.append([arguments, -1])
                continue
            case SymbolToken(name):
                text += name.removeprefix("System`")
            case StringToken(string):
                text += json.dumps(string[: _SHOWN + 1], ensure_ascii=False)
            case IntegerToken(value) | RealToken(value):
                text += str(value)
            case BigRealToken(digits):
                text += digits
            case MisreadToken():
                text += f"<{token.problem}>"
            case ArrayToken(leaves, dimensions):
                text += f"<array {' x '.join(map(str, dimensions))}>"
                numbers = leaves
            case PackedToken():
                # The numbers are as many arguments of the open function. Not more of them are
                # written than an excerpt can show.
                text += ", ".join(map(str, token.values[:_SHOWN].tolist()))
                if opened:
                    opened[-1][1] += token.values.size - 1
            case _:
                return text[:_SHOWN] + "..."
        while opened:
            opened[-1][1] += 1
            arguments, written = opened[-1]
            if written == 0:
                text += "["
            if written < arguments:
                break
            text += "]"
            opened.pop()
        if not opened:
            break
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."

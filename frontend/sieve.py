"""The sieve: separates a client's commands to the server from expressions for its kernel.

This module does no I/O. Bytes go in, pieces come out in order: bytes that pass, or a whole command.
It follows the token stream without decoding it. Bulk passes without being held. Only an expression
whose head is not known yet and a command that is not complete yet are held, both within bounds.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from kernelbus.frontend.commands import is_command
from wstp import LimitExceeded, Limits
from wstp.tracker import End, Head, Mark, PacketEnd, Start, Tracker

__all__ = ["Piece", "Sieve"]

#: The longest command, and the longest head of any expression, in bytes.
_LONGEST = 2**20


class _State(Enum):
    BETWEEN = "between expressions"
    UNDECIDED = "the head is not known yet"
    PASSING = "inside an expression for the kernel"
    COMMAND = "inside a command"
    AFTER_COMMAND = "behind a command, whose end of packet may follow"


class Piece(NamedTuple):
    """Bytes for the kernel, or with `command` one whole command without its end of packet.

    `expressions` is the number of expressions that begin in these bytes.
    """

    command: bool
    data: bytes | memoryview
    expressions: int = 0


class Sieve:
    """Separates one client's stream.

    Raises (from :meth:`feed`):
        RemoteProtocolError: the bytes are not tokens.
        LimitExceeded: a bound of `limits` is exceeded, or a command has more than 1 MiB.
    """

    def __init__(self, limits: Limits) -> None:
        self._tracker = Tracker(limits)
        self._state = _State.BETWEEN
        self._held: list[bytes | memoryview] = []
        self._held_bytes = 0
        self._undecided = 0  # expressions (0 or 1) that have begun and that no piece counts yet

    def feed(self, data: bytes | memoryview) -> list[Piece]:
        """Process the client's next bytes and return the pieces that are complete."""
        base = self._tracker.position
        marks = self._tracker.feed(data)
        if self._state is _State.BETWEEN and not self._held:
            # The usual case: whole expressions, none of them a command.
            started, last = _plain(marks)
            if started and last == base + len(data):
                return [Piece(False, data, started)]
        view = memoryview(data)
        pieces: list[Piece] = []
        done = 0
        for mark in marks:
            match mark:
                case Start(offset):
                    self._pass(pieces, view[done : max(done, offset - base)])
                    done = max(done, offset - base)
                    self._state = _State.UNDECIDED
                    self._undecided = 1
                case Head():
                    self._state = _State.COMMAND if is_command(mark.name) else _State.PASSING
                case End(offset) if self._state is _State.COMMAND:
                    self._hold(view[done : offset - base])
                    pieces.append(Piece(True, b"".join(self._held)))
                    self._held, self._held_bytes, self._undecided = [], 0, 0
                    done = offset - base
                    self._state = _State.AFTER_COMMAND
                case End(offset):
                    self._pass(pieces, view[done : offset - base])
                    done = offset - base
                    self._state = _State.BETWEEN
                case PacketEnd(offset):
                    if self._state is not _State.AFTER_COMMAND:
                        self._pass(pieces, view[done : offset - base])
                    done = offset - base
                    self._state = _State.BETWEEN
        rest = view[done:]
        if len(rest):
            if self._state is _State.PASSING:
                self._pass(pieces, rest)
            else:
                # Between expressions too: the rest is the beginning of a token that cannot be
                # recognised yet.
                self._hold(rest)
        return pieces

    def _pass(self, pieces: list[Piece], data: memoryview) -> None:
        for held in self._held:
            pieces.append(Piece(False, held))
        self._held, self._held_bytes = [], 0
        if len(data):
            pieces.append(Piece(False, data, self._undecided))
            self._undecided = 0

    def _hold(self, data: memoryview) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _LONGEST:
            raise LimitExceeded(f"a command, or the head of an expression, of more than {_LONGEST} bytes")


def _plain(marks: list[Mark]) -> tuple[int, int]:
    """Return how many expressions begin and where the last ends; (0, 0) if one is a command."""
    started = last = 0
    for mark in marks:
        kind = type(mark)
        if kind is Start:
            started += 1
        elif kind is Head:
            if is_command(mark.name):  # type: ignore[union-attr]
                return 0, 0
        elif kind is End or kind is PacketEnd:
            last = mark.offset
    return started, last

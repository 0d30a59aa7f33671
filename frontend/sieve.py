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
from wstp.tracker import End, Head, PacketEnd, Start, Tracker

__all__ = ["Piece", "Sieve"]

#: The longest head of an expression, and the longest command, in bytes. A command is decoded in one
#: step, so its length bounds how long that takes.
_LONGEST, _LONGEST_COMMAND = 2**20, 2**14


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
        LimitExceeded: a bound of `limits` is exceeded, a command has more than 16 KiB, or the head
            of an expression is not known after 1 MiB.
    """

    def __init__(self, limits: Limits) -> None:
        self._tracker = Tracker(limits)
        self._state = _State.BETWEEN
        # Joined, since a client may send byte by byte.
        self._held = bytearray()
        self._begun = 0  # expressions that have begun and that no piece counts yet

    @property
    def skippable(self) -> int:
        """How many of the next bytes are the rest of a body, which costs next to nothing."""
        return self._tracker.skippable

    def feed(self, data: bytes | memoryview) -> list[Piece]:
        """Process the client's next bytes and return the pieces that are complete."""
        base = self._tracker.position
        marks = self._tracker.feed(data)
        pieces: list[Piece] = []
        view = memoryview(data)
        # So many of the bytes are in a piece; there begins the expression whose head is not known.
        done = start = 0
        for mark in marks:
            kind = type(mark)
            if kind is Start:
                start = max(0, mark.offset - base)
                self._state = _State.UNDECIDED
                self._begun += 1
            elif kind is Head:
                if not is_command(mark.name):  # type: ignore[union-attr]
                    self._state = _State.PASSING
                    continue
                self._state = _State.COMMAND
                self._begun -= 1
                if start > done:
                    self._pass(pieces, view[done:start])
                    done = start
            elif kind is End:
                if self._state is _State.COMMAND:
                    self._hold(view[done : mark.offset - base], _LONGEST_COMMAND)
                    pieces.append(Piece(True, bytes(self._held)))
                    self._held.clear()
                    done = mark.offset - base
                    self._state = _State.AFTER_COMMAND
                else:
                    self._state = _State.BETWEEN
            elif kind is PacketEnd:
                if self._state is _State.AFTER_COMMAND:
                    done = mark.offset - base
                self._state = _State.BETWEEN
        if self._state is _State.UNDECIDED:
            if start > done:
                # The expression that begins last belongs to what is held.
                self._begun -= 1
                self._pass(pieces, view[done:start])
                self._begun, done = 1, start
            self._hold(view[done:], _LONGEST)
        elif self._state is _State.COMMAND:
            self._hold(view[done:], _LONGEST_COMMAND)
        elif done < len(view):
            self._pass(pieces, data if done == 0 else view[done:])
        return pieces

    def _pass(self, pieces: list[Piece], data: bytes | memoryview) -> None:
        if self._held:
            pieces.append(Piece(False, bytes(self._held)))
            self._held.clear()
        pieces.append(Piece(False, data, self._begun))
        self._begun = 0

    def _hold(self, data: memoryview, longest: int) -> None:
        self._held += data
        if len(self._held) > longest:
            what = "a command" if longest == _LONGEST_COMMAND else "the head of an expression"
            raise LimitExceeded(f"{what} of more than {longest} bytes")

"""A client's input, taken in step by step: bytes that have come, and the pieces that they make.

No I/O. What a client sends waits here undivided until its link has a turn
(:mod:`kernelbus.bus.turns`). So a client that sends faster than its link may work costs the bytes
that were read, and nothing for what is in them. A step follows at most
:data:`kernelbus.bus.turns.STEP_BYTES`, or the rest of one long body, which costs next to nothing.
"""

from __future__ import annotations

from collections import deque

from kernelbus.bus.turns import Backlog, Turn
from kernelbus.frontend.sieve import Piece, Sieve
from wstp import Limits

__all__ = ["Intake"]

#: Take so many bytes before they are passed on.
_PORTION = 256 * 1024


class Intake:
    """The input of one client.

    Attributes:
        waiting: how many bytes wait, in pieces or not divided yet.
    """

    def __init__(self, limits: Limits) -> None:
        self._sieve = Sieve(limits)
        self._raw = Backlog()
        self._pieces: deque[Piece] = deque()
        self.waiting = 0

    def add(self, data: bytes | memoryview) -> None:
        """Take bytes that have come; the buffer must not change afterwards."""
        self._raw.add(data)
        self.waiting += len(data)

    def clear(self) -> None:
        """Forget what waits."""
        self._raw.clear()
        self._pieces.clear()
        self.waiting = 0

    def fill(self, turn: Turn) -> bool:
        """Divide what waits into pieces, up to the first command or as long as the turn lasts.

        Returns:
            Whether the turn lasts.

        Raises:
            RemoteProtocolError, LimitExceeded: see :class:`kernelbus.frontend.sieve.Sieve`.
        """
        taken, goes_on = 0, True
        while goes_on and self._raw and taken < _PORTION and not (self._pieces and self._pieces[-1].command):
            part = self._raw.take(self._sieve.skippable)
            taken += len(part)
            # What the sieve holds is in no piece and waits for nothing but the client.
            self.waiting -= len(part)
            for piece in self._sieve.feed(part):
                self._pieces.append(piece)
                self.waiting += len(piece.data)
            goes_on = turn.step()
        return goes_on

    def first(self) -> Piece | None:
        """Return the first piece without taking it; None: none is divided off yet."""
        return self._pieces[0] if self._pieces else None

    def take(self) -> Piece:
        """Take the first piece."""
        piece = self._pieces.popleft()
        self.waiting -= len(piece.data)
        return piece

    def take_passing(self) -> list[Piece]:
        """Take the pieces before the first command."""
        taken = []
        while self._pieces and not self._pieces[0].command:
            taken.append(self.take())
        return taken

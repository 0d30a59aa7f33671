"""What a kernel's host sends for one client, taken in turns. No I/O.

A kernel may say very much in very small packets. So the bytes of its output wait undivided until
its link has a turn (:mod:`kernelbus.bus.turns`), and what the host says after them waits behind
them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from kernelbus.bus.channel.channel import Data, Ended, Reset
from kernelbus.bus.turns import Backlog, Turn

__all__ = ["Arrival", "Gone", "Incoming"]


class Gone(NamedTuple):
    """The kernel is lost, and its host with it; the text says why."""

    text: str


Arrival = Data | Ended | Reset | Gone


class Incoming:
    """The events of one channel that keep their order, one after the other.

    Args:
        handle: called with each of them; the bytes of one of data may come in several.
        skippable: says how many of the next bytes are the rest of a body.
    """

    def __init__(self, handle: Callable[[Arrival], None], skippable: Callable[[], int]) -> None:
        self._handle = handle
        self._skippable = skippable
        self._events: deque[Arrival] = deque()
        self._first = Backlog()  # the bytes of an event of data that has begun
        self._offset = 0

    def __bool__(self) -> bool:
        return bool(self._events or self._first)

    def add(self, event: Arrival) -> None:
        """Take an event, behind the others."""
        self._events.append(event)

    def again(self, pieces: list[bytes | bytearray | memoryview]) -> None:
        """Take back bytes whose time had not come, before all others.

        That is also before the rest of the event from which they were taken.
        """
        rest = self._first.give_up()
        self._events.extendleft(Data(0, piece) for piece in reversed([*pieces, *rest]))

    def clear(self) -> None:
        """Forget what waits."""
        self._events.clear()
        self._first.clear()

    def work(self, turn: Turn) -> bool:
        """See :class:`kernelbus.bus.rounds.Worker`."""
        goes_on = True
        while goes_on and self:
            if not self._first:
                event = self._events.popleft()
                if not isinstance(event, Data):
                    self._handle(event)
                else:
                    self._offset = event.offset
                    self._first.add(event.payload)
            if self._first:
                part = self._first.take(self._skippable())
                offset, self._offset = self._offset, self._offset + len(part)
                self._handle(Data(offset, part))
            goes_on = turn.step()
        return bool(self)

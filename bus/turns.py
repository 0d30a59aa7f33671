"""Turns: nobody who has much to do keeps the others waiting. No I/O and no clock.

A part runs on one event loop. Work that a peer has sent is done in *turns*: a bounded number of
steps, and a few milliseconds at most. Turns are given in *rounds*. A round ends after a few
milliseconds too, and the event loop comes around before the next one. Within a round those come
first who did not use up their last turn, so that one who asks for little does not wait behind many
who ask for much. At least one of the others has a turn in each round, so that nobody starves.

:class:`kernelbus.bus.rounds.Rounds` gives the turns on an event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["ROUND", "STEPS", "STEP_BYTES", "TURN", "Backlog", "Turn", "Turns"]

K = TypeVar("K", bound=Hashable)

#: The seconds of one turn and of one round, at most; what is under way then is finished first.
TURN, ROUND = 0.002, 0.004
#: The steps of one turn, at most.
STEPS = 64
#: The bytes of one step, where a peer's bytes are followed: at worst each of them is an expression.
STEP_BYTES = 4096


class Turn:
    """One turn, counted in steps and in seconds.

    Args:
        clock: returns the time in seconds.
        seconds: how long the turn may last.
        steps: how many steps it may have.
    """

    __slots__ = ("_clock", "_ends", "steps")

    def __init__(self, clock: Callable[[], float], seconds: float = TURN, steps: int = STEPS) -> None:
        self._clock = clock
        self._ends = clock() + seconds
        self.steps = steps

    def step(self) -> bool:
        """Count one step that was done; return whether there may be another."""
        self.steps -= 1
        return self.steps > 0 and self._clock() < self._ends


class Backlog:
    """Bytes that wait, and are taken in the steps of turns.

    Attributes:
        size: how many they are.
    """

    __slots__ = ("_pieces", "size")

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes; the buffer must not change afterwards."""
        if len(data):
            self._pieces.append(memoryview(data))
            self.size += len(data)

    def take(self, skippable: int) -> memoryview:
        """Return the bytes of the next step, and forget them. There must be some.

        Args:
            skippable: how many of the next bytes are the rest of a body, which costs next to
                nothing to follow.
        """
        first = self._pieces[0]
        size = max(STEP_BYTES, skippable)
        if len(first) > size:
            self._pieces[0] = first[size:]
            first = first[:size]
        else:
            self._pieces.popleft()
        self.size -= len(first)
        return first

    def give_up(self) -> list[memoryview]:
        """Return all that waits, and forget it."""
        pieces = list(self._pieces)
        self.clear()
        return pieces

    def clear(self) -> None:
        """Forget all that waits."""
        self._pieces.clear()
        self.size = 0


class Turns(Generic[K]):
    """Who has a turn next.

    Args:
        seconds: how long a round may last.
    """

    def __init__(self, seconds: float = ROUND) -> None:
        self._seconds = seconds
        self._left = seconds
        self._greedy_due = True
        self._light: deque[K] = deque()
        self._greedy: deque[K] = deque()
        self._waiting: set[K] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: K) -> bool:
        return key in self._waiting

    def ask(self, key: K, *, again: bool = False) -> None:
        """Note that `key` has something to do, `again` because its last turn was too short."""
        if key not in self._waiting:
            self._waiting.add(key)
            (self._greedy if again else self._light).append(key)

    def forget(self, key: K) -> None:
        """Note that `key` needs no turn any more."""
        self._waiting.discard(key)

    def next(self) -> K | None:
        """Return whose turn it is in this round; None: nobody's, or the round is over.

        One of those whose last turn was too short comes after all others, but once in each round
        whatever time is left.
        """
        if self._left > 0 and (key := self._first(self._light)) is not None:
            return key
        if (self._left > 0 or self._greedy_due) and (key := self._first(self._greedy)) is not None:
            self._greedy_due = False
            return key
        return None

    def spent(self, seconds: float) -> None:
        """Count the time of a turn."""
        self._left -= seconds

    @property
    def over(self) -> bool:
        """Whether this round has no time left."""
        return self._left <= 0

    def begin(self) -> None:
        """Begin a new round."""
        self._left = self._seconds
        self._greedy_due = True

    def _first(self, queue: deque[K]) -> K | None:
        while queue:
            key = queue.popleft()
            if key in self._waiting:
                self._waiting.discard(key)
                return key
        return None

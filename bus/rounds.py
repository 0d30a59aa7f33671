"""Give turns on an event loop, as :mod:`kernelbus.bus.turns` decides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Protocol
from weakref import WeakKeyDictionary

from kernelbus.bus.turns import ROUND, STEPS, TURN, Turn, Turns

__all__ = ["Rounds", "Worker", "shared"]


class Worker(Hashable, Protocol):
    """Somebody who works in turns."""

    def work(self, turn: Turn) -> bool:
        """Work until nothing is left to do or the turn is over; return whether something is left.

        Each step is counted by :meth:`kernelbus.bus.turns.Turn.step`.
        """


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, Rounds] = WeakKeyDictionary()


def shared() -> Rounds:
    """Return the rounds of the running event loop: parts of one process have their turns in one."""
    loop = asyncio.get_running_loop()
    rounds = _SHARED.get(loop)
    if rounds is None:
        rounds = _SHARED[loop] = Rounds()
    return rounds


class Rounds:
    """The turns of the workers on one event loop.

    Args:
        clock: returns the time in seconds; another one than the system's is for tests.
        turn, steps, round: the bounds of :mod:`kernelbus.bus.turns`.
    """

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, *, turn: float = TURN, steps: int = STEPS, round: float = ROUND
    ) -> None:
        self._clock = clock
        self._turn, self._steps = turn, steps
        self._turns: Turns[Worker] = Turns(round)
        self._running = False
        self._scheduled = False

    def ask(self, worker: Worker) -> None:
        """Give `worker` a turn: at once if this round has time left, else in one of the next."""
        self._turns.ask(worker)
        if not self._running:
            self._run()

    def forget(self, worker: Worker) -> None:
        """Give `worker` no turn any more."""
        self._turns.forget(worker)

    def waits(self, worker: Worker) -> bool:
        """Whether `worker` waits for a turn."""
        return worker in self._turns

    def _run(self) -> None:
        turns, clock = self._turns, self._clock
        self._running = True
        try:
            while (worker := turns.next()) is not None:
                began = clock()
                try:
                    again = worker.work(Turn(clock, self._turn, self._steps))
                except Exception as error:
                    # One worker's failure is not another's: report it as the loop does.
                    again = False
                    context = {"message": "work on what a peer has sent has failed", "exception": error}
                    asyncio.get_running_loop().call_exception_handler(context)
                if again:
                    turns.ask(worker, again=True)
                turns.spent(clock() - began)
        finally:
            self._running = False
        if (turns.over or len(turns)) and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._next_round)

    def _next_round(self) -> None:
        self._scheduled = False
        self._turns.begin()
        self._run()

"""Kills what kernels that have ended have left behind.

To find it means to look at every process of the machine. So kernels that end together share one
look, and it is made in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

from kernelbus.kernelhost.process.tree import kill_marked

__all__ = ["sweep"]

Done = Callable[[int], None]

_SWEEPERS: WeakKeyDictionary[asyncio.AbstractEventLoop, _Sweeper] = WeakKeyDictionary()


def sweep(mark: str, done: Done) -> None:
    """Kill the processes that have a kernel's mark; needs a running event loop.

    Args:
        mark: see :mod:`kernelbus.kernelhost.process.tree`.
        done: called when they are killed, with their number.
    """
    loop = asyncio.get_running_loop()
    _SWEEPERS.setdefault(loop, _Sweeper()).add(mark, done)


class _Sweeper:
    def __init__(self) -> None:
        self._waiting: dict[str, Done] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, mark: str, done: Done) -> None:
        self._waiting[mark] = done
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, {}
                killed = await asyncio.to_thread(kill_marked, list(batch))
                for mark, done in batch.items():
                    done(killed.get(mark, 0))
        finally:
            self._task = None

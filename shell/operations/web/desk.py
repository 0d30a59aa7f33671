"""Asks the broker for what the web page shows, on the event loop of the broker's process.

A status is shared by all who ask within a second, so that many pages cost the broker no more than
one. A trace is kept as long as somebody reads it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kernelbus.bus.broker.console import Console, NoAnswer
from kernelbus.bus.client import OrderRefused
from kernelbus.bus.protocol.orders import Traced, TraceEvent
from kernelbus.bus.protocol.reports import PoolFigures, Status, StoryEvent
from kernelbus.shell.operations.tables import SHORT_ID
from kernelbus.shell.operations.web.history import History

__all__ = ["Desk", "Packets", "TooManyTraces"]

#: Seconds for which a status is shown to others who ask; longer where it takes the broker long, so
#: that this costs it a twentieth of its time at most.
_FRESH = 1.0
_SHARE = 20
_STALE = 10.0

#: Seconds between two renewals of a trace, and after which one ends that nobody reads.
_RENEWAL = 5.0
_UNREAD = 15.0

#: Packets of a trace that are kept, and traces at once.
_PACKETS = 1000
_TRACES = 20


class TooManyTraces(Exception):
    """Others trace so many kernels that there is no place for one more."""


@dataclass(frozen=True, slots=True)
class Packets:
    """What has passed to and from a kernel.

    Attributes:
        events: packets with their numbers, oldest first.
        missed: how many more have passed since the trace began that are not among the numbered.
    """

    events: list[tuple[int, TraceEvent]]
    missed: int


@dataclass(slots=True)
class _Trace:
    """A trace that somebody reads; times are on the loop's clock."""

    read: float
    renewed: float
    events: deque[tuple[int, TraceEvent]] = field(default_factory=lambda: deque(maxlen=_PACKETS))
    count: int = 0
    missed: int = 0


class Desk:
    """Asks the broker. Every method is called on the event loop, but those of `history`'s content.

    Args:
        console: the way to the broker.
        measure: returns a brief status and what has been counted of the pools.
        patience: seconds in which parts have to answer.

    Attributes:
        history: the figures of the last quarter of an hour.
        patience: as given.
    """

    def __init__(self, console: Console, measure: Callable[[], tuple[Status, Iterable[PoolFigures]]], patience: float) -> None:
        self._console = console
        self._measure = measure
        self.patience = patience
        self.history = History()
        self._loop = asyncio.get_running_loop()
        #: The last status with and without the sessions that are over, and until when it is shown.
        self._fresh: dict[bool, tuple[float, Status]] = {}
        self._asking = asyncio.Lock()
        #: The traces by the beginnings of kernels' ids.
        self._traces: dict[str, _Trace] = {}
        console.traced = self._traced

    async def run(self) -> None:
        """Take samples, and end the traces that nobody reads, until cancelled."""
        while True:
            status, figures = self._measure()
            self.history.add(status, figures, time.time())
            now = self._loop.time()
            for kernel in [kernel for kernel, trace in self._traces.items() if now - trace.read >= _UNREAD]:
                del self._traces[kernel]
                try:
                    await self._console.trace(kernel, False, self.patience)
                except (OrderRefused, NoAnswer):
                    pass  # the kernel has ended, or its host is gone; the lease ends by itself
            await asyncio.sleep(self.history.interval)

    async def status(self, *, over: bool = False) -> Status:
        """Return a status that is at most a second old, with the clients' links.

        Raises:
            NoAnswer: see :meth:`Console.status`.
        """
        async with self._asking:
            fresh = self._fresh.get(over)
            if fresh is None or self._loop.time() >= fresh[0]:
                begun = self._loop.time()
                # Frontends have the patience; the broker answers without those that do not.
                status = await self._console.status(self.patience + _RENEWAL, links=True, over=over)
                now = self._loop.time()
                fresh = self._fresh[over] = now + max(_FRESH, min(_SHARE * (now - begun), _STALE)), status
            return fresh[1]

    async def story(self, kernel: str) -> list[StoryEvent]:
        """Return what has happened to the kernel whose id begins with `kernel`.

        Raises:
            OrderRefused: there is no such kernel, or there are several.
        """
        return (await self._console.story(kernel[:SHORT_ID], self.patience)).events

    async def packets(self, kernel: str, after: int = 0) -> Packets:
        """Return what has passed to and from a kernel since packet `after`; begin the trace first.

        The trace goes on as long as it is read every few seconds.

        Raises:
            OrderRefused: there is no such kernel, or not everybody may give orders.
            NoAnswer: its host did not answer.
            TooManyTraces: see there.
        """
        now, kernel = self._loop.time(), kernel[:SHORT_ID]
        trace = self._traces.get(kernel)
        if trace is None and len(self._traces) >= _TRACES:
            raise TooManyTraces(f"{_TRACES} kernels are traced at once: look again when somebody has stopped")
        if trace is None or now - trace.renewed >= _RENEWAL:
            whole = await self._console.trace(kernel, True, self.patience)
            trace = self._traces.setdefault(whole[:SHORT_ID], _Trace(now, now))
            trace.renewed = now
        trace.read = now
        found = [event for event in trace.events if event[0] > after]
        return Packets(found, trace.missed + max(0, trace.count - len(trace.events)))

    def _traced(self, message: Traced) -> None:
        trace = self._traces.get(message.kernel[:SHORT_ID])
        if trace is None:
            return
        for event in message.events:
            trace.count += 1
            trace.events.append((trace.count, event))
        trace.missed += message.missed

"""Sends the packets that pass to and from kernels to the administrators that trace them.

A trace is a lease: it ends by itself when its console or its broker is gone. Its batches are
bounded, so that a trace cannot use more and more memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from kernelbus.bus.protocol.orders import Traced, TraceEvent
from kernelbus.kernelhost.kernel import Kernel
from kernelbus.kernelhost.session.trace import FROM, Passage

__all__ = ["TraceFeed"]

#: Seconds between two batches, and the most events in one; further events are only counted.
_INTERVAL = 0.1
_BATCH = 200

#: Seconds after which a trace ends if it has not been renewed. The broker ends it sooner, unless
#: the broker is gone.
_LEASE = 30.0


@dataclass(slots=True)
class _Feed:
    """The trace of one kernel. `until` is when its lease ends, on the loop's clock."""

    kernel: Kernel
    until: float
    send: Callable[[Traced], None]
    events: list[TraceEvent] = field(default_factory=list)
    missed: int = 0

    def take(self, passage: Passage) -> None:
        if len(self.events) < _BATCH:
            direction: Literal["to", "from"] = "from" if passage.direction == FROM else "to"
            self.events.append(TraceEvent(passage.time, direction, passage.head[:200], passage.size))
        else:
            self.missed += 1

    def flush(self) -> None:
        if self.events:
            events, self.events, missed, self.missed = self.events, [], self.missed, 0
            self.send(Traced(self.kernel.identity, events, missed))


class TraceFeed:
    """All traces of one host.

    Args:
        send: sends a batch to the broker.
    """

    def __init__(self, send: Callable[[Traced], None]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._feeds: dict[str, _Feed] = {}
        self._timer: asyncio.TimerHandle | None = None

    def trace(self, kernel: Kernel, on: bool) -> None:
        """Begin to trace a kernel, renew its trace, or end it."""
        feed = self._feeds.get(kernel.identity)
        if on and feed is None:
            feed = self._feeds[kernel.identity] = _Feed(kernel, 0.0, self._send)
            kernel.trace.add(feed.take)
        if feed is not None:
            if on:
                feed.until = self._loop.time() + _LEASE
            else:
                self._end(feed)
        if self._feeds and self._timer is None:
            self._timer = self._loop.call_later(_INTERVAL, self._flush)

    def kernel_ended(self, kernel: Kernel) -> None:
        """End the trace of a kernel that has ended, if it has one."""
        if (feed := self._feeds.get(kernel.identity)) is not None:
            self._end(feed)

    def close(self) -> None:
        """End all traces."""
        for feed in list(self._feeds.values()):
            self._end(feed)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, feed: _Feed) -> None:
        feed.flush()
        feed.kernel.trace.remove(feed.take)
        del self._feeds[feed.kernel.identity]

    def _flush(self) -> None:
        self._timer = None
        for feed in list(self._feeds.values()):
            feed.flush()
            if self._loop.time() >= feed.until:
                self._end(feed)
        if self._feeds:
            self._timer = self._loop.call_later(_INTERVAL, self._flush)

"""Count latencies in the same buckets everywhere, so that the counts of parts can be added up.

Rules of this module: no I/O and no clock.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from kernelbus.bus.protocol.schema import Message

__all__ = ["BOUNDS", "Histogram", "Latencies", "added"]

#: Upper bounds of the buckets, in seconds; one bucket more counts what is beyond the last. They
#: span a round trip (about a millisecond) and the start of a Wolfram kernel (up to half a minute).
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Histogram(Message):
    """Latencies by bucket.

    `counts`: how many latencies fell into each bucket (not cumulative), one count more than
    :data:`BOUNDS` has bounds. `total`: the sum of the latencies, in seconds.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    @property
    def count(self) -> int:
        """How many latencies were counted."""
        return sum(self.counts)


class Latencies:
    """Counts latencies as they occur."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one latency."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += max(0.0, seconds)

    def histogram(self) -> Histogram:
        """Return what has been counted so far."""
        return Histogram(list(self.counts), self.total)


def added(first: Histogram, second: Histogram) -> Histogram:
    """Return the sum of two histograms.

    A `second` with another number of buckets (of another version) is left out, since its buckets
    mean something else.
    """
    if len(second.counts) != len(first.counts):
        return first
    return Histogram([a + b for a, b in zip(first.counts, second.counts, strict=True)], first.total + second.total)

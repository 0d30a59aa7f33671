"""What a host counts of its pools, for the status and for metrics. No I/O, no clock."""

from __future__ import annotations

from kernelbus.bus.protocol.histogram import Latencies
from kernelbus.bus.protocol.reports import PoolFigures

__all__ = ["PoolCounts"]


class PoolCounts:
    """One pool's counts since its host began; none of them ever falls.

    Attributes:
        started: kernels that were started and became ready.
        failed: kernels that did not.
        died: kernels that ended and had not been told to.
        starts: seconds from the start of a kernel until it is ready.
        evaluations: seconds from a kernel's being asked for something until it has answered all it
            was asked.
    """

    def __init__(self, pool: str) -> None:
        self.pool = pool
        self.started = 0
        self.failed = 0
        self.died = 0
        self.starts = Latencies()
        self.evaluations = Latencies()
        self._bytes_in = 0
        self._bytes_out = 0

    def ended(self, bytes_in: int, bytes_out: int) -> None:
        """A kernel is no more, to and from which so many bytes have passed."""
        self._bytes_in += bytes_in
        self._bytes_out += bytes_out

    def figures(self, bytes_in: int, bytes_out: int) -> PoolFigures:
        """Give the counts; so many bytes have passed to and from the kernels that there are."""
        return PoolFigures(
            self.pool,
            self.started,
            self.failed,
            self.died,
            self._bytes_in + bytes_in,
            self._bytes_out + bytes_out,
            self.starts.histogram(),
            self.evaluations.histogram(),
        )

"""Counts what happens in a host's pools, for the status and for metrics. Sans-IO."""

from __future__ import annotations

from kernelbus.bus.protocol.histogram import Latencies
from kernelbus.bus.protocol.reports import PoolFigures

__all__ = ["PoolCounts"]


class PoolCounts:
    """One pool's counts since its host started. No count ever decreases, whichever kernels end.

    Args:
        pool: the pool's name.

    Attributes:
        started: how many kernels were started and became ready.
        failed: how many were started and did not become ready.
        died: how many ended without having been told to.
        starts: seconds from the start of a kernel until it is ready.
        evaluations: seconds from the first request to an idle kernel until the kernel has answered
            everything.
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
        """Add the bytes that have passed to and from a kernel that has ended."""
        self._bytes_in += bytes_in
        self._bytes_out += bytes_out

    def figures(self, bytes_in: int, bytes_out: int) -> PoolFigures:
        """Return the counts.

        Args:
            bytes_in, bytes_out: bytes that have passed to and from the pool's present kernels.
        """
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

"""What has been lately: the figures behind the sparklines. No I/O, no clock.

A history has a sample of the server every :data:`INTERVAL` seconds, of the last quarter of an hour.
Each series has one value for each sample, None where there was nothing to measure; a pool or a host
that has come later has None before, and one that has none but None any more is forgotten.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

from kernelbus.bus.protocol.reports import PoolFigures, Status

__all__ = ["INTERVAL", "LENGTH", "History", "rates"]

#: Seconds between two samples, and how many are kept.
INTERVAL = 2.0
LENGTH = 450

#: Pools and hosts of which histories are kept at most.
_MOST = 100

_Series = deque[float | None]


class History:
    """The samples of one server; `interval` and `length` are for tests."""

    def __init__(self, interval: float = INTERVAL, length: int = LENGTH) -> None:
        self.interval = interval
        self._length = length
        self.times: deque[float] = deque(maxlen=length)
        self._whole: dict[str, _Series] = {}
        self._pools: dict[str, dict[str, _Series]] = {}
        self._hosts: dict[str, dict[str, _Series]] = {}

    def add(self, status: Status, figures: Iterable[PoolFigures], at: float) -> None:
        """Add a sample.

        Args:
            status: the server's; it may be brief.
            figures: what has been counted of its pools.
            at: seconds since 1970.
        """
        counted = {each.pool: each.evaluations.count for each in figures}
        whole = {
            "evaluations": sum(counted.values()),
            "waiting": status.waiting,
            "longest": status.longest,
            "busy": sum(pool.busy for pool in status.pools),
            "kernels": sum(host.kernels for host in status.hosts),
            "load": max((host.load / max(1, host.cores) for host in status.hosts if host.load), default=None),
        }
        pools = {
            pool.pool: {
                "evaluations": counted.get(pool.pool),
                "waiting": pool.waiting,
                "longest": pool.longest,
                "busy": pool.busy,
            }
            for pool in status.pools[:_MOST]
        }
        hosts = {host.id: {"load": host.load or None} for host in status.hosts[:_MOST]}
        before = len(self.times)
        self.times.append(at)
        self._extend(self._whole, whole, before)
        for kept, added in ((self._pools, pools), (self._hosts, hosts)):
            for name in {**kept, **added}:
                self._extend(kept.setdefault(name, {}), added.get(name, {}), before)
            for name in [name for name, series in kept.items() if not any(value is not None for each in series.values() for value in each)]:
                del kept[name]

    def _extend(self, kept: dict[str, _Series], added: dict[str, Any], before: int) -> None:
        for name in {**kept, **added}:
            if name not in kept:
                kept[name] = deque([None] * before, maxlen=self._length)
            kept[name].append(added.get(name))

    def copy(self) -> History:
        """Return a history with the samples of now, which are added to no more."""
        return copy.deepcopy(self)

    def series(self, name: str, *, pool: str | None = None, host: str | None = None) -> list[float | None]:
        """Return the values of a series of the whole server, of a pool, or of a host by its id.

        One that is not kept has None at each sample.
        """
        of = self._pools.get(pool, {}) if pool is not None else self._hosts.get(host, {}) if host is not None else self._whole
        return list(of[name]) if name in of else [None] * len(self.times)

    def content(self, after: float = 0.0) -> dict[str, Any]:
        """Return the samples after a time as JSON values (docs/web.md)."""
        skipped = sum(1 for at in self.times if round(at, 3) <= after)

        def cut(series: dict[str, _Series]) -> dict[str, list[float | None]]:
            return {name: [_rounded(value) for value in islice(values, skipped, None)] for name, values in series.items()}

        return {
            "interval": self.interval,
            "length": self._length,
            "at": [round(at, 3) for at in islice(self.times, skipped, None)],
            **cut(self._whole),
            "pools": {name: cut(series) for name, series in self._pools.items()},
            "hosts": {name: cut(series) for name, series in self._hosts.items()},
        }


def _rounded(value: float | None) -> float | None:
    return round(value, 4) if isinstance(value, float) else value


def rates(times: Iterable[float], counts: Iterable[float | None]) -> list[float | None]:
    """Return how much a count has grown in each second, from each sample to the next.

    A count that has fallen was begun anew; it is None there, and at the first sample.
    """
    found: list[float | None] = []
    last: tuple[float, float] | None = None
    for at, count in zip(times, counts, strict=True):
        rate = None
        if count is not None:
            if last is not None and at > last[0] and count >= last[1]:
                rate = (count - last[1]) / (at - last[0])
            last = at, count
        found.append(rate)
    return found

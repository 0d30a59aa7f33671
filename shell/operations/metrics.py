"""Metrics for Prometheus: the broker's status in its text format, over HTTP.

One scrape covers all hosts, since the broker knows them all. For each request a :class:`Snapshot`
is taken on the event loop, and :class:`StatusCollector` makes metrics of it; a loop that does not
answer in time gives a 503. docs/metrics.md says what each metric means.
"""

from __future__ import annotations

import itertools
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import make_wsgi_app
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from kernelbus.bus.broker.sessions import AWAITED
from kernelbus.bus.broker.status import HEALTHY
from kernelbus.bus.protocol.histogram import BOUNDS, Histogram
from kernelbus.bus.protocol.reports import PoolFigures, Status
from kernelbus.shell.operations.httpserver import Loop, LoopBusy

__all__ = ["MetricsPage", "Snapshot", "StatusCollector"]

_PART_STATES = ("up", "suspect", "draining")


class Snapshot(NamedTuple):
    """What there is to report at one moment.

    Attributes:
        status: the status that the broker gives to anyone who asks.
        dropped: frames that the broker could not route.
        strangers: connections to the bus that were refused for their keys.
    """

    status: Status
    dropped: int
    strangers: int = 0


class StatusCollector(Collector):
    """A snapshot as Prometheus's metrics."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._status, self._dropped, self._strangers = snapshot

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, also those without samples."""
        yield from self._server()
        yield from self._kernels()
        yield from self._figures()
        yield from self._parts()

    def _server(self) -> Iterator[Metric]:
        status = self._status
        build = {"version": status.version, "python": platform.python_version()}
        yield InfoMetricFamily("kernelbus_build", "The broker's version.", build)
        for name, told, value in (
            ("healthy", "Whether all is as it should be: 1, or 0 when there are problems.", status.health == HEALTHY),
            ("problems", "What an operator has to see to; kernelbus status says what.", len(status.problems)),
            ("uptime_seconds", "Time since the broker began.", status.up),
            ("channels", "Clients' attachments to kernels, those that are asked for included.", status.attachments),
            ("waiting", "Clients that wait for a kernel, also while no host is there.", status.waiting),
            ("longest_wait_seconds", "How long the one of them that waits longest has waited.", status.longest),
        ):
            yield GaugeMetricFamily(f"kernelbus_{name}", told, value)
        refused = CounterMetricFamily("kernelbus_refused", "Requests for a kernel that were refused.", labels=["reason"])
        for counted in status.refused:
            refused.add_metric([counted.what], counted.count)
        yield refused
        told = "Connections to the bus that were refused for their keys, or for want of any."
        yield CounterMetricFamily("kernelbus_refused_handshakes", told, self._strangers)
        yield CounterMetricFamily("kernelbus_dropped_frames", "Frames for which there was no way; they are sent again.", self._dropped)

    def _kernels(self) -> Iterator[Metric]:
        pools = self._status.pools
        kernels = GaugeMetricFamily("kernelbus_kernels", "Kernels by state.", labels=["pool", "state"])
        for pool in pools:
            for state in ("starting", "ready", "attached", "detached"):
                kernels.add_metric([pool.pool, state], getattr(pool, state))
        for name, count in Counter(kernel.pool for kernel in self._status.kernels if kernel.state == AWAITED).items():
            kernels.add_metric([name, AWAITED], count)
        yield kernels
        for name, told, values in (
            ("kernels_evaluating", "Kernels that evaluate.", {pool.pool: pool.busy for pool in pools}),
            ("kernels_evaluating_detached", "Kernels without a client that evaluate.", {pool.pool: pool.detached_busy for pool in pools}),
            ("pool_at_maximum", "Whether no kernel can be given unless a session ends: 1 or 0.", {p.pool: p.at_maximum for p in pools}),
            ("kernels_minimum", "Ready kernels that are to be kept.", {pool.pool: pool.minimum for pool in pools}),
            ("kernels_maximum", "Kernels that there may be.", {pool.pool: pool.maximum for pool in pools}),
            ("kernels_memory_bytes", "Resident memory of the kernels.", self._memory()),
            ("pool_waiting", "Clients that wait for a kernel.", {pool.pool: pool.waiting for pool in pools}),
            ("pool_longest_wait_seconds", "How long the one that waits longest has waited.", {pool.pool: pool.longest for pool in pools}),
            ("pool_failing", "Whether the pool's kernels do not start: 1 or 0.", {pool.pool: bool(pool.failing) for pool in pools}),
            ("pool_serving", "Whether it gives kernels: 1; paused or drained: 0.", {pool.pool: pool.state == "serving" for pool in pools}),
        ):
            yield _by("pool", GaugeMetricFamily(f"kernelbus_{name}", told, labels=["pool"]), values)

    def _memory(self) -> Mapping[str, int]:
        memory = Counter({pool.pool: 0 for pool in self._status.pools})
        for kernel in self._status.kernels:
            memory[kernel.pool] += kernel.memory
        return memory

    def _figures(self) -> Iterator[Metric]:
        counted = {pool.pool: PoolFigures(pool.pool) for pool in self._status.pools}
        counted.update((figures.pool, figures) for figures in self._status.figures)
        for name, told, attribute in (
            ("starts", "Kernels that were started and became ready.", "started"),
            ("start_failures", "Kernels that were started and did not become ready.", "failed"),
            ("restarts", "Kernels that ended without having been told to; their pool starts others.", "died"),
        ):
            values = {pool: getattr(figures, attribute) for pool, figures in counted.items()}
            yield _by("pool", CounterMetricFamily(f"kernelbus_{name}", told, labels=["pool"]), values)
        passed = CounterMetricFamily("kernelbus_bytes", "Token bytes that have passed to and from kernels.", labels=["pool", "direction"])
        for pool, figures in counted.items():
            passed.add_metric([pool, "to"], figures.bytes_in)
            passed.add_metric([pool, "from"], figures.bytes_out)
        yield passed
        for name, told, attribute in (
            ("attach_seconds", "From a client's asking for a kernel until it has one.", "attaches"),
            ("start_seconds", "From the start of a kernel's process until it is ready.", "starts"),
            ("evaluation_seconds", "From a kernel's being asked until it has answered all it was asked.", "evaluations"),
        ):
            family = HistogramMetricFamily(f"kernelbus_{name}", told, labels=["pool"])
            for pool, figures in counted.items():
                latencies: Histogram = getattr(figures, attribute)
                family.add_metric([pool], list(_buckets(latencies)), latencies.total)
            yield family

    def _parts(self) -> Iterator[Metric]:
        status = self._status
        for role, parts in (("hosts", status.hosts), ("frontends", status.frontends)):
            states = Counter(dict.fromkeys(_PART_STATES if role == "hosts" else _PART_STATES[:2], 0))
            states.update(part.state for part in parts)
            told = f"{'Kernel hosts' if role == 'hosts' else 'Frontends'} by state."
            yield _by("state", GaugeMetricFamily(f"kernelbus_{role}", told, labels=["state"]), states)
        links: Counter[str] = Counter()
        for frontend in status.frontends:
            links[frontend.name] += frontend.links
        yield _by("frontend", GaugeMetricFamily("kernelbus_links", "Clients' links.", labels=["frontend"]), links)


def _by(label: str, family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float]) -> Metric:
    for name, value in values.items():
        family.add_metric([name], value)
    return family


def _buckets(latencies: Histogram) -> Iterator[tuple[str, float]]:
    bounds = [*BOUNDS, float("inf")]
    for bound, count in zip(bounds, itertools.accumulate(latencies.counts), strict=True):
        yield floatToGoString(bound), count


class MetricsPage:
    """Answers scrapes; a WSGI application.

    Args:
        take: returns a snapshot; called on the event loop.
    """

    def __init__(self, take: Callable[[], Snapshot]) -> None:
        self._take = take
        self._loop = Loop()
        self._process = ProcessCollector(registry=None)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, in a thread of its own."""
        try:
            snapshot = self._loop.fetch(self._snapshot)
        except LoopBusy as error:
            start_response("503 Service Unavailable", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{error}\n".encode()]
        registry = CollectorRegistry()
        registry.register(self._process)
        registry.register(StatusCollector(snapshot))
        answer: Iterable[bytes] = make_wsgi_app(registry)(environ, start_response)
        return answer

    async def _snapshot(self) -> Snapshot:
        return self._take()

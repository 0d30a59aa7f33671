"""Metrics: they agree with the status, parse as Prometheus's format, and keep its rules for names.
"""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from kernelbus.bus.protocol.histogram import BOUNDS, Histogram
from kernelbus.bus.protocol.reports import (
    Counted,
    FrontendStatus,
    HostStatus,
    KernelStatus,
    PoolFigures,
    PoolStatus,
    Status,
)
from kernelbus.shell.operations.httpserver import HttpServer
from kernelbus.shell.operations.metrics import MetricsPage, Snapshot, StatusCollector

ROOT = Path(__file__).parents[4]
ODD = 'odd "pool"\\ \u00e4'


def status() -> Status:
    latencies = Histogram([1, 2, *[0] * (len(BOUNDS) - 2), 4], 700.5)
    return Status(
        0,
        "front",
        "1.2.3",
        "degraded",
        ["host lab2 is gone"],
        12.5,
        3,
        [HostStatus("lab1", "a", "up", "1", 0.1, ["Main"], 3, 2), HostStatus("lab2", "b", "lost", "1", 70.0, [], 0, 0)],
        [
            FrontendStatus("front", "c", "up", "1", 0.1, links=2),
            FrontendStatus("front", "d", "suspect", "1", 6.0, links=5),
        ],
        [
            PoolStatus("Main", "serving", True, True, False, 1, 1, 2, 3, 2, 4, 5, 6.25, 2, 8),
            PoolStatus(ODD, "paused", False, False, False, 1, 0, 0, 0, 0, 0, 0, 0.0, 0, 4, failing="no licence"),
        ],
        [
            KernelStatus("k1", "Main", "lab1", "attached", 1.0, 1.0, memory=100, busy=True),
            KernelStatus("k2", "Main", "lab1", "ready", 1.0, 1.0, memory=11),
            KernelStatus("k3", "Main", "lab2", "awaited", 1.0, 1.0),
        ],
        figures=[PoolFigures("Main", 9, 8, 7, 6000, 5000, starts=latencies), PoolFigures("Gone", started=1)],
        refused=[Counted("no-host", 2), Counted("kernel-in-use", 1)],
        waiting=5,
        longest=7.5,
    )


def empty() -> Status:
    return Status(0, "front", "1.2.3", "healthy", [], 0.0, 0)


def text(snapshot: Status) -> str:
    registry = CollectorRegistry()
    registry.register(StatusCollector(Snapshot(snapshot, 4, 5)))
    return generate_latest(registry).decode()


def samples(exposition: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in parse(exposition):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def test_what_the_status_says() -> None:
    found = samples(text(status()))
    expected = {
        "kernelbus_healthy": 0,
        "kernelbus_problems": 1,
        "kernelbus_uptime_seconds": 12.5,
        "kernelbus_channels": 3,
        "kernelbus_waiting": 5,
        "kernelbus_longest_wait_seconds": 7.5,
        "kernelbus_dropped_frames_total": 4,
        "kernelbus_refused_handshakes_total": 5,
        "kernelbus_refused_total{reason=no-host}": 2,
        "kernelbus_refused_total{reason=kernel-in-use}": 1,
        "kernelbus_kernels{pool=Main,state=starting}": 1,
        "kernelbus_kernels{pool=Main,state=ready}": 2,
        "kernelbus_kernels{pool=Main,state=attached}": 3,
        "kernelbus_kernels{pool=Main,state=detached}": 4,
        "kernelbus_kernels{pool=Main,state=awaited}": 1,
        "kernelbus_kernels_evaluating{pool=Main}": 2,
        "kernelbus_kernels_evaluating_detached{pool=Main}": 0,
        "kernelbus_pool_at_maximum{pool=Main}": 0,
        "kernelbus_kernels_minimum{pool=Main}": 2,
        "kernelbus_kernels_maximum{pool=Main}": 8,
        "kernelbus_kernels_memory_bytes{pool=Main}": 111,
        f"kernelbus_kernels_memory_bytes{{pool={ODD}}}": 0,
        "kernelbus_pool_waiting{pool=Main}": 5,
        "kernelbus_pool_longest_wait_seconds{pool=Main}": 6.25,
        "kernelbus_pool_failing{pool=Main}": 0,
        f"kernelbus_pool_failing{{pool={ODD}}}": 1,
        "kernelbus_pool_serving{pool=Main}": 1,
        f"kernelbus_pool_serving{{pool={ODD}}}": 0,
        "kernelbus_starts_total{pool=Main}": 9,
        "kernelbus_starts_total{pool=Gone}": 1,
        f"kernelbus_starts_total{{pool={ODD}}}": 0,
        "kernelbus_start_failures_total{pool=Main}": 8,
        "kernelbus_restarts_total{pool=Main}": 7,
        "kernelbus_bytes_total{direction=to,pool=Main}": 6000,
        "kernelbus_bytes_total{direction=from,pool=Main}": 5000,
        "kernelbus_start_seconds_count{pool=Main}": 7,
        "kernelbus_start_seconds_sum{pool=Main}": 700.5,
        "kernelbus_start_seconds_bucket{le=0.001,pool=Main}": 1,
        "kernelbus_start_seconds_bucket{le=300.0,pool=Main}": 3,
        "kernelbus_start_seconds_bucket{le=+Inf,pool=Main}": 7,
        "kernelbus_attach_seconds_count{pool=Main}": 0,
        "kernelbus_evaluation_seconds_count{pool=Main}": 0,
        "kernelbus_hosts{state=up}": 1,
        "kernelbus_hosts{state=draining}": 0,
        "kernelbus_hosts{state=lost}": 1,
        "kernelbus_frontends{state=suspect}": 1,
        "kernelbus_links{frontend=front}": 7,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert sum(1 for key in found if key.startswith("kernelbus_build_info{")) == 1


def test_there_is_something_to_scrape_before_there_is_anything_else() -> None:
    found = samples(text(empty()))
    assert (found["kernelbus_healthy"], found["kernelbus_hosts{state=up}"]) == (1, 0)


@pytest.mark.parametrize("make", [status, empty])
def test_both_of_prometheus_parsers_take_it(make: object) -> None:
    assert callable(make)
    registry = CollectorRegistry()
    registry.register(StatusCollector(Snapshot(make(), 0)))
    # The stricter of the two.
    strict = list(parse_openmetrics(generate_openmetrics(registry).decode()))
    plain = [family.name.removesuffix("_info") for family in parse(generate_latest(registry).decode())]
    assert [family.name for family in strict] == plain


def families() -> Iterator[Metric]:
    yield from StatusCollector(Snapshot(status(), 0)).collect()


def test_promtools_rules_for_names() -> None:
    for family in families():
        assert re.fullmatch(r"kernelbus_[a-z]+(_[a-z]+)*", family.name)
        assert family.documentation.strip().endswith(".")
        # Rules of `promtool check metrics`: units are base units and come last, a name holds no
        # type, and only counters end in _total.
        assert not re.search(r"_(total|count|sum|bucket|gauge|counter|histogram|summary)\b", family.name)
        assert not re.search(r"_(milliseconds|ms|minutes|hours|kilobytes|megabytes|bits|percent)\b", family.name)
        if family.type == "counter":
            assert {sample.name for sample in family.samples} <= {f"{family.name}_total"}
        for sample in family.samples:
            names = set(sample.labels) - ({"le"} if family.type == "histogram" else set())
            assert all(re.fullmatch(r"[a-z]+", name) for name in names)
            assert not names & {"le", "quantile", "job", "instance"}


def test_the_page_names_them_all() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    kinds = {"counter": "_total", "info": "_info"}
    for family in families():
        name = family.name + kinds.get(family.type, "")
        (line,) = (line for line in page.splitlines() if line.startswith("|") and f"`{name}`" in line)
        assert f"| {family.type if family.type != 'info' else 'gauge'} |" in line
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert all(f"`{label}`" in line for label in labels)


# ---- over HTTP ---------------------------------------------------------------------------------


def get(url: str, method: str = "GET", accept: str = "") -> tuple[int, str, str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request(method, parts.path, headers={"Accept": accept} if accept else {})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()
    finally:
        connection.close()


def test_a_scrape_is_told_what_holds_at_that_moment_and_on_the_loop() -> None:
    asked_in: list[threading.Thread] = []
    present = empty()

    def take() -> Snapshot:
        asked_in.append(threading.current_thread())
        return Snapshot(present, len(asked_in))

    async def main() -> None:
        nonlocal present
        server = HttpServer(MetricsPage(take), "metrics")
        url = f"{await server.listen('127.0.0.1', 0)}/metrics"
        task = asyncio.create_task(server.run())
        try:
            code, kind, body = await asyncio.to_thread(get, url)
            assert (code, kind.split(";")[0]) == (200, "text/plain")
            assert samples(body)["kernelbus_problems"] == 0
            assert "process_cpu_seconds_total" in samples(body)
            present = dataclasses.replace(present, problems=["one"])
            code, kind, body = await asyncio.to_thread(get, url, "GET", "application/openmetrics-text; version=1.0.0")
            assert (code, kind.split(";")[0]) == (200, "application/openmetrics-text")
            assert next(family for family in parse_openmetrics(body) if family.name == "kernelbus_problems").samples[0].value == 1
            assert (await asyncio.to_thread(get, url, "POST"))[0] == 405
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    asyncio.run(main())
    assert set(asked_in) == {threading.main_thread()}


def test_a_loop_that_stands_still_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernelbus.shell.operations.httpserver.PATIENCE", 0.05)
    answers: list[tuple[int, str, str]] = []

    async def main() -> None:
        server = HttpServer(MetricsPage(lambda: Snapshot(empty(), 0)), "metrics")
        url = f"{await server.listen('127.0.0.1', 0)}/metrics"
        task = asyncio.create_task(server.run())
        await asyncio.sleep(0)
        asking = threading.Thread(target=lambda: answers.append(get(url)))
        asking.start()
        asking.join(10)  # on the loop's own thread, which so does nothing else
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert answers[0][0] == 503
    assert answers[0][2] == "the broker has not answered in 0.05 s\n"

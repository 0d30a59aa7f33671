"""Metrics of a server that has done some work, and of a broker alone."""

from __future__ import annotations

import re
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import EVALUATE, command, connect, order, value
from people import client_environment, run
from prometheus_client.parser import text_string_to_metric_families
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from wstp import Symbol

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scraped:
    """A part with a metrics port."""

    def __init__(self, part: Part) -> None:
        self.part = part
        (self.url,) = re.findall(r"Metrics are at (http://127\.0\.0\.1:\d+/metrics)", "\n".join(part.output))

    def scrape(self) -> Samples:
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            text = answer.read().decode()
        families = text_string_to_metric_families(text)
        return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}

    def read(self, name: str, **labels: str) -> float:
        return self.scrape().get((f"kernelbus_{name}", frozenset(labels.items())), -1.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    tmp_path = tmp_path_factory.mktemp("metrics")
    # No kernel is kept ready: the first client waits while one starts.
    pool = stand_in_pool(tmp_path, MinimumKernelNumber=0, KeepAlive=False)
    config = write_config(tmp_path / "k.conf", Pools={"StandIn": pool})
    with Part("serve", "-p", "0", "-c", config, "--metrics-port", "0") as part:
        yield Scraped(part)


def test_what_a_client_does_is_counted_and_never_uncounted(server: Scraped) -> None:
    assert server.read("kernels", pool="StandIn", state="attached") == 0
    with connect(server.part) as link:
        for number in range(5):
            assert value(link, number) == number
        wait_until(lambda: server.read("kernels", pool="StandIn", state="attached") == 1, "its kernel")
        wait_until(lambda: server.read("links", frontend=socket.gethostname()) == 1, "its link")
        wait_until(lambda: server.read("evaluation_seconds_count", pool="StandIn") == 5, "its evaluations")
        passed = server.read("bytes_total", pool="StandIn", direction="to")
        assert passed > 5 * 10
    wait_until(lambda: server.read("kernels", pool="StandIn", state="attached") == 0, "its leaving")
    found = server.scrape()
    of_pool = frozenset({("pool", "StandIn")})
    assert found["kernelbus_attach_seconds_count", of_pool] == found["kernelbus_start_seconds_count", of_pool] == 1
    # None of them took longer than the server has run.
    up = found["kernelbus_uptime_seconds", frozenset()]
    for name in ("attach", "start", "evaluation"):
        assert 0 <= found[f"kernelbus_{name}_seconds_sum", of_pool] < up
    assert found["kernelbus_bytes_total", of_pool | {("direction", "to")}] >= passed
    assert found["kernelbus_hosts", frozenset({("state", "up")})] == 1


def test_deaths_and_refusals_are_counted(server: Scraped) -> None:
    died = server.read("restarts_total", pool="StandIn")
    with connect(server.part) as link:
        link.put(EVALUATE(Symbol("Exit")(3)), end_packet=True)
        link.flush()
        assert link.get(timeout=10) == Symbol("TextPacket")("bye")
        with pytest.raises(wstp.LinkClosed):
            link.get(timeout=10)
    wait_until(lambda: server.read("restarts_total", pool="StandIn") == died + 1, "the death")
    with connect(server.part) as link:
        order(link, command("Disconnect"))
        wanted = command("ConnectKernel", Symbol("Association")(Symbol("Rule")("Pool", "None")))
        assert order(link, wanted) == Symbol("$Failed")
    wait_until(lambda: server.read("refused_total", reason="unknown-pool") == 1, "the refusal")


def test_a_broker_alone_and_a_port_that_is_taken(tmp_path: Path) -> None:
    config = write_config(tmp_path / "k.conf", Bus={"Journal": ""})
    options = ("broker", "--bus", "tcp://127.0.0.1:0", "-c", config)
    with Part(*options, "--metrics-port", "0", ready="Broker listening") as part:
        scraped = Scraped(part)
        assert scraped.read("healthy") == 0
        assert scraped.read("hosts", state="up") == 0
        port = re.findall(r":(\d+)/", scraped.url)[0]
        status, out, errors = run(client_environment(tmp_path), *map(str, options), "--metrics-port", port)
        assert (status, out) == (2, "")
        assert f"cannot serve metrics on port {port} of 127.0.0.1: Address already in use" in errors

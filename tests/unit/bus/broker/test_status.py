"""The status that a broker gives: problems, pools, kernels and counts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from broker_player import BrokerPlayer, Peer, kernel, report

from kernelbus.bus.broker.status import HEALTHY, add_figures
from kernelbus.bus.protocol.histogram import Histogram, Latencies
from kernelbus.bus.protocol.messages import (
    Acquired,
    ChannelReport,
    KernelGone,
    KernelReport,
    Leave,
    Open,
    PoolReport,
)
from kernelbus.bus.protocol.orders import HostOrder
from kernelbus.bus.protocol.reports import FrontendReport, HostReport, PoolFigures

ME = "me@here"
KERNEL = "AbCdEfGhIjKlMnOpQrStUv"


@pytest.fixture
def bus() -> BrokerPlayer:
    return BrokerPlayer()


@pytest.fixture
def console() -> Peer:
    return Peer("console")


def test_a_lost_host_is_a_problem_until_it_is_back_or_evicted(bus: BrokerPlayer, console: Peer) -> None:
    bus.host("alpha", kernels=[kernel(KERNEL)])
    beta = bus.host("beta")
    assert bus.status(console).health == "healthy"
    bus.wait(8, beta)
    told = bus.status(console)
    assert (told.health, [host.state for host in told.hosts]) == ("degraded", ["suspect", "up"])
    bus.wait(60, beta)
    told = bus.status(console)
    assert {host.name: host.state for host in told.hosts} == {"beta": "up", "alpha": "lost"}
    assert any("host alpha is gone" in problem for problem in told.problems)
    bus.host("alpha")
    assert bus.broker.gone_hosts == {}
    assert bus.status(console).health == "healthy"
    bus.wait(70, beta)
    bus.say(console, HostOrder(1, ME, "alpha", "evict"))
    assert bus.broker.gone_hosts == {}
    assert bus.status(console).health == "healthy"


def test_a_host_that_left_is_no_problem(bus: BrokerPlayer, console: Peer) -> None:
    alpha, beta = bus.host("alpha"), bus.host("beta")
    bus.say(alpha, Leave())
    assert [host.name for host in bus.status(console).hosts] == ["beta"]
    assert bus.status(console).health == "healthy"
    bus.say(beta, Leave())
    assert bus.status(console).problems == ["no kernel host has registered with the broker"]


def test_who_waits_while_no_host_is_there_is_counted(bus: BrokerPlayer, console: Peer) -> None:
    frontend = bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.wait(3, frontend)
    bus.say(frontend, Open(2, "a", kernel="gone"))
    bus.wait(2, frontend)
    status = bus.status(console)
    assert (status.waiting, status.longest) == (2, 5.0)
    assert status.problems == ["no kernel host has registered with the broker; 2 requests wait for one"]
    bus.host("h")
    assert (bus.status(console).waiting, bus.status(console).pools[0].waiting) == (1, 1), "the host is asked for a kernel"


@pytest.mark.parametrize(
    ("pool", "problem"),
    [
        (PoolReport("P", True, True, 0, 2, 0, 0, 0, 2, 8), ""),
        (PoolReport("P", True, True, 1, 1, 0, 0, 0, 2, 8), ""),
        (PoolReport("P", True, True, 0, 1, 0, 0, 0, 2, 8), "pool P is under its minimum: 1 of 2"),
        (PoolReport("P", True, True, 0, 0, 8, 0, 0, 2, 8), ""),
        (PoolReport("P", True, True, 0, 0, 7, 0, 0, 2, 8), "pool P is under its minimum: 1 of 2"),
        (PoolReport("P", True, True, 0, 0, 0, 0, 0, 2, 8, "exited"), "its kernels do not start: exited"),
        (PoolReport("P", True, True, 0, 0, 1, 0, 0, 2, 1, limited="one licence"), "one licence"),
        (PoolReport("P", True, True, 0, 0, 0, 0, 0, 2, 8, state="draining"), ""),
    ],
)
def test_a_pool_under_its_minimum_is_a_problem(bus: BrokerPlayer, console: Peer, pool: PoolReport, problem: str) -> None:
    bus.host("h", pool)
    told = bus.status(console)
    assert (told.health == "degraded") == bool(problem)
    assert problem in " ".join(told.problems)


def test_refusals_are_counted_by_their_codes(bus: BrokerPlayer, console: Peer) -> None:
    bus.host("h")
    frontend = bus.frontend("f")
    for number in (1, 2):
        bus.say(frontend, Open(number, "a", pool="Q"))
    bus.say(frontend, Open(3, "a", kernel="nobody"))
    counted = bus.status(console).refused
    assert [(count.what, count.count) for count in counted] == [("unknown-kernel", 1), ("unknown-pool", 2)]


def test_the_time_until_a_client_has_its_kernel_is_counted_once(bus: BrokerPlayer, console: Peer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.wait(3, host, frontend)
    bus.say(host, Acquired(1, kernel(channel=1)))
    bus.frontend("f", [ChannelReport(1, "k")], peer=frontend)
    bus.say(frontend, Open(1, "a"))
    (figures,) = bus.status(console).figures
    assert (figures.attaches.count, figures.attaches.total) == (1, 3.0)


def test_a_brief_status_has_pools_and_no_kernels(bus: BrokerPlayer, console: Peer) -> None:
    bus.host("h", kernels=[kernel(KERNEL)])
    whole, brief = bus.status(console), bus.status(console, brief=True)
    assert [known.kernel for known in whole.kernels] == [KERNEL]
    assert (brief.kernels, brief.figures) == ([], [])
    assert brief.pools == whole.pools


def test_of_many_sessions_that_are_over_the_last_are_shown(bus: BrokerPlayer, console: Peer) -> None:
    host = bus.host("h")
    for number in range(1100):
        bus.say(host, kernel(f"k{number}"))
        bus.say(host, KernelGone(f"k{number}", "closed"))
    assert bus.status(console).kernels == []
    assert [known.kernel for known in bus.status(console, over=True).kernels] == [f"k{number}" for number in range(100, 1100)]


def test_figures_are_added_up_field_by_field() -> None:
    def counted(*seconds: float) -> Histogram:
        latencies = Latencies()
        for value in seconds:
            latencies.add(value)
        return latencies.histogram()

    one = PoolFigures("P", 1, 2, 3, 4, 5, counted(1.0), counted(2.0), counted())
    two = PoolFigures("P", 10, 20, 30, 40, 50, counted(3.0), counted(), counted(4.0))
    assert add_figures(one, two) == PoolFigures("P", 11, 22, 33, 44, 55, counted(1.0, 3.0), counted(2.0), counted(4.0))


def test_a_live_kernel_is_shown_with_its_age_and_its_idle_time(bus: BrokerPlayer, console: Peer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    known = KernelReport(
        KERNEL, "P", "attached", 1, 7, "In[3]:= ", False, 2, 1, "127.0.0.1:5", "p", 10, 20, False, 99, 1.5, 4096, 2.0
    )
    bus.say(host, known)
    bus.wait(4, host, frontend)
    (shown,) = bus.status(console).kernels
    assert (shown.kernel, shown.pool, shown.host, shown.state, shown.client) == (KERNEL, "P", "h", "attached", "127.0.0.1:5")
    assert (shown.created, shown.since, shown.idle) == (4.0, 4.0, 6.0)
    assert (shown.prompt, shown.profile, shown.evaluations, shown.attachments) == ("In[3]:= ", "p", 2, 1)
    assert (shown.bytes_in, shown.bytes_out, shown.cpu, shown.memory, shown.keep, shown.pid) == (10, 20, 1.5, 4096, False, 99)
    bus.say(host, KernelReport(KERNEL, "P", "attached", 2, 7, busy=True, attachments=1, idle=2.0))
    (shown,) = bus.status(console).kernels
    assert (shown.state, shown.busy, shown.idle) == ("attached", True, 0.0), "a kernel that evaluates is not idle"


def test_a_kernel_that_has_ended_is_shown_without_its_client(bus: BrokerPlayer, console: Peer) -> None:
    host = bus.host("h")
    bus.say(host, KernelReport(KERNEL, "P", "attached", 1, 7, attachments=1, client="127.0.0.1:5"))
    bus.say(host, KernelGone(KERNEL, "exited with status 3"))
    (shown,) = bus.status(console, over=True).kernels
    assert (shown.state, shown.client, shown.text) == ("ended", "", "exited with status 3")


def test_parts_are_shown_with_what_they_report_of_themselves(bus: BrokerPlayer, console: Peer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    silent = bus.status(console)
    assert [(one.name, one.state, one.cores) for one in silent.hosts] == [("h", "up", 0)]
    assert [(one.name, one.port) for one in silent.frontends] == [("f", 0)]
    bus.say(host, HostReport(True, True, 10.0, "Linux", "3.11", "Mathics3 1", 2, 0.5, 2**30, 2**20))
    bus.say(frontend, FrontendReport(31415, "lo", 20.0, 1, 2, 3, 4, 5))
    bus.wait(2, host, frontend)
    told = bus.status(console)
    (shown,) = told.hosts
    assert (shown.state, shown.separate, shown.up, shown.system, shown.python) == ("draining", True, 12.0, "Linux", "3.11")
    assert (shown.embedded, shown.cores, shown.load, shown.memory, shown.free) == ("Mathics3 1", 2, 0.5, 2**30, 2**20)
    (link_server,) = told.frontends
    assert (link_server.port, link_server.interface, link_server.up, link_server.links) == (31415, "lo", 22.0, 1)
    assert (link_server.accepted, link_server.refused, link_server.bytes_in, link_server.bytes_out) == (2, 3, 4, 5)


def test_the_counts_of_a_host_that_is_gone_stay(bus: BrokerPlayer, console: Peer) -> None:
    one, two = bus.host("one"), bus.host("two")
    bus.say(one, PoolFigures("P", started=3))
    bus.say(two, PoolFigures("P", started=4))
    assert [figures.started for figures in bus.status(console).figures] == [7]
    bus.say(one, Leave())
    assert [figures.started for figures in bus.status(console).figures] == [7]


def test_a_pool_that_refuses_clients_is_a_problem_for_a_time(bus: BrokerPlayer, console: Peer) -> None:
    host, frontend = bus.host("h", report(ready=1, attached=4, detached=4)), bus.frontend("f")
    assert bus.status(console).health == HEALTHY
    assert bus.status(console).pools[0].at_maximum
    for channel in (1, 2):
        bus.say(frontend, Open(channel, "a"))
    bus.wait(31, host, frontend)
    (problem,) = bus.status(console).problems
    told = r"pool P: 2 requests for kernels were refused in the last 5 min, the last [01] s ago: it is at its maximum of 8"
    assert re.fullmatch(told, problem)
    bus.wait(310, host, frontend)
    assert bus.status(console).health == HEALTHY


def test_a_detached_kernel_that_evaluates_is_both(bus: BrokerPlayer, console: Peer) -> None:
    host = bus.host("h")
    bus.say(host, KernelReport(KERNEL, "P", "detached", 1, busy=True, asking=True, attachments=1))
    status = bus.status(console)
    assert [(k.state, k.busy, k.asking) for k in status.kernels] == [("detached", True, True)]
    assert (status.pools[0].busy, status.pools[0].detached_busy) == (1, 1)


def test_hosts_that_disagree_on_the_default_pool_are_a_problem_and_logged_once(bus: BrokerPlayer, console: Peer) -> None:
    bus.host("alpha", report("P"), report("Q"))
    bus.host("beta", replace(report("P"), default=False), replace(report("Q"), default=True))
    problems = bus.status(console).problems
    assert [problem.split(";")[0] for problem in problems] == [
        "pool P has Default on alpha, and not on beta",
        "pool Q has Default on beta, and not on alpha",
    ]
    assert [note.text for note in bus.notes if note.warning] == problems
    beta = bus.host("beta", replace(report("P"), default=False), replace(report("Q"), default=True))
    assert len([note for note in bus.notes if note.warning]) == 2
    # It is over when their configurations agree.
    for changed in (report("P"), report("Q")):
        bus.say(beta, changed)
    assert bus.status(console).problems == []

"""The broker's tables: options, parts, channels, and look-ups over them."""

from __future__ import annotations

import dataclasses

from broker_player import Peer as RoutePlayer
from broker_player import report

from kernelbus.bus.broker.tables import SHORT_ID, BrokerOptions, BrokerTables, GoneHost, Peer, PeerState
from kernelbus.bus.protocol.reports import HostReport
from kernelbus.bus.settings.config import BusConfig, Config, LimitsConfig


def part(identity: str, role: str = "host", *pools: str) -> Peer:
    return Peer(identity, role, identity, RoutePlayer(identity), 0.0, pools={pool: report(pool) for pool in pools})


def tables(*parts: Peer) -> BrokerTables:
    made = BrokerTables(BrokerOptions(), 5.0, 1000.0)
    made.peers = {peer.id: peer for peer in parts}
    return made


def test_a_broker_begins_with_nothing_but_its_times() -> None:
    made = tables()
    assert (made.started, made.epoch, made.dropped) == (5.0, 1000.0, 0)
    assert (made.peers, made.channels, made.refused, made.attaches, made.past_figures, made.gone_hosts) == ({}, {}, {}, {}, {}, {})


def test_parts_are_found_by_their_role_in_the_order_in_which_they_came() -> None:
    made = tables(part("b"), part("f", "frontend"), part("a"))
    assert [peer.id for peer in made.peers_of("host")] == ["b", "a"]
    assert [peer.id for peer in made.peers_of("frontend")] == ["f"]


def test_pools_are_those_of_all_hosts_each_once() -> None:
    made = tables(part("one", "host", "P", "Q"), part("two", "host", "R", "P"))
    assert made.pool_names() == ["P", "Q", "R"]
    assert made.pool_reports("P") == [report("P"), report("P")]
    assert made.pool_reports("none") == []


def test_a_host_accepts_requests_for_a_pool_that_it_serves() -> None:
    host = part("h", "host", "P")
    assert host.accepts("P")
    assert not host.accepts("Q")
    host.pools["P"] = dataclasses.replace(report("P"), state="paused")
    assert not host.accepts("P")
    host.pools["P"] = report("P")
    host.state = PeerState.SUSPECT
    assert not host.accepts("P")
    host.state = PeerState.UP
    host.report = HostReport(True, True, 1.0, "Linux", "3", "", 2, 0.1, 1, 1)
    assert host.draining and not host.accepts("P")


def test_a_configuration_changes_the_times_and_not_the_name() -> None:
    options = BrokerOptions("name", version="7")
    config = Config(
        bus=BusConfig(heartbeat_interval=2.0, heartbeat_timeout=9.0),
        limits=LimitsConfig(host_timeout=90.0, connection_timeout=20.0),
        allow_stealing_kernels=True,
        allow_silent_kernel_replacement=True,
    )
    assert options.of(config) == BrokerOptions("name", 2.0, 9.0, 90.0, 20.0, True, True, "7")


def test_a_host_that_is_gone_is_shown_as_lost_and_why() -> None:
    shown = GoneHost("0123456789abcdef", "alpha", "1", 4.0, "has been silent for 60 s").status(61.0)
    assert (shown.name, shown.id, shown.state, shown.silent) == ("alpha", "01234567", "lost", 61.0)
    assert len(shown.id) == SHORT_ID
    assert shown.text == "it has been silent for 60 s"


def test_hosts_that_disagree_on_the_default_pool_are_named() -> None:
    one, two = part("one", "host", "P", "Q"), part("two", "host", "P", "Q")
    made = tables(one, two)
    for host in (one, two):
        host.pools = {"P": report("P"), "Q": report("Q")}
    assert made.disagreements() == [] and made.default_pool(False) == "P"
    two.pools = {"P": dataclasses.replace(report("P"), default=False), "Q": dataclasses.replace(report("Q"), default=True)}
    first, second = made.disagreements()
    assert first == (
        "pool P has Default on one, and not on two; clients that name no pool get P: let the configurations of all hosts agree"
    )
    assert second.startswith("pool Q has Default on two, and not on one; clients that name no pool get P")
    # Pools that only one host has are no matter of agreement.
    two.pools = {"R": dataclasses.replace(report("R"), default=True)}
    assert made.disagreements() == []

"""The broker's state machine, by events and the clock of the test; every step is followed by `validate`."""

from __future__ import annotations

import pytest

from bus.broker import Action, Broker, BrokerOptions, ChannelPhase, PeerState, Send
from bus.frames import Frame, Kind
from bus.messages import (
    Acquire,
    Acquired,
    ChannelReport,
    Heartbeat,
    KernelGone,
    KernelReport,
    Leave,
    Lost,
    Message,
    Open,
    Opened,
    PoolReport,
    Refused,
    Register,
    RegisterAgain,
    Registered,
    Release,
)
from bus.transport import Route

OPTIONS = BrokerOptions(heartbeat_interval=1.0, heartbeat_timeout=5.0, host_timeout=60.0, connection_timeout=30.0)


class Peer(Route):
    """A part as the broker sees it."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def send(self, frame: Frame) -> bool:
        raise AssertionError("the state machine sends nothing itself")


def report(pool: str = "P", ready: int = 1, **counts: int) -> PoolReport:
    return PoolReport(pool, pool == "P", pool == "P", 0, ready, counts.get("attached", 0), 0, 0, 1, 8)


def kernel(identity: str = "k", channel: int = 0, serial: int = 1) -> KernelReport:
    return KernelReport(identity, "P", "attached" if channel else "detached", serial, channel, attachments=1)


class Bus:
    """A broker with what it has sent to whom."""

    def __init__(self) -> None:
        self.broker = Broker(OPTIONS, 0.0)
        self.now = 0.0
        self.sent: list[tuple[str, Message]] = []

    def take(self, actions: list[Action]) -> None:
        self.broker.validate()
        for action in actions:
            if isinstance(action, Send) and not isinstance(action.message, Heartbeat | Registered):
                self.sent.append((action.route.name, action.message))

    def say(self, peer: Peer, message: Message) -> list[tuple[str, Message]]:
        self.sent = []
        self.take(self.broker.control(peer, message, self.now))
        return self.sent

    def wait(self, seconds: float, *alive: Peer) -> list[tuple[str, Message]]:
        self.sent = []
        until = self.now + seconds
        while self.now < until:
            self.now += 1.0
            for peer in alive:
                self.take(self.broker.control(peer, Heartbeat(), self.now))
            self.take(self.broker.tick(self.now))
        return self.sent

    def host(self, name: str, *pools: PoolReport, kernels: list[KernelReport] | None = None) -> Peer:
        peer = Peer(name)
        self.say(peer, Register(name, "host", name, "1", list(pools or [report()]), kernels or []))
        return peer

    def frontend(self, name: str, channels: list[ChannelReport] | None = None) -> Peer:
        peer = Peer(name)
        self.say(peer, Register(name, "frontend", name, "1", channels=channels or []))
        return peer


@pytest.fixture
def bus() -> Bus:
    return Bus()


def test_a_request_is_asked_of_the_host_and_the_frontend_told(bus: Bus) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    assert bus.say(frontend, Open(1, "client")) == [("h", Acquire(1, "P", "client", 30.0))]
    assert bus.say(host, Acquired(1, kernel(channel=1))) == [("f", Opened(1, "k", "P", "h"))]
    data = Frame(Kind.DATA, 1)
    assert bus.broker.forward(frontend, data) is host
    assert bus.broker.forward(host, data) is frontend
    assert bus.broker.forward(Peer("stranger"), data) is None
    assert bus.say(frontend, Release(1, "ended")) == [("h", Release(1, "ended"))]
    assert bus.broker.channels == {}


def test_hosts_with_ready_kernels_come_first_then_the_least_loaded(bus: Bus) -> None:
    bus.host("empty", report(ready=0, attached=1))
    bus.host("ready", report(ready=1, attached=5))
    frontend = bus.frontend("f")
    assert [to for to, _ in bus.say(frontend, Open(1, "a"))] == ["ready"]
    assert [to for to, _ in bus.say(frontend, Open(2, "b"))] == ["empty"], "the one ready kernel is spoken for"


def test_a_request_waits_for_a_host_to_come(bus: Bus) -> None:
    frontend = bus.frontend("f")
    assert bus.say(frontend, Open(1, "a")) == []
    host = bus.host("h")
    assert bus.sent == [("h", Acquire(1, "P", "a", 30.0))]
    assert bus.say(host, Refused(1, "no-kernel", "full")) == [("f", Refused(1, "no-kernel", "full"))]


def test_requests_that_cannot_be_met_are_refused_with_the_reason(bus: Bus) -> None:
    frontend = bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    ((_, refusal),) = bus.wait(31, frontend)
    assert isinstance(refusal, Refused)
    assert "no kernel host has registered" in refusal.text
    bus.host("h")
    ((_, refusal),) = bus.say(frontend, Open(2, "a", pool="Q"))
    assert isinstance(refusal, Refused)
    assert "no pool 'Q'; there are: P" in refusal.text
    ((_, refusal),) = bus.say(frontend, Open(3, "a", kernel="nobody"))
    assert isinstance(refusal, Refused)
    assert refusal.code == "unknown-kernel"


def test_a_named_kernel_is_asked_of_its_host(bus: Bus) -> None:
    bus.host("one")
    bus.host("two", kernels=[kernel("mine")])
    frontend = bus.frontend("f")
    assert bus.say(frontend, Open(1, "a", kernel="mine")) == [("two", Acquire(1, "P", "a", 30.0, "mine"))]


def test_a_short_silence_is_not_death(bus: Bus) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(host, Acquired(1, kernel(channel=1)))
    assert bus.wait(8, frontend) == []
    assert bus.broker.peers["h"].state is PeerState.SUSPECT
    bus.say(host, Heartbeat())
    assert bus.broker.peers["h"].state is PeerState.UP


def test_a_lost_host_is_told_to_its_clients_and_its_requests_go_elsewhere(bus: Bus) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(host, Acquired(1, kernel(channel=1)))
    bus.say(frontend, Open(2, "b"))
    other = bus.host("other")
    sent = bus.wait(62, frontend, other)
    assert [(to, type(message)) for to, message in sent] == [("f", Lost), ("other", Acquire)]
    assert bus.broker.sessions == {}


def test_a_lost_frontend_is_told_to_the_hosts(bus: Bus) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(host, Acquired(1, kernel(channel=1)))
    ((to, message),) = bus.wait(12, host)
    assert (to, type(message)) == ("h", Release)
    assert list(bus.broker.sessions) == ["k"], "the session outlives the client"


@pytest.mark.parametrize("first", ["host", "frontend"])
def test_a_restarted_broker_is_told_what_there_is(bus: Bus, first: str) -> None:
    stranger = Peer("h")
    assert bus.say(stranger, Heartbeat()) == [("h", RegisterAgain())]
    assert bus.say(stranger, Heartbeat()) == [], "asked once an interval, not once a message"
    if first == "host":
        host = bus.host("h", kernels=[kernel(channel=7)])
        assert bus.broker.channels[7].phase is ChannelPhase.HALF
        frontend = bus.frontend("f", [ChannelReport(7, "k")])
    else:
        frontend = bus.frontend("f", [ChannelReport(7, "k")])
        assert bus.broker.channels[7].phase is ChannelPhase.HALF
        host = bus.host("h", kernels=[kernel(channel=7)])
    assert bus.broker.channels[7].phase is ChannelPhase.OPEN
    assert bus.broker.forward(frontend, Frame(Kind.DATA, 7)) is host
    assert not bus.broker.knows_no(Frame(Kind.DATA, 9), 10.0), "others may still be on their way back"
    assert bus.broker.knows_no(Frame(Kind.DATA, 9), 61.0)


@pytest.mark.parametrize("side", ["host", "frontend"])
def test_half_a_channel_whose_other_end_stays_away_is_given_up(bus: Bus, side: str) -> None:
    if side == "host":
        peer, expected = bus.host("h", kernels=[kernel(channel=7)]), Release
    else:
        peer, expected = bus.frontend("f", [ChannelReport(7, "k")]), Lost
    ((_, message),) = bus.wait(61, peer)
    assert isinstance(message, expected)
    assert bus.broker.channels == {}


def test_asking_again_after_a_break_is_answered_once_more(bus: Bus) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    assert bus.say(frontend, Open(1, "a")) == []
    bus.say(host, Acquired(1, kernel(channel=1)))
    assert bus.say(frontend, Open(1, "a")) == [("f", Opened(1, "k", "P", "h"))]


def test_a_kernel_that_came_too_late_is_let_go(bus: Bus) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(frontend, Release(1, "the client is gone"))
    ((to, message),) = bus.say(host, Acquired(1, kernel(channel=1)))
    assert (to, type(message)) == ("h", Release)


def test_nothing_is_left_when_all_have_gone(bus: Bus) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    for channel in range(1, 20):
        bus.say(frontend, Open(channel, "a"))
        bus.say(host, Acquired(channel, kernel(f"k{channel}", channel)))
    bus.say(host, KernelGone("k1", "exited"))
    bus.say(frontend, Leave())
    bus.say(host, Leave())
    broker = bus.broker
    assert (broker.peers, broker.channels, broker.sessions, broker._routes) == ({}, {}, {}, {})

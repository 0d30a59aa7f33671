"""The broker's state machine, driven by events and the test's clock.

Every step is followed by :meth:`kernelbus.bus.broker.machine.Broker.validate`.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from broker_player import OPTIONS, BrokerPlayer, Peer, kernel, report

from kernelbus.bus.broker.machine import Broker
from kernelbus.bus.broker.sessions import SessionRecord
from kernelbus.bus.broker.tables import ChannelPhase, Note, PeerState, Send
from kernelbus.bus.channel.frames import Frame, Kind
from kernelbus.bus.protocol.messages import (
    Acquire,
    Acquired,
    ChannelReport,
    Heartbeat,
    KeepAlive,
    KernelGone,
    Leave,
    Lost,
    Open,
    Opened,
    PoolReport,
    Reclaim,
    Refused,
    Register,
    RegisterAgain,
    Registered,
    Release,
    Told,
    Waiting,
    WhyWaiting,
    WithdrawAbort,
)
from kernelbus.bus.protocol.schema import Message


@pytest.fixture
def bus() -> BrokerPlayer:
    return BrokerPlayer()


def test_a_request_is_asked_of_the_host_and_the_frontend_told(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    assert bus.say(frontend, Open(1, "client")) == [("h", Acquire(1, "P", "client", 30.0))]
    assert bus.say(host, Acquired(1, kernel(channel=1))) == [("f", Opened(1, "k", "P", "h"))]
    data = Frame(Kind.DATA, 1)
    assert bus.broker.forward(frontend, data) is host
    assert bus.broker.forward(host, data) is frontend
    assert bus.broker.forward(Peer("stranger"), data) is None
    assert bus.say(frontend, Release(1, "ended")) == [("h", Release(1, "ended"))]
    assert bus.broker.channels == {}


def test_hosts_with_ready_kernels_come_first_then_the_least_loaded(bus: BrokerPlayer) -> None:
    bus.host("empty", report(ready=0, attached=1))
    bus.host("ready", report(ready=1, attached=5))
    frontend = bus.frontend("f")
    assert [to for to, _ in bus.say(frontend, Open(1, "a"))] == ["ready"]
    assert [to for to, _ in bus.say(frontend, Open(2, "b"))] == ["empty"], "the one ready kernel is spoken for"


def test_a_request_waits_for_a_host_to_come(bus: BrokerPlayer) -> None:
    frontend = bus.frontend("f")
    assert bus.say(frontend, Open(1, "a")) == []
    host = bus.host("h")
    assert bus.sent == [("h", Acquire(1, "P", "a", 30.0))]
    assert bus.say(host, Refused(1, "no-kernel", "full")) == [("f", Refused(1, "no-kernel", "full"))]


def test_who_one_host_cannot_serve_waits_for_another(bus: BrokerPlayer) -> None:
    frontend, first = bus.frontend("f"), bus.host("first")
    bus.say(frontend, Open(1, "a"))
    second = bus.host("second", report(attached=8))
    refusal = Refused(1, "no-kernel", "the kernels do not start")
    assert bus.say(first, refusal) == [], "the other may have one in time"
    assert bus.say(second, report()) == [("second", Acquire(1, "P", "a", 30.0))]
    bus.say(first, replace(report(ready=0), failing="they do not start"))
    assert bus.say(second, refusal) == [("f", refusal)], "nobody else is left"


def test_requests_that_cannot_be_met_are_refused_with_the_reason(bus: BrokerPlayer) -> None:
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


def test_a_named_kernel_is_asked_of_its_host(bus: BrokerPlayer) -> None:
    bus.host("one")
    bus.host("two", kernels=[kernel("mine")])
    frontend = bus.frontend("f")
    assert bus.say(frontend, Open(1, "a", kernel="mine")) == [("two", Acquire(1, "P", "a", 30.0, "mine"))]


def test_a_short_silence_is_not_death(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(host, Acquired(1, kernel(channel=1)))
    assert bus.wait(8, frontend) == []
    assert bus.broker.peers["h"].state is PeerState.SUSPECT
    bus.say(host, Heartbeat())
    assert bus.broker.peers["h"].state is PeerState.UP


def test_a_lost_host_is_told_to_its_clients_and_its_requests_go_elsewhere(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(host, Acquired(1, kernel(channel=1)))
    bus.say(frontend, Open(2, "b"))
    other = bus.host("other")
    sent = bus.wait(6, frontend, other)
    assert [(to, type(message)) for to, message in sent] == [("other", Acquire)], "who only waits is sent elsewhere before that"
    sent = bus.wait(56, frontend, other)
    assert [(to, type(message)) for to, message in sent] == [("other", Release), ("f", Refused), ("f", Lost)]
    assert bus.broker.sessions.live == {}


def test_a_host_that_its_machine_knows_to_be_gone_is_not_waited_for(bus: BrokerPlayer) -> None:
    frontend, host = bus.frontend("f"), bus.host("h")
    bus.attach(frontend, host, 1)
    bus.host("new", predecessors=["h", "never-was", "new"])
    why = "has ended without leaving: it was killed, or has crashed"
    assert bus.sent[0] == ("f", Lost(1, f"host h (h) {why}"))
    assert [host.id for host in bus.broker.peers_of("host")] == ["new"]
    ((_, refused),) = bus.say(frontend, Open(2, "a", kernel="k"))
    assert isinstance(refused, Refused)
    assert refused.text == f"kernel k was lost 0 s ago: host h {why}"


def test_sessions_of_an_earlier_broker_are_not_waited_for_when_their_host_is_gone() -> None:
    bus = BrokerPlayer()
    bus.broker = Broker(OPTIONS, 0.0, 0.0, [SessionRecord("k", "P", "h", "old", "attached", 0.0, 0.0)])
    frontend = bus.frontend("f", [ChannelReport(1, "k")])
    assert bus.say(frontend, Open(2, "a", kernel="k")) == [], "its host may come back"
    bus.host("new", predecessors=["old"])
    (_, lost), (_, refused) = bus.sent
    assert isinstance(lost, Lost)
    assert lost.channel == 1
    assert isinstance(refused, Refused)
    assert (refused.channel, refused.code) == (2, "unknown-kernel")
    assert "k was lost 0 s ago: host h has ended without leaving" in refused.text
    late = bus.frontend("late", [ChannelReport(3, "k")])
    ((_, lost),) = bus.sent
    assert isinstance(lost, Lost)
    assert (lost.channel, late.name) == (3, "late")


def test_who_is_expelled_is_lost_at_once_and_comes_as_a_stranger(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1)
    ((to, message),) = bus.expel(host)
    assert (to, type(message)) == ("f", Lost)
    assert "h (h) is not welcome" in str(message)
    assert bus.broker.sessions.live == {}
    assert bus.expel(host) == bus.expel(Peer("nobody")) == []
    assert bus.broker.forward(host, Frame(Kind.DATA, 1)) is None
    assert bus.say(host, Heartbeat()) == [("h", RegisterAgain())]
    bus.host("h", kernels=[kernel()], peer=host)
    assert list(bus.broker.sessions.live) == ["k"], "it may come back with what it has"
    bus.attach(frontend, host, 2, "k2")
    assert [(to, type(message)) for to, message in bus.expel(frontend)] == [("h", Release)]


def test_a_lost_frontend_is_told_to_the_hosts(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(host, Acquired(1, kernel(channel=1)))
    ((to, message),) = bus.wait(12, host)
    assert (to, type(message)) == ("h", Release)
    assert list(bus.broker.sessions.live) == ["k"], "the session outlives the client"


@pytest.mark.parametrize("first", ["host", "frontend"])
def test_a_restarted_broker_is_told_what_there_is(bus: BrokerPlayer, first: str) -> None:
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
    assert not bus.broker.should_reset(host, Frame(Kind.DATA, 9), 10.0), "others may still be on their way back"
    assert bus.broker.should_reset(host, Frame(Kind.DATA, 9), 61.0)


@pytest.mark.parametrize("side", ["host", "frontend"])
def test_half_a_channel_whose_other_end_stays_away_is_given_up(bus: BrokerPlayer, side: str) -> None:
    if side == "host":
        peer, expected = bus.host("h", kernels=[kernel(channel=7)]), Release
    else:
        peer, expected = bus.frontend("f", [ChannelReport(7, "k")]), Lost
    ((_, message),) = bus.wait(61, peer)
    assert isinstance(message, expected)
    assert bus.broker.channels == {}


def test_asking_again_after_a_break_is_answered_once_more(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    assert bus.say(frontend, Open(1, "a")) == []
    bus.say(host, Acquired(1, kernel(channel=1)))
    assert bus.say(frontend, Open(1, "a")) == [("f", Opened(1, "k", "P", "h"))]


def test_a_kernel_that_came_too_late_is_let_go(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(frontend, Release(1, "the client is gone"))
    ((to, message),) = bus.say(host, Acquired(1, kernel(channel=1)))
    assert (to, type(message)) == ("h", Release)


def test_a_host_that_is_only_asked_is_sent_no_frame_that_it_would_deny(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h", report()), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    probe = Frame(Kind.PROBE, 1)
    assert bus.broker.forward(frontend, probe) is None
    assert not bus.broker.should_reset(frontend, probe, 1e6), "nor is the frontend told that there is no such channel"
    assert bus.broker.forward(host, Frame(Kind.DATA, 1)) is frontend, "its first word may overtake the one that it is attached"
    bus.say(host, Acquired(1, kernel("k", 1)))
    assert bus.broker.forward(frontend, probe) is host


# ------------------------------------------------------------ which host is asked, in which order


@pytest.mark.parametrize(
    ("hosts", "chosen"),
    [
        ([report(ready=0, attached=4), report(ready=0, attached=2)], 1),
        ([report(ready=1, attached=7), report(ready=0, attached=0)], 0),
        ([report(ready=1, attached=3), report(ready=1, attached=2)], 1),
        ([report(ready=0), report(ready=0)], 0),
        ([report("Q", ready=5), report(ready=0, attached=7)], 1),
        ([report(ready=0, attached=8), report(ready=0, attached=2, detached=6)], None),
        ([report(ready=0, attached=8), report(ready=0, attached=2, detached=6, spare=1)], 1),
    ],
)
def test_the_host_that_is_asked(bus: BrokerPlayer, hosts: list[PoolReport], chosen: int | None) -> None:
    for number, pool in enumerate(hosts):
        bus.host(str(number), pool)
    assert [to for to, _ in bus.say(bus.frontend("f"), Open(1, "a", pool="P"))] == ([] if chosen is None else [str(chosen)])


@pytest.mark.parametrize(
    ("request_", "pool"), [(Open(1, "a"), "D"), (Open(1, "a", parallel=True), "S"), (Open(1, "a", pool="D", parallel=True), "D")]
)
def test_the_pool_for_who_names_none(bus: BrokerPlayer, request_: Open, pool: str) -> None:
    bus.host("h", PoolReport("D", True, False, 0, 1, 0, 0, 0, 1, 8), PoolReport("S", False, True, 0, 1, 0, 0, 0, 1, 8))
    ((_, acquire),) = bus.say(bus.frontend("f"), request_)
    assert isinstance(acquire, Acquire)
    assert acquire.pool == pool


def test_who_asked_first_is_served_first_however_often_it_is_asked_anew(bus: BrokerPlayer) -> None:
    frontend = bus.frontend("f")
    for channel in (5, 3, 4):
        bus.say(frontend, Open(channel, "a"))
    first = bus.host("first")
    assert [message.channel for _, message in bus.sent if isinstance(message, Acquire)] == [5, 3, 4]
    assert bus.say(first, Refused(3, "no-kernel", "full")) == [("f", Refused(3, "no-kernel", "full"))]
    bus.say(frontend, Open(2, "a"))
    bus.say(first, Leave())
    bus.say(frontend, Open(1, "a"))
    bus.host("second")
    assert [message.channel for _, message in bus.sent if isinstance(message, Acquire)] == [5, 4, 2, 1]


def test_a_thousand_that_wait_are_not_gone_through_for_each_that_comes() -> None:
    asked = 0

    class Counting(Broker):
        def _ask(self, entry: object, now: float) -> None:
            nonlocal asked
            asked += 1
            super()._ask(entry, now)  # type: ignore[arg-type]

    broker, frontend, host = Counting(OPTIONS, 0.0), Peer("f"), Peer("h")
    broker.control(frontend, Register("f", "frontend", "f", "1"), 0.0)
    for channel in range(1, 1001):
        broker.control(frontend, Open(channel, "a"), 0.0)
    broker.control(host, Register("h", "host", "h", "1", [report()]), 0.0)
    for _ in range(100):
        broker.control(host, report(), 0.0)
    assert asked <= 1000 + 9 + 100, "once when it came, once when it was served, and only the first of a row when something changes"
    assert broker.peers["h"].asked == {"P": 8}, "no more than it may have"


@pytest.mark.parametrize("stealing", [False, True])
def test_only_who_names_a_kernel_may_steal_it(stealing: bool) -> None:
    bus = BrokerPlayer(OPTIONS._replace(allow_stealing=stealing))
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1)
    assert bus.say(frontend, Open(2, "b", kernel="k")) == [("h", Acquire(2, "P", "b", 30.0, "k", stealing))]
    assert bus.say(frontend, Open(3, "b")) == [("h", Acquire(3, "P", "b", 30.0, "", False))]
    if stealing:
        assert bus.say(host, Acquired(2, kernel(channel=2, serial=2))) == [("f", Opened(2, "k", "P", "h"))]
        assert bus.say(frontend, Release(1, "ended")) == [("h", Release(1, "ended"))]
    else:
        refusal = Refused(2, "kernel-in-use", "another client is attached")
        assert bus.say(host, refusal) == [("f", refusal)]


@pytest.mark.parametrize("asked", [True, False])
def test_a_request_that_is_cancelled_is_cancelled_where_it_waits(bus: BrokerPlayer, asked: bool) -> None:
    if asked:
        bus.host("h")
    frontend = bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    assert bus.say(frontend, Release(1, "the client is gone")) == ([("h", Release(1, "the client is gone"))] if asked else [])
    assert bus.say(frontend, Release(1, "again")) == []
    assert bus.broker.channels == {}


def test_a_channel_belongs_to_one_frontend(bus: BrokerPlayer) -> None:
    host, frontend, other = bus.host("h"), bus.frontend("f"), bus.frontend("other")
    bus.attach(frontend, host, 1)
    assert bus.say(other, Open(1, "b")) == [("other", Refused(1, "channel-taken", "the channel number is in use"))]
    assert bus.say(other, Release(1, "mine")) == []
    assert bus.broker.forward(other, Frame(Kind.DATA, 1)) is None
    bus.frontend("other", [ChannelReport(1)], peer=other)
    assert bus.sent == [("other", Lost(1, "the channel number is in use"))]
    assert bus.broker.forward(frontend, Frame(Kind.DATA, 1)) is host


# ---------------------------------------------------------------------- hosts that do not answer


def test_a_request_at_a_host_that_falls_silent_goes_elsewhere_and_its_kernel_back(bus: BrokerPlayer) -> None:
    slow, frontend = bus.host("slow"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    other = bus.host("other")
    ((to, acquire),) = bus.wait(6, frontend, other)
    assert to == "other"
    assert isinstance(acquire, Acquire)
    assert acquire.wait < 30.0
    sent = bus.say(slow, Acquired(1, kernel("late", 1)))
    assert sent == [("slow", RegisterAgain()), ("slow", Release(1, "nobody waits for it any more"))]
    assert bus.say(other, Acquired(1, kernel("k", 1))) == [("f", Opened(1, "k", "P", "other"))]


def test_what_a_silent_host_attached_is_taken_if_nobody_else_was_asked(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    assert bus.wait(6, frontend) == []
    assert bus.broker.channels[1].phase is ChannelPhase.WAITING
    assert bus.say(host, Acquired(1, kernel(channel=1))) == [("h", RegisterAgain()), ("f", Opened(1, "k", "P", "h"))]


def test_a_host_that_is_back_is_asked_for_what_waits(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.wait(6, frontend)
    assert bus.say(frontend, Open(1, "a")) == [], "it is suspect"
    assert bus.say(host, Heartbeat()) == [("h", RegisterAgain())]
    bus.host("h", peer=host)
    assert bus.sent == [("h", Acquire(1, "P", "a", 30.0))]


def test_a_named_kernel_on_a_host_that_does_not_answer_is_refused_in_time(bus: BrokerPlayer) -> None:
    """It comes before the frontend gives up, which could only say that no broker answers."""
    bus.host("h", kernels=[kernel("mine")])
    frontend = bus.frontend("f")
    bus.say(frontend, Open(1, "a", kernel="mine"))
    assert bus.wait(30, frontend) == []
    (to_host, (to, refusal)) = bus.wait(5, frontend)
    assert to_host == ("h", Release(1, "its time is over"))
    assert (to, refusal) == ("f", Refused(1, "no-host", "no kernel in 30 s: host h (h) does not answer"))
    assert bus.broker.channels == {}


def test_a_host_that_cannot_be_reached_is_suspect_and_said_to_be_once(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    other = bus.host("other", report(attached=5))
    bus.say(frontend, Open(1, "a"))
    assert [to for to, _ in bus.unreachable(host)] == ["other"], "found out while it was asked"
    assert bus.unreachable(host) == []
    assert [note.text for note in bus.notes if note.error] == ["host h (h) cannot be reached; waiting for it"]
    assert bus.unreachable(Peer("nobody")) == []
    bus.say(other, Acquired(1, kernel(channel=1)))
    bus.say(host, Heartbeat())
    assert bus.broker.peers["h"].state is PeerState.UP


def test_time_in_which_the_broker_itself_stood_still_is_nobodys_silence(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1)
    bus.wait(3, host, frontend)
    bus.now += 600.0
    bus.sent = []
    bus.take(bus.broker.tick(bus.now))
    assert bus.sent == []
    assert {peer.state for peer in bus.broker.peers.values()} == {PeerState.UP}
    assert [type(message) for _, message in bus.wait(12, host)] == [Release], "but who stays silent is lost"


# ---------------------------------------------------------------------- registering again


def test_a_restarted_broker_is_told_everything_in_any_order() -> None:
    """Rebuild the tables from the parts in every order of their coming.

    Two hosts and two frontends have crosswise attachments and a request.
    """
    for order in itertools.permutations(["h1", "h2", "f1", "f2"]):
        bus = BrokerPlayer()
        peers = {name: Peer(name) for name in order}
        answers: list[tuple[str, Message]] = []
        for name in order:
            match name:
                case "h1":
                    bus.host("h1", kernels=[kernel("a", 11), kernel("b", 12), kernel("idle")], peer=peers[name])
                case "h2":
                    bus.host("h2", report(ready=0, attached=7), kernels=[kernel("c", 21), kernel("new", 13)], peer=peers[name])
                case "f1":
                    bus.frontend("f1", [ChannelReport(11, "a"), ChannelReport(21, "c")], peer=peers[name])
                    answers += bus.say(peers[name], Open(13, "was asked for before"))
                case "f2":
                    bus.frontend("f2", [ChannelReport(12, "b")], peer=peers[name])
            answers += bus.sent
        ways = {11: ("f1", "h1"), 12: ("f2", "h1"), 21: ("f1", "h2"), 13: ("f1", "h2")}
        if order.index("h1") < order.index("h2") > order.index("f1"):
            # The other host was asked before it was known where the kernel is: the first kernel,
            # which nobody has used, is given up.
            assert ("h2", Release(13, "another kernel serves it")) in answers, order
            answers += bus.say(peers["h1"], Acquired(13, kernel("other", 13)))
            assert ("f1", Opened(13, "other", "P", "h1")) in answers, order
            ways[13] = ("f1", "h1")
        else:
            assert ("f1", Opened(13, "new", "P", "h2")) in answers, order
        assert bus.broker.channels.keys() == ways.keys()
        for channel, (frontend, host) in ways.items():
            assert bus.broker.forward(peers[frontend], Frame(Kind.DATA, channel)) is peers[host], order
            assert bus.broker.forward(peers[host], Frame(Kind.DATA, channel)) is peers[frontend], order
        assert bus.broker.sessions.live.keys() >= {"a", "b", "c", "idle", "new"}


def test_a_host_that_registers_again_without_a_kernel_has_lost_it(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1, "a")
    bus.attach(frontend, host, 2, "b")
    bus.host("h", kernels=[kernel("b", 2, serial=2)], peer=host)
    assert bus.sent == [("f", Lost(1, "host h (h) no longer has the kernel"))]
    assert list(bus.broker.sessions.live) == ["b"]


def test_the_last_words_of_a_kernel_that_is_gone_still_have_a_way(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1)
    bus.host("h", ending=[ChannelReport(1)], peer=host)
    assert bus.sent == []
    assert bus.broker.sessions.live == {}
    assert bus.broker.forward(host, Frame(Kind.END, 1)) is frontend
    restarted = BrokerPlayer()
    host = restarted.host("h", ending=[ChannelReport(1)])
    frontend = restarted.frontend("f", [ChannelReport(1, "k")])
    assert restarted.broker.forward(host, Frame(Kind.END, 1)) is frontend
    assert restarted.say(frontend, Release(1, "ended")) == [("h", Release(1, "ended"))]


def test_a_kernel_attached_for_a_request_that_went_elsewhere_is_let_go(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1)
    bus.host("other", kernels=[kernel("twin", 1)])
    assert bus.sent == [("other", Release(1, "another kernel serves it"))]


def test_a_frontend_that_registers_again_without_a_link_has_lost_it(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1, "a")
    bus.attach(frontend, host, 2, "b")
    bus.frontend("f", [ChannelReport(2, "b")], peer=frontend)
    assert bus.sent == [("h", Release(1, "frontend f (f) no longer has the link"))]


def test_requests_keep_their_place_when_their_frontend_registers_again(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(frontend, Open(2, "gone meanwhile"))
    again = bus.frontend("f", peer=Peer("f"))
    assert bus.sent == []
    assert bus.say(again, Open(1, "a")) == [], "it is asked already"
    assert bus.wait(5, host, again) == [("h", Release(2, "frontend f (f) no longer wants it"))]
    assert bus.say(host, Acquired(1, kernel(channel=1))) == [("f", Opened(1, "k", "P", "h"))]


@pytest.mark.parametrize("first", ["host", "frontend"])
def test_a_new_broker_says_with_which_packet_a_client_begins_that_the_last_one_had_not_told(bus: BrokerPlayer, first: str) -> None:
    """A client counts the packets from there."""
    kernels = [replace(kernel(channel=7), position=41)]
    if first == "host":
        bus.host("h", kernels=kernels)
        assert bus.say(bus.frontend("f"), Open(7, "a")) == [("f", Opened(7, "k", "P", "h", 41))]
    else:
        bus.say(bus.frontend("f"), Open(7, "a", kernel="k"))
        bus.host("h", kernels=kernels)
        assert bus.sent == [("f", Opened(7, "k", "P", "h", 41))]


def test_a_part_that_comes_over_another_route_is_the_same_part(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1)
    moved = bus.host("h", kernels=[kernel(channel=1, serial=2)], peer=Peer("h"))
    assert bus.sent == []
    assert bus.broker.forward(frontend, Frame(Kind.DATA, 1)) is moved
    assert bus.broker.forward(host, Frame(Kind.DATA, 1)) is None
    assert bus.say(host, Heartbeat()) == [("h", RegisterAgain())], "what its old connection still held is a stranger's"


def test_a_route_that_another_part_takes_over_is_no_longer_the_firsts(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1)
    bus.host("new", peer=host)
    assert bus.sent == [("f", Lost(1, "host h (h) has given its place to another"))]
    assert list(bus.broker.peers) == ["f", "new"]


def test_a_part_cannot_be_host_and_frontend(bus: BrokerPlayer) -> None:
    host = bus.host("x")
    bus.frontend("x", peer=host)
    assert bus.broker.peers["x"].role == "frontend"
    assert bus.say(host, Acquired(1, kernel(channel=1))) == []
    assert "which is not for it to send" in bus.notes[-1].text


# ---------------------------------------------------------------------- messages that are refused


@pytest.mark.parametrize(
    "message", [Registered("b", 1.0), RegisterAgain(), Opened(1, "k", "P", "h"), Lost(1, "x"), Acquire(1, "P", "a", 1.0)]
)
@pytest.mark.parametrize("role", ["host", "frontend"])
def test_what_is_not_for_a_part_to_send_is_noted_and_ignored(bus: BrokerPlayer, role: str, message: Message) -> None:
    peer = bus.host("x") if role == "host" else bus.frontend("x")
    assert bus.say(peer, message) == []
    assert bus.notes[-1] == Note(f"{role} x (x) sent {type(message).__name__}, which is not for it to send; ignored", error=True)


@pytest.mark.parametrize(
    ("role", "message"), [("host", Open(1, "a")), ("frontend", Acquired(1, kernel())), ("frontend", report()), ("frontend", kernel())]
)
def test_what_is_for_the_other_role_to_send_is_ignored(bus: BrokerPlayer, role: str, message: Message) -> None:
    peer = bus.host("x") if role == "host" else bus.frontend("x")
    assert bus.say(peer, message) == []
    assert "which is not for it to send" in bus.notes[-1].text
    assert (bus.broker.channels, bus.broker.sessions.live) == ({}, {})


def test_a_role_that_there_is_not_is_noted_and_ignored(bus: BrokerPlayer) -> None:
    assert bus.say(Peer("x"), Register("x", "emperor", "x", "1")) == []
    assert "'x' wants to register as 'emperor'" in bus.notes[-1].text
    assert bus.broker.peers == {}


def test_an_older_report_of_a_kernel_changes_nothing(bus: BrokerPlayer) -> None:
    host = bus.host("h", kernels=[kernel("k", 5, serial=7)])
    bus.say(host, kernel("k", 0, serial=6))
    assert bus.broker.sessions.live["k"].report.channel == 5
    bus.now = 9.0
    bus.say(host, kernel("k", 0, serial=8))
    session = bus.broker.sessions.live["k"]
    assert (session.report.state, session.since) == ("detached", 9.0)


def test_frames_that_have_no_way_are_counted(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    assert bus.broker.forward(host, Frame(Kind.DATA, 1)) is frontend, "asked: the host may speak first"
    assert bus.broker.forward(frontend, Frame(Kind.DATA, 99)) is None
    assert bus.broker.forward(bus.host("other"), Frame(Kind.DATA, 1)) is None
    assert bus.broker.dropped == 2


def test_who_holds_a_channel_that_leads_past_it_is_told(bus: BrokerPlayer) -> None:
    host, frontend, other = bus.host("h"), bus.frontend("f"), bus.host("other")
    bus.attach(frontend, host, 1)
    frame = Frame(Kind.DATA, 1)
    assert bus.broker.should_reset(other, frame, 0.0)
    assert not bus.broker.should_reset(Peer("stranger"), frame, 0.0), "it may be one of the two, on its way back"


def test_heartbeats_go_to_every_part(bus: BrokerPlayer) -> None:
    peers = {bus.host("h"), bus.frontend("f"), bus.host("other")}
    for now in (1.0, 2.0, 3.0):
        actions = bus.broker.tick(now)
        assert {action.route for action in actions if isinstance(action, Send)} == peers
    assert bus.broker.tick(3.5) == []


def test_strangers_are_forgotten(bus: BrokerPlayer) -> None:
    for number in range(20):
        bus.say(Peer(str(number)), Heartbeat())
    assert len(bus.broker._strangers) == 20
    bus.wait(61)
    assert bus.broker._strangers == {}


def test_nothing_is_left_when_all_have_gone(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    for channel in range(1, 20):
        bus.say(frontend, Open(channel, "a"))
        bus.say(host, Acquired(channel, kernel(f"k{channel}", channel)))
    bus.say(host, KernelGone("k1", "exited"))
    bus.say(frontend, Leave())
    bus.say(host, Leave())
    broker = bus.broker
    assert (broker.peers, broker.channels, broker.sessions.live, broker._routes, broker._waiting) == ({}, {}, {}, {}, {})


def test_who_was_taken_from_a_host_does_not_go_back_while_frames_may_be_under_way(bus: BrokerPlayer) -> None:
    one = bus.host("one", report(ready=0))
    frontend = bus.frontend("f")
    assert [to for to, _ in bus.say(frontend, Open(1, "a"))] == ["one"]
    two = bus.host("two", report(ready=0))
    # Its report of an attached kernel is still under way when the other host has a kernel ready.
    assert [to for to, _ in bus.say(two, report(ready=1))] == ["one", "two"]
    assert bus.say(one, Acquired(1, kernel(channel=1))) == [("one", Release(1, "nobody waits for it any more"))]
    bus.say(two, report(ready=0))
    assert bus.say(one, report(ready=1)) == [], "it stays where it is"
    bus.say(two, Leave())
    assert not any(isinstance(message, Acquire) for _, message in bus.sent), "it waits, since there is no other"
    assert [(to, type(message)) for to, message in bus.wait(6, one, frontend)] == [("one", Acquire)], "until its time has come"


# ---------------------------------------------------------------------- what nobody has asked for


def full(spare: int = 1) -> PoolReport:
    """Return the report of a pool without a free place; `spare` sessions may be given up."""
    return report(ready=0, attached=4, detached=4, spare=spare)


def test_no_session_is_given_up_for_a_link_that_has_not_asked(bus: BrokerPlayer) -> None:
    bus.host("h", full())
    frontend = bus.frontend("f")
    assert bus.say(frontend, Open(1, "a", demand="automatic")) == []
    assert bus.say(frontend, Open(1, "a")) == [("h", Acquire(1, "P", "a", 30.0))], "its client has asked"


def test_a_host_that_is_asked_already_is_told_that_the_client_has_asked(bus: BrokerPlayer) -> None:
    host = bus.host("h", report(ready=0, attached=7))
    frontend = bus.frontend("f")
    unasked = Acquire(1, "P", "a", 30.0, demand="automatic")
    assert bus.say(frontend, Open(1, "a", demand="automatic")) == [("h", unasked)]
    assert bus.say(frontend, Open(1, "a", demand="automatic")) == [], "asked again after a break"
    assert bus.say(frontend, Open(1, "a")) == [("h", Acquire(1, "P", "a", 30.0))]
    bus.say(host, Acquired(1, kernel(channel=1)))
    before = bus.broker.peers["h"].pools["P"]
    bus.say(host, Acquired(1, kernel(channel=1, serial=2)))
    assert bus.broker.peers["h"].pools["P"] == before, "the two messages crossed, and it is counted once"


def test_what_clients_asked_for_comes_before_what_they_did_not(bus: BrokerPlayer) -> None:
    host = bus.host("h", full(spare=0))
    frontend = bus.frontend("f")
    for channel, unasked in ((1, True), (2, False), (3, True), (4, False)):
        assert bus.say(frontend, Open(channel, "a", demand="automatic" if unasked else "asked")) == []
    bus.say(host, report(ready=0, attached=4, detached=1))
    assert [message.channel for _, message in bus.sent if isinstance(message, Acquire)] == [2, 4, 1]


def test_a_client_that_knows_its_kernels_id_is_told_of_to_the_host(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h", report()), bus.frontend("f")
    bus.say(frontend, Open(1, "a", told=True, keep=False))
    assert bus.sent == [("h", Acquire(1, "P", "a", 30.0, told=True, keep=False))]
    bus.say(host, Acquired(1, kernel(channel=1)))
    assert bus.say(frontend, Told(1)) == [("h", Told(1))]


@pytest.mark.parametrize("first", ["host", "frontend"])
def test_what_a_client_says_of_its_kernel_reaches_a_host_that_registers_later_or_again(bus: BrokerPlayer, first: str) -> None:
    if first == "host":
        bus.host("h", kernels=[kernel(channel=7)])
    frontend = bus.frontend("f", [ChannelReport(7, "k")])
    said = [KeepAlive(7, True), KeepAlive(7, False), Told(7), WithdrawAbort(7)]
    for message in said:
        assert bus.say(frontend, message) == ([("h", message)] if first == "host" else [])
    bus.host("h", kernels=[kernel(channel=7)])
    assert [message for to, message in bus.sent if to == "h" and type(message) in (KeepAlive, Told, WithdrawAbort)] == said[1:3]


# ---------------------------------------------------------------------- why a request waits


def why(bus: BrokerPlayer, frontend: Peer, channel: int) -> str:
    ((to, message),) = bus.say(frontend, WhyWaiting(channel))
    assert (to, type(message)) == ("f", Waiting)
    assert isinstance(message, Waiting)
    return message.text


def test_a_request_that_waits_is_told_why_and_its_place(bus: BrokerPlayer) -> None:
    frontend = bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    assert why(bus, frontend, 1) == "no kernel host has registered with the broker yet"
    host = bus.host("h", full(spare=0))
    bus.say(frontend, Open(2, "b"))
    bus.say(frontend, Open(3, "c", demand="automatic"))
    assert why(bus, frontend, 2) == "pool P is at its maximum of 8; 4 of its kernels are kept without a client; place 2 of 3 in the queue"
    bus.say(host, replace(full(spare=0), state="paused"))
    assert why(bus, frontend, 3) == "pool P is paused by an administrator; place 3 of 3 in the queue"
    bus.say(host, replace(full(spare=0), failing="no program"))
    assert "the kernels of pool P do not start: no program; place 1" in why(bus, frontend, 1)
    bus.say(host, report(ready=0, attached=1))
    assert why(bus, frontend, 1) == "a kernel of pool P is starting; place 1 of 3 in the queue"
    bus.say(host, Acquired(1, kernel(channel=1)))
    assert bus.say(frontend, WhyWaiting(1)) == [], "it does not wait any more"


def test_requests_of_one_address_do_not_put_another_behind_all_of_them(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h", full(spare=0)), bus.frontend("f")
    for channel in range(1, 101):
        bus.say(frontend, Open(channel, f"10.0.0.1:{channel}"))
    bus.say(frontend, Open(101, "10.0.0.2:1"))
    assert why(bus, frontend, 100).endswith("place 101 of 101 in the queue")
    assert why(bus, frontend, 101).endswith("place 2 of 101 in the queue")
    bus.say(host, report(ready=0, attached=3, detached=4))
    assert [message.channel for _, message in bus.sent if isinstance(message, Acquire)] == [1]
    bus.say(host, report(ready=0, attached=2, detached=4))
    assert [message.channel for _, message in bus.sent if isinstance(message, Acquire)] == [101], "as it was told"


def test_one_who_listens_does_not_hide_the_room_of_one_who_has_asked(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h", full(spare=0)), bus.frontend("f")
    bus.say(frontend, Open(1, "10.0.0.1:1", demand="listens"))
    bus.say(frontend, Open(2, "10.0.0.2:1"))
    bus.say(host, full(spare=1))
    assert [message.channel for _, message in bus.sent if isinstance(message, Acquire)] == [2]


def test_a_kernel_that_is_not_used_is_taken_back_for_another_address(bus: BrokerPlayer) -> None:
    mine = [kernel(name, channel=channel, client=f"10.0.0.1:{channel}") for channel, name in enumerate("abcd", 90)]
    host = bus.host("h", full(spare=0), kernels=mine)
    frontend = bus.frontend("f", [ChannelReport(report.channel, report.kernel) for report in mine])
    bus.say(frontend, Open(1, "10.0.0.1:1"))
    bus.wait(25, host, frontend)
    assert not any(isinstance(message, Reclaim) for _, message in bus.sent), "nobody of another address waits"
    bus.say(frontend, Open(2, "10.0.0.2:1"))
    (reclaim,) = [message for _, message in bus.wait(3, host, frontend) if isinstance(message, Reclaim)]
    assert reclaim.kernel in "abcd"
    bus.say(host, KernelGone(reclaim.kernel, "given up"))
    bus.say(host, report(ready=0, attached=3, detached=4))
    assert [message.channel for _, message in bus.sent if isinstance(message, Acquire)] == [2]


def test_a_client_whose_kernel_still_evaluates_is_told_so(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h", report()), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(host, Acquired(1, replace(kernel(channel=1), busy=True)))
    assert why(bus, frontend, 1) == "kernel k is still evaluating what it was asked before"
    bus.say(host, replace(kernel(channel=1), serial=3, busy=True, asking=True))
    assert bus.say(frontend, WhyWaiting(1)) == [], "it gets the question"
    bus.say(host, replace(kernel(channel=1), serial=4))
    assert bus.say(frontend, WhyWaiting(1)) == [], "it gets a prompt"
    assert bus.say(frontend, WhyWaiting(99)) == []


# ---------------------------------------------------------------------- frontends that were killed


def test_a_client_comes_back_through_another_frontend_before_its_own_is_given_up(bus: BrokerPlayer) -> None:
    host, first, second = bus.host("h", report()), bus.frontend("f"), bus.frontend("g")
    bus.say(first, Open(1, "a"))
    bus.say(host, Acquired(1, kernel(channel=1)))
    asked = Acquire(2, "P", "a", 30.0, "k", resume=True)
    assert bus.say(second, Open(2, "a", kernel="k", resume=True)) == [("h", asked)]
    # To ask has shown that the first is gone: the host's answer comes after that.
    bus.unreachable(first)
    sent = bus.say(host, Refused(2, "kernel-in-use", "another client is attached to kernel k"))
    (to, released), again = sent
    assert (to, type(released)) == ("h", Release)
    assert isinstance(released, Release) and released.channel == 1
    assert again == ("h", asked)
    assert bus.say(host, Acquired(2, kernel(channel=2, serial=2))) == [("g", Opened(2, "k", "P", "h"))]


def test_a_kernel_whose_frontend_is_suspect_is_taken_from_it_at_once(bus: BrokerPlayer) -> None:
    host, first, second = bus.host("h", report()), bus.frontend("f"), bus.frontend("g")
    bus.say(first, Open(1, "a"))
    bus.say(host, Acquired(1, kernel(channel=1)))
    bus.unreachable(first)
    assert [type(message) for _, message in bus.say(second, Open(2, "a", kernel="k"))] == [Release, Acquire]


def test_a_kernel_whose_frontend_is_there_stays_in_use(bus: BrokerPlayer) -> None:
    host, first, second = bus.host("h", report()), bus.frontend("f"), bus.frontend("g")
    bus.say(first, Open(1, "a"))
    bus.say(host, Acquired(1, kernel(channel=1)))
    bus.say(second, Open(2, "a", kernel="k"))
    refused = Refused(2, "kernel-in-use", "another client is attached to kernel k")
    assert bus.say(host, refused) == [("g", refused)]

"""Administration: orders reach their parts, answers reach the console, no one waits for ever."""

from __future__ import annotations

import pytest
from broker_player import OPTIONS, BrokerPlayer, Peer, kernel, report

from kernelbus.bus.broker.administration import TRACE_LEASE
from kernelbus.bus.broker.machine import Broker
from kernelbus.bus.broker.sessions import SessionRecord
from kernelbus.bus.protocol.messages import (
    Acquire,
    Heartbeat,
    KernelReport,
    Leave,
    Open,
    PoolReport,
    Refused,
    Register,
    RegisterAgain,
)
from kernelbus.bus.protocol.orders import (
    AccessOrder,
    Answer,
    HostOrder,
    KernelOrder,
    LogLevelOrder,
    Order,
    PartAnswer,
    PoolOrder,
    ReloadOrder,
    SessionOrder,
    StartOrder,
    Traced,
    TraceEvent,
    TraceOrder,
)
from kernelbus.bus.protocol.reports import (
    HostReport,
    LinksAnswer,
    LinksRequest,
    LinkStatus,
    Status,
    StatusRequest,
    Story,
    StoryRequest,
)

ME = "me@here"
KERNEL = "AbCdEfGhIjKlMnOpQrStUv"


@pytest.fixture
def bus() -> BrokerPlayer:
    return BrokerPlayer()


@pytest.fixture
def console() -> Peer:
    return Peer("console")


def machine(draining: bool = False) -> HostReport:
    return HostReport(True, draining, 1.0, "Linux", "3", "", 2, 0.1, 1, 1)


def session(identity: str = KERNEL, channel: int = 0) -> KernelReport:
    return kernel(identity, channel)


def answer(bus: BrokerPlayer) -> Answer:
    """Return the one answer that the console got."""
    (found,) = [message for to, message in bus.sent if to == "console" and isinstance(message, Answer)]
    return found


def test_an_order_goes_to_the_host_of_the_kernel_and_its_answer_to_the_console(bus: BrokerPlayer, console: Peer) -> None:
    bus.host("one")
    two = bus.host("two", kernels=[session()])
    ((to, order),) = bus.say(console, KernelOrder(7, ME, KERNEL[:4], "abort"))
    assert to == "two"
    assert order == KernelOrder(order.request, ME, KERNEL, "abort"), "the host is told the whole id"
    ((to, told),) = bus.say(two, PartAnswer(order.request, True, lines=["done"]))
    assert to == "console"
    assert told == Answer(7, True, "", [], [PartAnswer(7, True, lines=["done"], part="host two")], KERNEL)
    assert bus.say(two, PartAnswer(order.request, True)) == [], "answered once"


def test_an_order_is_logged_at_every_level_with_who_gave_it(bus: BrokerPlayer, console: Peer) -> None:
    class Known(Peer):
        credentials = "user ann, process 7"  # type: ignore[assignment]

    bus.host("h", kernels=[session()])
    for route, known in ((console, "as claimed"), (Known("known"), "user ann, process 7")):
        bus.notes.clear()
        bus.say(route, PoolOrder(7, ME, "P", "pause"))
        (note,) = [note for note in bus.notes if "orders" in note.text]
        assert note.warning
        assert note.text == f"{ME} ({route.name}; {known}) orders: pool pause P"


def test_what_fails_at_its_host_fails(bus: BrokerPlayer, console: Peer) -> None:
    host = bus.host("h", kernels=[session()])
    ((_, order),) = bus.say(console, KernelOrder(7, ME, KERNEL, "abort"))
    bus.say(host, PartAnswer(order.request, False, "kernel-idle", ["it is idle"]))
    assert (answer(bus).ok, answer(bus).code) == (False, "kernel-idle")


class Known(Peer):
    """A console of which it is known whose it is."""

    def __init__(self, *, own: bool = False, key: str = "", machine: str = "") -> None:
        super().__init__("console")
        self._own, self._key, self._machine = own, key, machine

    @property
    def own(self) -> bool:
        return self._own

    @property
    def key(self) -> str:
        return self._key

    @property
    def machine(self) -> str:
        return self._machine


@pytest.mark.parametrize(
    ("administrators", "console", "why"),
    [
        (None, Known(), ""),
        (None, Known(key="K1", machine="lab1"), ""),
        ((), Known(own=True), ""),
        ((), Known(own=True, key="K0"), ""),
        (("K1",), Known(key="K1", machine="lab1"), ""),
        (("lab1",), Known(key="K1", machine="lab1"), ""),
        (("lab1",), Known(key="lab1x", machine="lab2"), "lab2 may look and not give orders: its key is not in Bus/Administrators"),
        (("K1",), Known(key="K2"), "K2 may look and not give orders"),
        (("K1", ""), Known(), "shows neither a key nor, by a socket, its user: give them as the user of the broker"),
    ],
)
def test_who_may_give_orders_and_who_may_look(administrators: tuple[str, ...] | None, console: Known, why: str) -> None:
    bus = BrokerPlayer(OPTIONS._replace(administrators=administrators))
    host = bus.host("h", kernels=[session()])
    orders = [KernelOrder(7, ME, KERNEL, "abort"), PoolOrder(8, ME, "P", "drain"), TraceOrder(9, ME, KERNEL), ReloadOrder(10, ME)]
    for order in orders:
        sent = bus.say(console, order)
        if why:
            assert (answer(bus).code, len(sent)) == ("not-an-administrator", 1)
            assert why in answer(bus).lines[0]
            assert any(note.warning and "refused" in note.text for note in bus.notes)
        else:
            assert [to for to, message in sent if type(message) is type(order)] == ["h"]
    assert bus.broker.admin.pool_orders.keys() == ({"P"} if not why else set())
    # All may look; a whole id is for those who may have the kernel.
    shown = KERNEL[:8] if why else KERNEL
    assert [told.kernel for told in bus.status(console).kernels] == [shown]
    ((_, story),) = bus.say(console, StoryRequest(1, ME, KERNEL[:4]))
    assert isinstance(story, Story) and story.kernel == shown
    assert [told.kernel for told in bus.status(host).kernels] == [KERNEL], "a part of the bus needs it"


@pytest.mark.parametrize(
    ("order", "code", "text"),
    [
        (KernelOrder(1, ME, "AbCdEfGX", "abort"), "unknown-kernel", "did you mean AbCdEfGh?"),
        (KernelOrder(1, ME, "Ab", "abort"), "unknown-kernel", "at least 3 characters"),
        (KernelOrder(1, ME, "", "abort"), "unknown-kernel", "nothing was named"),
        (KernelOrder(1, ME, "zzz", "close"), "unknown-kernel", "there are 3 kernels"),
        (KernelOrder(1, ME, "twin", "close"), "ambiguous-kernel", "2 kernels begin with twin: twin-one, twin-two"),
        (SessionOrder(1, ME, "zzz", "close"), "unknown-session", "there are 3 sessions"),
        (PoolOrder(1, ME, "Q", "pause"), "unknown-pool", 'the pools are "P"'),
        (PoolOrder(1, ME, "p", "pause"), "unknown-pool", 'did you mean "P"?'),
        (PoolOrder(1, ME, "P", "resize"), "arguments", "give minimum, maximum, or both"),
        (PoolOrder(1, ME, "P", "resize", maximum=0), "arguments", "drain it instead"),
        (HostOrder(1, ME, "alhpa", "drain"), "unknown-host", 'did you mean "alpha"?'),
        (StartOrder(1, ME, "P", "beta"), "unknown-host", '"alpha"'),
        (TraceOrder(1, ME, "zzz"), "unknown-kernel", "there is no kernel zzz"),
        (AccessOrder(1, ME, "lab1", "grant", 60.0), "network", "lab1 is no network"),
        (AccessOrder(1, ME, "10.0.0.1", "grant", 60.0), "no-frontend", "no frontend is there"),
    ],
)
def test_what_nothing_is_called_is_refused_and_the_nearest_offered(
    bus: BrokerPlayer, console: Peer, order: Order, code: str, text: str
) -> None:
    bus.host("alpha", kernels=[session(), session("twin-one"), session("twin-two")])
    bus.say(console, order)
    assert (answer(bus).ok, answer(bus).code) == (False, code)
    assert text in " ".join(answer(bus).lines)
    assert [to for to, _ in bus.sent] == ["console"], "no part hears of it"


def frontend(bus: BrokerPlayer, identity: str) -> tuple[Peer, list[AccessOrder]]:
    """Register a frontend, and return it with the orders that it gets at once."""
    peer = Peer(identity)
    got = bus.say(peer, Register(identity, "frontend", identity, "1"))
    return peer, [message for _, message in got if isinstance(message, AccessOrder)]


def test_a_grant_goes_to_all_frontends_and_to_those_that_come_later(bus: BrokerPlayer, console: Peer) -> None:
    peers = [frontend(bus, name)[0] for name in ("one", "two")]
    orders = bus.say(console, AccessOrder(7, ME, "10.0.0.1/32", "grant", 60.0))
    assert {to for to, _ in orders} == {"one", "two"}
    assert [getattr(order, "seconds", 0) for _, order in orders] == [60.0, 60.0]
    number = getattr(orders[0][1], "request", 0)
    for peer in peers:
        bus.say(peer, PartAnswer(number, True))
    assert (answer(bus).ok, answer(bus).target) == (True, "10.0.0.1")
    # The web page is the broker's own.
    for address, granted in (("10.0.0.1", True), ("::ffff:10.0.0.1", True), ("10.0.0.2", False), ("x", False)):
        assert bus.broker.admin.granted(address, bus.now) is granted
    bus.wait(20.0, *peers)
    assert [(order.action, order.seconds, order.request) for order in frontend(bus, "three")[1]] == [("grant", 40.0, 0)]
    # A frontend that has it from before is told that it holds no longer.
    bus.say(console, AccessOrder(8, ME, "10.0.0.1", "revoke"))
    assert [order.action for order in frontend(bus, "four")[1]] == ["revoke"]
    assert not bus.broker.admin.granted("10.0.0.1", bus.now)
    bus.wait(41.0, *peers)
    assert frontend(bus, "five")[1] == []


def test_a_session_without_a_client_so_far_is_none(bus: BrokerPlayer, console: Peer) -> None:
    bus.host("h", kernels=[KernelReport("fresh-kernel", "P", "ready", 1)])
    bus.say(console, SessionOrder(1, ME, "fresh", "close"))
    assert answer(bus).code == "unknown-session"
    assert [to for to, _ in bus.say(console, KernelOrder(1, ME, "fresh", "close"))] == ["h"]


def test_two_hosts_of_a_name_are_told_apart_by_their_ids(bus: BrokerPlayer, console: Peer) -> None:
    for identity in ("id-one", "id-two"):
        peer = Peer(identity)
        bus.say(peer, Register(identity, "host", "twin", "1", [report()]))
    bus.say(console, HostOrder(1, ME, "twin", "drain"))
    assert answer(bus).code == "ambiguous-host"
    assert "id-one, id-two" in answer(bus).lines[0]
    ((to, order),) = bus.say(console, HostOrder(1, ME, "id-t", "drain"))
    assert to == "id-two"
    assert order == HostOrder(order.request, ME, "id-two", "drain")


def test_who_does_not_answer_is_named_when_the_time_is_over(bus: BrokerPlayer, console: Peer) -> None:
    one, two = bus.host("one"), bus.host("two")
    assert [to for to, _ in bus.say(console, PoolOrder(7, ME, "P", "pause"))] == ["one", "two"]
    ((_, order),) = [(to, message) for to, message in bus.sent if to == "one"]
    bus.say(one, PartAnswer(order.request, True))
    bus.wait(6, one, two)
    found = answer(bus)
    assert not found.ok
    assert {part.part: part.code for part in found.parts} == {"host one": "", "host two": "no-answer"}
    assert bus.say(two, PartAnswer(order.request, True)) == [], "too late: the console has its answer"


def test_a_part_that_is_lost_is_not_waited_for(bus: BrokerPlayer, console: Peer) -> None:
    host = bus.host("h", kernels=[session()])
    bus.say(console, KernelOrder(7, ME, KERNEL, "close"))
    bus.say(host, Leave())
    assert (answer(bus).ok, answer(bus).code) == (False, "gone")


def test_every_part_and_the_broker_itself_carry_out_what_is_for_all(bus: BrokerPlayer, console: Peer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    for order in (ReloadOrder(7, ME), LogLevelOrder(8, ME, "debug")):
        bus.local = []
        sent = bus.say(console, order)
        assert [to for to, _ in sent] == ["h", "f"]
        (here,) = bus.local
        number = here.request
        bus.sent = []
        bus.take(bus.broker.carried_out(PartAnswer(number, True, lines=["changed: x"]), bus.now))
        assert bus.sent == []
        bus.say(host, PartAnswer(number, True))
        bus.say(frontend, PartAnswer(number, True))
        assert answer(bus).ok
        assert [part.part for part in answer(bus).parts] == ["broker", "host h", "frontend f"]


def test_a_console_needs_no_registration_and_is_not_asked_for_one(bus: BrokerPlayer, console: Peer) -> None:
    ((to, told),) = bus.say(console, StatusRequest(3, ME))
    assert to == "console"
    assert isinstance(told, Status)
    assert told.request == 3
    assert bus.say(Peer("stranger"), Heartbeat()) == [("stranger", RegisterAgain())]
    assert console not in [peer.route for peer in bus.broker.peers.values()]


# ---- pools ---------------------------------------------------------------------------------------


def state(pool: str, is_in: str, **keys: object) -> PoolReport:
    return PoolReport(pool, True, True, 0, 1, 0, 0, 0, 1, 8, state=is_in, **keys)  # type: ignore[arg-type]


def test_nobody_is_sent_to_a_paused_pool_and_who_waits_is_told_why(bus: BrokerPlayer, console: Peer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(host, state("P", "paused"))
    assert bus.say(frontend, Open(1, "a")) == []
    ((_, refused),) = [sent for sent in bus.wait(31, host, frontend) if isinstance(sent[1], Refused)]
    assert isinstance(refused, Refused)
    assert "paused by an administrator" in refused.text
    bus.say(frontend, Open(2, "a"))
    assert bus.say(host, state("P", "serving")) == [("h", Acquire(2, "P", "a", 30.0))]


def test_a_pool_that_is_drained_everywhere_refuses_at_once(bus: BrokerPlayer) -> None:
    one, frontend = bus.host("one"), bus.frontend("f")
    two = bus.host("two")
    bus.say(one, state("P", "draining"))
    assert bus.say(frontend, Open(1, "a")) == [("two", Acquire(1, "P", "a", 30.0))]
    bus.say(two, state("P", "draining"))
    ((_, refused),) = bus.say(frontend, Open(2, "a"))
    assert isinstance(refused, Refused)
    assert refused.code == "pool-draining"


def test_who_was_asked_of_a_host_that_is_drained_is_sent_to_another(bus: BrokerPlayer) -> None:
    one, frontend = bus.host("one"), bus.frontend("f")
    assert bus.say(frontend, Open(1, "a")) == [("one", Acquire(1, "P", "a", 30.0))]
    bus.host("two")
    bus.say(one, machine(draining=True))
    assert bus.say(one, Refused(1, "draining", "the host is being drained")) == [("two", Acquire(1, "P", "a", 30.0))]


def test_who_wants_a_kernel_of_the_only_host_waits_while_that_is_drained(bus: BrokerPlayer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.say(frontend, Open(1, "a"))
    bus.say(host, machine(draining=True))
    assert bus.say(host, Refused(1, "draining", "the host is being drained")) == []
    assert bus.say(frontend, Open(2, "a")) == []
    assert bus.say(host, machine()) == [("h", Acquire(1, "P", "a", 30.0)), ("h", Acquire(2, "P", "a", 30.0))]


def test_a_drained_host_is_not_asked_for_fresh_kernels_but_for_its_own(bus: BrokerPlayer) -> None:
    host = bus.host("h", kernels=[session()])
    frontend = bus.frontend("f")
    bus.say(host, machine(draining=True))
    assert bus.say(frontend, Open(1, "a")) == []
    assert bus.say(frontend, Open(2, "a", kernel=KERNEL)) == [("h", Acquire(2, "P", "a", 30.0, KERNEL))]


def test_a_host_that_comes_is_told_how_its_pools_are_run(bus: BrokerPlayer, console: Peer) -> None:
    bus.host("one")
    bus.say(console, PoolOrder(1, ME, "P", "resize", 2, 5))
    bus.say(console, PoolOrder(2, ME, "P", "pause"))
    bus.host("two")
    assert [message for to, message in bus.sent if to == "two"] == [
        PoolOrder(0, ME, "P", "pause"),
        PoolOrder(0, ME, "P", "resize", 2, 5),
    ]


def test_a_broker_that_was_restarted_learns_how_pools_are_run_from_their_hosts(bus: BrokerPlayer) -> None:
    bus.host("one", state("P", "paused", resized=True))
    assert bus.sent == []
    bus.host("two")
    told = [message for to, message in bus.sent if to == "two"]
    assert told == [PoolOrder(0, "", "P", "pause"), PoolOrder(0, "", "P", "resize", 1, 8)]


def test_a_pool_that_its_host_has_reconfigured_is_not_resized_again(bus: BrokerPlayer, console: Peer) -> None:
    host = bus.host("one")
    bus.say(console, PoolOrder(1, ME, "P", "resize", 2, 5))
    bus.say(host, state("P", "serving", resized=True))
    bus.host("one", state("P", "serving"), peer=host)
    assert bus.sent == []
    bus.host("two")
    assert [to for to, message in bus.sent if isinstance(message, PoolOrder)] == []


def test_a_kernel_is_started_where_there_is_most_room(bus: BrokerPlayer, console: Peer) -> None:
    bus.host("full", report(attached=7))
    bus.host("free", report(attached=1))
    assert [to for to, _ in bus.say(console, StartOrder(1, ME, "P"))] == ["free"]
    assert [to for to, _ in bus.say(console, StartOrder(1, ME, "P", "full"))] == ["full"]


def test_no_kernel_is_started_where_none_is_given_out(bus: BrokerPlayer, console: Peer) -> None:
    host = bus.host("h")
    bus.say(host, state("P", "paused"))
    bus.say(console, StartOrder(1, ME, "P"))
    assert answer(bus).code == "no-host"


# ---- hosts that are gone -------------------------------------------------------------------------


def gone(bus: BrokerPlayer) -> list[str]:
    return [host.name for host in bus.broker.gone_hosts.values()]


def test_evicting_a_host_that_cannot_be_reached_gives_it_up(bus: BrokerPlayer, console: Peer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1, KERNEL)
    assert [to for to, _ in bus.say(console, HostOrder(1, ME, "h", "evict"))] == ["h"], "it is there, and ends itself"
    bus.wait(8, frontend)
    bus.say(console, HostOrder(2, ME, "h", "evict"))
    assert answer(bus).ok
    assert [type(message).__name__ for to, message in bus.sent if to == "f"] == ["Lost"]
    assert bus.broker.peers_of("host") == []
    assert gone(bus) == []


def test_a_session_whose_host_is_away_can_be_forgotten(console: Peer) -> None:
    bus = BrokerPlayer()
    record = SessionRecord(KERNEL, "P", "alpha", "id-a", "detached", 0.0, 0.0)
    bus.broker = Broker(bus.broker.options, 0.0, journaled=[record])
    bus.say(console, SessionOrder(1, ME, KERNEL[:5], "detach"))
    assert answer(bus).code == "not-attached"
    bus.say(console, SessionOrder(2, ME, KERNEL[:5], "close"))
    assert answer(bus).ok
    assert bus.broker.sessions.awaited == {}


# ---- links and stories ---------------------------------------------------------------------------


def test_links_are_asked_of_the_frontends(bus: BrokerPlayer, console: Peer) -> None:
    bus.host("h")
    one, two = bus.frontend("one"), bus.frontend("two")
    sent = bus.say(console, StatusRequest(9, ME, links=True))
    assert [(to, type(message)) for to, message in sent] == [("one", LinksRequest), ("two", LinksRequest)]
    number = sent[0][1].request
    link = LinkStatus("127.0.0.1:1", "one", "alone", "", "", 1.0, 2, 3)
    assert bus.say(one, LinksAnswer(number, [link])) == []
    bus.wait(6, one, two)
    ((_, told),) = [sent for sent in bus.sent if sent[0] == "console"]
    assert isinstance(told, Status)
    assert (told.request, told.links) == (9, [link])
    assert any("frontend two was asked for its links" in problem for problem in told.problems)
    assert bus.status(console).links == []


def test_the_story_of_a_kernel_is_told(bus: BrokerPlayer, console: Peer) -> None:
    host, frontend = bus.host("h"), bus.frontend("f")
    bus.attach(frontend, host, 1, KERNEL)
    bus.say(host, session(channel=1))
    bus.say(host, KernelReport(KERNEL, "P", "detached", 2, attachments=1))
    ((_, story),) = bus.say(console, StoryRequest(5, ME, KERNEL[:3]))
    assert isinstance(story, Story)
    assert (story.request, story.kernel) == (5, KERNEL)
    assert [event.text for event in story.events] == ["is there, in pool P on host h: attached to ", "detached"]
    bus.say(console, StoryRequest(6, ME, "nobody"))
    assert answer(bus).code == "unknown-kernel"


def test_who_may_only_look_cannot_try_out_how_an_id_goes_on() -> None:
    bus = BrokerPlayer(OPTIONS._replace(administrators=()))
    console = Known(key="looks")
    host = bus.host("h", kernels=[session()])
    assert host
    told = []
    for text in (KERNEL[:8], KERNEL[:9], KERNEL[:8] + ("a" if KERNEL[8] != "a" else "b"), KERNEL):
        ((_, story),) = bus.say(console, StoryRequest(5, ME, text))
        told.append(story)
    assert {story.kernel for story in told} == {KERNEL[:8]}


# ---- traces --------------------------------------------------------------------------------------


def test_a_trace_goes_to_who_asks_as_long_as_they_ask(bus: BrokerPlayer, console: Peer) -> None:
    host, other = bus.host("h", kernels=[session()]), Peer("other")
    batch = Traced(KERNEL, [TraceEvent(1.0, "to", "EvaluatePacket", 9)])
    assert bus.say(host, batch) == [], "nobody has asked"
    for who in (console, other):
        bus.say(who, TraceOrder(1, ME, KERNEL[:5]))
        assert [message.on for to, message in bus.sent if to == "h"] == [True]
    assert [to for to, _ in bus.say(host, batch)] == ["console", "other"]
    bus.say(console, TraceOrder(2, ME, KERNEL[:5], on=False))
    assert [message.on for to, message in bus.sent if to == "h"] == [True], "another still watches"
    assert [to for to, _ in bus.say(host, batch)] == ["other"]
    bus.wait(TRACE_LEASE + 1, host)
    assert bus.say(host, batch) == []
    bus.say(other, TraceOrder(3, ME, KERNEL, on=False))
    assert [message.on for to, message in bus.sent if to == "h"] == [False]


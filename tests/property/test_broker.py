"""The broker among hosts and frontends that come, leave, fall silent and come back, with restarts.

The parts here do with control messages what :mod:`kernelbus.kernelhost.host` and
:mod:`kernelbus.frontend.server` do. When all messages have arrived, the broker, the hosts and the
frontends must agree on who is attached to what, and every request must be answered. When all parts
have left, nothing may be left in the tables.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kernelbus.bus.broker.machine import Action, Broker
from kernelbus.bus.broker.tables import BrokerOptions, ChannelPhase, PeerState, Send
from kernelbus.bus.channel.frames import Frame, Kind
from kernelbus.bus.protocol.messages import (
    Acquire,
    Acquired,
    ChannelReport,
    Heartbeat,
    KernelGone,
    KernelReport,
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
)
from kernelbus.bus.protocol.orders import (
    Answer,
    HostOrder,
    KernelOrder,
    Order,
    PartAnswer,
    PoolOrder,
    SessionOrder,
)
from kernelbus.bus.protocol.reports import HostReport
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.transport.interface import Route

OPTIONS = BrokerOptions(heartbeat_interval=1.0, heartbeat_timeout=3.0, host_timeout=20.0, connection_timeout=10.0)
#: How long a frontend waits for an answer, in seconds (frontend/server.py).
PATIENCE = OPTIONS.connection_timeout + OPTIONS.heartbeat_timeout
_NAMES = itertools.count(1)


class Way(Route):
    """A route that only says to which part it leads."""

    def __init__(self, part: Part) -> None:
        self.part = part

    @property
    def name(self) -> str:
        return self.part.identity

    def send(self, frame: Frame) -> bool:
        raise AssertionError("the state machine sends nothing itself")


class Part:
    """What frontends and hosts have in common: membership, and messages under way."""

    role = ""

    def __init__(self) -> None:
        self.identity = f"{self.role}{next(_NAMES)}"
        self.route = Way(self)
        self.inbox: deque[Message] = deque()
        self.outbox: deque[tuple[Way, Message]] = deque()
        self.paused = False  #: it does nothing at all
        self.unreachable = False  #: the network to it is down: what it sends waits, what is sent to it is refused
        self.heard = 0.0
        self.register()

    def say(self, message: Message) -> None:
        self.outbox.append((self.route, message))

    def register(self) -> None:
        self.say(self.describe())

    def reconnect(self) -> None:
        """Connect again, as a membership does after a silence.

        What the old connection still held is lost.
        """
        if self.unreachable:
            self.outbox.clear()
        self.route = Way(self)
        self.inbox.clear()
        self.register()

    def hear(self, now: float) -> None:
        message = self.inbox.popleft()
        self.heard = now
        match message:
            case RegisterAgain():
                self.register()
            case Heartbeat():
                pass
            case _:
                self.control(message, now)

    def pass_time(self, now: float) -> None:
        if now - self.heard > OPTIONS.heartbeat_timeout:
            self.heard = now
            self.reconnect()
        self.say(Heartbeat())

    def describe(self) -> Register:
        raise NotImplementedError

    def control(self, message: Message, now: float) -> None:
        raise NotImplementedError


class Host(Part):
    """A host: kernels by name, with the channel each is attached to, and requests that wait."""

    role = "host"

    def __init__(self, tells_of_ending: bool, maximum: int = 8) -> None:
        self.maximum = maximum
        self.kernels: dict[str, int] = {}
        self.clients: dict[str, str] = {}
        self.queue: dict[int, tuple[Acquire, float]] = {}
        self.ending: set[int] = set()  # channels whose end is under way
        self.serial = 0
        self.state = "serving"
        self.drained = False
        self.tells_of_ending = tells_of_ending
        super().__init__()

    def describe(self) -> Register:
        channels = [ChannelReport(channel) for channel in self.ending] if self.tells_of_ending else []
        return Register(self.identity, "host", self.identity, "1", [self.pool()], [self.report(k) for k in self.kernels], channels)

    def pool(self) -> PoolReport:
        attached = sum(1 for channel in self.kernels.values() if channel)
        detached = len(self.kernels) - attached
        queued = len(self.queue)
        return PoolReport("P", True, True, 0, 1, attached, detached, queued, 1, self.maximum, spare=detached, state=self.state)

    @property
    def draining(self) -> bool:
        return self.drained or self.state == "draining"

    def serves(self) -> bool:
        return self.state == "serving" and not self.drained

    def carry_out(self, order: Order) -> None:
        """Carry out an order as :mod:`kernelbus.kernelhost.administration.orders` does."""
        ok = True
        match order:
            case PoolOrder(action="resize"):
                pass
            case PoolOrder(action=action):
                self.state = {"pause": "paused", "drain": "draining", "resume": "serving"}[action]
            case HostOrder(action=action):
                self.drained = action == "drain"
                self.say(HostReport(True, self.drained, 1.0, "", "", "", 1, 0.0, 1, 1))
            case KernelOrder(kernel=kernel):
                ok = kernel in self.kernels
                if ok:
                    self.lose_kernel(kernel)
            case SessionOrder(kernel=kernel):
                ok = bool(self.kernels.get(kernel))
                if ok:
                    self.detach(kernel)
        if self.draining:
            for channel in list(self.queue):
                del self.queue[channel]
                self.say(Refused(channel, "draining", "it is being drained"))
        self.say(self.pool())
        if order.request:
            self.say(PartAnswer(order.request, ok, "" if ok else "unknown-kernel"))

    def report(self, kernel: str) -> KernelReport:
        self.serial += 1
        channel = self.kernels[kernel]
        client = self.clients.get(kernel, "") if channel else ""
        return KernelReport(kernel, "P", "attached" if channel else "detached", self.serial, channel, attachments=1, client=client)

    def control(self, message: Message, now: float) -> None:
        match message:
            case Acquire(channel):
                self.acquire(channel, message, now)
            case Release(channel):
                self.queue.pop(channel, None)
                for kernel, attached in self.kernels.items():
                    if attached == channel:
                        self.detach(kernel)
            case Registered():
                self.say(HostReport(True, self.drained, 1.0, "", "", "", 1, 0.0, 1, 1))
                self.say(self.pool())
            case Order():
                self.carry_out(message)
            case Reclaim(kernel):
                if self.kernels.get(kernel):
                    self.lose_kernel(kernel)
            case _:
                raise AssertionError(f"a host was sent {message}")

    def acquire(self, channel: int, message: Acquire, now: float) -> None:
        kernel = next((kernel for kernel, attached in self.kernels.items() if attached == channel), message.kernel)
        if not kernel and self.draining:
            self.say(Refused(channel, "draining", "it is being drained"))
        elif not kernel:
            self.queue[channel] = message, now + message.wait
        elif kernel not in self.kernels:
            self.say(Refused(channel, "unknown-kernel", "it has ended"))
        elif self.kernels[kernel] not in (0, channel) and not message.steal:
            self.say(Refused(channel, "kernel-in-use", "another has it"))
        else:
            if self.kernels[kernel] not in (0, channel):
                self.detach(kernel)
            self.attach(kernel, channel, message.client)

    def attach(self, kernel: str, channel: int, client: str) -> None:
        self.kernels[kernel], self.clients[kernel] = channel, client
        self.say(Acquired(channel, self.report(kernel)))

    def detach(self, kernel: str) -> None:
        self.ending.add(self.kernels[kernel])
        self.kernels[kernel] = 0
        self.say(self.report(kernel))

    def can_serve(self, channel: int) -> bool:
        """Whether there is a place, or one can be made by giving a session up."""
        if len(self.kernels) < self.maximum:
            return True
        return self.queue[channel][0].demand != "automatic" and 0 in self.kernels.values()

    def serve(self, channel: int) -> None:
        if len(self.kernels) >= self.maximum:
            assert self.queue[channel][0].demand != "automatic", "a session ends for a kernel that nobody has asked for"
            self.lose_kernel(next(kernel for kernel, attached in self.kernels.items() if not attached))
        request, _ = self.queue.pop(channel)
        self.attach(f"k{next(_NAMES)}", channel, request.client)
        self.say(self.pool())

    def lose_kernel(self, kernel: str) -> None:
        channel = self.kernels.pop(kernel)
        if channel:
            self.ending.add(channel)
        self.say(KernelGone(kernel, "exited"))
        self.say(self.pool())

    def pass_time(self, now: float) -> None:
        for channel, (_, deadline) in list(self.queue.items()):
            if now >= deadline:
                del self.queue[channel]
                self.say(Refused(channel, "no-kernel", "none came free"))
        super().pass_time(now)


class Frontend(Part):
    """A frontend: links by their channels.

    Each is a request that is not answered yet or an attachment.
    """

    role = "frontend"

    def __init__(self) -> None:
        self.opening: dict[int, tuple[Open, float]] = {}
        self.attached: set[int] = set()
        self.asked: Counter[int] = Counter()
        self.answers: dict[int, list[str]] = {}
        self.excused: set[int] = set()  # requests that the broker or its network could not answer in time
        super().__init__()

    def describe(self) -> Register:
        return Register(self.identity, "frontend", self.identity, "1", channels=[ChannelReport(c, "k") for c in self.attached])

    def open(self, request: Open, now: float) -> None:
        self.opening[request.channel] = (request, now)
        self.ask(request)

    def weak(self) -> list[Open]:
        """Return the requests that no client has made itself."""
        return [request for request, _ in self.opening.values() if request.demand != "asked"]

    def ask(self, request: Open) -> None:
        self.asked[request.channel] += 1
        self.say(request)

    def control(self, message: Message, now: float) -> None:
        match message:
            case Registered():
                for request, _ in self.opening.values():
                    self.ask(request)
                return
            case Opened(channel):
                if self.opening.pop(channel, None) is not None:
                    self.attached.add(channel)
                elif channel not in self.attached:
                    self.say(Release(channel, "nobody waits for it any more"))
            case Refused(channel):
                assert channel not in self.attached, "refused after it was opened"
                self.opening.pop(channel, None)
            case Lost(channel):
                self.opening.pop(channel, None)
                self.attached.discard(channel)
            case _:
                raise AssertionError(f"a frontend was sent {message}")
        told = self.answers.setdefault(channel, [])
        told.append(type(message).__name__)
        # A request that was made again before its answer arrived is answered once more.
        assert told.count("Opened") + told.count("Refused") <= self.asked[channel], f"channel {channel} was told {told} unasked"

    def leave(self, channel: int) -> None:
        self.opening.pop(channel, None)
        self.attached.discard(channel)
        self.say(Release(channel, "the client has gone"))

    def pass_time(self, now: float) -> None:
        for channel, (_, since) in list(self.opening.items()):
            if now - since > PATIENCE + OPTIONS.heartbeat_interval:
                assert channel in self.excused, f"request {channel} was not answered in time"
                self.leave(channel)
        super().pass_time(now)

    def reconnect(self) -> None:
        self.excused.update(self.opening)
        super().reconnect()


class Console:
    """A console, which is no part: orders by number, when each was sent, and the answers."""

    identity = "console"

    def __init__(self) -> None:
        self.route = Way(self)  # type: ignore[arg-type]
        self.waiting: dict[int, float] = {}
        self.numbers = itertools.count(1)

    def hear(self, message: Message) -> None:
        assert isinstance(message, Answer)
        assert self.waiting.pop(message.request, None) is not None, "answered twice, or unasked"
        assert message.ok or message.code


class BrokerMachine(RuleBasedStateMachine):
    """Any event may happen at any time; only messages of one part come in order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.parts: list[Part] = []
        self.channels = itertools.count(1)
        self.named: list[str] = []
        self.console = Console()

    @initialize(
        stealing=st.booleans(), tells=st.booleans(), hosts=st.integers(0, 2), frontends=st.integers(1, 2), settled=st.booleans(),
        maximum=st.sampled_from([2, 8]),
    )  # fmt: skip
    def begin(self, stealing: bool, tells: bool, hosts: int, frontends: int, settled: bool, maximum: int) -> None:
        self.options = OPTIONS._replace(allow_stealing=stealing)
        self.tells = tells
        self.broker = Broker(self.options, self.now)
        self.maximum = maximum
        self.parts = [*(Host(tells, maximum) for _ in range(hosts)), *(Frontend() for _ in range(frontends))]
        if settled:
            self.flush()

    # ------------------------------------------------------------------ messages are carried

    def perform(self, actions: list[Action]) -> None:
        self.broker.validate()
        for action in actions:
            if isinstance(action, Send):
                part = action.route.part  # type: ignore[attr-defined]
                if part is self.console:
                    part.hear(action.message)
                elif part.unreachable or part.route is not action.route or part not in self.parts:
                    self.perform(self.broker.unreachable(action.route, self.now))
                else:
                    if isinstance(action.message, Acquire) and action.message.demand == "automatic":
                        place = self.broker.peers[part.identity].pools["P"]
                        assert place.room("automatic") > 0, "a session would have to end for a kernel that nobody has asked for"
                    part.inbox.append(action.message)

    def carry_up(self, part: Part) -> None:
        route, message = part.outbox.popleft()
        self.perform(self.broker.control(route, message, self.now))

    def flush(self) -> None:
        """Deliver everything that can arrive; what the network holds back waits."""
        moving = True
        while moving:
            moving = False
            for part in self.parts:
                while part.outbox and not part.unreachable:
                    self.carry_up(part)
                    moving = True
                while part.inbox and not part.paused:
                    part.hear(self.now)
                    moving = True
            for host in self.hosts():
                for channel in list(host.ending):
                    moving |= self.deliver_end(host, channel)

    def deliver_end(self, host: Host, channel: int) -> bool:
        """Deliver the end of a channel; it travels on the bulk lane, through the broker's table."""
        frame = Frame(Kind.END, channel)
        route = self.broker.forward(host.route, frame)
        part = None if route is None else route.part  # type: ignore[attr-defined]
        if part is None:
            if not self.broker.should_reset(host.route, frame, self.now):
                return False
        elif part.paused or part.unreachable or channel in part.opening:
            return False
        elif channel in part.attached:
            part.leave(channel)
        host.ending.discard(channel)
        return True

    def second(self) -> None:
        self.now += 1.0
        self.perform(self.broker.tick(self.now))
        self.flush()
        for part in self.parts:
            if not part.paused:
                part.pass_time(self.now)
        self.flush()
        late = [number for number, sent in self.console.waiting.items() if self.now - sent > OPTIONS.heartbeat_timeout + 1]
        assert not late, f"orders {late} were not answered in time"

    # ------------------------------------------------------------------ parts come and go

    def hosts(self) -> list[Host]:
        return [part for part in self.parts if isinstance(part, Host)]

    def frontends(self) -> list[Frontend]:
        return [part for part in self.parts if isinstance(part, Frontend)]

    def awake(self) -> list[Part]:
        return [part for part in self.parts if not part.paused]

    def excuse(self, parts: list[Part]) -> None:
        for part in parts:
            if isinstance(part, Frontend):
                part.excused.update(part.opening)

    @precondition(lambda self: len(self.parts) < 5)
    @rule(host=st.booleans())
    def come(self, host: bool) -> None:
        part = Host(self.tells, self.maximum) if host else Frontend()
        part.heard = self.now
        self.parts.append(part)

    @precondition(lambda self: self.awake())
    @rule(data=st.data(), says_so=st.booleans())
    def go(self, data: st.DataObject, says_so: bool) -> None:
        part = data.draw(st.sampled_from(self.awake()))
        if says_so:
            part.say(Leave())
            while part.outbox and not part.unreachable:
                self.carry_up(part)
        self.parts.remove(part)

    @precondition(lambda self: self.awake())
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        part = data.draw(st.sampled_from(self.awake()))
        part.paused = True
        self.excuse([part])

    @precondition(lambda self: len(self.awake()) < len(self.parts))
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([part for part in self.parts if part.paused])).paused = False

    @precondition(lambda self: any(not part.unreachable and not part.inbox and not part.outbox for part in self.parts))
    @rule(data=st.data())
    def cut(self, data: st.DataObject) -> None:
        """Cut a part's network while nothing is under way on it.

        What a break takes away without a trace would only be found out after a time-out.
        """
        quiet = [part for part in self.parts if not part.unreachable and not part.inbox and not part.outbox]
        part = data.draw(st.sampled_from(quiet))
        part.unreachable = True
        self.excuse([part])

    @precondition(lambda self: any(part.unreachable for part in self.parts))
    @rule(data=st.data())
    def mend(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([part for part in self.parts if part.unreachable])).unreachable = False

    @rule()
    def restart(self) -> None:
        self.broker = Broker(self.options, self.now)
        for part in self.parts:
            part.inbox.clear()
            part.outbox.clear()
        self.excuse(self.parts)
        self.console.waiting.clear()

    def order(self, order: Order) -> None:
        self.console.waiting[order.request] = self.now
        self.perform(self.broker.control(self.console.route, order, self.now))

    @rule(data=st.data(), kind=st.sampled_from(["pool", "pool", "host", "evict", "kernel", "session", "nothing"]))
    def administer(self, data: st.DataObject, kind: str) -> None:
        number = next(self.console.numbers)
        kernels = [kernel for host in self.hosts() for kernel in host.kernels] or ["nobody"]
        hosts = [host.identity for host in self.hosts()] or ["nobody"]
        match kind:
            case "pool":
                action = data.draw(st.sampled_from(["pause", "resume", "drain"]))
                self.order(PoolOrder(number, "me", "P", action))
            case "host":
                self.order(HostOrder(number, "me", data.draw(st.sampled_from(hosts)), data.draw(st.sampled_from(["drain", "resume"]))))
            case "evict":
                # A host that can be reached would end by itself, as in `go`.
                away = [p.id for p in self.broker.peers_of("host") if p.state is PeerState.SUSPECT] or list(self.broker.gone_hosts)
                if away:
                    self.order(HostOrder(number, "me", data.draw(st.sampled_from(away)), "evict"))
            case "kernel":
                self.order(KernelOrder(number, "me", data.draw(st.sampled_from(kernels)), "close"))
            case "session":
                self.order(SessionOrder(number, "me", data.draw(st.sampled_from(kernels)), "detach"))
            case _:
                self.order(PoolOrder(number, "me", "Q", "pause"))

    # ------------------------------------------------------------------ what the parts do

    @precondition(lambda self: any(not part.paused for part in self.frontends()))
    @rule(data=st.data(), want=st.sampled_from(["any", "any", "any", "pool", "nowhere", "named", "named"]))
    def ask(self, data: st.DataObject, want: str) -> None:
        self.open(data, want)

    def open(self, data: st.DataObject, want: str) -> None:
        frontend = data.draw(st.sampled_from([part for part in self.frontends() if not part.paused]))
        kernel = ""
        if want == "named":
            kernel = data.draw(st.sampled_from([*(kernel for host in self.hosts() for kernel in host.kernels), "nobody"]))
        pool = {"pool": "P", "nowhere": "Q"}.get(want, "")
        demand = data.draw(st.sampled_from(["asked"] if kernel else ["asked", "listens", "automatic"]))
        request = Open(next(self.channels), f"10.0.0.{data.draw(st.integers(1, 3))}:1", pool, False, kernel, demand=demand)
        frontend.open(request, self.now)
        if frontend.unreachable:
            frontend.excused.add(request.channel)

    @precondition(lambda self: any(part.weak() for part in self.frontends() if not part.paused))
    @rule(data=st.data())
    def insist(self, data: st.DataObject) -> None:
        """Let a client ask for the kernel that it would have been given automatically."""
        part, request = data.draw(st.sampled_from([(p, request) for p in self.frontends() if not p.paused for request in p.weak()]))
        part.open(replace(request, demand="asked"), self.now)

    @precondition(lambda self: any(part.opening or part.attached for part in self.frontends() if not part.paused))
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        links = [(part, channel) for part in self.frontends() if not part.paused for channel in (*part.opening, *sorted(part.attached))]
        part, channel = data.draw(st.sampled_from(links))
        part.leave(channel)

    @precondition(lambda self: any(not part.paused for part in self.frontends()))
    @rule(data=st.data())
    def open_and_see(self, data: st.DataObject) -> None:
        """Open a channel and let it take its ordinary course, which chance rarely completes."""
        self.open(data, "any")
        self.flush()
        for host in self.hosts():
            for channel in list(host.queue):
                if not host.paused and host.serves() and host.can_serve(channel):
                    host.serve(channel)
        self.flush()

    @precondition(lambda self: any(host.serves() and any(map(host.can_serve, host.queue)) for host in self.hosts() if not host.paused))
    @rule(data=st.data())
    def serve(self, data: st.DataObject) -> None:
        queued = [(host, channel) for host in self.hosts() if not host.paused and host.serves() for channel in host.queue]
        queued = [(host, channel) for host, channel in queued if host.can_serve(channel)]
        host, channel = data.draw(st.sampled_from(queued))
        host.serve(channel)

    @precondition(lambda self: any(host.kernels for host in self.hosts() if not host.paused))
    @rule(data=st.data())
    def kernel_dies(self, data: st.DataObject) -> None:
        kernels = [(host, kernel) for host in self.hosts() if not host.paused for kernel in host.kernels]
        host, kernel = data.draw(st.sampled_from(kernels))
        host.lose_kernel(kernel)

    @precondition(lambda self: any(part.outbox and not part.unreachable for part in self.parts))
    @rule(data=st.data())
    def one_up(self, data: st.DataObject) -> None:
        self.carry_up(data.draw(st.sampled_from([part for part in self.parts if part.outbox and not part.unreachable])))

    @precondition(lambda self: any(part.inbox and not part.paused for part in self.parts))
    @rule(data=st.data())
    def one_down(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([part for part in self.parts if part.inbox and not part.paused])).hear(self.now)

    @rule()
    def all_arrives(self) -> None:
        self.flush()

    @rule(seconds=st.integers(1, 12))
    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.second()

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "broker"):
            self.broker.validate()

    # ------------------------------------------------------------------ the end

    def teardown(self) -> None:
        if not hasattr(self, "broker"):
            return
        for part in self.parts:
            part.paused = part.unreachable = False
        for _ in range(int(2 * OPTIONS.host_timeout + PATIENCE)):
            self.second()
            for host in self.hosts():
                for channel in list(host.queue):
                    if host.serves() and host.can_serve(channel):
                        host.serve(channel)
        self.flush()
        assert not self.console.waiting, "an order without an answer"
        holders = [(channel, host) for host in self.hosts() for channel in host.kernels.values() if channel]
        held = dict(holders)
        assert len(held) == len(holders), "two kernels on one channel"
        attached = {channel: frontend for frontend in self.frontends() for channel in frontend.attached}
        assert not any(frontend.opening for frontend in self.frontends()), "a request without an answer"
        assert not any(host.queue or host.ending for host in self.hosts())
        assert held.keys() == attached.keys(), "hosts and frontends differ on who is attached"
        assert self.broker.channels.keys() == held.keys(), "the broker differs from both"
        for channel, entry in self.broker.channels.items():
            assert entry.phase is ChannelPhase.OPEN
            assert entry.host is not None and entry.host.id == held[channel].identity
            assert entry.frontend is not None and entry.frontend.id == attached[channel].identity
        assert self.broker.sessions.live.keys() == {kernel for host in self.hosts() for kernel in host.kernels}
        for part in list(self.parts):
            part.say(Leave())
            self.carry_up(part)
            self.parts.remove(part)
        self.now += OPTIONS.host_timeout + 1
        self.perform(self.broker.tick(self.now))
        broker = self.broker
        left = (broker.peers, broker.channels, broker.sessions.live, broker._routes, broker._strangers, broker._waiting)
        assert not broker.admin._pending
        assert not any(left), left


TestBroker = BrokerMachine.TestCase
TestBroker.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)

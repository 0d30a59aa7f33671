"""Carry out what administrators ask of the broker: who asked, who carries it out, who has answered.

Rules of this module: as :mod:`kernelbus.bus.broker.machine`'s, whose part it is: no socket, clock
or randomness.

The broker finds what a console's request means, asks the parts that it is for under a number of its
own, and collects their answers. When all have answered, are lost, or their time
(`Bus`/`HeartbeatTimeout`) is over, the console gets its answer, which names the parts that did not
answer. What only the broker can do is done here at once; what its own process does (read the
configuration again, change the level of the log) is asked of it as :class:`Local`.

What an order makes of a pool (paused, drained, resized) is held by its hosts, and here for hosts
that come later; a broker that was restarted learns it from the hosts. A trace is a lease: it ends
by itself when its console or its broker is gone.

Everyone who reaches the bus may look: its keys decide who that is. Everyone may give orders too,
unless the configuration lists who may (`Bus`/`Administrators`); the broker's own user always may.
Whoever may only look sees the beginnings of kernels' ids, since whoever has a whole one has the
kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from kernelbus.bus.broker.status import describe, shortened
from kernelbus.bus.broker.tables import SHORT_ID, BrokerTables, Peer
from kernelbus.bus.protocol.messages import PoolReport
from kernelbus.bus.protocol.naming import NotFound, find_id, find_named, find_pool
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
    TraceOrder,
)
from kernelbus.bus.protocol.reports import (
    LinksAnswer,
    LinksRequest,
    LinkStatus,
    Status,
    StatusRequest,
    Story,
    StoryRequest,
)
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.settings.networks import WORDS, check_network, parse_address, parse_network
from kernelbus.bus.settings.schema import offer
from kernelbus.bus.transport.interface import Route

__all__ = ["TRACE_LEASE", "Admin", "Local"]

#: Seconds for which a console is sent a trace after it last asked for it.
TRACE_LEASE = 15.0

#: The name of the broker's own process in answers.
BROKER = "broker"


@dataclass(frozen=True, slots=True)
class Local:
    """An action: the broker's own process carries `order` out.

    It reports the outcome by :meth:`Admin.carried_out`.
    """

    order: ReloadOrder | LogLevelOrder


@dataclass(slots=True)
class _Pending:
    """A request that waits for answers.

    `number` is the broker's number for it, `request` the console's. `waiting`: the names of the
    parts that have not answered, by their ids.
    """

    number: int
    request: int
    route: Route
    deadline: float
    waiting: dict[str, str]
    target: str = ""
    answers: list[PartAnswer] = field(default_factory=list)
    links: list[LinkStatus] = field(default_factory=list)
    status: StatusRequest | None = None


def _why_not(route: Route, administrators: tuple[str, ...] | None) -> str:
    """Say why the other end of `route` may not give orders; "": it may."""
    if administrators is None or route.own:
        return ""
    if not route.key:
        return (
            "Bus/Administrators says who may give orders here, and who asks shows neither a key nor, by a socket, its user: "
            "give them as the user of the broker, at a bus of ipc://, or from a machine with a listed key"
        )
    if route.key in administrators or (route.machine and route.machine in administrators):
        return ""
    return f"{route.machine or route.key} may look and not give orders: its key is not in Bus/Administrators of the broker's configuration"


def _who(route: Route, order: Order) -> str:
    """Return who gives an order: as it says, and what the system or its key says of it."""
    return f"{order.sender} ({route.name}; {route.credentials or 'as claimed'})"


class Admin:
    """The administration of one broker.

    Args:
        tables: what the broker knows.
        send: sends a message over a route.
        note: logs a line.
        run_here: has the broker's own process carry an order out.
        give_up: takes a host for lost and forgets it; its arguments are the host, why, and the
            time.
        forget_awaited: stops waiting for the host of a session; its arguments are the kernel's id,
            why, and the time.

    Attributes:
        pool_orders: what administrators have made of pools, by name.
    """

    def __init__(
        self,
        tables: BrokerTables,
        *,
        send: Callable[[Route, Message], None],
        note: Callable[[str], None],
        run_here: Callable[[ReloadOrder | LogLevelOrder], None],
        give_up: Callable[[Peer, str, float], None],
        forget_awaited: Callable[[str, str, float], None],
    ) -> None:
        self._tables = tables
        self._send = send
        self._note = note
        self._run_here = run_here
        self._give_up = give_up
        self._forget_awaited = forget_awaited
        self._pending: dict[int, _Pending] = {}
        self._numbers = 0
        self.pool_orders: dict[str, PoolOrder] = {}
        #: The last order about each network, and when the grant ends.
        self._access_orders: dict[str, tuple[float, AccessOrder]] = {}
        #: The routes of the consoles that trace a kernel, and until when, by the kernel's id.
        self._tracers: dict[str, dict[Route, float]] = {}

    # ------------------------------------------------------------------ requests of consoles

    def asked(self, route: Route, message: Message, now: float) -> None:
        """Take a request or an order that has come over `route`."""
        match message:
            case StatusRequest():
                self._status(route, message, now)
                return
            case StoryRequest(request, _, kernel):
                trusted = self._trusts(route)
                try:
                    # Whoever sees the beginnings of ids alone cannot try out how they go on.
                    story = self._story(request, kernel if trusted else kernel[:SHORT_ID])
                    self._send(route, story if trusted else replace(story, kernel=story.kernel[:SHORT_ID]))
                except NotFound as error:
                    self._send(route, Answer(request, False, error.code, [str(error)]))
                return
        assert isinstance(message, Order)
        if why := _why_not(route, self._tables.options.administrators):
            self._refuse(route, message, "not-an-administrator", why)
            return
        if not isinstance(message, TraceOrder):
            self._note(f"{_who(route, message)} orders: {_in_words(message)}")
        try:
            self._carry_out(route, message, now)
        except NotFound as error:
            self._refuse(route, message, error.code, str(error))

    def _carry_out(self, route: Route, order: Order, now: float) -> None:
        match order:
            case KernelOrder(kernel=kernel):
                kernel = self._live(kernel, "kernel")
                self._ask(route, replace(order, kernel=kernel), [self._host_of(kernel)], now, kernel)
            case SessionOrder(kernel=kernel):
                self._session(route, order, now)
            case TraceOrder(kernel=kernel):
                self._trace(route, order, self._live(kernel, "kernel"), now)
            case StartOrder():
                self._start(route, order, now)
            case PoolOrder():
                self._pool(route, order, now)
            case HostOrder():
                self._host(route, order, now)
            case AccessOrder():
                self._access(route, order, now)
            case ReloadOrder() | LogLevelOrder():
                self._ask(route, order, list(self._tables.peers.values()), now)
            case _:
                self._refuse(route, order, "unknown-order", f"this broker does not know {type(order).__name__}: it is of another version")

    def _status(self, route: Route, asked: StatusRequest, now: float) -> None:
        frontends = self._tables.peers_of("frontend") if asked.links else []
        if not frontends:
            self._tell(route, describe(self._tables, asked, now))
            return
        pending = self._wait_for(route, asked.request, frontends, now)
        pending.status = asked
        for frontend in frontends:
            self._send(frontend.route, LinksRequest(pending.number))

    def _tell(self, route: Route, status: Status) -> None:
        self._send(route, status if self._trusts(route) else shortened(status))

    def _trusts(self, route: Route) -> bool:
        """Whether the other end of `route` is a part of the bus, or may give orders."""
        return any(peer.route is route for peer in self._tables.peers.values()) or not _why_not(
            route, self._tables.options.administrators
        )

    def _story(self, request: int, text: str) -> Story:
        """Return what happened to the kernel that `text` means.

        Raises:
            NotFound: it means none, or several.
        """
        sessions = self._tables.sessions
        kernel = find_id(text, [*sessions.live, *sessions.awaited, *sessions.over], "kernel")
        return Story(request, kernel, sessions.story(kernel))

    def _session(self, route: Route, order: SessionOrder, now: float) -> None:
        sessions = self._tables.sessions
        with_client = [kernel for kernel, session in sessions.live.items() if session.report.attachments]
        kernel = find_id(order.kernel, [*with_client, *sessions.awaited], "session")
        if kernel in sessions.live:
            self._ask(route, replace(order, kernel=kernel), [self._host_of(kernel)], now, kernel)
        elif order.action == "close":
            host = sessions.awaited[kernel].host
            self._forget_awaited(kernel, f"closed by {order.sender} while its host {host} was away", now)
            line = f"session {kernel[:8]} is forgotten; should host {host} come back with it, it is there again"
            self._send(route, Answer(order.request, True, lines=[line], target=kernel))
        else:
            text = f"session {kernel[:8]} waits for its host {sessions.awaited[kernel].host} to come back: it has no client"
            self._refuse(route, order, "not-attached", text)

    def _start(self, route: Route, order: StartOrder, now: float) -> None:
        pool = self._known_pool(order.pool)
        if order.host:
            host = self._known_host(order.host)
            if pool not in host.pools:
                self._refuse(route, order, "unknown-pool", f"host {host.name} has no pool {pool}: {offer(pool, host.pools, 'pools there')}")
                return
        else:
            hosts = [host for host in self._tables.peers_of("host") if pool in host.pools and host.accepts(pool)]
            if not hosts:
                self._refuse(route, order, "no-host", f"no host of pool {pool} takes new kernels: they are drained, paused or away")
                return
            host = max(hosts, key=lambda host: host.pools[pool].room("asked"))
        self._ask(route, order, [host], now, pool)

    def _pool(self, route: Route, order: PoolOrder, now: float) -> None:
        pool = self._known_pool(order.pool)
        if order.action == "resize":
            if order.minimum is None and order.maximum is None:
                self._refuse(route, order, "arguments", f"resize pool {pool} to what? give minimum, maximum, or both")
                return
            if order.maximum == 0:
                self._refuse(route, order, "arguments", "a maximum of 0 kernels makes no pool: drain it instead")
                return
        self._note_pool(order)
        hosts = [host for host in self._tables.peers_of("host") if pool in host.pools]
        self._ask(route, order, hosts, now, pool)

    def _note_pool(self, order: PoolOrder) -> None:
        """Remember how a pool is to be run, for hosts that come later."""
        known = self.pool_orders.get(order.pool)
        if order.action == "resize" and known is not None:
            minimum = known.minimum if order.minimum is None else order.minimum
            maximum = known.maximum if order.maximum is None else order.maximum
            order = replace(known, minimum=minimum, maximum=maximum)
        elif known is not None:
            order = replace(order, minimum=known.minimum, maximum=known.maximum)
        self.pool_orders[order.pool] = order

    def settle_pools(self, host: Peer, before: dict[str, PoolReport]) -> None:
        """Bring the pools of a host that has registered to the state that administrators ordered.

        What this broker does not know of a pool, because it was restarted, it learns from the host.

        Args:
            before: what the host reported of its pools until now.
        """
        for report in host.pools.values():
            order = self.pool_orders.get(report.pool)
            if order is not None and report.pool in before and before[report.pool].resized and not report.resized:
                # The host has read its configuration again and has other numbers: those hold.
                order = self.pool_orders[report.pool] = replace(order, minimum=None, maximum=None)
            if order is None:
                if report.state != "serving" or report.resized:
                    sizes = (report.minimum, report.maximum) if report.resized else (None, None)
                    action = _ORDERED.get(report.state, "resume")
                    self.pool_orders[report.pool] = PoolOrder(0, "", report.pool, action, *sizes)
                continue
            # The number 0: nobody waits for the answer.
            if order.action != "resize" and (_ORDERED.get(report.state, "resume") != order.action):
                self._send(host.route, replace(order, request=0, minimum=None, maximum=None))
            if order.minimum is not None or order.maximum is not None:
                self._send(host.route, replace(order, request=0, action="resize"))

    def _host(self, route: Route, order: HostOrder, now: float) -> None:
        tables = self._tables
        gone = {identity: host.name for identity, host in tables.gone_hosts.items()} if order.action == "evict" else {}
        known = {host.id: host.name for host in tables.peers_of("host")}
        identity = find_named(order.host, known | {key: name for key, name in gone.items() if name not in known.values()}, "host")
        if identity in gone:
            del tables.gone_hosts[identity]
            self._send(route, Answer(order.request, True, lines=[f"host {gone[identity]} is forgotten"], target=gone[identity]))
            return
        host = tables.peers[identity]
        if order.action == "evict" and host.state.value != "up":
            self._give_up(host, f"was given up by {order.sender}", now)
            line = f"host {host.name} cannot be reached; it is given up, and its sessions are lost"
            self._send(route, Answer(order.request, True, lines=[line], target=host.name))
            return
        self._ask(route, replace(order, host=identity), [host], now, host.name)

    def _access(self, route: Route, order: AccessOrder, now: float) -> None:
        try:
            network = check_network(order.network)
        except ValueError as error:
            self._refuse(route, order, "network", f"{order.network[:100]} {error}")
            return
        frontends = self._tables.peers_of("frontend")
        if not frontends:
            self._refuse(route, order, "no-frontend", "no frontend is there, so that nobody has access")
            return
        if order.action == "grant":
            self._access_orders[network] = now + order.seconds, order
        elif network in self._access_orders:
            # Kept as long as the grant would have been: a frontend that is away may still have it.
            self._access_orders[network] = self._access_orders[network][0], order
        self._ask(route, order, frontends, now, network)

    def granted(self, address: str, now: float) -> bool:
        """Tell whether a grant holds for an address; may be called in any thread."""
        try:
            peer = parse_address(address)
        except ValueError:
            return False
        for network, (until, order) in list(self._access_orders.items()):
            if order.action == "grant" and now < until and network not in WORDS and peer in parse_network(network):
                return True
        return False

    def settle_access(self, frontend: Peer, now: float) -> None:
        """Bring a frontend that has registered to the grants that administrators have made."""
        for until, order in self._access_orders.values():
            # The number 0: nobody waits for the answer.
            self._send(frontend.route, replace(order, request=0, seconds=max(0.0, until - now)))

    # ------------------------------------------------------------------ traces

    def _trace(self, route: Route, order: TraceOrder, kernel: str, now: float) -> None:
        tracers = self._tracers.setdefault(kernel, {})
        known = route in tracers
        if order.on:
            tracers[route] = now + TRACE_LEASE
            if not known:
                self._note(f"{_who(route, order)} traces kernel {kernel[:8]}")
        else:
            tracers.pop(route, None)
        self._ask(route, replace(order, kernel=kernel, on=bool(tracers)), [self._host_of(kernel)], now, kernel)
        if not tracers:
            del self._tracers[kernel]

    def traced(self, message: Traced) -> None:
        """Pass on what a host has traced."""
        for route in self._tracers.get(message.kernel, ()):
            self._send(route, message)

    # ------------------------------------------------------------------ asking and answering

    def _ask(self, route: Route, order: Order, parts: list[Peer], now: float, target: str = "") -> None:
        """Have these parts carry an order out, and answer the console when they have.

        An order for every part goes to the broker's own process too.
        """
        pending = self._wait_for(route, order.request, parts, now, target)
        numbered = replace(order, request=pending.number)
        for part in parts:
            self._send(part.route, numbered)
        if isinstance(numbered, ReloadOrder | LogLevelOrder):
            pending.waiting[""] = BROKER
            self._run_here(numbered)

    def _wait_for(self, route: Route, request: int, parts: list[Peer], now: float, target: str = "") -> _Pending:
        """Enter a request under a number of its own, to wait for the answers of `parts`."""
        self._numbers += 1
        waiting = {part.id: f"{part.role} {part.name}" for part in parts}
        deadline = now + self._tables.options.heartbeat_timeout
        pending = self._pending[self._numbers] = _Pending(self._numbers, request, route, deadline, waiting, target)
        return pending

    def carried_out(self, answer: PartAnswer, now: float) -> None:
        """Take an answer of the broker's own process."""
        self._answer("", answer, now)

    def answered(self, peer: Peer, answer: PartAnswer, now: float) -> None:
        """Take a part's answer to an order."""
        self._answer(peer.id, answer, now)

    def _answer(self, identity: str, answer: PartAnswer, now: float) -> None:
        pending = self._pending.get(answer.request)
        if pending is None or (part := pending.waiting.pop(identity, None)) is None:
            # Its time was over, and the console was told so.
            return
        pending.answers.append(replace(answer, request=pending.request, part=part))
        self._settle(pending, now)

    def listed(self, peer: Peer, answer: LinksAnswer, now: float) -> None:
        """Take a frontend's answer to a request for its links."""
        pending = self._pending.get(answer.request)
        if pending is not None and pending.waiting.pop(peer.id, None) is not None:
            pending.links += answer.links
            self._settle(pending, now)

    def lost(self, peer: Peer, why: str, now: float) -> None:
        """Expect no answers from a part that is gone."""
        for pending in list(self._pending.values()):
            if (part := pending.waiting.pop(peer.id, None)) is not None:
                pending.answers.append(PartAnswer(pending.request, False, "gone", [f"it {why}"], part))
                self._settle(pending, now)

    def tick(self, now: float) -> None:
        """End the requests, traces and grants whose time is over."""
        self._access_orders = {network: kept for network, kept in self._access_orders.items() if now < kept[0]}
        for pending in [pending for pending in self._pending.values() if now >= pending.deadline]:
            for part in pending.waiting.values():
                seconds = self._tables.options.heartbeat_timeout
                line = f"it did not answer in {seconds:g} s; it may carry the order out yet"
                pending.answers.append(PartAnswer(pending.request, False, "no-answer", [line], part))
            self._settle(pending, now, late=True)
        for kernel, tracers in list(self._tracers.items()):
            for route in [route for route, until in tracers.items() if now >= until]:
                del tracers[route]
            if not tracers or kernel not in self._tables.sessions.live:
                # The host's own lease ends by itself.
                del self._tracers[kernel]

    def _settle(self, pending: _Pending, now: float, late: bool = False) -> None:
        """Answer the console if no part is still to answer, or at once if it is `late`."""
        if pending.waiting and not late:
            return
        del self._pending[pending.number]
        if pending.status is not None:
            unheard = tuple(pending.waiting.values())
            unheard += tuple(answer.part for answer in pending.answers)
            told = describe(self._tables, pending.status, now, links=pending.links, unheard=unheard)
            self._tell(pending.route, told)
            return
        failed = [answer for answer in pending.answers if not answer.ok]
        code = failed[0].code if failed else ""
        self._send(pending.route, Answer(pending.request, not failed, code, [], pending.answers, pending.target))

    def _refuse(self, route: Route, order: Order, code: str, text: str) -> None:
        self._note(f"{_who(route, order)}: refused: {text}")
        self._send(route, Answer(order.request, False, code, [text]))

    # ------------------------------------------------------------------ what a text means

    def _live(self, text: str, what: str) -> str:
        """Return the id of the live kernel that `text` means.

        Raises:
            NotFound: it means none, or several.
        """
        return find_id(text, self._tables.sessions.live, what)

    def _host_of(self, kernel: str) -> Peer:
        return self._tables.peers[self._tables.sessions.live[kernel].host.id]

    def _known_host(self, text: str) -> Peer:
        return self._tables.peers[find_named(text, {host.id: host.name for host in self._tables.peers_of("host")}, "host")]

    def _known_pool(self, text: str) -> str:
        return find_pool(text, self._tables.pool_names())


#: The order that brings a pool into a state.
_ORDERED: dict[str, Literal["pause", "drain", "resume"]] = {"paused": "pause", "draining": "drain"}


def _in_words(order: Order) -> str:
    """Return an order in the words of the admin shell, for the log."""
    match order:
        case KernelOrder(kernel=kernel, action=action):
            return f"kernel {action} {kernel}"
        case SessionOrder(kernel=kernel, action=action):
            return f"session {action} {kernel}"
        case StartOrder(pool=pool, host=host):
            return f"kernel start {pool}" + (f" on host {host}" if host else "")
        case PoolOrder(pool=pool, action="resize", minimum=minimum, maximum=maximum):
            sizes = [f"{name} {size}" for name, size in (("minimum", minimum), ("maximum", maximum)) if size is not None]
            return f"pool resize {pool} to {', '.join(sizes) or 'nothing'}"
        case PoolOrder(pool=pool, action=action):
            return f"pool {action} {pool}"
        case AccessOrder(network=network, action="grant", seconds=seconds):
            return f"access grant {network} for {seconds:g} s"
        case AccessOrder(network=network):
            return f"access revoke {network}"
        case HostOrder(host=host, action=action):
            return f"host {action} {host}"
        case LogLevelOrder(level=level):
            return f"log-level {level}"
        case ReloadOrder():
            return "reload"
    return type(order).__name__

"""Decide for the broker: which parts are there, what a channel joins, who gets which kernel.

Rules of this module: no socket, clock or randomness. :meth:`Broker.control`,
:meth:`Broker.unreachable` and :meth:`Broker.tick` take what happened and `now` (seconds on a clock
of the caller's), and return the actions to carry out. :meth:`Broker.forward` is the data path: one
look-up, no change of state. :meth:`Broker.validate` checks the invariants, for tests.

**Parts** are *up*, *suspect* or *lost*. A part is suspect when it has been silent for
`heartbeat_timeout`: requests for any kernel that wait at it go to other hosts, and nothing else is
done, since a short break is not death. A frontend is lost after twice that time, a host after
`host_timeout`; then those who depended on it are told. A suspect part that speaks again is asked to
register again, since messages of the meantime may be lost.

**Restart.** A broker that starts knows no part. It asks everyone who speaks to it to register
again; hosts and frontends then list what they have, and the broker rebuilds its tables from that.
From its journal it has what it cannot learn from them (:mod:`kernelbus.bus.broker.sessions`): the
sessions whose hosts have not come back, for which clients wait until `host_timeout`, and those that
are over.

**Requests.** A client's request (`Open`) waits, is asked of a host (`Acquire`), and is answered
(`Opened`, `Refused`). Requests for any kernel of a pool wait here, in the order in which they came;
where several addresses wait, each has its turn (:mod:`kernelbus.bus.broker.fairness`). A host is
asked only for what it can give: a ready kernel, room under the cap, or the place of a detached
kernel that may be given up. So the order holds over all hosts of a pool. Hosts with ready kernels
come first, then those whose kernels start, then the least loaded. A request that waits on one host
for a kernel to start moves to another host that has one ready. It does not go back to a host within
`heartbeat_timeout`, since frames of a kernel that the host had attached already may be under way
under the same channel number.

Requests differ in their demand (:data:`kernelbus.bus.protocol.messages.Demand`): for a link's
automatic kernel a host is asked only if it has a free place, since no session is given up for it.
Of one address, requests of a stronger demand come first. The frontend sends a request again when
its demand rises. Where one address has most kernels and does not use them, while another waits, a
host is told to take one back (`Reclaim`).

| channel state | meaning |
|---|---|
| WAITING | a client wants a kernel; no host has been asked yet |
| ASKED | a host has been asked |
| OPEN | frames pass |
| HALF | one side is known after a restart; the other is awaited until `host_timeout` |
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace

from kernelbus.bus.broker.administration import Admin, Local
from kernelbus.bus.broker.fairness import Fairness, order_of_coming, taken_back
from kernelbus.bus.broker.sessions import ENDED, LOST, SessionRecord
from kernelbus.bus.broker.status import add_figures
from kernelbus.bus.broker.tables import (
    TRANSITIONS,
    BrokerOptions,
    BrokerTables,
    ChannelEntry,
    ChannelPhase,
    GoneHost,
    Note,
    Peer,
    PeerState,
    Send,
)
from kernelbus.bus.channel.frames import Frame
from kernelbus.bus.protocol.histogram import Latencies
from kernelbus.bus.protocol.messages import (
    Acquire,
    Acquired,
    Heartbeat,
    KeepAlive,
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
    Told,
    Waiting,
    WhyWaiting,
    WithdrawAbort,
    rank,
)
from kernelbus.bus.protocol.orders import Order, PartAnswer, Traced
from kernelbus.bus.protocol.reports import (
    FrontendReport,
    HostReport,
    LinksAnswer,
    PoolFigures,
    StatusRequest,
    StoryRequest,
)
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.settings.networks import address_of
from kernelbus.bus.transport.interface import Route

__all__ = ["DRAINING", "Action", "Broker"]

_LEFT = "has left"

#: The code with which a host refuses a request that another host may grant: it hands out no kernels
#: at present.
DRAINING = "draining"

#: The codes with which a request is refused because there is no kernel for it, and how many such
#: refusals of a pool are remembered.
_FOR_WANT = ("no-kernel", "no-host")
_REFUSALS = 1000

#: Seconds after which a host may be asked again to take back the same kernel.
_RECLAIM_AGAIN = 10.0

#: Seconds for which a host that was lost is remembered as gone, unless it comes back or is evicted.
_GONE_FOR = 86400.0


Action = Send | Note | Local


class Broker(BrokerTables):
    """The broker's state machine. See the module's rules.

    Args:
        epoch: seconds to add to `now` to get wall-clock time.
        journaled: the sessions that an earlier broker knew.
    """

    def __init__(self, options: BrokerOptions, now: float, epoch: float = 0.0, journaled: list[SessionRecord] | None = None) -> None:
        super().__init__(options, now, epoch)
        self.sessions.restore(journaled or [], now + epoch)
        self.admin = Admin(
            self,
            send=self._send,
            note=self._note_order,
            run_here=lambda order: self._actions.append(Local(order)),
            give_up=self._give_up,
            forget_awaited=self._forget_awaited,
        )
        self._routes: dict[Route, Peer] = {}
        self._strangers: dict[Route, float] = {}
        self._waiting: dict[int, ChannelEntry] = {}
        self._queues: dict[str, Fairness] = {}
        # The place of each channel in the queue of a pool, until something in it changes.
        self._places: dict[str, dict[int, int]] = {}
        self._retired: set[str] = set()
        self._turns = 0
        self._next_heartbeat = now
        self._ticked = now
        # The kernels that hosts were asked to take back, and when.
        self._reclaimed: dict[str, float] = {}
        self._actions: list[Action] = []
        self._disagreed: frozenset[str] = frozenset()

    # ------------------------------------------------------------------ the data path

    def forward(self, route: Route, frame: Frame) -> Route | None:
        """Return the route on which `frame`, which came over `route`, continues, or None."""
        entry = self.channels.get(frame.channel)
        if entry is not None:
            peer = self._routes.get(route)
            if peer is not None:
                if peer is entry.frontend:
                    # A host that is only asked has no end of the channel yet, and would answer that
                    # there is none.
                    other = entry.host if entry.phase is not ChannelPhase.ASKED else None
                elif peer is entry.host:
                    other = entry.frontend
                else:
                    other = None
                if other is not None:
                    return other.route
        self.dropped += 1
        return None

    def should_reset(self, route: Route, frame: Frame, now: float) -> bool:
        """Whether to tell the sender of a frame without a route that it has no such channel.

        That is so if the channel does not exist or joins others. It is not so while parts may still
        be on their way back after a restart of the broker.
        """
        entry = self.channels.get(frame.channel)
        if entry is None:
            return now - self.started > self.options.host_timeout
        return entry.phase is ChannelPhase.OPEN and self._routes.get(route) not in (None, entry.frontend, entry.host)

    # ------------------------------------------------------------------ events

    def control(self, route: Route, message: Message, now: float) -> list[Action]:
        """Handle a control message that came over `route`."""
        peer = self._routes.get(route)
        if peer is not None and not isinstance(message, Register):
            self._seen(peer, message, now)
        if isinstance(message, Register):
            self._register(route, message, now)
        elif isinstance(message, StatusRequest | StoryRequest | Order):
            self.admin.asked(route, message, now)
        elif peer is None:
            # The sender registered with an earlier broker: this one was restarted.
            if now - self._strangers.get(route, -1e9) > self.options.heartbeat_interval:
                self._strangers[route] = now
                self._send(route, RegisterAgain())
        else:
            match message:
                case Heartbeat():
                    pass
                case Leave():
                    self._lose(peer, _LEFT, now)
                case Open() if peer.role == "frontend":
                    self._open(peer, message, now)
                case Release():
                    self._release(peer, message)
                case Acquired() if peer.role == "host":
                    self._acquired(peer, message, now)
                case Refused() if peer.role == "host":
                    self._refused(peer, message, now)
                case KernelReport() if peer.role == "host":
                    self._kernel(peer, message, now)
                case KernelGone() if peer.role == "host":
                    self.sessions.gone(message.kernel, message.text, now + self.epoch)
                case WhyWaiting(channel) if peer.role == "frontend":
                    entry = self.channels.get(channel)
                    if entry is not None and entry.frontend is peer and (why := self._why_waiting(entry)):
                        self._send(route, Waiting(channel, why))
                case KeepAlive() | Told() | WithdrawAbort():
                    self._pass_to_host(peer, message)
                case PartAnswer():
                    self.admin.answered(peer, message, now)
                case HostReport() if peer.role == "host":
                    peer.report, peer.reported = message, now
                    self._dispatch(now)
                case FrontendReport() | LinksAnswer() if peer.role == "frontend":
                    if isinstance(message, LinksAnswer):
                        self.admin.listed(peer, message, now)
                    else:
                        peer.report, peer.reported = message, now
                case PoolFigures() if peer.role == "host":
                    peer.figures[message.pool] = message
                case Traced() if peer.role == "host":
                    self.admin.traced(message)
                case PoolReport() if peer.role == "host":
                    known = peer.pools.get(message.pool)
                    peer.pools[message.pool] = message
                    if known is None or (known.default, known.parallel_default) != (message.default, message.parallel_default):
                        self._note_disagreements()
                    self._dispatch(now)
                    self._rebalance(peer, message, now)
                case _:
                    self._note(f"{peer} sent {type(message).__name__}, which is not for it to send; ignored", True, peer.fields)
        return self._take()

    def unreachable(self, route: Route, now: float) -> list[Action]:
        """Handle the transport's report that nobody is at the other end of `route`."""
        peer = self._routes.get(route)
        if peer is not None and peer.state is PeerState.UP:
            self._suspect(peer, "cannot be reached", now)
        return self._take()

    def expel(self, route: Route, why: str, now: float) -> list[Action]:
        """Take the part at the other end of `route` for lost; it may not be a part any more.

        Nothing more is sent to it. A transport reports so when the key of the part's machine is
        revoked.
        """
        self._strangers.pop(route, None)
        peer = self._routes.get(route)
        if peer is not None:
            self._lose(peer, why, now)
        return self._take()

    def tick(self, now: float) -> list[Action]:
        """Handle that time has passed; call it about every `heartbeat_interval`."""
        stalled, self._ticked = now - self._ticked - 2 * self.options.heartbeat_interval, now
        if stalled > 0:
            # The time in which this process did not run is not a silence of the parts: what they
            # sent meanwhile is still to be read.
            for peer in self.peers.values():
                peer.last_seen = min(now, peer.last_seen + stalled)
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + self.options.heartbeat_interval
            for peer in self.peers.values():
                self._send(peer.route, Heartbeat())
        for peer in list(self.peers.values()):
            silent = now - peer.last_seen
            limit = self.options.host_timeout if peer.role == "host" else 2 * self.options.heartbeat_timeout
            if silent > limit:
                self._lose(peer, f"has been silent for {silent:.0f} s", now)
            elif silent > self.options.heartbeat_timeout and peer.state is PeerState.UP:
                self._suspect(peer, f"has been silent for {silent:.0f} s", now)
        for entry in list(self.channels.values()):
            if entry.channel not in self.channels:
                continue
            if now >= entry.confirm_by:
                self._drop(entry, f"{entry.frontend} no longer wants it")
            elif entry.phase is ChannelPhase.WAITING and now >= entry.deadline:
                self._refuse(entry, now, "no-host", self._why_nobody(entry))
            elif entry.phase is ChannelPhase.ASKED and now >= entry.deadline + self.options.heartbeat_timeout / 2:
                # The host refuses at the deadline itself, so its message or the broker's was lost.
                assert entry.host is not None
                self._send(entry.host.route, Release(entry.channel, "its time is over"))
                self._refuse(entry, now, "no-host", f"no kernel in {self.options.connection_timeout:.0f} s: {entry.host} does not answer")
            elif entry.phase is ChannelPhase.HALF and now >= entry.deadline:
                self._drop(entry, "the other end did not come back")
        if self.sessions.awaited and now - self.started > self.options.host_timeout:
            for record in self.sessions.give_up_awaited("its host did not come back after the broker's restart", now + self.epoch):
                text = f"session {record.kernel[:8]} of pool {record.pool} is lost: host {record.host} did not come back"
                self._note(text, True, record.fields)
            self._dispatch(now)
        for route, since in list(self._strangers.items()):
            if now - since > self.options.host_timeout:
                del self._strangers[route]
        for gone in list(self.gone_hosts.values()):
            if now - gone.last_seen > _GONE_FOR:
                del self.gone_hosts[gone.id]
        if any(entry.left for entry in self._waiting.values()):
            # They may be allowed to go back to a host by now.
            self._dispatch(now)
        if self._waiting and self.options.unused_timeout:
            self._reclaim(now)
        self.admin.tick(now)
        return self._take()

    def carried_out(self, answer: PartAnswer, now: float) -> list[Action]:
        """Take the answer of the broker's own process to an order.

        The order was given to it as a :class:`kernelbus.bus.broker.administration.Local`.
        """
        self.admin.carried_out(answer, now)
        return self._take()

    def configure(self, options: BrokerOptions, now: float) -> list[Action]:
        """Use other options from now on."""
        self.options = options
        self._dispatch(now)
        return self._take()

    # ------------------------------------------------------------------ changes by administration

    def _forget_awaited(self, kernel: str, why: str, now: float) -> None:
        """Stop waiting for the host of a session."""
        self.sessions.gone(kernel, why, now + self.epoch)
        self._dispatch(now)

    def _give_up(self, host: Peer, why: str, now: float) -> None:
        """Take a host that cannot be reached for lost, and forget it."""
        self._lose(host, why, now)
        self.gone_hosts.pop(host.id, None)

    def is_stranger(self, route: Route) -> bool:
        """Whether no part has registered over this route: a console, or who is yet to register."""
        return route not in self._routes

    # ------------------------------------------------------------------ parts come and go

    def _register(self, route: Route, message: Register, now: float) -> None:
        if message.role not in ("frontend", "host"):
            self._note(f"{message.name!r} wants to register as {message.role!r}, which there is not; ignored", error=True)
            return
        for identity in message.predecessors:
            if identity != message.peer:
                self._retire(identity, now)
        self._strangers.pop(route, None)
        peer = self.peers.get(message.peer)
        other = self._routes.get(route)
        if other is not None and other is not peer:
            self._lose(other, "has given its place to another", now)
        if peer is not None and peer.role != message.role:
            self._lose(peer, f"is a {message.role} now", now)
            peer = None
        if peer is None:
            peer = self.peers[message.peer] = Peer(message.peer, message.role, message.name, route, now)
            self._note(f"{peer} has registered", False, peer.fields)
            if message.role == "host":
                # The same host again, or another in its place.
                for gone in [gone for gone in self.gone_hosts.values() if gone.name == message.name]:
                    del self.gone_hosts[gone.id]
        else:
            if peer.route is not route:
                del self._routes[peer.route]
                peer.route = route
            self._note(f"{peer} has registered again", False, peer.fields)
        self._routes[route] = peer
        peer.last_seen, peer.state = now, PeerState.UP
        peer.version = message.version
        before = peer.pools
        peer.pools = {report.pool: report for report in message.pools}
        self._send(route, Registered(self.options.name, self.options.heartbeat_interval))
        if peer.role == "host":
            self._note_disagreements()
            self.admin.settle_pools(peer, before)
            self._reconcile_host(peer, message, now)
        else:
            self.admin.settle_access(peer, now)
            self._reconcile_frontend(peer, message, now)
        self._dispatch(now)

    def _note_disagreements(self) -> None:
        """Warn, once each, where hosts do not agree which pool is the default one."""
        lines = self.disagreements()
        for line in lines:
            if line not in self._disagreed:
                self._actions.append(Note(line, warning=True))
        self._disagreed = frozenset(lines)

    def _retire(self, identity: str, now: float) -> None:
        """Wait no longer for a part whose machine says that it is gone."""
        why = "has ended without leaving: it was killed, or has crashed"
        peer, awaited = self.peers.get(identity), self.sessions.awaited_of(identity)
        if peer is not None or awaited:
            self._retired.add(identity)
        if peer is not None:
            self._lose(peer, why, now)
        for record in awaited:
            text = f"host {record.host} {why}"
            self._note(f"session {record.kernel[:8]} of pool {record.pool} is lost: {text}", True, record.fields)
            self.sessions.gone(record.kernel, text, now + self.epoch, LOST)
            for entry in [e for e in self.channels.values() if e.kernel == record.kernel and e.phase is ChannelPhase.HALF]:
                self._tell_lost(entry, text)

    def _reconcile_host(self, host: Peer, message: Register, now: float) -> None:
        self.sessions.reconcile(host, {report.kernel for report in message.kernels}, now + self.epoch)
        for report in message.kernels:
            self._kernel(host, report, now)
        attached = {report.channel: report.kernel for report in message.kernels if report.channel}
        positions = {report.channel: report.position for report in message.kernels}
        # A kernel that is gone may have left its last output in a channel, which ends when that is
        # delivered.
        ending = {report.channel: report.kernel for report in message.channels if report.channel not in attached}
        for entry in [entry for entry in self.channels.values() if entry.host is host and entry.channel not in attached]:
            if entry.phase is ChannelPhase.ASKED:
                self._move(entry, ChannelPhase.WAITING, None)
            elif entry.channel not in ending:
                self._tell_lost(entry, f"{host} no longer has the kernel")
        for channel, kernel in (attached | ending).items():
            known = self.channels.get(channel)
            if known is None:
                until = now + self.options.host_timeout
                half = ChannelEntry(channel, ChannelPhase.HALF, until, host=host, kernel=kernel, position=positions.get(channel, 0))
                self.channels[channel] = half
            elif known.host is not host and (known.host is not None or (channel in ending and known.phase is ChannelPhase.WAITING)):
                self._send(host.route, Release(channel, "another kernel serves it"))
            else:
                known.position = positions.get(channel, known.position)
                self._join(known, host, kernel or known.kernel)

    def _reconcile_frontend(self, frontend: Peer, message: Register, now: float) -> None:
        listed = {report.channel for report in message.channels}
        for entry in [e for e in self.channels.values() if e.frontend is frontend and e.channel not in listed]:
            if entry.phase in (ChannelPhase.WAITING, ChannelPhase.ASKED):
                # Requests are not listed but made again after this message; until then each keeps
                # its place.
                entry.confirm_by = now + self.options.heartbeat_timeout
            else:
                self._drop(entry, f"{frontend} no longer has the link")
        for report in message.channels:
            known = self.channels.get(report.channel)
            if known is not None and known.frontend not in (None, frontend):
                self._send(frontend.route, Lost(report.channel, "the channel number is in use"))
            elif known is None and self.sessions.host_of(report.kernel) in self._retired:
                text = self.sessions.why_gone(report.kernel, now + self.epoch)
                self._send(frontend.route, Lost(report.channel, text or "the kernel is gone"))
            elif known is None:
                until = now + self.options.host_timeout
                half = ChannelEntry(report.channel, ChannelPhase.HALF, until, frontend=frontend, kernel=report.kernel)
                self.channels[report.channel] = half
            else:
                known.frontend = frontend
                if known.phase is ChannelPhase.HALF and known.host is not None:
                    self._move(known, ChannelPhase.OPEN, known.host)

    def _join(self, entry: ChannelEntry, host: Peer, kernel: str) -> None:
        """Bring a channel to OPEN, or HALF without a frontend, with this host and kernel.

        A request that waited for the kernel is answered.
        """
        entry.kernel = kernel
        answer = entry.request is not None and entry.phase in (ChannelPhase.WAITING, ChannelPhase.ASKED)
        self._move(entry, ChannelPhase.OPEN if entry.frontend is not None else ChannelPhase.HALF, host)
        if answer:
            self._answer_opened(entry)
        for said in entry.said.values():
            self._send(host.route, said)

    def _seen(self, peer: Peer, message: Message, now: float) -> None:
        peer.last_seen = now
        if peer.state is PeerState.SUSPECT and not isinstance(message, Leave):
            peer.state = PeerState.UP
            self._note(f"{peer} is back", False, peer.fields)
            # What was sent to it meanwhile may be lost, and what it sent: it lists what it has, and
            # the tables are corrected.
            self._send(peer.route, RegisterAgain())

    def _suspect(self, peer: Peer, why: str, now: float) -> None:
        peer.state = PeerState.SUSPECT
        self._note(f"{peer} {why}; waiting for it", True, peer.fields)
        # A request for any kernel need not wait with it. If the host has attached one already, the
        # kernel is taken back when the host reports it.
        for entry in [e for e in self.channels.values() if e.host is peer and e.phase is ChannelPhase.ASKED]:
            assert entry.request is not None
            if not entry.request.kernel:
                entry.left[peer.id] = now
                self._move(entry, ChannelPhase.WAITING, None)
        self._dispatch(now)

    def _lose(self, peer: Peer, why: str, now: float) -> None:
        """Remove a part, and tell all who depended on it."""
        self._note(f"{peer} {why}" if why == _LEFT else f"{peer} {why}; given up", why != _LEFT, peer.fields)
        peer.state = PeerState.LOST
        if peer.role == "host" and why != _LEFT:
            self.gone_hosts[peer.id] = GoneHost(peer.id, peer.name, peer.version, peer.last_seen, why)
        for pool, figures in peer.figures.items():
            past = self.past_figures.get(pool)
            self.past_figures[pool] = figures if past is None else add_figures(past, figures)
        del self.peers[peer.id]
        del self._routes[peer.route]
        text = f"host {peer.name} {why}"
        if why == _LEFT:
            self.sessions.host_gone(peer, text, now + self.epoch, ENDED)
        else:
            self.sessions.host_gone(peer, text, now + self.epoch)
        for entry in list(self.channels.values()):
            if entry.frontend is peer:
                self._drop(entry, f"{peer} {why}")
            elif entry.host is peer:
                if entry.phase is ChannelPhase.ASKED:
                    self._move(entry, ChannelPhase.WAITING, None)
                else:
                    self._tell_lost(entry, f"{peer} {why}")
        self.admin.lost(peer, why, now)
        self._dispatch(now)

    # ------------------------------------------------------------------ channels

    def _open(self, frontend: Peer, request: Open, now: float) -> None:
        entry = self.channels.get(request.channel)
        if entry is not None and entry.frontend not in (None, frontend):
            self._send(frontend.route, Refused(request.channel, "channel-taken", "the channel number is in use"))
            return
        if entry is None:
            self._turns += 1
            address = address_of(request.client)
            entry = ChannelEntry(request.channel, ChannelPhase.WAITING, 0.0, since=now, turn=self._turns, address=address)
            self.channels[request.channel] = entry
        rises = entry.request is not None and rank(request.demand) < rank(entry.request.demand)
        entry.frontend, entry.request, entry.confirm_by = frontend, request, math.inf
        self._places.clear()
        if entry.host is not None and entry.phase in (ChannelPhase.OPEN, ChannelPhase.HALF):
            # The client's frontend asks again after a break; the host has the channel already.
            self._move(entry, ChannelPhase.OPEN, entry.host)
            self._answer_opened(entry)
        elif entry.phase is ChannelPhase.ASKED:
            if rises:
                assert entry.host is not None
                entry.deadline = now + self.options.connection_timeout
                self._send_acquire(entry, entry.host, now)
        else:
            self._move(entry, ChannelPhase.WAITING, None)
            entry.deadline = now + self.options.connection_timeout
            # Requests that waited before could not be met either when something last changed for
            # them.
            self._ask(entry, now)

    def _dispatch(self, now: float) -> None:
        """Ask a host for every waiting request that can be met, in the order of their pools."""
        pools: dict[str, list[ChannelEntry]] = {}
        for entry in list(self._waiting.values()):
            request = entry.request
            assert request is not None
            if request.kernel:
                self._ask(entry, now)
            else:
                pools.setdefault(self._wanted_pool(request), []).append(entry)
        for pool, queue in self._queues.items():
            queue.only(entry.address for entry in pools.get(pool, ()))
        for pool, entries in pools.items():
            full = math.inf
            for entry in self._queues.get(pool, Fairness()).order(entries, self._held(pool)):
                assert entry.request is not None
                # Where one finds no room, there is none for another of the same or less demand.
                if (demand := rank(entry.request.demand)) < full:
                    self._ask(entry, now)
                    if entry.phase is ChannelPhase.WAITING:
                        full = demand

    def _ask(self, entry: ChannelEntry, now: float) -> None:
        """Ask a host for what `entry` wants, if one can be asked; refuse it if none ever will."""
        request = entry.request
        assert request is not None
        host: Peer | None = None
        if request.kernel:
            session = self.sessions.live.get(request.kernel)
            if session is not None:
                host, entry.pool = self.peers.get(session.host.id), session.report.pool
                self._free(session.report.channel, entry)
            elif request.kernel in self.sessions.awaited or not (self.peers_of("host") or self._settled(now)):
                # While hosts may still come back after a start, the kernel may be on one of them.
                return
            elif not self._replaces(request):
                text = self.sessions.why_gone(request.kernel, now + self.epoch)
                self._refuse(entry, now, "unknown-kernel", text or f"there is no kernel {request.kernel}: it has ended, or never was")
                return
        wanted = self._wanted_pool(request)
        if host is None:
            hosts = self.peers_of("host")
            if hosts and not any(wanted in host.pools for host in hosts):
                known = ", ".join(sorted({pool for host in hosts for pool in host.pools}))
                self._refuse(entry, now, "unknown-pool", f"there is no pool {wanted!r}; there are: {known or 'none'}")
                return
            if entry.pool != wanted:
                entry.pool = wanted
                self._places.clear()
            states = {host.pools[wanted].state for host in hosts if wanted in host.pools}
            if states == {"draining"}:
                text = f"pool {wanted} is being drained by an administrator, and gives no kernels out"
                self._refuse(entry, now, "pool-draining", text)
                return
            queue = self._queues.setdefault(wanted, Fairness())
            queue.waits(entry.address)
            host = self._choose(wanted, entry, now)
            if host is None:
                return
            queue.give(entry)
        self._move(entry, ChannelPhase.ASKED, host)
        self._send_acquire(entry, host, now)

    def _free(self, channel: int, wanted_by: ChannelEntry) -> bool:
        """Take a kernel from a client whose frontend is gone, for one that comes back to it.

        Returns:
            Whether it was taken. If not, a frontend of which it is not known yet that it is gone is
            sent something, so that the transport finds out.
        """
        entry = self.channels.get(channel)
        if entry is None or entry.frontend is None or entry.frontend is wanted_by.frontend:
            return False
        if entry.frontend.state is PeerState.SUSPECT:
            self._drop(entry, f"{entry.frontend} cannot be reached, and another client wants the kernel")
            return True
        self._send(entry.frontend.route, Heartbeat())
        return False

    def _send_acquire(self, entry: ChannelEntry, host: Peer, now: float) -> None:
        request = entry.request
        assert request is not None
        named = request.kernel if request.kernel in self.sessions.live else ""
        wait = max(0.0, entry.deadline - now)
        steal = bool(named) and self.options.allow_stealing
        acquire = Acquire(
            entry.channel,
            entry.pool,
            request.client,
            wait,
            named,
            steal,
            request.wait,
            request.resume and bool(named),
            request.point,
            request.profile,
            request.demand,
            request.told,
            request.keep,
        )
        self._send(host.route, acquire)

    def _reclaim(self, now: float) -> None:
        """Take kernels back that are not used, for clients of other addresses that wait.

        A host that finds such a kernel in use keeps it.
        """
        self._reclaimed = {kernel: when for kernel, when in self._reclaimed.items() if now - when < _RECLAIM_AGAIN}
        pools: dict[str, list[ChannelEntry]] = {}
        for entry in self._waiting.values():
            if not _named(entry) and entry.request is not None and entry.request.demand != "automatic" and now - entry.since >= 1.0:
                pools.setdefault(entry.pool, []).append(entry)
        for pool, entries in pools.items():
            hosts = {host.id: host for host in self.peers_of("host") if host.accepts(pool) and not host.pools[pool].failing}
            held = [
                session
                for session in self.sessions.live.values()
                if session.report.pool == pool and session.state == "attached" and session.host.id in hosts
            ]
            waiting = [entry.address for entry in self._queues.get(pool, Fairness()).order(entries, self._held(pool))]
            wall = now + self.epoch
            for session in taken_back(held, waiting, wall - self.options.unused_timeout):
                kernel = session.report.kernel
                if kernel not in self._reclaimed:
                    self._reclaimed[kernel] = now
                    why = f"its client has not used it for {wall - session.since:.0f} s (Limits/UnusedKernelTimeout)"
                    reclaim = Reclaim(kernel, f"a client of another address waits for its place, and {why}")
                    self._send(hosts[session.host.id].route, reclaim)

    def _settled(self, now: float) -> bool:
        """Whether every host that an earlier broker had has had the time to come back."""
        return now - self.started > self.options.host_timeout

    def _replaces(self, request: Open) -> bool:
        """Whether another kernel of its pool replaces the one asked for, which is gone."""
        return self.options.replace_silently and request.kernel in self.sessions.over

    def _wanted_pool(self, request: Open) -> str:
        if request.kernel in self.sessions.over:
            return self.sessions.over[request.kernel].pool
        return request.pool or self.default_pool(request.parallel)

    def _rebalance(self, host: Peer, report: PoolReport, now: float) -> None:
        """Take requests that wait on kernels starting elsewhere to `host`, if it has any ready."""
        spare = report.ready - host.asked.get(report.pool, 0)
        if spare <= 0 or not host.accepts(report.pool):
            return
        others = [
            entry
            for entry in self.channels.values()
            if entry.phase is ChannelPhase.ASKED and entry.pool == report.pool and entry.host is not host and not _named(entry)
        ]
        for entry in sorted(others, key=order_of_coming):
            other = entry.host
            assert other is not None
            theirs = other.pools.get(report.pool)
            if spare > 0 and (theirs is None or theirs.ready == 0) and not self._just_left(entry, host, now):
                spare -= 1
                self._send(other.route, Release(entry.channel, f"{host} has a kernel ready"))
                entry.left[other.id] = now
                self._move(entry, ChannelPhase.WAITING, None)
        self._dispatch(now)

    def _move(self, entry: ChannelEntry, phase: ChannelPhase, host: Peer | None) -> None:
        """Bring a channel into another phase, with this host."""
        assert phase in TRANSITIONS[entry.phase], f"channel {entry.channel:x}: {entry.phase.value} to {phase.value}"
        self._uncount(entry)
        entry.phase, entry.host = phase, host
        if phase is ChannelPhase.WAITING:
            self._waiting[entry.channel] = entry
        elif phase is ChannelPhase.ASKED:
            assert host is not None
            host.asked[entry.pool] = host.asked.get(entry.pool, 0) + 1

    def _remove(self, entry: ChannelEntry) -> None:
        self._uncount(entry)
        del self.channels[entry.channel]

    def _uncount(self, entry: ChannelEntry) -> None:
        """Remove a channel from the counts and lists of its phase."""
        self._places.clear()
        self._waiting.pop(entry.channel, None)
        if entry.phase is ChannelPhase.ASKED:
            assert entry.host is not None
            entry.host.asked[entry.pool] -= 1

    def _choose(self, pool: str, entry: ChannelEntry, now: float) -> Peer | None:
        """Return the host to ask for a kernel of `pool`, or None if none can give one.

        It is a host with ready kernels to spare, else one whose kernels do start, else the one with
        the smallest part of its cap in use.
        """
        best: tuple[tuple[bool, bool, float], Peer] | None = None
        for host in self.peers_of("host"):
            if not host.accepts(pool) or self._just_left(entry, host, now):
                continue
            report = host.pools[pool]
            asked = host.asked.get(pool, 0)
            taken = report.attached + report.detached
            if report.room(entry.request.demand if entry.request is not None else "asked") - asked <= 0:
                continue
            key = (report.ready - asked <= 0, bool(report.failing), (taken + asked) / max(1, report.maximum))
            if best is None or key < best[0]:
                best = (key, host)
        return best[1] if best else None

    def _just_left(self, entry: ChannelEntry, host: Peer, now: float) -> bool:
        """Whether a request was taken from `host` within the last `heartbeat_timeout`.

        Frames of a kernel that the host had attached to the request may still be under way. They
        would be taken for those of the kernel that it attached next under the same channel number.
        """
        return now - entry.left.get(host.id, -math.inf) < self.options.heartbeat_timeout

    def _acquired(self, host: Peer, message: Acquired, now: float) -> None:
        self._kernel(host, message.kernel, now)
        entry = self.channels.get(message.channel)
        if entry is None or (entry.host is not host and entry.phase is not ChannelPhase.WAITING):
            self._send(host.route, Release(message.channel, "nobody waits for it any more"))
            return
        entry.position = message.position
        if entry.request is not None and entry.phase in (ChannelPhase.WAITING, ChannelPhase.ASKED):
            self.attaches.setdefault(message.kernel.pool, Latencies()).add(now - entry.since)
            report = host.pools.get(entry.pool)
            if report is not None and not _named(entry):
                # Counted here until the host reports it.
                host.pools[entry.pool] = replace(report, ready=max(0, report.ready - 1), attached=report.attached + 1)
        self._join(entry, host, message.kernel.kernel)

    def _answer_opened(self, entry: ChannelEntry) -> None:
        assert entry.frontend is not None and entry.host is not None
        session = self.sessions.live.get(entry.kernel)
        pool = session.report.pool if session else ""
        opened = Opened(entry.channel, entry.kernel, pool, entry.host.name, entry.position)
        self._send(entry.frontend.route, opened)

    def _refused(self, host: Peer, message: Refused, now: float) -> None:
        entry = self.channels.get(message.channel)
        if entry is None or entry.host is not host or entry.phase is not ChannelPhase.ASKED:
            return
        request = entry.request
        assert request is not None
        session = self.sessions.live.get(request.kernel)
        if message.code == "kernel-in-use" and session is not None and self._free(session.report.channel, entry):
            self._send_acquire(entry, host, now)
            return
        if message.code == "unknown-kernel" and request.kernel in self.sessions.live and self.options.replace_silently:
            # The kernel is just ending; for its client it is gone.
            entry.request = replace(request, kernel="", pool=entry.pool, resume=False)
            self._move(entry, ChannelPhase.WAITING, None)
            self._ask(entry, now)
            return
        if message.code == DRAINING and not request.kernel:
            if not host.draining:
                # The pool is drained there. The pool's report will say so, but it comes after this
                # message.
                host.pools[entry.pool] = replace(host.pools[entry.pool], state="draining")
            self._move(entry, ChannelPhase.WAITING, None)
            self._ask(entry, now)
            return
        if message.code == "no-kernel" and not request.kernel and self._others_serve(entry, host, now):
            entry.left[host.id] = now
            self._move(entry, ChannelPhase.WAITING, None)
            self._ask(entry, now)
            return
        self._refuse(entry, now, message.code, message.text)

    def _others_serve(self, entry: ChannelEntry, host: Peer, now: float) -> bool:
        """Whether a request that `host` cannot meet may still be met by another host in time."""
        others = [other for other in self.peers_of("host") if other is not host and other.accepts(entry.pool)]
        return now < entry.deadline and any(not other.pools[entry.pool].failing for other in others)

    def _refuse(self, entry: ChannelEntry, now: float, code: str, text: str) -> None:
        self._remove(entry)
        if code in _FOR_WANT and entry.pool in self.pool_names():
            self.refusals.setdefault(entry.pool, deque(maxlen=_REFUSALS)).append(now)
        self.refused[code] = self.refused.get(code, 0) + 1
        if entry.frontend is not None:
            self._send(entry.frontend.route, Refused(entry.channel, code, text))

    def _release(self, peer: Peer, message: Release) -> None:
        entry = self.channels.get(message.channel)
        if entry is not None and entry.frontend is peer:
            self._drop(entry, message.text)

    def _drop(self, entry: ChannelEntry, why: str) -> None:
        """Remove a channel whose frontend's side is gone; the host releases the client."""
        self._remove(entry)
        if entry.host is not None and entry.host.id in self.peers:
            self._send(entry.host.route, Release(entry.channel, why))
        elif entry.frontend is not None and entry.phase is ChannelPhase.HALF and entry.frontend.id in self.peers:
            self._send(entry.frontend.route, Lost(entry.channel, why))

    def _tell_lost(self, entry: ChannelEntry, why: str) -> None:
        """Remove a channel whose host's side is gone; the frontend tells its client."""
        self._remove(entry)
        if entry.frontend is not None and entry.frontend.id in self.peers:
            self._send(entry.frontend.route, Lost(entry.channel, why))

    def _pass_to_host(self, peer: Peer, message: KeepAlive | Told | WithdrawAbort) -> None:
        entry = self.channels.get(message.channel)
        if entry is None or entry.frontend is not peer:
            return
        if not isinstance(message, WithdrawAbort):
            # It is told again to a host that registers again, which may not have heard it.
            entry.said[type(message)] = message
        if entry.host is not None:
            self._send(entry.host.route, message)

    def _kernel(self, host: Peer, report: KernelReport, now: float) -> None:
        self.sessions.report(host, report, now + self.epoch)

    def _why_nobody(self, entry: ChannelEntry) -> str:
        """Say why no host has given a kernel for a request in time."""
        waited = f"no kernel in {self.options.connection_timeout:.0f} s"
        hosts = self.peers_of("host")
        if not hosts:
            return f"{waited}: no kernel host has registered with the broker"
        assert entry.request is not None
        if entry.request.kernel in self.sessions.awaited:
            record = self.sessions.awaited[entry.request.kernel]
            return f"{waited}: host {record.host}, which has kernel {entry.request.kernel}, has not come back; it may do so yet"
        reports = [(host, host.pools[entry.pool]) for host in hosts if entry.pool in host.pools]
        if not any(host.state is PeerState.UP for host, _ in reports):
            return f"{waited}: no kernel host of pool {entry.pool!r} can be reached"
        states = {report.state for _, report in reports}
        if states <= {"paused", "draining"}:
            return f"no kernel came free: pool {entry.pool} is paused by an administrator"
        for _, report in reports:
            if report.failing:
                return f"no kernel came free: the kernels of pool {entry.pool} do not start: {report.failing}"
        for _, report in reports:
            if report.limited:
                return f"no kernel came free: {report.limited}"
        if any(report.starting for _, report in reports):
            return f"no kernel came free: kernels of pool {entry.pool} are still starting; ask again, or raise ConnectionTimeout"
        most = sum(report.maximum for _, report in reports)
        return f"no kernel came free: pool {entry.pool} is at its maximum of {most}; close one, or raise MaximumKernelNumber"

    def _why_waiting(self, entry: ChannelEntry) -> str:
        """Say for what a request waits, and its place among those of its pool.

        A client whose request is met waits for a kernel that evaluates; "" if it does not.
        """
        if entry.phase not in (ChannelPhase.WAITING, ChannelPhase.ASKED):
            session = self.sessions.live.get(entry.kernel)
            busy = session is not None and session.report.busy and not session.report.asking
            return f"kernel {entry.kernel[:8]} is still evaluating what it was asked before" if busy else ""
        request = entry.request
        assert request is not None
        if request.kernel in self.sessions.awaited:
            return f"host {self.sessions.awaited[request.kernel].host}, which has the kernel, has not come back yet"
        if not self.peers_of("host"):
            return "no kernel host has registered with the broker yet"
        if request.kernel:
            return "the host of the kernel has not answered yet"
        pool = entry.pool
        hosts = [host for host in self.peers_of("host") if pool in host.pools]
        reports = [host.pools[pool] for host in hosts]
        if not any(host.state is PeerState.UP for host in hosts):
            why = f"no kernel host of pool {pool} can be reached at present"
        elif all(report.state == "paused" for report in reports):
            why = f"pool {pool} is paused by an administrator"
        elif failing := next((report.failing for report in reports if report.failing), ""):
            why = f"the kernels of pool {pool} do not start: {failing}"
        elif all(report.room("automatic") <= 0 for report in reports):
            most, kept = sum(report.maximum for report in reports), sum(report.detached for report in reports)
            limited = next((f" ({report.limited})" for report in reports if report.limited), "")
            why = f"pool {pool} is at its maximum of {most}{limited}; {kept} of its kernels are kept without a client"
        else:
            why = f"a kernel of pool {pool} is starting"
        places = self._places_of(pool)
        return f"{why}; place {places[entry.channel]} of {len(places)} in the queue"

    def _held(self, pool: str) -> Mapping[str, int]:
        """Return how many kernels of a pool each address has, or hosts were asked for it."""
        held = Counter(
            address_of(session.report.client)
            for session in self.sessions.live.values()
            if session.report.pool == pool and session.state == "attached"
        )
        held.update(entry.address for entry in self.channels.values() if entry.phase is ChannelPhase.ASKED and entry.pool == pool)
        return held

    def _places_of(self, pool: str) -> dict[int, int]:
        """Return the place of each channel that waits for any kernel of `pool`, from 1 on."""
        if pool not in self._places:
            others = [other for other in self.channels.values() if other.pool == pool and not _named(other)]
            asked = [other for other in others if other.phase is ChannelPhase.ASKED]
            waiting = [other for other in others if other.phase is ChannelPhase.WAITING]
            ordered = self._queues.get(pool, Fairness()).order(waiting, self._held(pool))
            ordered = [*sorted(asked, key=order_of_coming), *ordered]
            self._places[pool] = {entry.channel: place for place, entry in enumerate(ordered, 1)}
        return self._places[pool]

    # ------------------------------------------------------------------ helpers

    def _send(self, route: Route, message: Message) -> None:
        self._actions.append(Send(route, message))

    def _note(self, text: str, error: bool = False, about: Mapping[str, object] | None = None) -> None:
        self._actions.append(Note(text, error, about or {}))

    def _note_order(self, text: str) -> None:
        self._actions.append(Note(text, warning=True))

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    def validate(self) -> None:
        """Check the invariants; for tests, after every event.

        Raises:
            AssertionError: one does not hold.
        """
        for peer in self.peers.values():
            assert self._routes.get(peer.route) is peer, f"{peer}'s route leads elsewhere"
            assert peer.state is not PeerState.LOST, f"{peer} is lost and still listed"
        assert len(self._routes) == len(self.peers), "a route without a peer"
        for channel, entry in self.channels.items():
            assert channel == entry.channel
            for side in (entry.frontend, entry.host):
                assert side is None or self.peers.get(side.id) is side, f"channel {channel:x} leads to {side}, which is gone"
            match entry.phase:
                case ChannelPhase.WAITING:
                    assert entry.frontend and entry.request and not entry.host, f"channel {channel:x} waits wrongly"
                case ChannelPhase.ASKED:
                    assert entry.frontend and entry.request and entry.host, f"channel {channel:x} is asked of nobody"
                case ChannelPhase.OPEN:
                    assert entry.frontend and entry.host, f"channel {channel:x} is open at one end"
                case ChannelPhase.HALF:
                    assert (entry.frontend is None) != (entry.host is None), f"channel {channel:x} is not half"
        waiting = {channel for channel, entry in self.channels.items() if entry.phase is ChannelPhase.WAITING}
        assert self._waiting.keys() == waiting, "those who wait are not those listed"
        for peer in self.peers.values():
            asked = sum(1 for entry in self.channels.values() if entry.phase is ChannelPhase.ASKED and entry.host is peer)
            assert sum(peer.asked.values()) == asked, f"{peer} was asked for {asked}, not {peer.asked}"
        self.sessions.validate()
        for kernel, session in self.sessions.live.items():
            assert self.peers.get(session.host.id) is session.host, f"kernel {kernel} is on a host that is gone"


def _named(entry: ChannelEntry) -> bool:
    """Whether the request is for one kernel, and no other will do."""
    return entry.request is not None and bool(entry.request.kernel)

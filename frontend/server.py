"""The frontend: accepts clients' links and joins them to the bus."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import logging
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kernelbus.bus.channel.channel import ChannelOptions
from kernelbus.bus.channel.frames import Frame
from kernelbus.bus.channel.multiplexer import Multiplexer
from kernelbus.bus.errors import BusError
from kernelbus.bus.everypart import carry_out
from kernelbus.bus.membership import Membership
from kernelbus.bus.predecessors import Predecessors
from kernelbus.bus.protocol.messages import (
    ChannelReport,
    Lost,
    Open,
    Opened,
    Refused,
    Register,
    Release,
    Waiting,
)
from kernelbus.bus.protocol.orders import AccessOrder, LogLevelOrder, PartAnswer, ReloadOrder
from kernelbus.bus.protocol.reports import (
    FrontendReport,
    GrantStatus,
    LinksAnswer,
    LinksRequest,
    Status,
    StatusRequest,
)
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.rounds import shared
from kernelbus.bus.security.proof import SHORTEST, client_proof, server_proof
from kernelbus.bus.settings.config import Config
from kernelbus.bus.settings.logs import EventLogger, fields
from kernelbus.bus.settings.networks import Network, parse_address, parse_network
from kernelbus.bus.settings.reload import FRONTEND_KEYS, Reloader
from kernelbus.bus.transport.interface import TransportFactory
from kernelbus.frontend.access import Access, Attempt, GrantRefused, Standing, opened
from kernelbus.frontend.capacity import capacity
from kernelbus.frontend.census import Census
from kernelbus.frontend.enquiries import Enquiries
from kernelbus.frontend.interfaces import attached_networks
from kernelbus.frontend.link import ClientLink, LinkState
from wstp.places import Places
from wstp.relay import RelayLink, RelayListener, RelayOwner
from wstp.stream import ByteStream

__all__ = ["Frontend", "PortError"]

_log = logging.getLogger("kernelbus.frontend")


#: Seconds between two reports to the broker, if something has changed.
_REPORT_INTERVAL = 1.0
#: How many links that have lost their place may wait for their clients to read why.
_TURNED_OUT = 8
#: The share of the grace of a shut-down for which clients that do not go are waited for.
_LINGER_SHARE = 0.75

#: Seconds for which the networks of this machine's interfaces are taken to be as they were.
_LOOK_INTERVAL = 5.0

#: What to listen at for every address of this machine.
_EVERYWHERE = ("0.0.0.0", "::")


class PortError(BusError):
    """The WSTP port cannot be used; the text names it."""


class Frontend:
    """The link server of one port.

    Args:
        config: server settings and limits.
        connect: makes the transport to the broker.
        name, version: of this program, for people.
        where: the broker's address, for the log.
        reread: reads the configuration again, for an administrator's order.
        records: the folder of :class:`kernelbus.bus.predecessors.Predecessors`; None: none.
        descriptors: how many this process may have.
        kernels: how many kernels this process may start.
        token: returns the token that clients have to give; "" if there is none, so that every
            token is wrong.
    """

    def __init__(
        self,
        config: Config,
        connect: TransportFactory,
        *,
        name: str,
        version: str,
        where: str,
        reread: Callable[[], Config] | None = None,
        records: Path | None = None,
        descriptors: int = 2**20,
        kernels: int = 0,
        token: Callable[[], str] = str,
    ) -> None:
        self.config = config
        self._token = token
        self.reloader = Reloader(config, reread, FRONTEND_KEYS, self._configure)
        self._name = name
        self._version = version
        self._log = EventLogger(_log, lambda: {"frontend": name})
        self._loop = asyncio.get_running_loop()
        self._identity = secrets.token_hex(16)
        self._predecessors = Predecessors(records, self._identity)
        self._links: set[ClientLink] = set()
        self._census = Census(self._loop.time())
        self._told: FrontendReport | None = None
        #: What waits for the broker's answer about a channel.
        self._patience: dict[int, asyncio.TimerHandle] = {}
        self._channels: dict[int, tuple[ClientLink, Open]] = {}
        limits = config.limits
        fits = capacity(descriptors, limits.links, limits.pending, kernels)
        if fits.warning:
            self._log.warning("%s", fits.warning)
        self._fits = fits.links
        self._places: Places[ClientLink] = Places(min(limits.links, fits.links), limits.links_per_address)
        ports = config.message_ports
        self._listener = RelayListener(
            self._accept,
            ("uuid", "default"),
            limits.greeting_timeout,
            limits.client_timeout,
            self._check,
            pending=fits.pending,
            pending_each=limits.pending_per_address,
            message_ports=range(ports[0], ports[1] + 1) if ports is not None else (),
        )
        self._turned_out: deque[ClientLink] = deque()
        self.access = Access(config.access)
        self._attached: tuple[Network, ...] = ()
        self._look_again = 0.0
        self._wall = time.time() - self._loop.time()
        self._empty = asyncio.Event()
        self._numbers = itertools.count(1)
        self.rounds = shared()
        self.enquiries: Enquiries[ClientLink] = Enquiries()
        self._status_asked: dict[int, Callable[[Status | None], None]] = {}
        options = ChannelOptions(window=config.limits.window, chunk=config.limits.chunk)
        self.multiplexer = Multiplexer(self._transmit, options)
        self.membership = Membership(
            connect,
            self._describe,
            self._control,
            self.multiplexer.receive,
            self._up,
            heartbeat_timeout=config.bus.heartbeat_timeout,
            where=where,
        )

    @property
    def open_links(self) -> int:
        """The number of open links."""
        return len(self._links)

    async def listen(self, interface: str | None, port: int) -> int:
        """Listen for clients and return the port.

        Args:
            interface: an address or a name of this machine; None, and `::`: all its addresses, of
                IPv4 and of IPv6. Who may connect there is another question (:attr:`access`).
            port: 0: any free one.

        Raises:
            PortError: the port is in use, or the interface is not this machine's.
        """
        try:
            self._census.port = await self._listener.listen(_EVERYWHERE if interface in (None, "::") else str(interface), port)
        except OSError as error:
            where = f" of {interface}" if interface else ""
            raise PortError(f"cannot listen on port {port}{where}: {_reason(error)}{_remedy(error)}") from None
        self._census.interface = interface or ""
        self._census.access = self.opened
        return self._census.port

    @property
    def port(self) -> int:
        """The port for clients; 0 while there is none."""
        return self._listener.port

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses it listens on; one may stand for all of the machine's, like 0.0.0.0."""
        return self._listener.addresses

    @property
    def opened(self) -> str:
        """Who may use the server, in one line."""
        return opened(self.config.access, self.addresses)

    def reachable(self, address: str) -> bool:
        """Whether programs that see this machine's `address` may connect to it there.

        It decides at which addresses the server is advertised.
        """
        parsed = parse_address(address)
        if parsed.is_loopback:
            return True
        networks = [network for network in self._networks() if parsed in network]
        return any(self.access.reachable_from(network) for network in networks or [parse_network(str(parsed))])

    def _networks(self) -> tuple[Network, ...]:
        """Return the networks to which this machine is attached; they are looked up now and then.
        """
        now = self._loop.time()
        if now >= self._look_again:
            self._attached, self._look_again = attached_networks(), now + _LOOK_INTERVAL
        return self._attached

    def _standing(self, host: str, local: bool) -> Standing:
        return self.access.decide(host, here=local, attached=self._networks(), now=self._loop.time())

    def _check(self, stream: ByteStream) -> str:
        """Say why a connection is refused; "": it is not."""
        if self._standing(stream.address, stream.local) is not Standing.REFUSED:
            return ""
        self._census.refused += 1
        return "comes from a network that is not in Access/Allow, or is in Access/Deny"

    async def run(self) -> None:
        """Be a member of the bus until cancelled; then forget all channels."""
        telling = self._loop.create_task(self._tell())
        try:
            await self.membership.run()
        finally:
            telling.cancel()
            self.multiplexer.close()

    async def _tell(self) -> None:
        """Report to the broker what has changed, until cancelled."""
        while True:
            await asyncio.sleep(_REPORT_INTERVAL)
            self._report()
            self._end_idle()

    def _end_idle(self) -> None:
        """Close the links that have had no kernel, and have asked for nothing, for too long."""
        timeout = self.config.limits.link_timeout
        since = self._loop.time() - timeout
        for link in [link for link in self._links if link.idle_since is not None and link.idle_since <= since]:
            link.turn_out("idle", f"this link had no kernel for {timeout:g} s (Limits/LinkTimeout)")

    def _report(self) -> None:
        report = replace(self._census.report(self._links, self._loop.time()), grants=self._grants())
        if self._told is None or replace(report, up=self._told.up) != self._told:
            self._told = report
            self.membership.send(report)

    async def close(self, grace: float = 1.0) -> None:
        """Accept no more links and close the open ones in order.

        Clients that do not read have most of `grace` to read what was written for them.

        Args:
            grace: seconds after which links that have not closed are cut.
        """
        self._listener.close()
        for link in list(self._links):
            link.shut_down(grace * _LINGER_SHARE)
        if not await self._no_links(grace):
            for link in list(self._links):
                link.abort()
            await self._no_links(grace)
        self._predecessors.close()

    async def _no_links(self, patience: float) -> bool:
        """Wait until all links are gone; return False when some are left after `patience` s."""
        if self._links:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), patience)
        return not self._links

    def _accept(self, relay: RelayLink) -> RelayOwner | None:
        link = ClientLink(self, relay)
        each = self._places.each
        for gone in self._places.enter(link, relay.address):
            why = f"there are {self._places.most} already (Limits/Links), and most are its address's"
            if each and self._places.held(relay.address) >= each:
                why = f"its address has {each} (Limits/LinksPerAddress)"
            self._census.refused += 1
            if gone is link:
                self._log.error("a link from %s is refused: %s", relay.name, why, extra=fields(client=relay.name))
                return None
            gone.turn_out("toomany", f"another client needs this link's place: {why}")
            # It still has descriptors while its client reads why.
            self._turned_out.append(gone)
            if len(self._turned_out) > _TURNED_OUT:
                self._turned_out.popleft().abort()
        self._census.accepted += 1
        self._links.add(link)
        self._empty.clear()
        return link

    # ------------------------------------------------------------------ what the links ask

    def new_channel(self) -> int:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        return secrets.randbits(63) | 1

    def request_kernel(self, link: ClientLink, request: Open) -> None:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        self._channels[request.channel] = (link, request)
        # A broker that is there answers in time; this is for one that is not.
        patience = self.config.limits.connection_timeout + self.config.bus.heartbeat_timeout
        self._answered(request.channel)
        self._patience[request.channel] = self._loop.call_later(patience, self._unanswered, request)
        self.membership.send(request)

    def _answered(self, channel: int) -> None:
        timer = self._patience.pop(channel, None)
        if timer is not None:
            timer.cancel()

    def _unanswered(self, request: Open) -> None:
        channel = request.channel
        link, last = self._channels.get(channel, (None, None))
        if link is not None and last is request and link.state is LinkState.OPENING:
            self.channel_done(channel, "the client was told that no broker answers")
            link.refused("no-broker", "the server's broker does not answer; try again later")

    def tell_broker(self, message: Message) -> None:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        self.membership.send(message)

    def request_status(self, link: ClientLink) -> None:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        answer, ask = self.enquiries.ask(link, link.changed, self._loop.time())
        if answer is not None:
            link.told_status(answer)
        elif ask:
            self._ask_status(self._enquiry_answered)

    def _enquiry_answered(self, answer: Status | None) -> None:
        told, again = self.enquiries.told(answer, self._loop.time())
        if again:
            self._ask_status(self._enquiry_answered)
        for link in told:
            link.told_status(answer)

    async def status(self) -> Status | None:
        """Ask the broker for its status without the kernels; return None if it does not answer."""
        answer: asyncio.Future[Status | None] = self._loop.create_future()
        self._ask_status(lambda told: None if answer.done() else answer.set_result(told), brief=True)
        return await answer

    def _ask_status(self, answered: Callable[[Status | None], None], brief: bool = False) -> None:
        number = next(self._numbers)
        self._status_asked[number] = answered
        self._loop.call_later(self.config.bus.heartbeat_timeout, self._status_told, number, None)
        self.membership.send(StatusRequest(number, self._name, brief=brief))

    def _status_told(self, number: int, answer: Status | None) -> None:
        answered = self._status_asked.pop(number, None)
        if answered is not None:
            answered(answer)

    def channel_done(self, channel: int, text: str) -> None:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        self._answered(channel)
        if self._channels.pop(channel, None) is not None:
            self.membership.send(Release(channel, text))

    def channel_forgotten(self, channel: int) -> None:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        self._answered(channel)
        self._channels.pop(channel, None)

    def link_idle(self, link: ClientLink, idle: bool) -> None:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        self._places.set_spare(link, idle)

    def link_gone(self, link: ClientLink) -> None:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        if link in self._links:
            self._census.gone(link)
        self._links.discard(link)
        self._places.leave(link)
        if not self._links:
            self._empty.set()

    def needs_token(self, link: ClientLink) -> bool:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        return self._standing(link.address, link.local) is not Standing.OPEN

    def take_token(self, link: ClientLink, token: str) -> Attempt:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        return self.access.attempt(link.address, token, self._token(), self._loop.time())

    def new_number(self) -> str:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        return secrets.token_urlsafe(SHORTEST)

    def take_proof(self, link: ClientLink, numbers: tuple[str, str], proof: str) -> tuple[Attempt, str]:
        """See :class:`kernelbus.frontend.link.LinkServer`."""
        token = self._token()
        right = client_proof(token, *numbers) if token else ""
        attempt = self.access.attempt(link.address, proof, right, self._loop.time())
        return attempt, server_proof(token, *numbers) if attempt is Attempt.RIGHT else ""

    # ------------------------------------------------------------------ the broker

    def _transmit(self, frame: Frame) -> None:
        self.membership.transmit(frame)

    def _describe(self) -> Register:
        channels = [
            ChannelReport(channel, link.kernel, link.name)
            for channel, (link, _) in self._channels.items()
            if link.state is not LinkState.OPENING
        ]
        return Register(self._identity, "frontend", self._name, self._version, channels=channels, predecessors=self._predecessors.gone)

    def _up(self) -> None:
        asked = [request for link, request in self._channels.values() if link.state is LinkState.OPENING]
        for request in asked:
            self.membership.send(request)
        for link, _ in list(self._channels.values()):
            link.say_again()
        self.multiplexer.resume({request.channel for request in asked})
        self._told = None
        self._report()

    def _control(self, message: Message) -> None:
        match message:
            case Opened(channel, kernel, pool, _, position):
                self._answered(channel)
                link = self._link_of(channel)
                if link is not None:
                    link.opened(kernel, pool, position)
                else:
                    # A request that was made again can cross its refusal: nobody waits for this.
                    self.membership.send(Release(channel, "nobody waits for it any more"))
            case Status(number):
                self._status_told(number, message)
            case Refused(channel, code, text):
                self._answered(channel)
                link = self._link_of(channel)
                if link is not None:
                    self._channels.pop(channel)
                    link.refused(code, text)
            case Waiting(channel, text):
                link = self._link_of(channel)
                if link is not None:
                    link.waits(text)
            case Lost(channel, text):
                link = self._link_of(channel)
                if link is not None:
                    self._channels.pop(channel)
                    link.lost(text)
            case LinksRequest(request):
                now = self._loop.time()
                self.membership.send(LinksAnswer(request, [link.status(self._name, now) for link in self._links]))
            case AccessOrder():
                self.membership.send(self._grant(message))
                self._report()
            case ReloadOrder() | LogLevelOrder():
                self.membership.send(carry_out(message, self.reloader))
            case _:
                self._log.error("the broker sent %s, which is not for a frontend; ignored", type(message).__name__)

    def _grant(self, order: AccessOrder) -> PartAnswer:
        """Carry out an order about who needs no token."""
        now = self._loop.time()
        try:
            if order.action == "grant":
                grant = self.access.grant(order.network, order.seconds, order.sender, now)
                return PartAnswer(order.request, True, lines=[f"{grant.name} needs no token for {order.seconds:g} s"])
            revoked = self.access.revoke(order.network, now)
        except GrantRefused as refused:
            return PartAnswer(order.request, False, "access", [str(refused)])
        if revoked is None:
            return PartAnswer(order.request, False, "no-grant", [f"{order.network[:100]} has no grant"])
        return PartAnswer(order.request, True, lines=[f"{revoked.name} needs the token again"])

    def _grants(self) -> list[GrantStatus]:
        grants = self.access.grants(self._loop.time())
        return [GrantStatus(grant.name, max(0.0, round(grant.until + self._wall, 1)), grant.sender) for grant in grants]

    def _configure(self, config: Config) -> list[str]:
        """Use another configuration; open links read it when they need it."""
        self.config = config
        self._places.most = min(config.limits.links, self._fits)
        self._places.each = config.limits.links_per_address
        self.access.configure(config.access)
        self._census.access = self.opened
        return []

    def _link_of(self, channel: int) -> ClientLink | None:
        entry = self._channels.get(channel)
        return entry[0] if entry is not None else None


def _reason(error: OSError) -> str:
    # asyncio's text repeats the address; the system's text is what a person needs.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def _remedy(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "; --interface takes an address or a name of this machine"
    match error.errno:
        case errno.EADDRINUSE:
            return "; another server or program has it: end that, or name another port with --port"
        case errno.EACCES:
            return "; ports below 1024 are the system's: name another with --port"
    return ""

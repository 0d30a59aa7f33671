"""Links whose token bytes pass undecoded, for a server between a client and a kernel.

`RelayListener` accepts links (PROTOCOL.md sections 2 and 3). `RelayLink` exchanges the greeting
(section 4), hands token bytes and messages to its owner as they come, and closes as section 7 says.
Nothing here knows what the bytes mean.

Messages stay behind their data. The two connections of a link are read in no particular order. When
a message comes, the bytes that wait unread on the data connection (FIONREAD) were sent before it or
at the same time. So the link holds the message until those bytes have been handed on. It does not
when reading is paused: then the owner has enough to do, and the message is handed on at once.

A close loses nothing that was written before. The C library stops reading when it hears message 9
or when its message connection ends, but it takes the end of the data connection for a close once it
has read everything. So `close` ends the data connection first, reads on and drops what comes, and
says 9 only when the peer has gone or its linger is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from typing import Protocol

from wstp.errors import LimitExceeded, RemoteProtocolError
from wstp.features import OURS, Features
from wstp.handshake import SERVER_PREAMBLE, Greeting, Mode
from wstp.messages import Message, MessageCode, MessageReader, encode_message
from wstp.rendezvous import MAX_PENDING, Action, Dismissed, Matched, PortDone, PortWanted, Rendezvous, Reply
from wstp.sockets import is_tcp
from wstp.stream import ByteStream, end_of
from wstp.transcoder import Transcoder

__all__ = ["RelayLink", "RelayLinkState", "RelayListener", "RelayOwner", "relay_over"]

_log = logging.getLogger("kernelbus.link")

#: The time in seconds between the ends of the two connections of one peer, at most.
_DISAGREEMENT = 1.0
#: The time in seconds that a peer may take to read what was written before a close, and to go.
_LINGER = 10.0
#: The time in seconds after message 9 until both connections are closed, at most.
_LAST = 1.0
#: The bytes of messages that are read at once: 64 messages.
_MESSAGES = 512
#: The number of messages that wait for the data before them, at most.
_EARLY = 1024


#: The bytes that a connection may send while it is held.
_MOST_EARLY = 1 << 16
#: How many links in default mode may wait for their message connection at once, each at a port of
#: its own.
_MOST_PORTS = 64
#: How many connections to a message port the operating system keeps until they are looked at.
_BACKLOG = 8
#: The errors with which a connection ends whose peer has vanished.
_VANISHED = frozenset((errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH))

#: The errors with which an address cannot be bound whose family this machine does not have.
_NO_FAMILY = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT))
#: How many free ports are tried, until one is free at all addresses.
_TRIES = 20

#: The log's lines on connections that do not become links.
_REFUSED = "a connection from %s %s; closed"
_LATE = "a connection from %s: %s and no WSTP greeting came; closed"


class RelayOwner(Protocol):
    """The object that takes a relay link's events."""

    def link_active(self, link: RelayLink) -> None:
        """Take note that the greeting is done; token bytes may be written."""

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None:
        """Take token bytes that came; the buffer stays valid and unchanged."""

    def link_message(self, link: RelayLink, message: Message) -> None:
        """Take a message other than "link closing"."""

    def link_drained(self, link: RelayLink) -> None:
        """Take note that `RelayLink.congested` has become false."""

    def link_leaves(self, link: RelayLink) -> None:
        """Take note that the peer goes: it has sent message 9, or its message connection has ended.

        The bytes that it wrote before may be unread. While the reading of them is paused,
        `link_ended` is not called; the owner may `close()` what it does not wait for. May be called
        twice.
        """

    def link_ended(self, link: RelayLink, said_so: bool) -> None:
        """Take note that both connections are gone; called once, after all data.

        `said_so` tells whether the peer (or we) sent message 9 first.
        """


class RelayLinkState(Enum):
    """Where a relay link stands."""

    GREETING = "greeting"
    ACTIVE = "active"
    CLOSING = "closing"
    ENDED = "ended"


class RelayLink:
    """One accepted link, from its greeting to its end.

    Attributes:
        owner: the object that takes its events.
        state: where the link stands.
        mode: the mode in which the link was made.
        name: the peer's `host:port`, for the log.
        address: the peer's address.
        local: whether the peer is a program of this machine.
        bytes_in: the token bytes handed to the owner so far.
        bytes_out: the token bytes written so far.
        transcoder: what rewrites the token bytes for a peer that takes fewer kinds of tokens; None:
            they are written as they are.
        read_to_the_end: whether the peer ended the data connection as one does whose reader has
            read all that its machine acknowledged (`ByteStream.peer_ended`).
        broken: whether one of the connections ended by an error: it was reset, or fell silent.
    """

    def __init__(self, data: ByteStream, message: ByteStream, mode: Mode, owner: RelayOwner) -> None:
        self.owner = owner
        self.state = RelayLinkState.GREETING
        self.mode = mode
        self.name = data.name
        self.address = data.address
        self.local = data.local
        self.bytes_in = 0
        self.bytes_out = 0
        self.transcoder: Transcoder | None = None
        self.broken = False
        self._loop = asyncio.get_running_loop()
        self._data = data
        self._message = message
        self._reader = MessageReader()
        self._greeting = Greeting(OURS, listening=True)
        self._said_closing = False  # the peer has, or we have or shall
        self._leaving = False  # we have said so
        self._paused = self._soon = False
        self._early: deque[tuple[int, Message]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def congested(self) -> bool:
        """Tell whether the peer reads more slowly than we write; more bytes are held in memory."""
        return self._data.congested

    @property
    def paused(self) -> bool:
        """Tell whether the reading of token bytes is paused."""
        return self._paused

    @property
    def leaves(self) -> bool:
        """Tell whether the peer goes (`RelayOwner.link_leaves`), or we close."""
        return self._said_closing or self._message.ended

    def unread(self) -> int:
        """Return how many bytes have come on the data connection that were not read yet."""
        return self._data.unread()

    @property
    def read_to_the_end(self) -> bool:
        """See the class."""
        return self._data.peer_ended

    @property
    def written(self) -> int:
        """Return how many bytes were written on the data connection, the greeting included."""
        return self._data.written

    def acknowledged(self) -> int:
        """Return how many of the bytes `written` the peer's machine has acknowledged."""
        return self._data.acknowledged()

    def window(self) -> int | None:
        """Return the receive window that the peer's machine has announced; None: not known."""
        return self._data.window()

    def round_trip(self) -> float | None:
        """Return the time to the peer's machine and back, in seconds; None: not known."""
        return self._data.round_trip()

    @property
    def peer_features(self) -> Features:
        """Return what the peer announced in its greeting."""
        return self._greeting.peer

    def begin(self, trailing: bytes, message_trailing: bytes) -> None:
        """Start the greeting; the arguments are the bytes that came after the introductions."""
        self._data.owner = self._message.owner = self
        self._message.read_at_most(_MESSAGES)
        if self.mode is Mode.UUID:
            self._data.write(SERVER_PREAMBLE)
        self._data.write(self._greeting.data_to_send())
        if message_trailing:
            self.stream_data(self._message, message_trailing)
        if trailing:
            self.stream_data(self._data, trailing)
        for stream in (self._message, self._data):
            if stream.ended:
                self.stream_ended(stream, None)

    # -- for the owner

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write token bytes; the buffer must not change afterwards.

        Raises:
            RemoteProtocolError, LimitExceeded: the link has a `transcoder`, which cannot read them.
        """
        self.bytes_out += len(data)
        if self.transcoder is None:
            self._data.write(data)
        else:
            for piece in self.transcoder.feed(data):
                self._data.write(piece)

    def write_message(self, code: int, parameter: int = 0) -> None:
        """Write a message."""
        self._message.write(encode_message(code, parameter))

    def pause(self, soon: bool = False) -> None:
        """Stop reading token bytes until `resume()`. Messages are still read.

        Args:
            soon: whether the owner reads on soon, so that messages stay behind the data before
                them.

        A link that closes reads on.
        """
        if self.state is RelayLinkState.CLOSING:
            return
        self._paused, self._soon = True, soon
        self._data.pause()
        if self._early and not soon:
            # The bytes that these messages wait for are not read for now; do not hold them up.
            self._loop.call_soon(self._release_messages)

    def resume(self) -> None:
        """Read on."""
        self._paused = self._soon = False
        self._data.resume()

    def when_written(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the operating system has taken all that was written."""
        self._data.when_flushed(callback)

    def close(self, linger: float = _LINGER) -> None:
        """Close as section 7 says, so that the peer can read all that was written.

        The owner is told of the end when the peer has gone. To close again can only shorten the
        linger.

        Args:
            linger: the time in seconds that the peer may take to read what was written, and to go.
        """
        if self.state is RelayLinkState.ENDED:
            return
        if self.state is RelayLinkState.CLOSING:
            if self._timer is None or self._loop.time() + linger < self._timer.when():
                self._restart_timer(linger, self._linger_over)
            return
        peer_goes, self._said_closing = self._said_closing, True
        self.state = RelayLinkState.CLOSING
        self._restart_timer(linger, self._linger_over)
        # What comes from now on is read and dropped. To close over unread bytes would reset the
        # connection, and the peer would lose what it has not read.
        self._data.resume()
        self._message.resume()
        if peer_goes:
            self._say_closing()
        else:
            self._data.when_flushed(self._end_data)

    def abort(self) -> None:
        """Drop both connections at once; send nothing."""
        self._data.abort()
        self._message.abort()

    def _end_data(self) -> None:
        self._data.end_writing()
        if self.peer_features.reads_on:
            self._say_closing()

    def _linger_over(self) -> None:
        if self._leaving or self._data.unsent:
            self.abort()
        else:
            self._say_closing()

    def _say_closing(self) -> None:
        """Say 9, and close both connections as soon as the peer's last bytes have been read."""
        if not self._leaving and self.state is RelayLinkState.CLOSING:
            self._leaving = True
            self._message.write(encode_message(MessageCode.CLOSING))
            self._restart_timer(_LAST, self.abort)
            if not self._data.unread():
                self._message.when_flushed(self._close_both)

    def _close_both(self) -> None:
        self._data.close()
        self._message.close()

    # -- called by the streams

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        if self.state is RelayLinkState.ENDED:
            return
        if self.state is RelayLinkState.CLOSING:
            self._drop(stream, data)
            return
        try:
            if stream is self._message:
                for message in self._reader.feed(data):
                    self._take_message(message)
                if len(data) >= _MESSAGES:
                    # More may follow without end: others come first.
                    self._message.pause()
                    self._loop.call_soon(self._read_messages)
            elif self.state is RelayLinkState.ACTIVE:
                self.bytes_in += len(data)
                self.owner.link_data(self, data)
                if self._early:
                    self._release_messages()
            else:
                self._greeting.receive(data)
                self._data.write(self._greeting.data_to_send())
                if self._greeting.done:
                    self._become_active()
        except (RemoteProtocolError, LimitExceeded) as error:
            _log.error("link %s: %s; closed", self.name, error)
            self.abort()

    def _drop(self, stream: ByteStream, data: bytes | memoryview) -> None:
        """Take bytes that come while we close: only message 9 means something then."""
        if stream is self._data:
            if self._leaving and not self._data.unread():
                self._close_both()
            return
        with contextlib.suppress(RemoteProtocolError):
            if any(message.code == MessageCode.CLOSING for message in self._reader.feed(data)):
                self._say_closing()

    def _become_active(self) -> None:
        self.state = RelayLinkState.ACTIVE
        self.owner.link_active(self)
        trailing = self._greeting.trailing
        if trailing and self.state is RelayLinkState.ACTIVE:
            self.stream_data(self._data, trailing)

    def _take_message(self, message: Message) -> None:
        if message.code == MessageCode.CLOSING:
            # The data that it wrote before is still to be read; its connections end after that.
            self._said_closing = True
            self._watch_disagreement()
            self._tell_leaving()
        elif self.state is RelayLinkState.ACTIVE:
            # What was sent first is here first, although the two connections are read in no
            # particular order: an abort must not overtake the packet before it.
            unread = 0 if self._paused and not self._soon else self._data.unread()
            if unread or self._early:
                self._early.append((self.bytes_in + unread, message))
            else:
                self.owner.link_message(self, message)

    def _read_messages(self) -> None:
        """Read on messages, unless too many wait for the data before them."""
        if len(self._early) < _EARLY:
            self._message.resume()

    def _release_messages(self) -> None:
        while self._early and self.state is RelayLinkState.ACTIVE:
            behind, message = self._early[0]
            if behind > self.bytes_in and (self._soon or not self._paused) and not self._data.ended:
                break
            self._early.popleft()
            self.owner.link_message(self, message)
        self._read_messages()

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        if stream is self._message:
            for message in self._reader.finish():
                self._take_message(message)
        if error is not None:
            self.broken = True
            _log.debug("link %s: %s connection: %s", self.name, "message" if stream is self._message else "data", end_of(error))
        if isinstance(error, OSError) and error.errno in _VANISHED:
            # Nothing more can come on the other connection, whether or not we read it.
            self.abort()
        self._release_messages()
        if self._data.ended and (self._message.ended or self._said_closing):
            self._end()
        elif self.state is RelayLinkState.CLOSING:
            self._say_closing()
        else:
            self._watch_disagreement()
            if stream is self._message:
                self._tell_leaving()

    def _tell_leaving(self) -> None:
        if self.state is RelayLinkState.ACTIVE:
            self.owner.link_leaves(self)

    def _watch_disagreement(self) -> None:
        """Expect the end of the second connection soon after that of the first.

        While we do not read the data connection, its end cannot show.
        """
        if self.state is not RelayLinkState.CLOSING:
            self._restart_timer(_DISAGREEMENT, self._settle_disagreement)

    def _settle_disagreement(self) -> None:
        if self._paused and not self._data.ended:
            self._watch_disagreement()
        else:
            self.abort()
            if self._data.ended:
                self._end()

    def stream_drained(self, stream: ByteStream) -> None:
        if stream is self._data and self.state is RelayLinkState.ACTIVE:
            self.owner.link_drained(self)

    def _restart_timer(self, delay: float, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay, callback)

    def _end(self) -> None:
        if self.state is RelayLinkState.ENDED:
            return
        closing, self.state = self.state is RelayLinkState.CLOSING, RelayLinkState.ENDED
        if self._timer is not None:
            self._timer.cancel()
        if closing and not self._leaving:
            self._message.write(encode_message(MessageCode.CLOSING))
        self._message.close()
        self.owner.link_ended(self, self._said_closing)


async def relay_over(
    data: socket.socket, message: socket.socket, on_link: Callable[[RelayLink], RelayOwner], name: str
) -> None:
    """Begin a link over two connected sockets (see :func:`wstp.link.over`).

    The link owns the sockets. Its greeting is under way when this returns. No time-out is set.

    Args:
        data: the socket that is the data connection.
        message: the socket that is the message connection.
        on_link: the function that returns the owner of the link; the greeting then begins.
        name: what the log calls the peer.
    """
    loop = asyncio.get_running_loop()
    early = _Early()
    streams = ByteStream(early), ByteStream(early)
    for connection, stream in zip((data, message), streams, strict=True):
        make = loop.create_connection if is_tcp(connection) else loop.create_unix_connection
        await make(partial(_same, stream), sock=connection)
    link = RelayLink(*streams, Mode.DEFAULT, _NOBODY)
    link.name = name
    link.owner = on_link(link)
    link.begin(bytes(early.received[streams[0]]), bytes(early.received[streams[1]]))


def _same(stream: ByteStream) -> ByteStream:
    return stream


class _Early:
    """The owner of streams that have no owner yet: it keeps what comes until then.

    Args:
        most: the number of bytes after which a stream is dropped; None: any number.
    """

    def __init__(self, most: int | None = None) -> None:
        self.received: defaultdict[ByteStream, bytearray] = defaultdict(bytearray)
        self._most = most

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        self.received[stream] += data
        if self._most is not None and len(self.received[stream]) > self._most:
            stream.abort()

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        """Do nothing: who takes the stream over looks at `ByteStream.ended`."""

    def stream_drained(self, stream: ByteStream) -> None:
        """Do nothing: nothing has been written."""


class _Arrival(ByteStream):
    """A connection that tells its listener when it is made.

    Args:
        listener: the listener.
        data: the data connection whose message port it came to; None: it came to the first port.
    """

    def __init__(self, listener: RelayListener, data: ByteStream | None = None) -> None:
        super().__init__(listener)
        self._listener = listener
        self._data = data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.arrived(self, self._data)


class RelayListener:
    """Accept links at a port.

    Args:
        on_link: the function that returns the owner of a new link, whose greeting then begins. To
            return None refuses the link; the function then writes the reason to the log.
        modes: the modes that are accepted, "uuid" and "default". For each link in default mode a
            port is opened, on the address to which its data connection came. The next connection to
            it, from the same machine, is the link's message connection, and the port is closed.
        greeting_timeout: the time in seconds for the introductions of a link, and for its greeting.
        vanished_timeout: the time in seconds after which a silent peer is taken for gone.
        check: the function that says why a connection is refused, before a byte of it is believed;
            "" accepts it, None holds it until `decide()` is called. Without it all are accepted.
        pending: how many connections may wait to become links.
        pending_each: how many of one address; 0: all.
        message_ports: the ports for message connections in default mode; empty: any free ports. As
            many links as there are ports can wait for their message connection at once.
        receive: the size in bytes of the receive buffers of connections to the first port; 0: the
            operating system chooses, and lets them grow.

    Attributes:
        port: the port of data connections.
    """

    def __init__(
        self,
        on_link: Callable[[RelayLink], RelayOwner | None],
        modes: Iterable[str] = ("uuid",),
        greeting_timeout: float = 10.0,
        vanished_timeout: float = 25.0,
        check: Callable[[ByteStream], str | None] | None = None,
        pending: int = MAX_PENDING,
        pending_each: int = 0,
        message_ports: Sequence[int] = (),
        receive: int = 0,
    ) -> None:
        self.port = 0
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._timeout = greeting_timeout
        self._vanished = vanished_timeout
        self._on_link = on_link
        self._check = check
        self._early = _Early(_MOST_EARLY)
        self._held: dict[ByteStream, ByteStream | None] = {}
        self._servers: list[asyncio.Server] = []
        self._message_ports = message_ports
        # The message port of each data connection in default mode; None while it is being opened.
        self._ports: dict[ByteStream, asyncio.Server | None] = {}
        self._opening: set[asyncio.Task[None]] = set()
        most = min(len(message_ports) or _MOST_PORTS, _MOST_PORTS, max(1, pending // 4))
        self._rendezvous: Rendezvous[ByteStream] = Rendezvous(
            modes, None, greeting_timeout, pending, pending_each, own_ports=most
        )
        self._timer: asyncio.TimerHandle | None = None
        self._greeting: dict[RelayLink, asyncio.TimerHandle] = {}

    async def listen(self, hosts: str | Sequence[str], port: int) -> int:
        """Bind one port at each address of these hosts, and return the port.

        Args:
            hosts: names or addresses. An address family that this machine does not have is passed
                over, as long as one address is left.
            port: 0 stands for one that is free at all of the addresses.

        Raises:
            OSError: the port is taken, or an address is not this machine's.
        """
        addresses = await self._addresses([hosts] if isinstance(hosts, str) else hosts)
        self._servers, self.port = await self._bind(addresses, port)
        return self.port

    async def _addresses(self, hosts: Sequence[str]) -> list[str]:
        found: dict[str, None] = {}
        for host in hosts:
            kind = socket.SOCK_STREAM
            for family, *_, address in await self._loop.getaddrinfo(host, None, type=kind, flags=socket.AI_PASSIVE):
                # A link-local address without its zone could not be bound.
                zone = address[3] if family == socket.AF_INET6 and len(address) == 4 else 0
                text = str(address[0])
                found[f"{text}%{zone}" if zone and "%" not in text else text] = None
        return list(found)

    async def _bind(self, addresses: Sequence[str], port: int) -> tuple[list[asyncio.Server], int]:
        """Listen at one port of all addresses; another is tried if a port of 0 is taken at one."""
        for attempt in range(_TRIES):
            servers: list[asyncio.Server] = []
            bound = port
            try:
                for number, address in enumerate(addresses, 1):
                    try:
                        server = await self._loop.create_server(
                            lambda: _Arrival(self), address, bound, backlog=512, reuse_address=True, family=socket.AF_UNSPEC
                        )
                    except OSError as error:
                        if error.errno in _NO_FAMILY and (servers or number < len(addresses)):
                            continue
                        raise
                    servers.append(server)
                    self._size(server)
                    bound = server.sockets[0].getsockname()[1]
            except OSError as error:
                for server in servers:
                    server.close()
                if port or error.errno != errno.EADDRINUSE or attempt == _TRIES - 1:
                    raise
            else:
                return servers, bound
        raise AssertionError("the last attempt returns or raises")

    def _size(self, server: asyncio.Server) -> None:
        """Set the receive buffers; connections inherit them, and only then announce no more."""
        if self._receive:
            for listening in server.sockets:
                with socket.socket(fileno=os.dup(listening.fileno())) as same:
                    same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the addresses at which links are accepted.

        One may stand for all addresses of the machine, as 0.0.0.0 does.
        """
        return tuple(dict.fromkeys(str(bound.getsockname()[0]) for server in self._servers for bound in server.sockets))

    def close(self) -> None:
        """Stop listening, and drop what has not become a link; links stay open."""
        if self._timer is not None:
            self._timer.cancel()
        for server in self._servers:
            server.close()
        for stream in list(self._ports):
            self._close_port(stream)
        for stream in (*self._held, *self._rendezvous.connections()):
            stream.abort()
        for link, timer in list(self._greeting.items()):
            timer.cancel()
            link.abort()
        self._greeting.clear()

    # -- connections that are no links yet

    def arrived(self, stream: ByteStream, data: ByteStream | None = None) -> None:
        """Take a connection that was accepted.

        It came to the first port, or to the message port of `data`.
        """
        refusal = self._check(stream) if self._check is not None else ""
        if refusal is None:
            self._held[stream] = data
            stream.owner = self._early
        elif refusal:
            _log.error("a connection from %s is refused: it %s", stream.name, refusal)
            stream.abort()
        else:
            self._take(stream, data)

    @property
    def held(self) -> int:
        """Return how many connections the check holds."""
        return len(self._held)

    def decide(self) -> None:
        """Ask the check again about the connections that it holds."""
        held, self._held = self._held, {}
        for stream, data in held.items():
            self.arrived(stream, data)

    def _take(self, stream: ByteStream, data: ByteStream | None) -> None:
        stream.give_up_after(self._vanished)
        if data is None:
            self._act(self._rendezvous.add(stream, self._loop.time(), stream.address), _REFUSED)
        elif data.address != stream.address:
            _log.error("a connection from %s to the message port of %s is closed", stream.name, data.name)
            stream.abort()
        else:
            self._act(self._rendezvous.add_partner(stream, data), _REFUSED)
        self._set_timer()
        early = self._early.received.pop(stream, None)
        if stream.owner is self._early:
            stream.owner = self
            if early:
                self.stream_data(stream, bytes(early))
            if stream.ended:
                self.stream_ended(stream, None)

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        self._act(self._rendezvous.receive(stream, bytes(data)), _REFUSED)

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        self._act(self._rendezvous.ended(stream), _REFUSED)

    def stream_drained(self, stream: ByteStream) -> None:
        """Do nothing: what is written here always fits."""

    def _set_timer(self) -> None:
        if self._timer is None and (deadline := self._rendezvous.next_deadline()) is not None:
            self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._act(self._rendezvous.expire(self._loop.time()), _LATE)
        self._set_timer()

    def _act(self, actions: list[Action[ByteStream]], why: str) -> None:
        for action in actions:
            match action:
                case Reply(connection, data):
                    connection.write(data)
                case Dismissed(connection, reason):
                    _log.error(why, connection.name, reason)
                    connection.abort()
                case PortWanted(connection):
                    self._ports[connection] = None
                    task = self._loop.create_task(self._open_port(connection))
                    self._opening.add(task)
                    task.add_done_callback(self._opening.discard)
                case PortDone(connection):
                    self._close_port(connection)
                case Matched():
                    self._begin(action)

    async def _open_port(self, data: ByteStream) -> None:
        """Listen for the message connection of `data`, on the address to which `data` came."""
        try:
            server = await self._loop.create_server(lambda: _Arrival(self, data), sock=self._bind_port(data), backlog=_BACKLOG)
        except OSError as error:
            reason = f"is an ordinary link, and no port could be opened for its messages: {error.strerror or error}"
            self._act(self._rendezvous.port_failed(data, reason), _REFUSED)
            return
        if data not in self._ports:
            server.close()  # the data connection has gone meanwhile
            return
        self._ports[data] = server
        self._act(self._rendezvous.port_open(data, server.sockets[0].getsockname()[1]), _REFUSED)

    def _bind_port(self, data: ByteStream) -> socket.socket:
        """Return a socket that listens on a message port; raise OSError when none is free."""
        host = data.ends[0][0] if data.ends is not None else "127.0.0.1"
        for port in self._message_ports or (0,):
            made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
            try:
                # Links that were made at this port may still be open.
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind((host, port))
                made.listen(_BACKLOG)
                return made
            except OSError as error:
                made.close()
                failure = error
        if self._message_ports:
            text = f"{os.strerror(failure.errno or 0)} (ports {self._message_ports[0]} to {self._message_ports[-1]})"
            raise OSError(failure.errno, text)
        raise failure

    def _close_port(self, data: ByteStream) -> None:
        server = self._ports.pop(data, None)
        if server is not None:
            server.close()

    def _begin(self, matched: Matched[ByteStream]) -> None:
        link = RelayLink(matched.data, matched.message, matched.introduction.mode, _NOBODY)
        owner = self._on_link(link)
        if owner is None:
            link.abort()
            return
        link.owner = _Greeter(self, owner)
        self._greeting[link] = self._loop.call_later(self._timeout, self._late, link)
        # A live peer always reads its messages. So the message connection shows that a peer has
        # vanished even while data waits on the other.
        matched.message.give_up_after(self._vanished, unread=True)
        link.begin(matched.data_trailing, matched.message_trailing)

    # -- links whose greeting is under way

    def greeted(self, link: RelayLink, owner: RelayOwner) -> None:
        """Take note that a link's greeting is over, whether it succeeded or not."""
        timer = self._greeting.pop(link, None)
        if timer is not None:
            timer.cancel()
        link.owner = owner

    def _late(self, link: RelayLink) -> None:
        _log.error("link %s: no greeting in %g s; closed", link.name, self._timeout)
        link.abort()


class _Greeter:
    """The owner of a link while its greeting is timed; it passes events on to the real owner."""

    def __init__(self, listener: RelayListener, owner: RelayOwner) -> None:
        self._listener = listener
        self._owner = owner

    def link_active(self, link: RelayLink) -> None:
        self._listener.greeted(link, self._owner)
        self._owner.link_active(link)

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None:
        self._owner.link_data(link, data)

    def link_message(self, link: RelayLink, message: Message) -> None:
        self._owner.link_message(link, message)

    def link_drained(self, link: RelayLink) -> None:
        self._owner.link_drained(link)

    def link_leaves(self, link: RelayLink) -> None:
        self._owner.link_leaves(link)

    def link_ended(self, link: RelayLink, said_so: bool) -> None:
        self._listener.greeted(link, self._owner)
        self._owner.link_ended(link, said_so)


class _Nobody:
    """The owner of a link until its owner is known."""

    def link_active(self, link: RelayLink) -> None: ...

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None: ...

    def link_message(self, link: RelayLink, message: Message) -> None: ...

    def link_drained(self, link: RelayLink) -> None: ...

    def link_leaves(self, link: RelayLink) -> None: ...

    def link_ended(self, link: RelayLink, said_so: bool) -> None: ...


_NOBODY = _Nobody()

"""Links whose token bytes pass undecoded: what a frontend and a kernel host put between a client
and a kernel.

A :class:`RelayListener` accepts links (PROTOCOL.md sections 2 and 3), a :class:`RelayLink` ends the
greeting (section 4), hands token bytes and messages to its owner as they come, and closes as
section 7 says. Nothing here knows what the bytes mean.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Protocol

from wstp.errors import LimitExceeded, RemoteProtocolError
from wstp.features import OURS, Features
from wstp.handshake import SERVER_PREAMBLE, Greeting, Mode
from wstp.messages import Message, MessageCode, MessageReader, encode_message
from wstp.rendezvous import Action, Dismissed, Matched, Rendezvous, Reply
from wstp.stream import ByteStream, end_of

__all__ = ["RelayLink", "RelayLinkState", "RelayListener", "RelayOwner"]

_log = logging.getLogger("kernelbus.link")

#: How long the two connections of one peer may disagree about its having gone.
_DISAGREEMENT = 1.0
#: How long a peer may take to read what was written before a close.
_LINGER = 10.0


#: How a connection ends whose peer has vanished without a word.
_VANISHED = frozenset((errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH))

#: The log's lines on connections that do not become links.
_REFUSED = "a connection from %s is not a WSTP link (it %s); closed"
_LATE = "a connection from %s: %s and no WSTP greeting came; closed"


class RelayOwner(Protocol):
    """Whoever a relay link's events are for."""

    def link_active(self, link: RelayLink) -> None:
        """The greeting is done; token bytes may be written."""

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None:
        """Token bytes came; the buffer stays valid and unchanged."""

    def link_message(self, link: RelayLink, message: Message) -> None:
        """A message other than "link closing" came."""

    def link_drained(self, link: RelayLink) -> None:
        """:attr:`RelayLink.congested` has become false."""

    def link_ended(self, link: RelayLink, said_so: bool) -> None:
        """Both connections are gone; `said_so`: the peer (or we) said message 9 first. Comes once,
        after all data.
        """


class RelayLinkState(Enum):
    """Where a link stands."""

    GREETING = "greeting"
    ACTIVE = "active"
    CLOSING = "closing"
    ENDED = "ended"


class RelayLink:
    """One accepted link, from its greeting to its end."""

    def __init__(self, data: ByteStream, message: ByteStream, mode: Mode, owner: RelayOwner) -> None:
        self.owner = owner
        self.state = RelayLinkState.GREETING
        self.mode = mode
        self.name = data.name
        self.bytes_in = 0
        self.bytes_out = 0
        self._loop = asyncio.get_running_loop()
        self._data = data
        self._message = message
        self._reader = MessageReader()
        self._greeting = Greeting(OURS)
        self._said_closing = False
        #: Whether the data connection ended as one does whose reader has read everything that its
        #: machine acknowledged: a connection that is closed with something unread is reset instead
        #: (RFC 1122, 4.2.2.13), and one that we cut tells nothing.
        self.read_to_the_end = False
        self._cut = False
        self._paused = False
        self._early: deque[tuple[int, Message]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def congested(self) -> bool:
        """Whether the peer reads more slowly than we write; what is written anyway is held in
        memory.
        """
        return self._data.congested

    @property
    def paused(self) -> bool:
        """Whether token bytes are not read at present."""
        return self._paused

    @property
    def written(self) -> int:
        """Bytes written on the data connection so far, greeting included."""
        return self._data.written

    def acknowledged(self) -> int:
        """How many of these the peer's machine has acknowledged."""
        return self._data.acknowledged()

    @property
    def peer_features(self) -> Features:
        """What the peer announced in its greeting."""
        return self._greeting.peer

    def begin(self, trailing: bytes, message_trailing: bytes) -> None:
        """Start the greeting; the arguments are bytes that came behind the introductions."""
        self._data.owner = self._message.owner = self
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

    # ------------------------------------------------------------------ what the owner does

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write token bytes; the buffer must not change afterwards."""
        self.bytes_out += len(data)
        self._data.write(data)

    def write_message(self, code: int, parameter: int = 0) -> None:
        """Write a message."""
        self._message.write(encode_message(code, parameter))

    def pause(self) -> None:
        """Read no more token bytes until :meth:`resume`. Messages are read on."""
        self._paused = True
        self._data.pause()
        if self._early:
            # What they were sent behind is not read for now; they must not be stuck behind it.
            self._loop.call_soon(self._release_messages)

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        self._data.resume()

    def when_written(self, callback: Callable[[], None]) -> None:
        """Call `callback` when everything written is with the operating system."""
        self._data.when_flushed(callback)

    def close(self) -> None:
        """Close as section 7 says: what was written, then message 9, then both connections."""
        if self.state in (RelayLinkState.CLOSING, RelayLinkState.ENDED):
            return
        self.state = RelayLinkState.CLOSING
        self._said_closing = True
        self._data.pause()
        self._restart_timer(_LINGER, self.abort)
        self._data.when_flushed(self._say_closing)

    def abort(self) -> None:
        """Close now, without a word."""
        self._cut = True
        self._data.abort()
        self._message.abort()

    def _say_closing(self) -> None:
        self._message.write(encode_message(MessageCode.CLOSING))
        self._message.when_flushed(self._close_both)

    def _close_both(self) -> None:
        self._data.close()
        self._message.close()

    # ------------------------------------------------------------------ what the streams tell

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        if self.state in (RelayLinkState.CLOSING, RelayLinkState.ENDED):
            return
        try:
            if stream is self._message:
                for message in self._reader.feed(data):
                    self._take_message(message)
            elif self.state is RelayLinkState.ACTIVE:
                self.bytes_in += len(data)
                self.owner.link_data(self, data)
                if self._early:
                    self._release_messages()
            else:
                self._greeting.receive(data)
                if self._greeting.done:
                    self._become_active()
        except (RemoteProtocolError, LimitExceeded) as error:
            _log.error("link %s: %s; closed", self.name, error)
            self.abort()

    def _become_active(self) -> None:
        self.state = RelayLinkState.ACTIVE
        self.owner.link_active(self)
        trailing = self._greeting.trailing
        if trailing and self.state is RelayLinkState.ACTIVE:
            self.stream_data(self._data, trailing)

    def _take_message(self, message: Message) -> None:
        if message.code == MessageCode.CLOSING:
            # What it wrote before is still to be read; its connections end behind it.
            self._said_closing = True
            self._watch_disagreement()
        elif self.state is RelayLinkState.ACTIVE:
            # The two connections are read in no particular order, but what was sent first is here
            # first: an abort must not overtake the packet that it was sent behind.
            unread = 0 if self._paused else self._data.unread()
            if unread or self._early:
                self._early.append((self.bytes_in + unread, message))
            else:
                self.owner.link_message(self, message)

    def _release_messages(self) -> None:
        while self._early and self.state is RelayLinkState.ACTIVE:
            behind, message = self._early[0]
            if behind > self.bytes_in and not self._paused and not self._data.ended:
                return
            self._early.popleft()
            self.owner.link_message(self, message)

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        if stream is self._message:
            for message in self._reader.finish():
                self._take_message(message)
        if error is not None:
            _log.debug("link %s: %s connection: %s", self.name, "message" if stream is self._message else "data", end_of(error))
        if isinstance(error, OSError) and error.errno in _VANISHED:
            # What the other connection still held cannot come any more, whether or not we are
            # reading it.
            self.abort()
        if stream is self._data:
            self.read_to_the_end = error is None and not self._cut
        self._release_messages()
        if self._data.ended and (self._message.ended or self._said_closing):
            self._end()
        else:
            self._watch_disagreement()

    def _watch_disagreement(self) -> None:
        """One connection says that the peer has gone: the other must say so soon, unless it is we
        who do not read it.
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
        self.state = RelayLinkState.ENDED
        if self._timer is not None:
            self._timer.cancel()
        self._message.close()
        self.owner.link_ended(self, self._said_closing)


class _Arrival(ByteStream):
    """A connection that is not part of a link yet."""

    def __init__(self, listener: RelayListener, first: bool) -> None:
        super().__init__(listener)
        self._listener = listener
        self._first = first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.arrived(self, self._first)


class RelayListener:
    """Accepts links at a port.

    Args:
        on_link: makes the owner of a new link, whose greeting then begins; None refuses it (say why
            in the log).
        modes: which of "uuid" and "default" are accepted; with "default" a second port is opened
            for message connections, and one link is made at a time.
        greeting_timeout: seconds from a connection's being accepted to the end of its link's
            greeting.
        vanished_timeout: seconds after which a peer that went without a word is taken for gone.
    """

    def __init__(
        self,
        on_link: Callable[[RelayLink], RelayOwner | None],
        modes: Iterable[str] = ("uuid",),
        greeting_timeout: float = 10.0,
        vanished_timeout: float = 25.0,
    ) -> None:
        self.port = 0
        #: Refuse connections from other machines.
        self.local_only = False
        self._loop = asyncio.get_running_loop()
        self._timeout = greeting_timeout
        self._vanished = vanished_timeout
        self._on_link = on_link
        self._modes = frozenset(modes)
        self._servers: list[asyncio.Server] = []
        self._rendezvous: Rendezvous[ByteStream] = Rendezvous(self._modes, None, greeting_timeout)
        self._timer: asyncio.TimerHandle | None = None
        self._greeting: dict[RelayLink, asyncio.TimerHandle] = {}

    async def listen(self, host: str, port: int) -> int:
        """Bind, and give the port.

        Raises:
            OSError: it is taken, or the interface is not this machine's.
        """
        if "default" in self._modes:
            server = await self._loop.create_server(lambda: _Arrival(self, False), host, 0)
            self._servers.append(server)
            message_port = server.sockets[0].getsockname()[1]
            self._rendezvous = Rendezvous(self._modes, message_port, self._timeout)
        server = await self._loop.create_server(
            lambda: _Arrival(self, True), host, port, backlog=512, reuse_address=True, family=socket.AF_UNSPEC
        )
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]
        return self.port

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses at which links are accepted; one may stand for all of the machine, as
        0.0.0.0 does.
        """
        return tuple(dict.fromkeys(str(bound.getsockname()[0]) for server in self._servers[-1:] for bound in server.sockets))

    def close(self) -> None:
        """Accept no more, and drop what has not become a link; links stay."""
        if self._timer is not None:
            self._timer.cancel()
        for server in self._servers:
            server.close()
        for stream in self._rendezvous.connections():
            stream.abort()
        for link, timer in list(self._greeting.items()):
            timer.cancel()
            link.abort()
        self._greeting.clear()

    # ------------------------------------------------------------------ connections that are no links yet

    def arrived(self, stream: ByteStream, first: bool) -> None:
        """A connection was accepted, on the first port or on that of message connections."""
        if self.local_only and not stream.local:
            _log.error("a connection from %s is refused: only programs of this machine are served (see -i)", stream.name)
            stream.abort()
            return
        stream.give_up_after(self._vanished)
        add = self._rendezvous.add if first else self._rendezvous.add_message
        self._act(add(stream, self._loop.time()), _REFUSED)
        self._set_timer()

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        self._act(self._rendezvous.receive(stream, bytes(data)), _REFUSED)

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        self._act(self._rendezvous.ended(stream), _REFUSED)

    def stream_drained(self, stream: ByteStream) -> None:
        """What is written here always fits."""

    def _set_timer(self) -> None:
        deadline = self._rendezvous.next_deadline()
        if self._timer is None and deadline is not None:
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
                case Matched():
                    self._begin(action)

    def _begin(self, matched: Matched[ByteStream]) -> None:
        link = RelayLink(matched.data, matched.message, matched.introduction.mode, _NOBODY)
        owner = self._on_link(link)
        if owner is None:
            link.abort()
            return
        link.owner = _Greeter(self, owner)
        self._greeting[link] = self._loop.call_later(self._timeout, self._late, link)
        # Nobody has a reason not to read messages: on their connection a vanished peer shows even
        # while data waits on the other.
        matched.message.give_up_after(self._vanished, unread=True)
        link.begin(matched.data_trailing, matched.message_trailing)

    # ------------------------------------------------------------------ links whose greeting is under way

    def greeted(self, link: RelayLink, owner: RelayOwner) -> None:
        """A link's greeting is over, well or badly."""
        timer = self._greeting.pop(link, None)
        if timer is not None:
            timer.cancel()
        link.owner = owner

    def _late(self, link: RelayLink) -> None:
        _log.error("link %s: no greeting in %g s; closed", link.name, self._timeout)
        link.abort()


class _Greeter:
    """Stands in for a link's owner while its greeting is timed."""

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

    def link_ended(self, link: RelayLink, said_so: bool) -> None:
        self._listener.greeted(link, self._owner)
        self._owner.link_ended(link, said_so)


class _Nobody:
    """Owns a link for the moment before its owner is known."""

    def link_active(self, link: RelayLink) -> None: ...

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None: ...

    def link_message(self, link: RelayLink, message: Message) -> None: ...

    def link_drained(self, link: RelayLink) -> None: ...

    def link_ended(self, link: RelayLink, said_so: bool) -> None: ...


_NOBODY = _Nobody()

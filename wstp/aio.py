"""Links for asyncio: the names of `wstp.link`, awaited where they wait.

A thin shell over `wstp.machine.LinkMachine`, on protocol classes (`wstp.stream.ByteStream`), never
on streams.
"""

from __future__ import annotations

import asyncio
import logging
import uuid as uuid_module
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final

from wstp.errors import ConnectFailed, LinkClosed, LinkSpecError, LinkTimeout, LocalProtocolError, WSTPError
from wstp.expr import Expr, Function
from wstp.features import Features
from wstp.handshake import SERVER_PREAMBLE, Connector, Mode
from wstp.lexer import Buffer
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.link import READ_AHEAD, ModeName, resolve_spec
from wstp.linkspec import LinkSpec
from wstp.machine import LinkMachine, LinkState, Ready, is_packet
from wstp.messages import Message
from wstp.rendezvous import HALF_TIMEOUT, Dismissed, Matched, Rendezvous, Reply
from wstp.stream import ByteStream
from wstp.tokens import NEED_DATA

__all__ = ["Link", "Listener", "connect", "listen"]

_log = logging.getLogger("wstp.aio")

_PIECE: Final = 1 << 18
_JOIN: Final = 1 << 16
_LINGER: Final = 0.05
_LINGERS: Final = 20


class _Change:
    """Let coroutines wait for the next change of something that callbacks change."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiters: list[asyncio.Future[bool]] = []

    def happened(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(True)

    @staticmethod
    def _settle(waiter: asyncio.Future[bool]) -> None:
        if not waiter.done():
            waiter.set_result(False)

    async def wait(self, deadline: float | None) -> bool:
        """Wait for the next change; return False when the deadline (of the loop's clock) passed
        first.
        """
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiters.append(waiter)
        if deadline is None:
            return await waiter
        timer = self._loop.call_at(deadline, self._settle, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)


class _Connection(ByteStream):
    """Be a connection of a link, which wants to know two things more about it."""

    @property
    def paused(self) -> bool:
        """Tell whether reading is paused."""
        return not self._reading

    @property
    def unsent(self) -> int:
        """Return how many bytes the operating system has not taken yet."""
        return 0 if self.ended or self._transport is None else self._transport.get_write_buffer_size()


class Link:
    """Be one end of a link; made by `connect()` or `Listener.accept()`. An async context manager.

    Attributes:
        on_message: if set, called with each message as it comes, instead of queueing it.
        read_ahead: reading pauses while more unread bytes than this wait and nobody waits for an
            expression.
    """

    def __init__(self, machine: LinkMachine, data: _Connection, message: _Connection | None, name: str) -> None:
        """Take a machine and its connections, of which the second may come later."""
        self._loop = asyncio.get_running_loop()
        self._machine = machine
        self._data = data
        self._message = message
        self._name = name
        self._change = _Change(self._loop)
        self._readers = 0
        self._doubt: asyncio.TimerHandle | None = None
        self._close_asked = False
        self._closing = False
        self._discarded = 0
        self._flushing = asyncio.Lock()
        self.on_message: Callable[[Message], None] | None = None
        self.read_ahead = READ_AHEAD
        data.owner = self
        if message is not None:
            message.owner = self

    # -- what the connections tell
    # ----------------------------------------------------------------------------

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        """Take bytes of either connection (called by `ByteStream`)."""
        machine = self._machine
        if self._closing:
            self._discarded += len(data)
        elif stream is self._data:
            shaking = machine.state in (LinkState.INTRODUCTION, LinkState.GREETING)
            machine.receive_data(data)
            if shaking:
                self._write_handshake()
            if machine.unread > self.read_ahead and not self._readers:
                stream.pause()
        else:
            machine.receive_message(data)
            self._deliver()
            if machine.messages_full:
                stream.pause()
        self._look_at_doubt()
        self._change.happened()

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        """Take note that a connection has gone (called by `ByteStream`)."""
        if stream is self._data:
            self._machine.data_ended()
        else:
            self._machine.message_ended()
            self._deliver()
        self._look_at_doubt()
        self._change.happened()

    def stream_drained(self, stream: ByteStream) -> None:
        """Take note that more can be written (called by `ByteStream`)."""
        self._change.happened()

    def _write_handshake(self) -> None:
        for buffer in self._machine.data_to_send():
            self._data.write(buffer)

    def _deliver(self) -> None:
        while self.on_message is not None and (message := self._machine.next_message()) is not None:
            self.on_message(message)

    def _look_at_doubt(self) -> None:
        if self._doubt is not None:
            self._doubt.cancel()
            self._doubt = None
        doubt = self._machine.doubt
        if doubt is not None:
            self._doubt = self._loop.call_later(doubt, self._doubt_over)

    def _doubt_over(self) -> None:
        self._doubt = None
        if self._data.paused:
            # It is we who do not read: what is under way may be all there is to wait for.
            self._look_at_doubt()
            return
        self._machine.doubt_over()
        self._change.happened()

    # -- writing
    # ----------------------------------------------------------------------------------------------

    def put(self, expr: Expr, *, end_packet: bool = False) -> None:
        """Queue an expression for the next `flush()`; as `wstp.link.Link.put`."""
        self._machine.put(expr, end_packet=end_packet)

    def put_raw(self, buffers: Sequence[Buffer]) -> None:
        """Queue bytes that are tokens already."""
        self._machine.put_raw(buffers)

    def end_packet(self) -> None:
        """Queue the end of a packet."""
        self._machine.put_raw((b"]",))

    async def flush(self, timeout: float | None = None) -> None:
        """Write what is queued, and wait until the operating system has it all.

        Raises:
            LinkTimeout: not in time; what was not handed over stays queued.
            LinkClosed, LinkLost: the link has ended.
        """
        deadline = None if timeout is None else self._loop.time() + timeout
        async with self._flushing:
            await self._flush(deadline)

    async def _flush(self, deadline: float | None) -> None:
        buffers = self._machine.data_to_send()
        if not buffers:
            return
        if sum(map(len, buffers)) <= _JOIN:
            buffers = [b"".join(buffers)]
        pending = deque(memoryview(data) for data in buffers if len(data))
        try:
            while pending:
                await self._wait_for_room(deadline)
                first = pending.popleft()
                self._data.write(first[:_PIECE])
                if len(first) > _PIECE:
                    pending.appendleft(first[_PIECE:])
            self._data.when_flushed(self._change.happened)
            while self._data.unsent:
                if not await self._change.wait(deadline):
                    raise LinkTimeout(f"{self}: the peer does not read: not all could be written in time")
            if self._data.ended:
                raise await self._broken()
        finally:
            if pending:
                self._machine.requeue(list(pending))

    async def _wait_for_room(self, deadline: float | None) -> None:
        while self._data.congested and not self._data.ended:
            if not await self._change.wait(deadline):
                raise LinkTimeout(f"{self}: the peer does not read: not all could be written in time")
        if self._data.ended:
            raise await self._broken()

    async def _broken(self) -> Exception:
        """Return, after a write failed, the error that says how the link ended; it may take the
        peer's word a moment.
        """
        while not self._machine.ended and self._machine.doubt is not None:
            await self._change.wait(None)
        return self._machine.end_error()

    def put_message(self, code: int, parameter: int = 0) -> None:
        """Send an out-of-band message at once; as `wstp.link.Link.put_message`."""
        self._machine.put_message(code, parameter)
        assert self._message is not None
        self._message.write(self._machine.message_to_send())

    # -- reading
    # ----------------------------------------------------------------------------------------------

    async def get(self, timeout: float | None = None) -> Expr:
        """Return the next complete expression; as `wstp.link.Link.get`. Cancelling it loses
        nothing.
        """
        deadline = None if timeout is None else self._loop.time() + timeout
        self._flush_soon()
        self._readers += 1
        try:
            while True:
                found = self._machine.next_expression()
                if found is not NEED_DATA:
                    return found
                self._data.resume()
                if not await self._change.wait(deadline):
                    raise LinkTimeout(f"{self}: no expression in {timeout:g} s")
        finally:
            self._readers -= 1

    async def next_packet(self, timeout: float | None = None) -> Function:
        """Return the next expression that is a packet: a function headed by a symbol. Raises as
        `get()` does.
        """
        deadline = None if timeout is None else self._loop.time() + timeout
        while True:
            expr = await self.get(None if deadline is None else max(0.0, deadline - self._loop.time()))
            if is_packet(expr):
                packet: Function = expr
                return packet

    def ready(self) -> bool:
        """Tell whether `get()` would return (or say that the link has ended) without waiting."""
        return self._machine.poll()

    def message_ready(self) -> bool:
        """Tell whether `get_message()` has a message."""
        return self._machine.has_message

    async def wait(self, timeout: float | None = None) -> Ready:
        """Wait until an expression or a message can be had; after the time-out both parts of
        `Ready` are False.
        """
        deadline = None if timeout is None else self._loop.time() + timeout
        self._flush_soon()
        self._readers += 1
        try:
            while True:
                ready = Ready(self._machine.poll(), self._machine.has_message)
                if ready.data or ready.message:
                    return ready
                self._data.resume()
                if not await self._change.wait(deadline):
                    return ready
        finally:
            self._readers -= 1

    def get_message(self) -> Message | None:
        """Return the next out-of-band message, or None when there is none."""
        message = self._machine.next_message()
        if self._message is not None and not self._machine.messages_full:
            self._message.resume()
        return message

    def _flush_soon(self) -> None:
        # As the C library does: who waits for an answer wants the question gone.
        if self._machine.queued and not self._flushing.locked() and not self._data.congested:
            buffers = self._machine.data_to_send()
            if sum(map(len, buffers)) <= _JOIN:
                buffers = [b"".join(buffers)]
            for data in buffers:
                self._data.write(data)

    # -- the rest
    # ---------------------------------------------------------------------------------------------

    async def close(self, timeout: float = 5.0) -> None:
        """Close the link: flush (for at most `timeout` seconds), say message 9, close both
        connections.

        Closing twice, or a link that has ended, is no error.
        """
        if self._close_asked:
            return
        self._close_asked = True
        if self._machine.state in (LinkState.ACTIVE, LinkState.MESSAGE_GONE):
            try:
                await self.flush(timeout)
            except WSTPError as error:
                _log.debug("%s: closing: %s", self, error)
        self._closing = True
        self._machine.close()
        last = self._machine.say_closing()
        if self._doubt is not None:
            self._doubt.cancel()
        if self._message is not None:
            self._message.write(last)
        # Closing over bytes that were not read would reset the connection and lose our last words.
        self._data.resume()
        for _ in range(_LINGERS):
            before = self._discarded
            if self._data.ended or not await self._change.wait(self._loop.time() + _LINGER) or self._discarded == before:
                break
        self._data.close()
        if self._message is not None:
            self._message.close()
        deadline = self._loop.time() + 1.0
        while not (self._data.ended and (self._message is None or self._message.ended)):
            if not await self._change.wait(deadline):
                self._abort()
                break
        self._change.happened()

    def abort(self) -> None:
        """Drop the link as a killed program does: nothing is flushed or said."""
        self._close_asked = self._closing = True
        self._machine.close()
        self._abort()

    def _abort(self) -> None:
        self._data.abort()
        if self._message is not None:
            self._message.abort()

    @property
    def closed(self) -> bool:
        """Tell whether the link has ended, by whomever."""
        return self._close_asked or self._machine.state in (LinkState.CLOSED, LinkState.LOST, LinkState.FAILED)

    @property
    def state(self) -> LinkState:
        """Return where the link stands."""
        return self._machine.state

    @property
    def peer_features(self) -> Features:
        """Return what the peer announced in its greeting."""
        return self._machine.peer_features

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<wstp.aio.Link {self._name} {self._machine.state.value}>"

    def __str__(self) -> str:
        return f"link {self._name}"


async def connect(
    spec: int | str | LinkSpec | Sequence[str],
    *,
    timeout: float | None = 10.0,
    limits: Limits = DEFAULT_LIMITS,
    mode: ModeName | None = None,
) -> Link:
    """Open a link to a listening peer and exchange greetings; as `wstp.link.connect`."""
    parsed, connection_mode, host = resolve_spec(spec, mode)
    if not parsed.name:
        raise LinkSpecError("no -linkname to connect to")
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    where = f"{parsed.port}@{host}"
    connector = Connector(
        connection_mode,
        str(uuid_module.uuid4()) if connection_mode is Mode.UUID else None,
        knows_message_port=parsed.message_port is not None,
    )
    machine = LinkMachine(connector, limits=limits)
    data = _Connection(_Nobody())
    link = Link(machine, data, None, where)
    try:
        async with asyncio.timeout_at(deadline):
            await _open(data, host, parsed.port, where)
            link._write_handshake()
            while not machine.active:
                if link._message is None and machine.opens_message:
                    if connection_mode is Mode.UUID:
                        message_host, port = host, parsed.port
                    else:
                        message_host = parsed.message_host or host
                        port = parsed.message_port or machine.message_port or 0
                    message = _Connection(link)
                    await _open(message, message_host, port, f"{port}@{message_host}")
                    link._message = message
                    message.write(machine.message_introduction)
                    link._change.happened()
                    continue
                if machine.failed:
                    raise ConnectFailed(
                        f"{where} is no WSTP peer in {connection_mode.value} mode: {machine.end_error()}"
                    )
                if data.ended:
                    raise ConnectFailed(f"{where} closed the connection before the link was made")
                await link._change.wait(None)
    except TimeoutError:
        link._abort()
        raise LinkTimeout(f"{where}: the link was not made in {timeout:g} s") from None
    except BaseException:
        link._abort()
        raise
    return link


async def _open(stream: ByteStream, host: str, port: int, where: str) -> None:
    try:
        await asyncio.get_running_loop().create_connection(lambda: stream, host, port)
    except OSError as error:
        raise ConnectFailed(f"cannot connect to {where}: {error.strerror or error}") from None


class _Nobody:
    """Own a stream that has no owner yet."""

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        raise AssertionError("bytes before the stream had an owner")

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        return None

    def stream_drained(self, stream: ByteStream) -> None:
        return None


class _Arrival(_Connection):
    """Be a connection to a listener that tells it when it is made."""

    def __init__(self, listener: Listener, first: bool) -> None:
        super().__init__(listener)
        self._made = listener
        self._first = first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._made._arrived(self, self._first)


class Listener:
    """Accept links; made by `listen()`. An async context manager: leaving it closes the listener,
    not its links.

    Attributes:
        rendezvous: the connections that are no links yet, with counts of those dismissed.
    """

    def __init__(self, host: str, mode: Mode, limits: Limits, timeout: float) -> None:
        """Prepare; `listen()` binds."""
        self._loop = asyncio.get_running_loop()
        self._host = host
        self._mode = mode
        self._limits = limits
        self._timeout = timeout
        self._servers: list[asyncio.Server] = []
        self._change = _Change(self._loop)
        self._greeting: dict[Link, asyncio.TimerHandle] = {}
        self._done: deque[Link] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.port = 0
        self.message_port: int | None = None
        self.rendezvous: Rendezvous[_Connection] = Rendezvous((mode.value,), None, timeout)

    async def _bind(self, port: int, message_port: int) -> None:
        if self._mode is Mode.DEFAULT:
            server = await self._loop.create_server(lambda: _Arrival(self, False), self._host, message_port)
            self._servers.append(server)
            self.message_port = server.sockets[0].getsockname()[1]
        try:
            server = await self._loop.create_server(lambda: _Arrival(self, True), self._host, port, backlog=128)
        except BaseException:
            await self.close()
            raise
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]
        self.rendezvous = Rendezvous((self._mode.value,), self.message_port, self._timeout)

    @property
    def link_name(self) -> str:
        """Return the link name for the peer: `port@host`, with the message port in default mode."""
        name = f"{self.port}@{self._host}"
        return name if self.message_port is None else f"{name},{self.message_port}@{self._host}"

    async def accept(self, timeout: float | None = None) -> Link:
        """Return the next link whose greeting is done.

        Raises:
            LinkTimeout: none came in time.
            LinkClosed: the listener is closed.
        """
        deadline = None if timeout is None else self._loop.time() + timeout
        while not self._done:
            if self._closed:
                raise LinkClosed("the listener is closed")
            if not await self._change.wait(deadline):
                raise LinkTimeout(f"no link at {self.link_name} in {timeout:g} s")
        return self._done.popleft()

    # -- what the connections tell
    # ----------------------------------------------------------------------------

    def _arrived(self, stream: _Connection, first: bool) -> None:
        now = self._loop.time()
        self._act(self.rendezvous.add(stream, now) if first else self.rendezvous.add_message(stream, now))
        self._set_timer()

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        """Take bytes of a connection that is no link yet (called by `ByteStream`)."""
        assert isinstance(stream, _Connection)
        self._act(self.rendezvous.receive(stream, bytes(data)))

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        """Take note that a connection has gone before it was a link (called by `ByteStream`)."""
        assert isinstance(stream, _Connection)
        self._act(self.rendezvous.ended(stream))

    def stream_drained(self, stream: ByteStream) -> None:
        """Do nothing: what is written here always fits (called by `ByteStream`)."""

    def _set_timer(self) -> None:
        if self._timer is None and (deadline := self.rendezvous.next_deadline()) is not None:
            self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._act(self.rendezvous.expire(self._loop.time()))
        self._set_timer()

    def _act(self, actions: Sequence[Reply[_Connection] | Matched[_Connection] | Dismissed[_Connection]]) -> None:
        for action in actions:
            if isinstance(action, Reply):
                action.connection.write(action.data)
            elif isinstance(action, Dismissed):
                _log.warning("%s: connection from %s %s", self.link_name, action.connection.name, action.reason)
                action.connection.abort()
            else:
                self._begin(action)

    def _begin(self, matched: Matched[_Connection]) -> None:
        preamble = SERVER_PREAMBLE if matched.introduction.mode is Mode.UUID else b""
        machine = LinkMachine(preamble=preamble, limits=self._limits)
        name = f"{self.port}@{self._host} from {matched.data.name}"
        link = _GreetingLink(machine, matched.data, matched.message, name, self)
        self._greeting[link] = self._loop.call_later(self._timeout, self._late, link)
        link._write_handshake()
        if matched.message_trailing:
            link.stream_data(matched.message, matched.message_trailing)
        if matched.data_trailing:
            link.stream_data(matched.data, matched.data_trailing)

    def _late(self, link: Link) -> None:
        _log.warning("%s: %s: greeting not complete in %g s", self.link_name, link, self._timeout)
        self._greeting.pop(link, None)
        link._abort()

    def greeted(self, link: Link) -> None:
        """Take note that something happened to a link whose greeting is under way (called by the
        link).
        """
        if link not in self._greeting:
            return
        if link._machine.active:
            self._greeting.pop(link).cancel()
            self._done.append(link)
            self._change.happened()
        elif link._machine.failed or link._data.ended:
            self._greeting.pop(link).cancel()
            reason = f"is no WSTP peer: {link._machine.end_error()}" if link._machine.failed else "went away"
            _log.warning("%s: %s %s", self.link_name, link, reason)
            link._abort()

    async def close(self) -> None:
        """Stop listening, and close what is no link yet; links that were accepted live on."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for server in self._servers:
            server.close()
        for stream in self.rendezvous.connections():
            stream.abort()
        for link, timer in list(self._greeting.items()):
            timer.cancel()
            link._abort()
        self._greeting.clear()
        while self._done:
            await self._done.popleft().close()
        self._change.happened()

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _GreetingLink(Link):
    """Be a link that tells its listener when the greeting is done."""

    def __init__(
        self, machine: LinkMachine, data: _Connection, message: _Connection, name: str, listener: Listener
    ) -> None:
        super().__init__(machine, data, message, name)
        self._listener: Listener | None = listener

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        super().stream_data(stream, data)
        self._tell()

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        super().stream_ended(stream, error)
        self._tell()

    def _tell(self) -> None:
        listener = self._listener
        if listener is not None:
            if self._machine.state is not LinkState.GREETING:
                self._listener = None
            listener.greeted(self)


async def listen(
    spec: int | str | LinkSpec | Sequence[str] = 0,
    *,
    mode: ModeName | None = None,
    host: str = "127.0.0.1",
    limits: Limits = DEFAULT_LIMITS,
    timeout: float = HALF_TIMEOUT,
) -> Listener:
    """Listen for links; as `wstp.link.listen`."""
    parsed, connection_mode, bound = resolve_spec(spec, mode, host)
    if parsed.mode == "launch":
        raise LocalProtocolError("a link that launches a program cannot listen")
    listener = Listener(bound, connection_mode, limits, timeout)
    await listener._bind(parsed.port, parsed.message_port or 0)
    return listener

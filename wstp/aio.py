"""Links for asyncio: the names of `wstp.link`, awaited where they wait.

>>> import asyncio
>>> import wstp
>>> async def kernel(listener: wstp.aio.Listener) -> None:
...     async with await listener.accept(timeout=60) as link:
...         packet = await link.next_packet(timeout=60)
...         link.put(wstp.Symbol("ReturnPacket")(packet.args[0]), end_packet=True)
...         await link.flush()
>>> async def main() -> wstp.Function:
...     async with await wstp.aio.listen() as listener:
...         answers = asyncio.create_task(kernel(listener))
...         async with await wstp.aio.connect(listener.port, timeout=60) as link:
...             link.put(wstp.Symbol("EvaluatePacket")("hello"), end_packet=True)
...             answer = await link.next_packet(timeout=60)
...         await answers
...         return answer
>>> asyncio.run(main())
Symbol('ReturnPacket')('hello')

A thin shell over `wstp.machine.LinkMachine`, on asyncio's protocol classes
(`wstp.stream.ByteStream`) and not on its streams. `wstp.linkbase`, `wstp.connecting` and
`wstp.reception` have what this shell shares with `wstp.link`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid as uuid_module
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from wstp.connecting import Connecting, cannot_connect
from wstp.errors import LinkClosed, LinkTimeout, WSTPError
from wstp.expr import Expr, Function
from wstp.handshake import Mode
from wstp.lexer import Buffer
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.linkbase import LINGER, LinkBase
from wstp.linkspec import LinkSpec, ModeName, resolve_spec
from wstp.machine import LinkMachine, LinkState, Ready, is_packet
from wstp.messages import Message
from wstp.reception import Abandoned, Made, Reception, Step
from wstp.rendezvous import HALF_TIMEOUT, Dismissed, Reply
from wstp.sockets import Tunnel
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
        """Wait for the next change; return False when the loop's clock passes `deadline` first."""
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
    """One connection of a link, which says whether it is paused."""

    @property
    def paused(self) -> bool:
        """Tell whether reading is paused."""
        return not self._reading


class Link(LinkBase):
    """One end of a link; `connect()` and `Listener.accept()` make it.

    All calls come from the event loop's thread. The link is an asynchronous context manager; to
    leave it closes the link.

    Attributes:
        on_message: the function that takes each message as it comes; None keeps messages for
            `get_message()`.
        read_ahead: the number of unread bytes at which reading pauses while nobody waits for an
            expression.
    """

    _kind = "wstp.aio.Link"

    def __init__(self, machine: LinkMachine, data: _Connection, message: _Connection | None, name: str) -> None:
        """Take a machine and its connections; the message connection may be added later."""
        super().__init__(machine, name, contextlib.nullcontext())
        self._loop = asyncio.get_running_loop()
        self._data = data
        self._message = message
        self._change = _Change(self._loop)
        self._readers = 0
        self._doubt: asyncio.TimerHandle | None = None
        self._closing = False
        self._discarded = 0
        self._flushing = asyncio.Lock()
        data.owner = self
        if message is not None:
            message.owner = self

    def _deadline(self, timeout: float | None) -> float | None:
        return None if timeout is None else self._loop.time() + timeout

    # -- called by the connections

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        """Take bytes of either connection (called by `ByteStream`)."""
        machine = self._machine
        if stream is not self._data:
            machine.receive_message(data)
            if not self._closing:
                self._deliver()
            if machine.messages_full:
                stream.pause()
        elif self._closing:
            self._discarded += len(data)
        else:
            shaking = machine.state in (LinkState.INTRODUCTION, LinkState.GREETING)
            machine.receive_data(data)
            if shaking:
                self._write_handshake()
            if machine.unread > self.read_ahead and not self._readers:
                stream.pause()
        self._look_at_doubt()
        self._change.happened()

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        """Take note that a connection has gone (called by `ByteStream`)."""
        if stream is self._data:
            self._machine.data_ended(reset=error is not None)
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
            # We do not read now, so the peer's silence means nothing.
            self._look_at_doubt()
            return
        self._machine.doubt_over()
        self._change.happened()

    # -- writing

    async def flush(self, timeout: float | None = None) -> None:
        """Write what is queued, and wait until the operating system has taken it all.

        Args:
            timeout: the time in seconds; None waits as long as it takes.

        Raises:
            LinkTimeout: not in time. What was not handed over stays queued.
            LinkClosed, LinkLost: the link has ended.
        """
        deadline = self._deadline(timeout)
        async with self._flushing:
            await self._flush(deadline)

    async def _flush(self, deadline: float | None) -> None:
        pending = deque(memoryview(data) for data in self._queued() if len(data))
        if not pending:
            return
        try:
            while pending:
                while self._data.congested and not self._data.ended:
                    await self._wait_to_write(deadline)
                if self._data.ended:
                    raise await self._broken()
                first = pending.popleft()
                self._data.write(first[:_PIECE])
                if len(first) > _PIECE:
                    pending.appendleft(first[_PIECE:])
            self._data.when_flushed(self._change.happened)
            while self._data.unsent:
                await self._wait_to_write(deadline)
            if self._data.ended:
                raise await self._broken()
        finally:
            if pending:
                self._machine.requeue(list(pending))

    def _queued(self) -> list[Buffer]:
        """Take what the machine wants to send; join small pieces, so that they leave as one."""
        buffers = self._machine.data_to_send()
        return [b"".join(buffers)] if sum(map(len, buffers)) <= _JOIN else buffers

    async def _wait_to_write(self, deadline: float | None) -> None:
        if not await self._change.wait(deadline):
            raise self._not_written()

    async def _broken(self) -> Exception:
        """Return the error that says how the link ended, after a write failed.

        Message 9 of the peer may still be on its way, so this waits for as long as the machine is
        in doubt.
        """
        while not self._machine.ended and self._machine.doubt is not None:
            await self._change.wait(None)
        return self._machine.end_error()

    def put_message(self, code: int, parameter: int = 0) -> None:
        """Send an out-of-band message at once; as `wstp.link.Link.put_message`."""
        self._machine.put_message(code, parameter)
        assert self._message is not None
        self._flush_soon()
        self._message.write(self._machine.message_to_send())

    # -- reading

    async def get(self, timeout: float | None = None) -> Expr:
        """Return the next complete expression; as `wstp.link.Link.get`.

        To cancel it loses nothing.
        """
        deadline = self._deadline(timeout)
        self._flush_soon()
        self._readers += 1
        try:
            while True:
                found = self._machine.next_expression()
                if found is not NEED_DATA:
                    return found
                self._data.resume()
                if not await self._change.wait(deadline):
                    raise self._no_expression(timeout)
        finally:
            self._readers -= 1

    async def next_packet(self, timeout: float | None = None) -> Function:
        """Return the next expression that is a packet, a function whose head is a symbol.

        Other expressions are dropped. Raises as `get()` does.
        """
        deadline = self._deadline(timeout)
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
        """Wait for an expression, a message or the link's end; return what there is.

        Both parts of `Ready` are False when `timeout` seconds have passed.
        """
        deadline = self._deadline(timeout)
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
        # The C library does so too: a caller that waits for an answer wants the question sent.
        if self._machine.queued and not self._flushing.locked() and not self._data.congested:
            for data in self._queued():
                self._data.write(data)

    # -- closing, and the rest

    async def close(self, timeout: float = 5.0, linger: float = LINGER) -> None:
        """Flush, end the data connection, send message 9, and close; as `wstp.link.Link.close`.

        Args:
            timeout: the time in seconds that the flush may take.
            linger: the time in seconds that the peer may take to read what was written, and to go.
        """
        if not self._begin_closing():
            return
        written = await self._write_the_rest(timeout)
        await self._end_data(linger if written else 0.0)
        self._say_closing()
        await self._let_go()
        self._change.happened()

    async def _write_the_rest(self, timeout: float) -> bool:
        """Flush within `timeout` seconds; return False when that was not possible."""
        if self._can_write():
            try:
                await self.flush(timeout)
            except WSTPError as error:
                _log.debug("%s: closing: %s", self, error)
                return False
        return True

    async def _end_data(self, linger: float) -> None:
        """End what is written; if the peer is to be waited for, read and drop until it has gone."""
        self._closing, deadline = True, self._loop.time() + linger
        waits = self._stop()
        if self._doubt is not None:
            self._doubt.cancel()
        self._change.happened()
        self._data.end_writing()
        self._data.resume()
        while waits and not (self._data.ended or self._message is None or self._message.ended or self._peer_leaves()):
            waits = await self._change.wait(deadline)

    def _say_closing(self) -> None:
        """Send message 9."""
        last = self._last_message()
        if self._message is not None:
            self._message.write(last)

    async def _let_go(self) -> None:
        """Read what the peer still sends for at most a second, then close both connections.

        To close over unread bytes would reset the connection, and the peer would lose our last
        bytes.
        """
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

    def abort(self) -> None:
        """Drop both connections, as when a program is killed: nothing is flushed or sent."""
        self._close_asked = self._closing = True
        self._machine.close()
        self._abort()

    def _abort(self) -> None:
        self._data.abort()
        if self._message is not None:
            self._message.abort()

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def connect(
    spec: int | str | LinkSpec | Sequence[str],
    *,
    timeout: float | None = 10.0,
    limits: Limits = DEFAULT_LIMITS,
    mode: ModeName | None = None,
    tls: Tunnel | None = None,
) -> Link:
    """Open a link to a listening peer and exchange greetings; as `wstp.link.connect`."""
    connecting = Connecting(spec, mode, str(uuid_module.uuid4()), limits=limits)
    machine = connecting.machine
    data = _Connection(_Nobody())
    link = Link(machine, data, None, connecting.where)
    try:
        async with asyncio.timeout_at(link._deadline(timeout)):
            await _open(data, connecting.host, connecting.port, tls)
            link._write_handshake()
            while not machine.active:
                if link._message is None and (endpoint := connecting.message_endpoint()) is not None:
                    message = _Connection(link)
                    await _open(message, *endpoint, tls)
                    link._message = message
                    message.write(machine.message_introduction)
                    link._change.happened()
                    continue
                connecting.check()
                if data.ended:
                    raise connecting.ended()
                await link._change.wait(None)
    except TimeoutError:
        link._abort()
        raise connecting.late(timeout) from None
    except BaseException:
        link._abort()
        raise
    return link


async def _open(stream: ByteStream, host: str, port: int, tls: Tunnel | None) -> None:
    try:
        if tls is None:
            await asyncio.get_running_loop().create_connection(lambda: stream, host, port)
        else:
            await tls.create_connection(stream, host, port)
    except OSError as error:
        raise cannot_connect(f"{port}@{host}", error) from None


class _Nobody:
    """The owner of a stream until the link that will own it exists."""

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        raise AssertionError("bytes before the stream had an owner")

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        return None

    def stream_drained(self, stream: ByteStream) -> None:
        return None


class _Arrival(_Connection):
    """A connection that tells its listener when it is made."""

    def __init__(self, listener: Listener, first: bool) -> None:
        super().__init__(listener)
        self._made = listener
        self._first = first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._made._arrived(self, self._first)


class Listener:
    """Accept links; `listen()` makes it.

    Connections that do not become a link within the time-out are closed, with a line in the log,
    and counted in `rendezvous`. The listener is an asynchronous context manager; to leave it closes
    the listener, but not the links that it has accepted.

    Attributes:
        port: the port that is bound.
        message_port: the port of message connections in default mode; None in UUID mode.
        rendezvous: the connections that are no links yet, with counts of those dismissed.
    """

    def __init__(self, host: str, mode: Mode, limits: Limits, timeout: float) -> None:
        """Prepare; `listen()` binds."""
        self._loop = asyncio.get_running_loop()
        self._mode = mode
        self._servers: list[asyncio.Server] = []
        self._change = _Change(self._loop)
        self._reception: Reception[_Connection] = Reception(host, mode, limits, timeout)
        self._done: deque[Link] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.port = 0
        self.message_port: int | None = None
        self.rendezvous = self._reception.rendezvous

    async def _bind(self, port: int, message_port: int) -> None:
        host = self._reception.host
        if self._mode is Mode.DEFAULT:
            server = await self._loop.create_server(lambda: _Arrival(self, False), host, message_port)
            self._servers.append(server)
            self.message_port = server.sockets[0].getsockname()[1]
        try:
            server = await self._loop.create_server(lambda: _Arrival(self, True), host, port, backlog=128)
        except BaseException:
            await self.close()
            raise
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]
        self._reception.bound(self.port, self.message_port)

    @property
    def link_name(self) -> str:
        """Return the link name for the peer: `port@host`, with the message port in default mode."""
        return self._reception.link_name

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

    # -- called by the connections

    def _arrived(self, stream: _Connection, first: bool) -> None:
        self._act(self._reception.accept(stream, self._loop.time(), message_port=not first))

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        """Take bytes of a connection that is no link yet (called by `ByteStream`)."""
        assert isinstance(stream, _Connection)
        self._act(self._reception.receive(stream, data, self._loop.time()))

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        """Take note that a connection has gone before it was a link (called by `ByteStream`)."""
        assert isinstance(stream, _Connection)
        self._act(self._reception.end(stream, self._loop.time()))

    def stream_drained(self, stream: ByteStream) -> None:
        """Do nothing: what is written here always fits (called by `ByteStream`)."""

    def _expire(self) -> None:
        self._timer = None
        self._act(self._reception.expire(self._loop.time()))

    def _act(self, steps: Sequence[Step[_Connection]]) -> None:
        for step in steps:
            match step:
                case Reply(connection, data):
                    connection.write(data)
                case Dismissed(connection, reason):
                    _log.warning("%s: connection from %s %s", self.link_name, connection.name, reason)
                    connection.abort()
                case Abandoned(connection, message, reason):
                    _log.warning("%s: link from %s %s", self.link_name, connection.name, reason)
                    connection.abort()
                    message.abort()
                case Made(machine, connection, message):
                    name = self._reception.name_of(connection.name)
                    self._done.append(Link(machine, connection, message, name))
                    self._change.happened()
        if self._timer is None and (deadline := self._reception.next_deadline()) is not None:
            self._timer = self._loop.call_at(deadline, self._expire)

    async def close(self) -> None:
        """Stop listening, and close what is no link yet; links that were accepted stay open."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for server in self._servers:
            server.close()
        for stream in self._reception.clear():
            stream.abort()
        while self._done:
            await self._done.popleft().close()
        self._change.happened()

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def listen(
    spec: int | str | LinkSpec | Sequence[str] = 0,
    *,
    mode: ModeName | None = None,
    host: str = "127.0.0.1",
    limits: Limits = DEFAULT_LIMITS,
    timeout: float = HALF_TIMEOUT,
) -> Listener:
    """Bind a port and return the listener; as `wstp.link.listen`."""
    parsed, connection_mode, bound = resolve_spec(spec, mode, host)
    listener = Listener(bound, connection_mode, limits, timeout)
    await listener._bind(parsed.port, parsed.message_port or 0)
    return listener

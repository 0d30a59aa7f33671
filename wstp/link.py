"""Blocking links over TCP: `connect()`, `listen()`, `Link`, `Listener`.

A thin shell over `wstp.machine.LinkMachine`: sockets, deadlines and locks live here, the protocol
does not.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import struct
import threading
import time
import uuid as uuid_module
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Literal

from wstp.errors import (
    ConnectFailed,
    LinkClosed,
    LinkSpecError,
    LinkTimeout,
    LocalProtocolError,
    WSTPError,
)
from wstp.expr import Expr, Function
from wstp.features import Features
from wstp.handshake import SERVER_PREAMBLE, Connector, Mode
from wstp.lexer import Buffer
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.linkspec import LinkSpec
from wstp.machine import LinkMachine, LinkState, Ready, is_packet
from wstp.messages import Message
from wstp.rendezvous import HALF_TIMEOUT, Dismissed, Matched, Rendezvous, Reply
from wstp.sockets import quick_acknowledge, set_up
from wstp.tokens import NEED_DATA

__all__ = ["READ_AHEAD", "Link", "Listener", "connect", "listen", "resolve_spec"]

_log = logging.getLogger("wstp.link")

# Decoded or not, so many unread bytes stop the reading of the data connection while nobody waits
# for an expression.
READ_AHEAD: Final = 16 << 20
_SMALL_READ: Final = 1 << 15
_LARGE_READ: Final = 1 << 20
_VECTORS: Final = 64
_SLICE: Final = 0.05
_LINGER: Final = 1.0

ModeName = Literal["uuid", "default"]


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _remaining(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _milliseconds(seconds: float | None) -> int | None:
    # Rounded up: a poll that ends a moment early would spin.
    return None if seconds is None else int(seconds * 1000) + 1 if seconds > 0 else 0


class Link:
    """Be one end of a link; made by `connect()` or `Listener.accept()`.

    One thread may read (`get`, `next_packet`, `wait`, `ready`, `get_message`) while another writes
    (`put`, `put_raw`, `end_packet`, `flush`, `put_message`). A context manager: leaving it closes
    the link.

    Attributes:
        on_message: if set, called with each message instead of queueing it, from whichever blocking
            call finds it (`get`, `next_packet`, `wait`, `flush`).
        read_ahead: how many unread bytes `flush` may take in while nobody waits for an expression.
    """

    def __init__(
        self, machine: LinkMachine, data: socket.socket, message: socket.socket, name: str = ""
    ) -> None:
        """Take an active machine and its two connected sockets."""
        self._machine = machine
        self._data = data
        self._message = message
        self._name = name
        # Guards the machine; never held while waiting.
        self._lock = threading.Lock()
        # Held by whoever reads the sockets, and by whoever writes the data connection, while they
        # wait.
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._writing_message = threading.Lock()
        self._size = _SMALL_READ
        self._data_open = True
        self._message_open = True
        self._doubt_deadline: float | None = None
        self._closed = False
        self.on_message: Callable[[Message], None] | None = None
        self.read_ahead = READ_AHEAD
        for connection in (data, message):
            connection.setblocking(False)

    # -- writing
    # --------------------------------------------------------------------------------------------

    def put(self, expr: Expr, *, end_packet: bool = False) -> None:
        """Queue an expression for the next `flush()`.

        A big numpy array is not copied: leave it as it is until it has been flushed.

        Args:
            expr: see the table in `wstp.expr`.
            end_packet: end the packet after it.

        Raises:
            TypeError: a value that stands for no expression; nothing has been queued.
            LinkClosed, LinkLost: the link has ended.
        """
        with self._lock:
            self._machine.put(expr, end_packet=end_packet)

    def put_raw(self, buffers: Sequence[Buffer]) -> None:
        """Queue bytes that are tokens already."""
        with self._lock:
            self._machine.put_raw(buffers)

    def end_packet(self) -> None:
        """Queue the end of a packet."""
        self.put_raw((b"]",))

    def flush(self, timeout: float | None = None) -> None:
        """Write what is queued, in as few system calls as it takes; take in what the peer says
        meanwhile.

        Raises:
            LinkTimeout: not all could be written in time; the rest stays queued, flush again.
            LinkClosed, LinkLost: the link has ended.
        """
        deadline = _deadline(timeout)
        with self._writing:
            self._flush(deadline)
        self._deliver()

    def _flush(self, deadline: float | None) -> None:
        with self._lock:
            pending: deque[memoryview] = deque(
                memoryview(data) for data in self._machine.data_to_send() if len(data)
            )
        try:
            while pending:
                try:
                    vectors = [pending[at] for at in range(min(_VECTORS, len(pending)))]
                    sent = self._data.sendmsg(vectors) if len(vectors) > 1 else self._data.send(vectors[0])
                except (BlockingIOError, InterruptedError):
                    self._wait_to_write(deadline)
                    continue
                except OSError:
                    raise self._broken() from None
                while sent:
                    if sent >= len(pending[0]):
                        sent -= len(pending.popleft())
                    else:
                        pending[0] = pending[0][sent:]
                        sent = 0
        finally:
            if pending:
                with self._lock:
                    self._machine.requeue(list(pending))

    def _wait_to_write(self, deadline: float | None) -> None:
        """Wait until the data connection takes bytes; read meanwhile, so that two writers cannot
        lock each other.
        """
        remaining = _remaining(deadline)
        if remaining == 0:
            raise LinkTimeout(f"{self}: the peer does not read: not all could be written in time")
        if self._reading.acquire(blocking=False):
            try:
                with self._lock:
                    room = self._machine.unread < self.read_ahead
                # A slice of time only, so that a thread that wants to read gets its turn.
                pause = _SLICE if remaining is None else min(_SLICE, remaining)
                self._poll(pause, data=room, write=True)
            finally:
                self._reading.release()
            self._deliver()
        else:
            poller = select.poll()
            poller.register(self._data, select.POLLOUT)
            poller.poll(_milliseconds(remaining))

    def _broken(self) -> WSTPError:
        """Find out, after a write failed, how the link ended."""
        if self._reading.acquire(timeout=_LINGER):
            try:
                deadline = _deadline(_LINGER + 0.5)
                while not self._ended() and self._poll(_remaining(deadline) or 0.0, data=True):
                    pass
            finally:
                self._reading.release()
        with self._lock:
            if not self._machine.ended:
                self._machine.data_ended()
                self._machine.doubt_over()
            return self._machine.end_error()

    def put_message(self, code: int, parameter: int = 0) -> None:
        """Send an out-of-band message at once.

        Args:
            code: 1 to 255, see `wstp.MessageCode`.
            parameter: a signed 32-bit integer.

        Raises:
            LocalProtocolError: code or parameter out of range.
            LinkTimeout: the peer reads no messages.
            LinkClosed, LinkLost: the link has ended.
        """
        with self._writing_message:
            with self._lock:
                self._machine.put_message(code, parameter)
                data = self._machine.message_to_send()
            self._send_message(data, _deadline(10.0))

    def _send_message(self, data: bytes, deadline: float | None) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._message.send(view) :]
            except (BlockingIOError, InterruptedError):
                remaining = _remaining(deadline)
                if remaining == 0:
                    raise LinkTimeout(f"{self}: the peer does not read its message connection") from None
                poller = select.poll()
                poller.register(self._message, select.POLLOUT)
                poller.poll(_milliseconds(remaining))
            except OSError:
                raise self._broken() from None

    # -- reading
    # --------------------------------------------------------------------------------------------

    def get(self, timeout: float | None = None) -> Expr:
        """Return the next complete expression; ends of packets are passed over. Flushes first.

        Raises:
            LinkTimeout: none came in time; what came of it is kept.
            LinkClosed: all has been read, and the peer has closed the link.
            LinkLost: all has been read, and the connection went without a word.
            RemoteProtocolError: the peer's bytes are wrong; from now on always.
            LimitExceeded: a bound of `Limits` was passed; from now on always.
        """
        deadline = _deadline(timeout)
        self._flush_before_reading(deadline)
        with self._reading:
            while True:
                with self._lock:
                    found = self._machine.next_expression()
                if found is not NEED_DATA:
                    return found
                if not self._poll_and_deliver(deadline, data=True):
                    raise LinkTimeout(f"{self}: no expression in {timeout:g} s")

    def next_packet(self, timeout: float | None = None) -> Function:
        """Return the next expression that is a packet: a function headed by a symbol. Raises as
        `get()` does.
        """
        deadline = _deadline(timeout)
        while True:
            expr = self.get(_remaining(deadline))
            if is_packet(expr):
                packet: Function = expr
                return packet

    def ready(self) -> bool:
        """Tell whether `get()` would return (or say that the link has ended) without waiting."""
        return self.wait(0.0).data

    def message_ready(self) -> bool:
        """Tell whether `get_message()` has a message."""
        return self.wait(0.0).message

    def wait(self, timeout: float | None = None) -> Ready:
        """Wait until an expression or a message can be had; after the time-out both parts of
        `Ready` are False.
        """
        deadline = _deadline(timeout)
        self._flush_before_reading(deadline)
        with self._reading:
            looked = False
            while True:
                with self._lock:
                    ready = Ready(self._machine.poll(), self._machine.has_message)
                if looked and (ready.data or ready.message):
                    return ready
                if ready.data or ready.message:
                    # One look at the sockets all the same: data that is ready must not hide an
                    # abort.
                    self._poll_and_deliver(time.monotonic(), data=False)
                    looked = True
                    continue
                looked = self._poll_and_deliver(deadline, data=True)
                if not looked:
                    return Ready(False, False)

    def get_message(self) -> Message | None:
        """Return the next out-of-band message, or None when there is none."""
        with self._reading:
            self._poll_and_deliver(time.monotonic(), data=False)
            with self._lock:
                return self._machine.next_message()

    def _flush_before_reading(self, deadline: float | None) -> None:
        # As the C library does: who waits for an answer wants the question gone. A thread that is
        # writing flushes itself.
        with self._lock:
            queued = self._machine.queued
        if queued and self._writing.acquire(blocking=False):
            try:
                # What stops the writing (the link's end) is told by the reading, after all that
                # came before.
                with contextlib.suppress(WSTPError):
                    self._flush(deadline)
            finally:
                self._writing.release()
            self._deliver()

    def _ended(self) -> bool:
        with self._lock:
            return self._machine.ended

    def _poll_and_deliver(self, deadline: float | None, *, data: bool) -> bool:
        """Wait for something on either connection; return False when the deadline passed with
        nothing.
        """
        while True:
            with self._lock:
                if self._machine.ended:
                    return True
            remaining = _remaining(deadline)
            happened = self._poll(remaining, data=data)
            self._deliver()
            if happened:
                return True
            if remaining == 0 or (deadline is not None and time.monotonic() >= deadline):
                return False

    def _poll(self, timeout: float | None, *, data: bool, write: bool = False) -> bool:
        """Wait for the sockets once and take in what they have; the caller holds `_reading`."""
        with self._lock:
            full = self._machine.messages_full
            doubt = self._machine.doubt
        if doubt is None:
            self._doubt_deadline = None
        elif self._doubt_deadline is None:
            self._doubt_deadline = time.monotonic() + doubt
        poller = select.poll()
        data_file, message_file = self._data.fileno(), self._message.fileno()
        if data_file < 0 or message_file < 0:
            raise LinkClosed("the link is closed")
        events = (select.POLLIN if data and self._data_open else 0) | (select.POLLOUT if write else 0)
        if events:
            poller.register(data_file, events)
        if self._message_open and not full:
            poller.register(message_file, select.POLLIN)
        wait = timeout
        if self._doubt_deadline is not None:
            left = max(0.0, self._doubt_deadline - time.monotonic())
            wait = left if wait is None else min(wait, left)
        happened = poller.poll(_milliseconds(wait))
        seen = False
        for file, event in happened:
            if file == message_file:
                seen |= self._read_message()
            elif event & ~select.POLLOUT and data and self._data_open:
                seen |= self._read_data()
            else:
                seen = True
        if seen:
            self._doubt_deadline = None
        elif self._doubt_deadline is not None and time.monotonic() >= self._doubt_deadline:
            with self._lock:
                self._machine.doubt_over()
            seen = True
        return seen

    def _read_data(self) -> bool:
        try:
            chunk = self._data.recv(self._size)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            chunk = b""
        if not chunk:
            self._data_open = False
            with self._lock:
                self._machine.data_ended()
            return True
        # Big reads while there is much, small ones otherwise: a big buffer costs its allocation.
        self._size = _LARGE_READ if len(chunk) == self._size else _SMALL_READ
        quick_acknowledge(self._data)
        with self._lock:
            self._machine.receive_data(chunk)
        return True

    def _read_message(self) -> bool:
        try:
            chunk = self._message.recv(4096)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            chunk = b""
        with self._lock:
            if chunk:
                self._machine.receive_message(chunk)
            else:
                self._message_open = False
                self._machine.message_ended()
        if chunk:
            quick_acknowledge(self._message)
        return True

    def _deliver(self) -> None:
        """Hand queued messages to `on_message`, if it is set; no lock of the machine is held."""
        while (handler := self.on_message) is not None:
            with self._lock:
                message = self._machine.next_message()
            if message is None:
                return
            handler(message)

    # -- the rest
    # -------------------------------------------------------------------------------------------

    def close(self, timeout: float = 5.0) -> None:
        """Close the link: flush (for at most `timeout` seconds), say message 9, close both
        connections.

        Closing twice, or a link that has ended, is no error.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        deadline = _deadline(timeout)
        if self._writing.acquire(timeout=timeout):
            try:
                with self._lock:
                    writable = self._machine.state in (LinkState.ACTIVE, LinkState.MESSAGE_GONE)
                if writable:
                    with contextlib.suppress(WSTPError):
                        self._flush(deadline)
            finally:
                self._writing.release()
        with self._writing_message:
            with self._lock:
                self._machine.close()
                last = self._machine.say_closing()
            if last:
                with contextlib.suppress(OSError):
                    self._message.send(last)
        for connection in (self._message, self._data):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        # A reader in another thread sees the end of both connections now; wait for it to let go.
        for connection in (self._message, self._data):
            _drain(connection, deadline)
            connection.close()

    def abort(self) -> None:
        """Drop the link as a killed program does: both connections are reset, nothing is flushed or
        said.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._machine.close()
        for connection in (self._message, self._data):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    @property
    def closed(self) -> bool:
        """Tell whether the link has ended, by whomever."""
        with self._lock:
            return self._closed or self._machine.state in (LinkState.CLOSED, LinkState.LOST, LinkState.FAILED)

    @property
    def state(self) -> LinkState:
        """Return where the link stands."""
        return self._machine.state

    @property
    def peer_features(self) -> Features:
        """Return what the peer announced in its greeting."""
        return self._machine.peer_features

    def fileno(self) -> int:
        """Return the data socket's descriptor (-1 once closed), for `select`; look at `ready()`
        before waiting on it.
        """
        return self._data.fileno()

    def message_fileno(self) -> int:
        """Return the message socket's descriptor (-1 once closed)."""
        return self._message.fileno()

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Link {self._name} {self._machine.state.value}>"

    def __str__(self) -> str:
        return f"link {self._name}"


def _drain(connection: socket.socket, deadline: float | None) -> None:
    """Throw away what a peer still sends: closing over unread bytes would reset the connection and
    lose our last words.
    """
    end = time.monotonic() + _LINGER
    got = False
    while time.monotonic() < end:
        try:
            if not connection.recv(1 << 18):
                return
            got = True
        except BlockingIOError:
            if not got:
                return
            poller = select.poll()
            poller.register(connection, select.POLLIN)
            if not poller.poll(_milliseconds(max(0.0, end - time.monotonic()))):
                return
        except OSError:
            return


# -- connecting
# --------------------------------------------------------------------------------------------------


def resolve_spec(
    spec: int | str | LinkSpec | Sequence[str], mode: str | None, default_host: str = "127.0.0.1"
) -> tuple[LinkSpec, Mode, str]:
    """Return (specification, connection mode, host) of what a caller asked for.

    A bare port means a link server, that is UUID mode; anything else says itself (link option 4).

    Raises:
        LinkSpecError: not a TCPIP link, or nothing that can be understood.
    """
    parsed = LinkSpec.parse(spec)
    if not parsed.is_tcp:
        raise LinkSpecError(f"only TCPIP links can be opened here, not {parsed.mode} over {parsed.protocol}")
    if mode not in (None, "uuid", "default"):
        raise LinkSpecError(f"link mode {mode!r} is neither 'uuid' nor 'default'")
    bare = isinstance(spec, int) or (isinstance(spec, str) and spec.strip().isdigit())
    uuid_mode = mode == "uuid" if mode is not None else parsed.uuid_mode or bare
    return parsed, (Mode.UUID if uuid_mode else Mode.DEFAULT), parsed.host or default_host


def connect(
    spec: int | str | LinkSpec | Sequence[str],
    *,
    timeout: float | None = 10.0,
    limits: Limits = DEFAULT_LIMITS,
    mode: ModeName | None = None,
    tolerant: bool = False,
) -> Link:
    """Open a link to a listening peer and exchange greetings.

    Args:
        spec: a port, `port@host`, `port@host,port2@host2`, a command line (text or list), or a
            `LinkSpec`.
        timeout: seconds for all of it.
        limits: bounds on what the peer may send.
        mode: "uuid" for a link server, "default" for an ordinary peer; None: as the specification's
            options say, and "uuid" for a bare port.
        tolerant: whether an expression with a number whose text is none comes as a `wstp.Misread`;
            otherwise it is an error, which ends the link.

    Raises:
        LinkSpecError: the specification cannot be understood.
        ConnectFailed: nobody listens there, or who does speaks no WSTP.
        LinkTimeout: not done in time.
    """
    parsed, connection_mode, host = resolve_spec(spec, mode)
    if not parsed.name:
        raise LinkSpecError("no -linkname to connect to")
    deadline = _deadline(timeout)
    where = f"{parsed.port}@{host}"
    connector = Connector(
        connection_mode,
        str(uuid_module.uuid4()) if connection_mode is Mode.UUID else None,
        knows_message_port=parsed.message_port is not None,
    )
    machine = LinkMachine(connector, limits=limits, tolerant=tolerant)
    opened: list[socket.socket] = []
    try:
        data = _open(host, parsed.port, where, deadline)
        opened.append(data)
        message: socket.socket | None = None
        while True:
            for buffer in machine.data_to_send():
                data.settimeout(_remaining_or_raise(deadline, where))
                data.sendall(buffer)
            if machine.active:
                break
            if message is None and machine.opens_message:
                if connection_mode is Mode.UUID:
                    message_host, port = host, parsed.port
                else:
                    message_host = parsed.message_host or host
                    port = parsed.message_port or machine.message_port or 0
                message = _open(message_host, port, f"{port}@{message_host}", deadline)
                opened.append(message)
                if machine.message_introduction:
                    message.sendall(machine.message_introduction)
                continue
            data.settimeout(_remaining_or_raise(deadline, where))
            chunk = data.recv(1 << 16)
            if not chunk:
                raise ConnectFailed(f"{where} closed the connection before the link was made")
            machine.receive_data(chunk)
            if machine.failed:
                raise ConnectFailed(f"{where} is no WSTP peer in {connection_mode.value} mode: {machine.end_error()}")
    except TimeoutError:
        _close_all(opened)
        raise LinkTimeout(f"{where}: the link was not made in {timeout:g} s") from None
    except OSError as error:
        _close_all(opened)
        raise ConnectFailed(f"cannot connect to {where}: {error.strerror or error}") from None
    except BaseException:
        _close_all(opened)
        raise
    assert message is not None
    return Link(machine, data, message, where)


def _open(host: str, port: int, where: str, deadline: float | None) -> socket.socket:
    try:
        connection = socket.create_connection((host, port), _remaining_or_raise(deadline, where))
    except TimeoutError:
        raise
    except OSError as error:
        raise ConnectFailed(f"cannot connect to {where}: {error.strerror or error}") from None
    set_up(connection)
    return connection


def _remaining_or_raise(deadline: float | None, where: str) -> float | None:
    remaining = _remaining(deadline)
    if remaining == 0:
        raise TimeoutError(where)
    return remaining


def _close_all(connections: Sequence[socket.socket]) -> None:
    for connection in connections:
        connection.close()


# -- listening
# ---------------------------------------------------------------------------------------------------


class Listener:
    """Accept links; made by `listen()`. A context manager: leaving it closes the listener, not its
    links.

    Connections that are no link, or not all of one in ten seconds, are closed with a log line and
    counted in `rendezvous`. They are looked at only while `accept()` runs.
    """

    def __init__(self, host: str, port: int, message_port: int, mode: Mode, limits: Limits, timeout: float) -> None:
        """Bind; raises OSError when the port is taken."""
        self._limits = limits
        self._mode = mode
        self._host = host
        self._greeting_limit = timeout
        self._first = socket.create_server((host, port), family=_family(host), backlog=128)
        self._second: socket.socket | None = None
        try:
            if mode is Mode.DEFAULT:
                self._second = socket.create_server((host, message_port), family=_family(host), backlog=128)
                self._second.setblocking(False)
        except BaseException:
            self._first.close()
            raise
        self._first.setblocking(False)
        self.port: int = self._first.getsockname()[1]
        self.message_port: int | None = self._second.getsockname()[1] if self._second is not None else None
        self.rendezvous: Rendezvous[socket.socket] = Rendezvous((mode.value,), self.message_port, timeout)
        # Links whose greeting is under way: machine, the two connections, deadline.
        self._greeting: dict[int, tuple[LinkMachine, socket.socket, socket.socket, float]] = {}
        self._done: deque[Link] = deque()
        self._halves: dict[int, socket.socket] = {}
        self._closed = False

    @property
    def link_name(self) -> str:
        """Return the link name for the peer: `port@host`, with the message port in default mode."""
        name = f"{self.port}@{self._host}"
        return name if self.message_port is None else f"{name},{self.message_port}@{self._host}"

    def accept(self, timeout: float | None = None) -> Link:
        """Return the next link whose greeting is done.

        Raises:
            LinkTimeout: none came in time.
            LinkClosed: the listener is closed.
        """
        deadline = _deadline(timeout)
        while not self._done:
            if self._closed:
                raise LinkClosed("the listener is closed")
            now = time.monotonic()
            self._act(self.rendezvous.expire(now))
            for entry in [entry for entry in self._greeting.values() if entry[3] <= now]:
                self._abandon(entry, f"greeting not complete in {self._greeting_limit:g} s")
            if self._done:
                break
            remaining = _remaining(deadline)
            ends = [entry[3] for entry in self._greeting.values()]
            if (half := self.rendezvous.next_deadline()) is not None:
                ends.append(half)
            wait = remaining
            if ends:
                until = max(0.0, min(ends) - now)
                wait = until if wait is None else min(wait, until)
            if not self._poll(wait) and remaining == 0:
                raise LinkTimeout(f"no link at {self.link_name} in {timeout:g} s")
        return self._done.popleft()

    def _poll(self, wait: float | None) -> bool:
        poller = select.poll()
        poller.register(self._first, select.POLLIN)
        if self._second is not None:
            poller.register(self._second, select.POLLIN)
        for file in (*self._halves, *self._greeting):
            poller.register(file, select.POLLIN)
        events = poller.poll(_milliseconds(wait))
        for file, _ in events:
            if file == self._first.fileno():
                self._accept(self._first)
            elif self._second is not None and file == self._second.fileno():
                self._accept(self._second)
            elif file in self._halves:
                self._read_half(self._halves[file])
            elif file in self._greeting:
                self._read_greeting(file)
        return bool(events)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        connection.setblocking(False)
        set_up(connection)
        self._halves[connection.fileno()] = connection
        now = time.monotonic()
        if listening is self._first:
            self._act(self.rendezvous.add(connection, now))
        else:
            self._act(self.rendezvous.add_message(connection, now))

    def _read_half(self, connection: socket.socket) -> None:
        try:
            chunk = connection.recv(4096)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            chunk = b""
        if chunk:
            self._act(self.rendezvous.receive(connection, chunk))
        else:
            self._act(self.rendezvous.ended(connection))
            self._forget(connection)
            connection.close()

    def _forget(self, connection: socket.socket) -> None:
        self._halves = {file: half for file, half in self._halves.items() if half is not connection}

    def _act(
        self, actions: Sequence[Reply[socket.socket] | Matched[socket.socket] | Dismissed[socket.socket]]
    ) -> None:
        for action in actions:
            if isinstance(action, Reply):
                with contextlib.suppress(OSError):
                    action.connection.send(action.data)
            elif isinstance(action, Dismissed):
                _log.warning("%s: connection from %s %s", self.link_name, _peer(action.connection), action.reason)
                self._forget(action.connection)
                action.connection.close()
            else:
                self._forget(action.data)
                self._forget(action.message)
                preamble = SERVER_PREAMBLE if action.introduction.mode is Mode.UUID else b""
                machine = LinkMachine(preamble=preamble, limits=self._limits)
                entry = (machine, action.data, action.message, time.monotonic() + self._greeting_limit)
                self._greeting[action.data.fileno()] = entry
                try:
                    action.data.send(b"".join(machine.data_to_send()))
                except OSError as error:
                    self._abandon(entry, str(error))
                    continue
                machine.receive_message(action.message_trailing)
                machine.receive_data(action.data_trailing)
                self._look(action.data.fileno())

    def _read_greeting(self, file: int) -> None:
        entry = self._greeting[file]
        try:
            chunk = entry[1].recv(1 << 16)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._abandon(entry, "went away during the greeting")
            return
        entry[0].receive_data(chunk)
        self._look(file)

    def _look(self, file: int) -> None:
        entry = self._greeting[file]
        machine, data, message, _ = entry
        if machine.failed:
            self._abandon(entry, f"is no WSTP peer: {machine.end_error()}")
        elif machine.active:
            del self._greeting[file]
            self._done.append(Link(machine, data, message, f"{self.port}@{self._host} from {_peer(data)}"))

    def _abandon(self, entry: tuple[LinkMachine, socket.socket, socket.socket, float], reason: str) -> None:
        _log.warning("%s: link from %s %s", self.link_name, _peer(entry[1]), reason)
        self._greeting.pop(entry[1].fileno(), None)
        entry[1].close()
        entry[2].close()

    def close(self) -> None:
        """Stop listening, and close what is no link yet; links that were accepted live on."""
        self._closed = True
        self._first.close()
        if self._second is not None:
            self._second.close()
        for connection in self._halves.values():
            connection.close()
        self._halves.clear()
        for _, data, message, _ in self._greeting.values():
            data.close()
            message.close()
        self._greeting.clear()
        while self._done:
            self._done.popleft().close()

    def fileno(self) -> int:
        """Return the first listening socket's descriptor."""
        return self._first.fileno()

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _peer(connection: socket.socket) -> str:
    try:
        name = connection.getpeername()
    except OSError:
        return "a peer that is gone"
    return f"{name[0]}:{name[1]}"


def listen(
    spec: int | str | LinkSpec | Sequence[str] = 0,
    *,
    mode: ModeName | None = None,
    host: str = "127.0.0.1",
    limits: Limits = DEFAULT_LIMITS,
    timeout: float = HALF_TIMEOUT,
) -> Listener:
    """Listen for links.

    Args:
        spec: as for `connect()`; port 0 takes a free one, see `Listener.port`.
        mode: "uuid": any number of clients on one port; "default": ordinary peers, with a message
            port of its own. None: as the specification's options say, and "uuid" for a bare port.
        host: the interface to bind, unless the specification names one.
        limits: bounds on what peers may send.
        timeout: seconds a connection may take to become a link.

    Raises:
        LinkSpecError: the specification cannot be understood.
        OSError: the port cannot be bound.
    """
    parsed, connection_mode, bound = resolve_spec(spec, mode, host)
    if parsed.mode == "launch":
        raise LocalProtocolError("a link that launches a program cannot listen")
    return Listener(bound, parsed.port, parsed.message_port or 0, connection_mode, limits, timeout)

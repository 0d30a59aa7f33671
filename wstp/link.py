"""Blocking links: `connect()` and `listen()` over TCP, `over()` two sockets; `Link`, `Listener`.

A thin shell over `wstp.machine.LinkMachine`. This module has the sockets, the deadlines and the
locks. The protocol is in the machine; `wstp.linkbase`, `wstp.connecting` and `wstp.reception` have
what this shell shares with `wstp.aio`.
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
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from wstp.connecting import Connecting, cannot_connect
from wstp.errors import ConnectFailed, LinkClosed, LinkTimeout, WSTPError
from wstp.expr import Expr, Function
from wstp.handshake import Mode
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.linkbase import LINGER, READ_AHEAD, LinkBase
from wstp.linkspec import LinkSpec, ModeName, resolve_spec
from wstp.machine import LinkMachine, Ready, is_packet
from wstp.messages import Message
from wstp.reception import Abandoned, Made, Reception, Step
from wstp.rendezvous import HALF_TIMEOUT, Dismissed, Reply
from wstp.sockets import Connection, Tunnel, quick_acknowledge, set_up
from wstp.tokens import NEED_DATA

__all__ = ["READ_AHEAD", "Link", "Listener", "connect", "listen", "over"]

_log = logging.getLogger("wstp.link")

_SMALL_READ: Final = 1 << 15
_LARGE_READ: Final = 1 << 20
_VECTORS: Final = 64
_SLICE: Final = 0.05
_REST: Final = 1.0


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _remaining(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _milliseconds(seconds: float | None) -> int | None:
    # Rounded up: a poll that ended too early would be called again and again until the deadline.
    return None if seconds is None else int(seconds * 1000) + 1 if seconds > 0 else 0


class Link(LinkBase):
    """One end of a link; `connect()` and `Listener.accept()` make it.

    One thread may read (`get`, `next_packet`, `wait`, `ready`, `get_message`) while another writes
    (`put`, `put_raw`, `end_packet`, `flush`, `put_message`). The link is a context manager; to
    leave it closes the link.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from wstp import MessageCode
    >>> with listen() as listener, ThreadPoolExecutor() as pool:
    ...     accepted = pool.submit(listener.accept, 60)
    ...     with connect(listener.port, timeout=60) as one, accepted.result() as other:
    ...         other.put([1, 2.5, "three"])
    ...         other.flush()
    ...         other.put_message(MessageCode.INTERRUPT)
    ...         print(one.get(timeout=60))
    ...         while (message := one.get_message()) is None:
    ...             one.wait(timeout=60)
    ...         print(message)
    [1, 2.5, 'three']
    Message(code=2, parameter=0)

    Attributes:
        on_message: the function that takes each message, called from the blocking call that finds
            it (`get`, `next_packet`, `wait`, `flush`); None keeps messages for `get_message()`.
        read_ahead: the number of unread bytes that `flush` may take in while nobody waits for an
            expression.
    """

    _kind = "Link"

    def __init__(
        self, machine: LinkMachine, data: Connection, message: Connection, name: str = ""
    ) -> None:
        """Take an active machine and its two connected sockets."""
        # Guards the machine; never held while waiting.
        self._lock = threading.Lock()
        super().__init__(machine, name, self._lock)
        self._data = data
        self._message = message
        # The first is held by the thread that reads the sockets, the others by the one that writes
        # to the data or message connection; all of them while that thread waits.
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._writing_message = threading.Lock()
        self._size = _SMALL_READ
        self._data_open = True
        self._message_open = True
        self._doubt_deadline: float | None = None
        for connection in (data, message):
            connection.setblocking(False)

    # -- writing

    def flush(self, timeout: float | None = None) -> None:
        """Write what is queued in few system calls, and take in what the peer sends meanwhile.

        Args:
            timeout: the time in seconds; None waits as long as it takes.

        Raises:
            LinkTimeout: not all could be written in time. The rest stays queued; flush again.
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
        """Wait until the data connection takes bytes, and read meanwhile.

        Two peers that both write and do not read would wait for each other for ever.
        """
        remaining = _remaining(deadline)
        if remaining == 0:
            raise self._not_written()
        if self._reading.acquire(blocking=False):
            try:
                with self._lock:
                    room = self._machine.unread < self.read_ahead
                # Wait for a slice of time only, so that a thread that wants to read gets its turn.
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
        """Read on after a write failed, and return the error that says how the link ended."""
        if self._reading.acquire(timeout=_REST):
            try:
                deadline = _deadline(_REST + 0.5)
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

        What is queued is written before it, as far as that goes without waiting: an abort is for
        what was put before it.

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
            self._flush_what_goes(_deadline(0.0))
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

    def get(self, timeout: float | None = None) -> Expr:
        """Flush, and return the next complete expression; skip ends of packets.

        Args:
            timeout: the time in seconds; None waits as long as it takes.

        Raises:
            LinkTimeout: none came in time. What has come of it is kept for the next call.
            PacketFault: it came, and cannot be read. The next call reads what follows it.
            LinkClosed: all has been read, and the peer has closed the link.
            LinkLost: all has been read, and the connection ended without message 9.
            RemoteProtocolError: the peer's bytes are wrong. Every later call raises it too.
            LimitExceeded: a bound of `Limits` was passed. Every later call raises it too.
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
                    raise self._no_expression(timeout)

    def next_packet(self, timeout: float | None = None) -> Function:
        """Return the next expression that is a packet, a function whose head is a symbol.

        Other expressions are dropped. Raises as `get()` does.
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
        """Wait for an expression, a message or the link's end; return what there is.

        Both parts of `Ready` are False when `timeout` seconds have passed.
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
                    # Look at the sockets once all the same: data that is ready must not hide an
                    # abort message.
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
        # The C library does so too: a caller that waits for an answer wants the question sent.
        if self._flush_what_goes(deadline):
            self._deliver()

    def _flush_what_goes(self, deadline: float | None) -> bool:
        """Write what is queued, unless a thread is writing, which flushes itself."""
        with self._lock:
            queued = self._machine.queued
        if queued and self._writing.acquire(blocking=False):
            try:
                # An error of the write (the link's end) is raised by the read, after everything
                # that came before the end.
                with contextlib.suppress(WSTPError):
                    self._flush(deadline)
            finally:
                self._writing.release()
            return True
        return False

    def _ended(self) -> bool:
        with self._lock:
            return self._machine.ended

    def _poll_and_deliver(self, deadline: float | None, *, data: bool) -> bool:
        """Wait for bytes or an end on either connection; return False when the deadline passed.

        The message connection is always looked at, the data connection only with `data`.
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
            self._data_open = False
            with self._lock:
                self._machine.data_ended(reset=True)
            return True
        if not chunk:
            self._data_open = False
            with self._lock:
                self._machine.data_ended()
            # A peer that closes waits for this before it says 9.
            with contextlib.suppress(OSError):
                self._data.shutdown(socket.SHUT_WR)
            return True
        # Read big pieces only while there is much to read: the allocation of a big buffer costs.
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

    # -- closing, and the rest

    def close(self, timeout: float = 5.0, linger: float = LINGER) -> None:
        """Flush, end the data connection, send message 9, and close (PROTOCOL.md section 7).

        A C library that hears message 9 does not read what is left on the data connection. So a
        peer that may be one is waited for until it has read all and closed its side, or for
        `linger` seconds. To close a link twice, or a link that has ended, is no error.

        Args:
            timeout: the time in seconds that the flush may take.
            linger: the time in seconds that the peer may take to read what was written, and to go.
        """
        if not self._begin_closing():
            return
        written = self._write_the_rest(timeout)
        self._end_data(linger if written else 0.0)
        self._say_closing()
        self._let_go()

    def _write_the_rest(self, timeout: float) -> bool:
        """Flush within `timeout` seconds; return False when that was not possible."""
        deadline = _deadline(timeout)
        if not self._writing.acquire(timeout=timeout):
            return False
        try:
            if self._can_write():
                self._flush(deadline)
        except WSTPError as error:
            _log.debug("%s: closing: %s", self, error)
            return False
        finally:
            self._writing.release()
        return True

    def _end_data(self, linger: float) -> None:
        """End what is written; if the peer is to be waited for, read and drop until it has gone."""
        waits, deadline = self._stop(), time.monotonic() + linger
        with contextlib.suppress(OSError):
            self._data.shutdown(socket.SHUT_WR)
        while waits and not self._peer_leaves() and (left := deadline - time.monotonic()) > 0:
            poller = select.poll()
            poller.register(self._data, select.POLLIN)
            poller.register(self._message, select.POLLIN)
            for file, _ in poller.poll(_milliseconds(left)):
                if file == self._data.fileno():
                    waits &= _dropped(self._data)
                else:
                    self._read_message()
                    waits &= self._message_open

    def _say_closing(self) -> None:
        """Send message 9."""
        with self._writing_message:
            last = self._last_message()
            if last:
                with contextlib.suppress(OSError):
                    self._message.send(last)

    def _let_go(self) -> None:
        """Shut down both connections, read what the peer still sends, and close them."""
        for connection in (self._message, self._data):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        for connection in (self._message, self._data):
            _drain(connection)
            # This wakes a reader in another thread, if the peer's end of the connections has not.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def abort(self) -> None:
        """Reset both connections, as when a program is killed: nothing is flushed or sent."""
        if not self._begin_closing():
            return
        with self._lock:
            self._machine.close()
        for connection in (self._message, self._data):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def fileno(self) -> int:
        """Return the data socket's descriptor for `select`, -1 once closed.

        Call `ready()` before you wait on it: bytes that have been read already do not show there.
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


def _dropped(connection: Connection) -> bool:
    """Read once and drop what is read; return False at the end."""
    try:
        return bool(connection.recv(_LARGE_READ))
    except (BlockingIOError, InterruptedError):
        return True
    except OSError:
        return False


def _drain(connection: Connection) -> None:
    """Read and drop what a peer still sends, for at most a second.

    To close over unread bytes would reset the connection, and the peer would lose our last bytes.
    """
    end = time.monotonic() + _REST
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


def connect(
    spec: int | str | LinkSpec | Sequence[str],
    *,
    timeout: float | None = 10.0,
    limits: Limits = DEFAULT_LIMITS,
    mode: ModeName | None = None,
    tls: Tunnel | None = None,
) -> Link:
    """Open a link to a listening peer and exchange greetings.

    Args:
        spec: a port, `port@host`, `port@host,port2@host2`, a command line (text or list), or a
            `LinkSpec`.
        timeout: the time in seconds for all of it.
        limits: bounds on what the peer may send.
        mode: "uuid" for a link server, "default" for an ordinary peer. None follows the options of
            the specification, and takes a bare port for a link server.
        tls: a `wstp.tls.Tls`, for a peer behind a proxy that speaks TLS; None: the connections are
            plain.

    Raises:
        LinkSpecError: the specification cannot be understood.
        ConnectFailed: nobody listens there, or the listener does not speak WSTP (or TLS:
            `wstp.tls.TlsFailed`).
        LinkTimeout: the link was not made in time.

    >>> connect("-linkmode connect -linkname 31415@")
    Traceback (most recent call last):
        ...
    wstp.errors.LinkSpecError: link name '31415@': no host after '@'

    The example of the package (`wstp`) has a link that works.
    """
    connecting = Connecting(spec, mode, str(uuid_module.uuid4()), limits=limits)
    machine, where, deadline = connecting.machine, connecting.where, _deadline(timeout)
    opened: list[Connection] = []
    try:
        data = _open(connecting.host, connecting.port, deadline, tls)
        opened.append(data)
        message: Connection | None = None
        while True:
            for buffer in machine.data_to_send():
                data.settimeout(_remaining_or_raise(deadline, where))
                data.sendall(buffer)
            if machine.active:
                break
            if message is None and (endpoint := connecting.message_endpoint()) is not None:
                message = _open(*endpoint, deadline, tls)
                opened.append(message)
                if machine.message_introduction:
                    message.sendall(machine.message_introduction)
                continue
            data.settimeout(_remaining_or_raise(deadline, where))
            chunk = data.recv(1 << 16)
            if not chunk:
                raise connecting.ended()
            machine.receive_data(chunk)
            connecting.check()
    except TimeoutError:
        _close_all(opened)
        raise connecting.late(timeout) from None
    except OSError as error:
        _close_all(opened)
        raise cannot_connect(where, error) from None
    except BaseException:
        _close_all(opened)
        raise
    assert message is not None
    return Link(machine, data, message, where)


def over(
    data: socket.socket,
    message: socket.socket,
    *,
    name: str = "",
    timeout: float | None = 10.0,
    limits: Limits = DEFAULT_LIMITS,
) -> Link:
    """Exchange greetings over two connected sockets, and return the link.

    A process that starts another can so give it a link that nobody else can reach (a pair of Unix
    sockets for each connection). Neither side introduces itself: the greeting (section 4) comes
    first. The link owns the sockets, also when this fails.

    Args:
        data: the socket that is the data connection.
        message: the socket that is the message connection.
        name: what the link is called in errors.
        timeout: the time in seconds for the greeting.
        limits: bounds on what the peer may send.

    Raises:
        ConnectFailed: the peer has gone, or does not speak WSTP.
        LinkTimeout: the greeting was not complete in time.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> pairs = socket.socketpair(), socket.socketpair()
    >>> with ThreadPoolExecutor() as pool:
    ...     other = pool.submit(over, pairs[0][1], pairs[1][1])
    ...     with over(pairs[0][0], pairs[1][0]) as one, other.result() as two:
    ...         one.put("hello")
    ...         one.flush()
    ...         two.get(timeout=60)
    'hello'
    """
    machine = LinkMachine(limits=limits, speaks_first=True)
    where, deadline = name or "the socket", _deadline(timeout)
    try:
        for connection in (data, message):
            set_up(connection)
        while True:
            for buffer in machine.data_to_send():
                data.settimeout(_remaining_or_raise(deadline, where))
                data.sendall(buffer)
            if machine.active:
                break
            data.settimeout(_remaining_or_raise(deadline, where))
            chunk = data.recv(1 << 16)
            if not chunk:
                raise ConnectFailed(f"{where}: the connection ended before the link was made")
            machine.receive_data(chunk)
            if machine.failed:
                raise ConnectFailed(f"{where} is no WSTP peer: {machine.end_error()}")
    except TimeoutError:
        _close_all((data, message))
        raise LinkTimeout(f"{where}: the link was not made in {timeout:g} s") from None
    except OSError as error:
        _close_all((data, message))
        raise cannot_connect(where, error) from None
    except BaseException:
        _close_all((data, message))
        raise
    return Link(machine, data, message, name)


def _open(host: str, port: int, deadline: float | None, tls: Tunnel | None) -> Connection:
    where = f"{port}@{host}"
    try:
        connection = socket.create_connection((host, port), _remaining_or_raise(deadline, where))
    except TimeoutError:
        raise
    except OSError as error:
        raise cannot_connect(where, error) from None
    set_up(connection)
    if tls is None:
        return connection
    connection.settimeout(_remaining_or_raise(deadline, where))
    return tls.wrap(connection, host, port)


def _remaining_or_raise(deadline: float | None, where: str) -> float | None:
    remaining = _remaining(deadline)
    if remaining == 0:
        raise TimeoutError(where)
    return remaining


def _close_all(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.close()


# -- listening


class Listener:
    """Accept links; `listen()` makes it.

    Connections that do not become a link within the time-out are closed, with a line in the log,
    and counted in `rendezvous`. They are looked at only while `accept()` runs. The listener is a
    context manager; to leave it closes the listener, but not the links that it has accepted.

    >>> with listen(mode="default") as listener:
    ...     listener.link_name == f"{listener.port}@127.0.0.1,{listener.message_port}@127.0.0.1"
    True

    Attributes:
        port: the port that is bound.
        message_port: the port of message connections in default mode; None in UUID mode.
        rendezvous: the connections that are no links yet, with counts of those dismissed.
    """

    def __init__(self, host: str, port: int, message_port: int, mode: Mode, limits: Limits, timeout: float) -> None:
        """Bind; raises OSError when the port is taken."""
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
        self._reception: Reception[socket.socket] = Reception(host, mode, limits, timeout)
        self._reception.bound(self.port, self.message_port)
        self.rendezvous = self._reception.rendezvous
        self._done: deque[Link] = deque()
        self._closed = False

    @property
    def link_name(self) -> str:
        """Return the link name for the peer: `port@host`, with the message port in default mode."""
        return self._reception.link_name

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
            self._act(self._reception.expire(now))
            if self._done:
                break
            remaining = wait = _remaining(deadline)
            if (due := self._reception.next_deadline()) is not None:
                until = max(0.0, due - now)
                wait = until if wait is None else min(wait, until)
            if not self._poll(wait) and remaining == 0:
                raise LinkTimeout(f"no link at {self.link_name} in {timeout:g} s")
        return self._done.popleft()

    def _poll(self, wait: float | None) -> bool:
        """Wait for the sockets once and take in what they have."""
        expected = {connection.fileno(): connection for connection in self._reception.expected()}
        poller = select.poll()
        poller.register(self._first, select.POLLIN)
        if self._second is not None:
            poller.register(self._second, select.POLLIN)
        for file in expected:
            poller.register(file, select.POLLIN)
        events = poller.poll(_milliseconds(wait))
        for file, _ in events:
            if file == self._first.fileno():
                self._accept(self._first)
            elif self._second is not None and file == self._second.fileno():
                self._accept(self._second)
            elif file in expected:
                self._read(expected[file])
        return bool(events)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        connection.setblocking(False)
        set_up(connection)
        to_message_port = listening is self._second
        self._act(self._reception.accept(connection, time.monotonic(), message_port=to_message_port))

    def _read(self, connection: socket.socket) -> None:
        try:
            chunk = connection.recv(1 << 16)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            chunk = b""
        if chunk:
            self._act(self._reception.receive(connection, chunk, time.monotonic()))
        else:
            self._act(self._reception.end(connection, time.monotonic()))
            connection.close()

    def _act(self, steps: Sequence[Step[socket.socket]]) -> None:
        for step in steps:
            match step:
                case Reply(connection, data):
                    # What is wrong with the connection shows when it is read.
                    with contextlib.suppress(OSError):
                        connection.send(data)
                case Dismissed(connection, reason):
                    _log.warning("%s: connection from %s %s", self.link_name, _peer(connection), reason)
                    connection.close()
                case Abandoned(connection, message, reason):
                    _log.warning("%s: link from %s %s", self.link_name, _peer(connection), reason)
                    connection.close()
                    message.close()
                case Made(machine, connection, message):
                    name = self._reception.name_of(_peer(connection))
                    self._done.append(Link(machine, connection, message, name))

    def close(self) -> None:
        """Stop listening, and close what is no link yet; links that were accepted stay open."""
        self._closed = True
        self._first.close()
        if self._second is not None:
            self._second.close()
        for connection in self._reception.clear():
            connection.close()
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
    """Bind a port and return the listener.

    Args:
        spec: as for `connect()`. Port 0 takes a free one; `Listener.port` names it.
        mode: "uuid" for a link server, any number of clients on one port; "default" for ordinary
            peers, with a second port for messages. None follows the options of the specification,
            and takes a bare port for a link server.
        host: the interface to bind, unless the specification names one.
        limits: bounds on what peers may send.
        timeout: the time in seconds that a connection may take to become a link.

    Raises:
        LinkSpecError: the specification cannot be understood.
        OSError: the port cannot be bound.

    >>> with listen("0@127.0.0.1", mode="uuid") as listener:
    ...     listener.accept(timeout=0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    wstp.errors.LinkTimeout: no link at ...@127.0.0.1 in 0 s
    """
    parsed, connection_mode, bound = resolve_spec(spec, mode, host)
    return Listener(bound, parsed.port, parsed.message_port or 0, connection_mode, limits, timeout)

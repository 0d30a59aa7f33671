"""A blocking client for administrators: it asks a broker for its status and gives it orders.

A client is no part of the bus: it does not register, and each request stands by itself. A request
that gets no answer is not sent again, since an order may already be carried out; the client drops
the connection, and the next request makes another. So a restart of the broker costs only the
request that was under way.
"""

from __future__ import annotations

import itertools
import struct
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, TypeVar

import zmq

from kernelbus.bus.channel.frames import Frame, Kind, Lane, control_frame, decode_frame, encode_header
from kernelbus.bus.errors import BusError, FrameError, MessageError, VersionError
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.orders import Answer, Order, Traced, TraceOrder
from kernelbus.bus.protocol.reports import Status, StatusRequest, Story, StoryRequest
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.security.curve import ClientSecurity, Handshake, Introduction
from kernelbus.bus.transport.socketfile import barred

__all__ = ["AdminClient", "BrokerUnreachable", "OrderRefused", "dialable"]

#: Seconds between two renewals of a trace; the broker ends a trace after three times that.
TRACE_RENEWAL = 5.0

#: Bytes of the random part of a connection's identity; every part uses as many.
_TOKEN = 16

_EVENT = struct.Struct("=HI")  # zmq_socket_monitor(3): the event and its value
_EVENTS = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)

_Reply = TypeVar("_Reply", Status, Story, Answer)


class BrokerUnreachable(BusError):
    """Nothing listens at the endpoint, what listens is no broker, or it does not answer in time."""


class _WentAway(BrokerUnreachable):
    """The broker went away before it had answered."""


class OrderRefused(BusError):
    """A request was not carried out, or not by all the parts that it was for.

    Attributes:
        answer: the broker's answer; its `code` is stable, for programs.
    """

    def __init__(self, answer: Answer) -> None:
        failed = [f"{part.part}: {line}" for part in answer.parts if not part.ok for line in part.lines or [part.code]]
        super().__init__("; ".join([*answer.lines, *failed]) or answer.code or "it was refused")
        self.answer = answer


def dialable(endpoint: str) -> str:
    """Return the address at which this machine reaches a broker that binds `endpoint`.

    A wildcard address cannot be connected to; it becomes the loopback address.
    """
    # ZeroMQ tries only one address of a name. For localhost that may be one on which nothing
    # listens.
    here = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "localhost": "127.0.0.1", "[::]": "[::1]"}
    host, colon, port = endpoint.removeprefix("tcp://").rpartition(":")
    return f"tcp://{here[host]}:{port}" if endpoint.startswith("tcp://") and colon and host in here else endpoint


@dataclass(slots=True)
class _Connection:
    """One socket, and how far its connection to the broker has come."""

    socket: zmq.Socket[bytes]
    monitor: zmq.Socket[bytes]
    shown: ClientSecurity | None  #: the security with which it was made
    connected: bool = False
    joined: bool = False  #: the handshake succeeded
    over: bool = False  #: it was connected, and is disconnected
    refused: bool = False  #: nothing listens there
    handshake: Handshake | None = None  #: how the handshake ended
    traced: deque[Traced] = field(default_factory=deque)

    def close(self, linger: int = 0) -> None:
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(linger)

    def look(self) -> None:
        """Read the events of the connection's monitor."""
        while self.monitor.poll(0):
            event, value = _EVENT.unpack(self.monitor.recv_multipart()[0])
            match event:
                case zmq.EVENT_CONNECTED:
                    self.connected = True
                case zmq.EVENT_HANDSHAKE_SUCCEEDED:
                    self.joined, self.handshake = True, Handshake.DONE
                case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                    self.handshake = Handshake.REFUSED
                case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                    mismatch = value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
                    self.handshake = Handshake.MISMATCH if mismatch else Handshake.BROKEN
                case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                    self.handshake = self.handshake or Handshake.BROKEN
                case zmq.EVENT_DISCONNECTED:
                    self.over = True
                case zmq.EVENT_CONNECT_RETRIED if not self.connected:
                    self.refused = True


class AdminClient:
    """Asks the broker at an endpoint and gives it orders. Use it with `with`, from one thread.

    :func:`kernelbus.admin_client` makes one for the broker of a configuration.

    >>> from kernelbus import admin_client, orders
    >>> with admin_client() as client:  # doctest: +SKIP
    ...     client.order(orders.PoolOrder(0, "", "Default", "pause")).ok
    True

    Args:
        endpoint: `tcp://host:port` or `ipc://path`.
        make_token: returns that many random bytes (``secrets.token_bytes``).
        sender: who asks (user@machine), for the broker's log.
        timeout: seconds to wait for an answer that the broker gives by itself.
        patience: seconds to wait in addition where the broker asks parts first: its
            `Bus`/`HeartbeatTimeout`.
        introduction: how this machine authenticates itself to a broker that is not on a loopback
            address.
        elsewhere: says where else there are brokers, for the error if there is none; "": nowhere.
    """

    def __init__(
        self,
        endpoint: str,
        make_token: Callable[[int], bytes],
        *,
        sender: str,
        timeout: float = 5.0,
        patience: float = 5.0,
        introduction: Introduction | None = None,
        elsewhere: Callable[[], str] = lambda: "",
    ) -> None:
        self.endpoint = dialable(endpoint)
        self._elsewhere = elsewhere
        self._make_token = make_token
        self._sender = sender
        self._timeout = timeout
        self._patience = patience
        self._introduction = introduction
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._connection: _Connection | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> AdminClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request makes another."""
        self._drop()
        if self._context is not None:
            self._context.term()
            self._context = None

    # ------------------------------------------------------------------ requests

    def status(self, *, links: bool = False, over: bool = False) -> Status:
        """Return the broker's status.

        Args:
            links: include the clients' links, for which the broker asks its frontends.
            over: include the sessions that are over.

        Raises:
            BrokerUnreachable: there was no answer.
            OrderRefused: the broker does not understand the request; it is of another version.
        """
        request = StatusRequest(next(self._numbers), self._sender, links, over)
        return self._ask(request, request.request, Status, self._timeout + self._patience * links, again=True)

    def story(self, kernel: str) -> Story:
        """Return what has happened to a kernel, named by its id or the beginning of it.

        Raises:
            BrokerUnreachable: there was no answer.
            OrderRefused: no kernel has that id, or several ids begin so.
        """
        request = StoryRequest(next(self._numbers), self._sender, kernel)
        return self._ask(request, request.request, Story, self._timeout, again=True)

    def order(self, order: Order) -> Answer:
        """Give an order and return the answer when it is carried out.

        The client fills in the order's `request` and `sender`.

        Raises:
            BrokerUnreachable: there was no answer; the order may be carried out all the same.
            OrderRefused: the order was not carried out, or not by all the parts that it was for.
        """
        order = replace(order, request=next(self._numbers), sender=self._sender)
        return self._ask(order, order.request, Answer, self._timeout + self._patience)

    def trace(self, kernel: str, wait: float = 1.0) -> Generator[Traced | None, None, None]:
        """Follow what passes to and from a kernel until the iterator is closed.

        The kernel is named by its id or the beginning of it. The iterator yields None each time
        that nothing has passed for `wait` seconds.

        Raises:
            BrokerUnreachable: there was no answer, or the broker stopped answering.
            OrderRefused: there is no such kernel, or it has ended.
        """
        kernel = self.order(TraceOrder(0, "", kernel)).target or kernel
        connection = self._connection
        assert connection is not None
        renewed, asked = time.monotonic(), dict[int, float]()
        try:
            while True:
                while connection.traced:
                    # What is still under way may belong to an earlier trace.
                    if (traced := connection.traced.popleft()).kernel == kernel:
                        yield traced
                now = time.monotonic()
                if now - renewed >= TRACE_RENEWAL:
                    renewed, number = now, next(self._numbers)
                    asked[number] = now
                    _send(connection, TraceOrder(number, self._sender, kernel))
                if asked and now - min(asked.values()) > self._timeout + self._patience:
                    raise BrokerUnreachable(self._why(connection, self._timeout + self._patience))
                message = self._receive(connection, now + min(wait, TRACE_RENEWAL), traced=True)
                if isinstance(message, Answer) and asked.pop(message.request, None) is not None and not message.ok:
                    raise OrderRefused(message)
                if message is None and not connection.traced:
                    yield None
        except BrokerUnreachable:
            self._drop()
            raise
        finally:
            if self._connection is connection:
                _send(connection, TraceOrder(next(self._numbers), self._sender, kernel, on=False))
                connection.traced.clear()

    # ------------------------------------------------------------------ sending and receiving

    def _ask(self, message: Message, number: int, kind: type[_Reply], seconds: float, *, again: bool = False) -> _Reply:
        """Send a request and return the answer.

        Args:
            message: the request.
            number: its number, which the answer has too.
            kind: the type of the answer.
            seconds: how long to wait for it.
            again: whether the request may be made twice. It is, if the connection was there before
                and ends without an answer: the broker may have ended since the last request, and
                another one may be there.
        """
        reused = self._connection is not None
        try:
            return self._ask_once(message, number, kind, seconds)
        except _WentAway:
            if not (again and reused):
                raise
        return self._ask_once(message, number, kind, seconds)

    def _ask_once(self, message: Message, number: int, kind: type[_Reply], seconds: float) -> _Reply:
        deadline = time.monotonic() + seconds
        answered = False
        try:
            connection = self._connected(deadline, seconds)
            _send(connection, message)
            while True:
                reply = self._receive(connection, deadline)
                if reply is None:
                    raise BrokerUnreachable(self._why(connection, seconds))
                if getattr(reply, "request", None) != number:
                    continue  # it answers an earlier request, for which nobody waits any more
                if isinstance(reply, Answer) and not reply.ok:
                    answered = True
                    raise OrderRefused(reply)
                if isinstance(reply, kind):
                    answered = True
                    return reply
        finally:
            if not answered:
                self._drop()

    def _connected(self, deadline: float, seconds: float) -> _Connection:
        """Return a connection whose handshake has succeeded; make one if there is none.

        Raises:
            BrokerUnreachable: no connection can be made, or none in time.
        """
        if self._connection is not None:
            self._connection.look()
            if self._connection.over:
                self._drop()
        broken = 0
        if self._connection is None and self._introduction is not None:
            self._introduction.begin()
        while True:
            if self._connection is None:
                self._connection = self._open()
            connection = self._connection
            connection.look()
            if connection.joined and not connection.over:
                if self._introduction is not None:
                    self._introduction.heard(Handshake.DONE, connection.shown)
                return connection
            failed = connection.handshake or (Handshake.BROKEN if connection.over else None)
            if failed is not None or connection.refused:
                again = failed is not None and self._introduction is not None and self._introduction.heard(failed, connection.shown)
                broken += failed is Handshake.BROKEN
                # A handshake that broke off once may have met a broker that was just ending.
                if not again and not (failed is Handshake.BROKEN and broken < 2):
                    raise BrokerUnreachable(self._why(connection, seconds))
                self._drop()
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                raise BrokerUnreachable(self._why(connection, seconds))
            connection.monitor.poll(int(left * 1000) + 1)

    def _open(self) -> _Connection:
        introduction = self._introduction
        if self._context is None:
            self._context = zmq.Context()
        socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.IPV6, 1)
        socket.setsockopt(zmq.IDENTITY, self._make_token(_TOKEN) + bytes([Lane.CONTROL]))
        shown = introduction.current if introduction is not None else None
        if shown is not None:
            shown.apply(socket)
        monitor: zmq.Socket[bytes] = socket.get_monitor_socket(int(_EVENTS))
        connection = _Connection(socket, monitor, shown)
        try:
            socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            connection.close()
            raise BrokerUnreachable(f"the bus endpoint {self.endpoint} cannot be used: {zmq.strerror(error.errno or 0)}") from None
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close(linger=100)
            self._connection = None

    def _receive(self, connection: _Connection, deadline: float, traced: bool = False) -> Message | None:
        """Return the next message, or None if none comes before `deadline`.

        What was traced is put aside in `connection.traced`; with `traced`, its coming also ends the
        wait with None.
        """
        poller = zmq.Poller()
        poller.register(connection.socket, zmq.POLLIN)
        poller.register(connection.monitor, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(max(0, int((deadline - time.monotonic()) * 1000) + 1)))
            if connection.socket in ready:
                message = _read(connection.socket.recv_multipart(), self.endpoint)
                if isinstance(message, Traced):
                    connection.traced.append(message)
                    if traced:
                        return None
                elif message is not None:
                    return message
            elif connection.monitor in ready:
                connection.look()
                if connection.over:
                    raise _WentAway(f"the broker at {self.endpoint} went away before it had answered")
            if time.monotonic() >= deadline:
                return None

    def _why(self, connection: _Connection, seconds: float) -> str:
        if self._introduction is not None and self._introduction.trouble and not connection.joined:
            return self._introduction.trouble
        hint = "is the server running, and was it started with another --bus?"
        if connection.joined:
            return f"the broker at {self.endpoint} has not answered in {seconds:g} s: it is stuck, or of another version of kernelbus"
        if connection.handshake is Handshake.MISMATCH:
            return f"the broker at {self.endpoint} speaks to machines with keys only: say where yours are in the configuration (Bus/Keys)"
        if connection.handshake is not None or connection.over:
            return f"what listens at {self.endpoint} is no broker: {hint}"
        if connection.connected:
            return f"what listens at {self.endpoint} does not speak as a broker does: {hint}"
        return barred(self.endpoint) or f"no broker at {self.endpoint}: {self._elsewhere() or hint}"


def _send(connection: _Connection, message: Message) -> None:
    frame = control_frame(encode(message))
    connection.socket.send_multipart([encode_header(frame), frame.payload])


def _read(parts: list[Any], endpoint: str) -> Message | None:
    """Decode what the broker has sent.

    Returns:
        The message; None: it is none, or one of a later version.

    Raises:
        BrokerUnreachable: this version cannot decode it.
    """
    try:
        frame: Frame = decode_frame(parts[0], parts[-1])
        return decode(frame.payload) if frame.kind == Kind.CONTROL else None
    except VersionError as error:
        raise BrokerUnreachable(f"the broker at {endpoint} speaks {error}") from None
    except (FrameError, MessageError) as error:
        if isinstance(error, MessageError) and error.later:
            return None
        text = f"the broker at {endpoint} is of another version of kernelbus: it sent {error}"
        raise BrokerUnreachable(text) from None

"""The life of a link, for both roles and both modes, without I/O: bytes in, bytes and events out.

Two rules hold. Every change of a link's state is in the table `TRANSITIONS`. The machine knows
neither sockets nor time; where a timer is due, `doubt` says so. The blocking link (`wstp.link`) and
the asyncio link (`wstp.aio`) are thin shells over it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from wstp.errors import (
    LimitExceeded,
    LinkClosed,
    LinkLost,
    LocalProtocolError,
    PacketFault,
    RemoteProtocolError,
    WSTPError,
)
from wstp.expr import Expr, Function, Symbol
from wstp.expression import ExpressionReader, write_expression
from wstp.features import OURS, Features
from wstp.handshake import Connector, Greeting
from wstp.lexer import Buffer
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.messages import Message, MessageCode, MessageReader, encode_message
from wstp.tokens import NEED_DATA, NeedData

__all__ = ["TRANSITIONS", "LinkEvent", "LinkMachine", "LinkState", "Ready", "is_packet"]


class LinkState(Enum):
    """Where a link stands."""

    INTRODUCTION = "introduction"
    GREETING = "greeting"
    ACTIVE = "active"
    CLOSING = "closing"  # we close: the shell writes what is queued, ends the data connection, says 9
    DRAINING = "draining"  # the peer sent message 9; the data that it wrote before is still to be read
    DATA_GONE = "data gone"  # the peer has ended the data connection and not said 9, which may still come
    DATA_CUT = "data cut"  # the data connection was reset, and message 9 may still come
    MESSAGE_GONE = "message gone"  # the message connection ended without message 9; data may still come
    CLOSED = "closed"
    LOST = "lost"
    FAILED = "failed"  # the peer's bytes were wrong, or over a limit


class LinkEvent(Enum):
    """What can happen to a link."""

    INTRODUCED = "introduced"
    GREETED = "greeted"
    CLOSE = "close asked for"
    SAID = "message 9 said"
    HEARD = "message 9 heard"
    DATA_END = "data connection ended"
    DATA_RESET = "data connection reset"
    MESSAGE_END = "message connection ended"
    DOUBT_OVER = "the other connection did not follow"
    FAULT = "fault"


_S, _E = LinkState, LinkEvent
# A missing entry means that the event changes nothing.
TRANSITIONS: Final[dict[LinkState, dict[LinkEvent, LinkState]]] = {
    _S.INTRODUCTION: {
        _E.INTRODUCED: _S.GREETING, _E.CLOSE: _S.CLOSED, _E.HEARD: _S.CLOSED, _E.DATA_END: _S.LOST,
        _E.DATA_RESET: _S.LOST, _E.MESSAGE_END: _S.LOST, _E.FAULT: _S.FAILED,
    },
    _S.GREETING: {
        _E.GREETED: _S.ACTIVE, _E.CLOSE: _S.CLOSING, _E.HEARD: _S.CLOSED, _E.DATA_END: _S.DATA_GONE,
        _E.DATA_RESET: _S.DATA_CUT, _E.MESSAGE_END: _S.LOST, _E.FAULT: _S.FAILED,
    },
    _S.ACTIVE: {
        _E.CLOSE: _S.CLOSING, _E.HEARD: _S.DRAINING, _E.DATA_END: _S.DATA_GONE, _E.DATA_RESET: _S.DATA_CUT,
        _E.MESSAGE_END: _S.MESSAGE_GONE, _E.FAULT: _S.FAILED,
    },
    _S.CLOSING: {_E.SAID: _S.CLOSED, _E.FAULT: _S.CLOSING},
    _S.DRAINING: {
        _E.DATA_END: _S.CLOSED, _E.DATA_RESET: _S.CLOSED, _E.CLOSE: _S.CLOSED, _E.DOUBT_OVER: _S.CLOSED,
        _E.FAULT: _S.FAILED,
    },
    # A peer that is there and has ended the data connection is closing, whether it says so or not.
    _S.DATA_GONE: {
        _E.HEARD: _S.CLOSED, _E.MESSAGE_END: _S.LOST, _E.DOUBT_OVER: _S.CLOSED, _E.CLOSE: _S.CLOSED,
        _E.FAULT: _S.FAILED,
    },
    _S.DATA_CUT: {
        _E.HEARD: _S.CLOSED, _E.MESSAGE_END: _S.LOST, _E.DOUBT_OVER: _S.LOST, _E.CLOSE: _S.CLOSED,
        _E.FAULT: _S.FAILED,
    },
    _S.MESSAGE_GONE: {_E.DATA_END: _S.LOST, _E.DATA_RESET: _S.LOST, _E.CLOSE: _S.CLOSED, _E.FAULT: _S.FAILED},
    _S.CLOSED: {},
    _S.LOST: {_E.CLOSE: _S.CLOSED},
    _S.FAILED: {_E.CLOSE: _S.CLOSING},
}  # fmt: skip

_WRITABLE: Final = frozenset((_S.ACTIVE, _S.MESSAGE_GONE))
# This many unread messages stop the reading of the message connection until some are fetched.
_MESSAGES: Final = 1024


@dataclass(frozen=True, slots=True)
class Ready:
    """What can be read without waiting.

    Attributes:
        data: whether there is an expression, or the link's end.
        message: whether there is an out-of-band message.
    """

    data: bool
    message: bool


def is_packet(expr: Expr) -> bool:
    """Tell whether an expression is a packet (section 8): a function whose head is a symbol."""
    return type(expr) is Function and type(expr.head) is Symbol


class LinkMachine:
    """Drive one link.

    The shell passes in the bytes and the ends of the two connections, and writes what
    `data_to_send()` and `message_to_send()` return.

    >>> from wstp import Symbol
    >>> from wstp.handshake import Connector, Mode
    >>> one, other = LinkMachine(Connector(Mode.DEFAULT)), LinkMachine()
    >>> one.data_to_send()
    [b'need_msg_portY']
    >>> one.receive_data(b"msg_port=31416Y")
    >>> while not (one.active and other.active):
    ...     for data in one.data_to_send():
    ...         other.receive_data(data)
    ...     for data in other.data_to_send():
    ...         one.receive_data(data)
    >>> one.put(Symbol("f")(1), end_packet=True)
    >>> for data in one.data_to_send():
    ...     other.receive_data(data)
    >>> other.next_expression()
    Symbol('f')(1)

    Attributes:
        state: where the link stands; read only.
        peer_features: what the peer announced; meaningful once the link is active.
    """

    def __init__(
        self,
        connector: Connector | None = None,
        *,
        preamble: bytes = b"",
        limits: Limits = DEFAULT_LIMITS,
        features: Features = OURS,
        speaks_first: bool = False,
    ) -> None:
        """Start a link.

        Args:
            connector: the introduction of the connecting side; None on the listening side, where
                `wstp.rendezvous` has dealt with it.
            preamble: the bytes that a link server sends before its greeting.
            limits: bounds on what the peer sends.
            features: what to announce.
            speaks_first: see `wstp.handshake.Greeting`.
        """
        self.state = LinkState.GREETING if connector is None else LinkState.INTRODUCTION
        self.peer_features = features
        self._connector = connector
        self._greeting = Greeting(features, limits, listening=connector is None, speaks_first=speaks_first)
        self._reader = ExpressionReader(limits)
        self._messages = MessageReader()
        self._queue: deque[Message] = deque()
        self._out: list[Buffer] = []
        self._out_size = 0
        self._message_out = b""
        self._ready: Expr | PacketFault | Literal[NeedData.NEED_DATA] = NEED_DATA
        self._error: WSTPError | None = None
        self._heard = False
        if connector is None:
            self._queue_out(preamble + self._greeting.data_to_send())
        else:
            self._queue_out(connector.data_to_send())

    def _on(self, event: LinkEvent) -> None:
        self.state = TRANSITIONS[self.state].get(event, self.state)

    # -- the introduction and greeting

    @property
    def active(self) -> bool:
        """Tell whether the greeting is done and neither side has closed."""
        return self.state is LinkState.ACTIVE

    @property
    def opens_message(self) -> bool:
        """Tell whether the connecting side may open the message connection now."""
        return self._connector is None or self._connector.opens_message

    @property
    def message_introduction(self) -> bytes:
        """Return the bytes that introduce the message connection."""
        return b"" if self._connector is None else self._connector.message_introduction

    @property
    def message_port(self) -> int | None:
        """Return the message port that the listener named, None if it named none."""
        return None if self._connector is None else self._connector.message_port

    @property
    def failed(self) -> bool:
        """Tell whether the peer's bytes were wrong, so that nothing more can be read."""
        return self.state is LinkState.FAILED

    # -- bytes in

    def receive_data(self, data: Buffer) -> None:
        """Take bytes of the data connection; an error in them is raised when they are read."""
        try:
            if self.state is LinkState.INTRODUCTION:
                assert self._connector is not None
                self._connector.receive(data)
                if not self._connector.done:
                    return
                self._on(LinkEvent.INTRODUCED)
                self._queue_out(self._greeting.data_to_send())
                data = self._connector.trailing
            if self.state is LinkState.GREETING or not self._greeting.done:
                if not data:
                    return
                self._greeting.receive(data)
                self._queue_out(self._greeting.data_to_send())
                if not self._greeting.done:
                    return
                self.peer_features = self._greeting.peer
                self._on(LinkEvent.GREETED)
                data = self._greeting.trailing
        except (RemoteProtocolError, LimitExceeded) as error:
            self._fail(error)
            return
        if data:
            self._reader.feed(data)

    def receive_message(self, data: Buffer) -> None:
        """Take bytes of the message connection."""
        try:
            self._take(self._messages.feed(data))
        except RemoteProtocolError as error:
            self._fail(error)

    def data_ended(self, *, reset: bool = False) -> None:
        """Take note that the data connection has ended, or was reset.

        A shell then shuts down its own side, for which a closing peer waits (section 7).
        """
        self._on(LinkEvent.DATA_RESET if reset else LinkEvent.DATA_END)

    def message_ended(self) -> None:
        """Take note that the message connection has ended."""
        self._take(self._messages.finish())
        self._on(LinkEvent.MESSAGE_END)

    def doubt_over(self) -> None:
        """Take note that `doubt` seconds have passed without a byte on either connection."""
        self._heard |= self.state is LinkState.DATA_GONE
        self._on(LinkEvent.DOUBT_OVER)

    @property
    def doubt(self) -> float | None:
        """Return after how many silent seconds the shell calls `doubt_over()`; None for never.

        In doubt, one connection has ended and the other should follow: message 9 after the data
        connection's end, or the data connection's end after message 9. The second may take longer,
        because data may still be on its way.
        """
        if self.state in (LinkState.DATA_GONE, LinkState.DATA_CUT):
            return 1.0
        return 10.0 if self.state is LinkState.DRAINING else None

    def _take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.code == MessageCode.CLOSING:
                self._heard = True
                self._on(LinkEvent.HEARD)
            else:
                self._queue.append(message)

    def _fail(self, error: WSTPError) -> None:
        if self._error is None:
            self._error = error
        self._on(LinkEvent.FAULT)

    # -- reading

    @property
    def unread(self) -> int:
        """Return how many bytes of data wait for a reader; the shell stops reading at a bound."""
        return self._reader.unread

    @property
    def messages_full(self) -> bool:
        """Tell whether too many messages wait, so that the message connection is not to be read."""
        return len(self._queue) >= _MESSAGES

    def poll(self) -> bool:
        """Tell whether `next_expression()` has an expression, or an error, now."""
        if self._ready is not NEED_DATA:
            return True
        if self.state is LinkState.INTRODUCTION or self.state is LinkState.GREETING:
            return False
        try:
            self._ready = self._reader.next()
        except PacketFault as fault:
            self._ready = fault
        except (RemoteProtocolError, LimitExceeded) as error:
            self._fail(error)
        return self._ready is not NEED_DATA or self.ended

    @property
    def ended(self) -> bool:
        """Tell whether no more data can come."""
        return self.state in (LinkState.CLOSED, LinkState.LOST, LinkState.FAILED, LinkState.CLOSING)

    def next_expression(self) -> Expr | Literal[NeedData.NEED_DATA]:
        """Return the next complete expression, or NEED_DATA.

        Raises:
            LinkClosed: everything has been read, and the link was closed with message 9.
            LinkLost: everything has been read, and the connection ended without message 9.
            PacketFault: the next expression cannot be read. The next call reads what follows it.
            RemoteProtocolError: the peer's bytes are wrong. Every later call raises it too.
            LimitExceeded: a bound was passed. Every later call raises it too.
        """
        if self.poll():
            if self._ready is NEED_DATA:
                raise self.end_error()
            value, self._ready = self._ready, NEED_DATA
            if isinstance(value, PacketFault):
                raise value
            return value
        return NEED_DATA

    def end_error(self) -> WSTPError:
        """Return the error that says how the link ended."""
        if self._error is not None:
            return self._error
        middle = " in the middle of an expression" if self._reader.inside else ""
        if self.state is LinkState.LOST:
            return LinkLost(f"the link was lost{middle}: the connection went without a closing message")
        if self._heard:
            return LinkClosed(f"the link was closed by the peer{middle}")
        return LinkClosed("the link is closed")

    def next_message(self) -> Message | None:
        """Return the next out-of-band message, None when there is none."""
        return self._queue.popleft() if self._queue else None

    @property
    def has_message(self) -> bool:
        """Tell whether `next_message()` has one."""
        return bool(self._queue)

    # -- writing

    def _queue_out(self, data: Buffer) -> None:
        if len(data):
            self._out.append(data)
            self._out_size += len(data)

    @property
    def writable(self) -> bool:
        """Tell whether the peer can still take data."""
        return self.state in _WRITABLE

    def check_writable(self) -> None:
        """Raise the error that says why nothing can be written, when nothing can."""
        if self.writable:
            return
        if self.state in (LinkState.INTRODUCTION, LinkState.GREETING):
            raise LocalProtocolError("the link is not active yet: nothing can be put before the greeting is done")
        raise self.end_error()

    def put(self, expr: Expr, *, end_packet: bool = False) -> None:
        """Queue an expression; raises as `write_expression()` and `check_writable()` do."""
        self.check_writable()
        buffers = write_expression(expr, self.peer_features)
        if end_packet:
            buffers.append(b"]")
        self.put_raw(buffers)

    def put_raw(self, buffers: Sequence[Buffer]) -> None:
        """Queue bytes that are tokens already."""
        self.check_writable()
        for data in buffers:
            self._queue_out(data)

    @property
    def queued(self) -> int:
        """Return how many bytes wait in `data_to_send()`."""
        return self._out_size

    def data_to_send(self) -> list[Buffer]:
        """Return the buffers to write on the data connection, and forget them."""
        out, self._out, self._out_size = self._out, [], 0
        return out

    def requeue(self, buffers: Sequence[Buffer]) -> None:
        """Take back, to the front, what could not be written."""
        self._out[:0] = buffers
        self._out_size += sum(len(data) for data in buffers)

    def put_message(self, code: int, parameter: int = 0) -> None:
        """Queue a message; raises as `encode_message()` and `check_writable()` do."""
        self.check_writable()
        self._message_out += encode_message(code, parameter)

    def message_to_send(self) -> bytes:
        """Return the bytes to write on the message connection, and forget them."""
        out, self._message_out = self._message_out, b""
        return out

    # -- closing

    def close(self) -> None:
        """Start to close; in state CLOSING the shell then calls `say_closing()`.

        What is still queued goes out before (PROTOCOL.md section 7): once the state is CLOSING, the
        machine takes no more data.
        """
        self._on(LinkEvent.CLOSE)

    @property
    def heard_closing(self) -> bool:
        """Tell whether the peer has said 9, or is taken to have."""
        return self._heard

    @property
    def lingers(self) -> bool:
        """Tell whether the shell waits for the peer to go before it calls `say_closing()`.

        So while we close, until the peer has said 9. A peer that reads on after message 9 is not
        waited for.
        """
        return self.state is LinkState.CLOSING and not self._heard and not self.peer_features.reads_on

    def say_closing(self) -> bytes:
        """Return the last bytes of the message connection (message 9), and end in state CLOSED.

        Return no bytes when the link has ended some other way.
        """
        if self.state is not LinkState.CLOSING:
            return b""
        last = self.message_to_send() + encode_message(MessageCode.CLOSING)
        self._on(LinkEvent.SAID)
        return last

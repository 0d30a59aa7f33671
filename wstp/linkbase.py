"""What the blocking link and the asyncio link share: all of a link that waits for nothing. No I/O.

`wstp.link.Link` and `wstp.aio.Link` derive from `LinkBase`. They add the sockets and the waiting:
`flush`, `get`, `next_packet`, `wait`, and the steps of `close`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Final

from wstp.errors import LinkTimeout
from wstp.expr import Expr
from wstp.features import Features
from wstp.lexer import Buffer
from wstp.machine import LinkMachine, LinkState
from wstp.messages import Message

__all__ = ["LINGER", "READ_AHEAD", "LinkBase"]

# So many unread bytes, decoded or not, stop the reading of the data connection while nobody waits
# for an expression.
READ_AHEAD: Final = 16 << 20
# The time in seconds that a close waits for a peer that would read nothing after message 9.
LINGER: Final = 1.0

_OVER: Final = frozenset((LinkState.CLOSED, LinkState.LOST, LinkState.FAILED))


class LinkBase:
    """Hold a link's machine, its name and what needs no waiting.

    Attributes:
        on_message: the function that takes each message; None keeps messages for `get_message()`.
        read_ahead: the number of unread bytes that stops reading while nobody waits for an
            expression.
    """

    _kind: ClassVar[str]  # what repr() calls the class

    def __init__(self, machine: LinkMachine, name: str, guard: AbstractContextManager[object]) -> None:
        """Take a machine.

        Args:
            machine: the protocol's state; active, or about to be.
            name: `port@host`, for errors and the log.
            guard: entered around each use of the machine. Threads pass a lock; an event loop passes
                `contextlib.nullcontext()`.
        """
        self._machine = machine
        self._name = name
        self._guard = guard
        self._close_asked = False
        self.on_message: Callable[[Message], None] | None = None
        self.read_ahead = READ_AHEAD

    def put(self, expr: Expr, *, end_packet: bool = False) -> None:
        """Queue an expression for the next `flush()`.

        A big numpy array is not copied: do not change it before it has been flushed.

        Args:
            expr: the expression; `wstp.expr` has the table of Python values and what they mean.
            end_packet: whether to end the packet after it.

        Raises:
            TypeError: the value stands for no expression; nothing has been queued.
            LinkClosed, LinkLost: the link has ended.
        """
        with self._guard:
            self._machine.put(expr, end_packet=end_packet)

    def put_raw(self, buffers: Sequence[Buffer]) -> None:
        """Queue bytes that are tokens already, for instance those of a `TokenWriter`.

        Raises:
            LinkClosed, LinkLost: the link has ended.
        """
        with self._guard:
            self._machine.put_raw(buffers)

    def end_packet(self) -> None:
        """Queue the end of a packet."""
        self.put_raw((b"]",))

    @property
    def closed(self) -> bool:
        """Tell whether the link has ended, whoever ended it."""
        with self._guard:
            return self._close_asked or self._machine.state in _OVER

    @property
    def state(self) -> LinkState:
        """Return where the link stands."""
        return self._machine.state

    @property
    def peer_features(self) -> Features:
        """Return what the peer announced in its greeting."""
        return self._machine.peer_features

    @property
    def name(self) -> str:
        """Return what the link is called: `port@host`, or what :func:`wstp.link.over` was given."""
        return self._name

    def __repr__(self) -> str:
        return f"<{self._kind} {self._name} {self._machine.state.value}>"

    def __str__(self) -> str:
        return f"link {self._name}"

    # -- steps of the shells

    def _deliver(self) -> None:
        """Hand queued messages to `on_message`, if it is set, without holding the guard."""
        while (handler := self.on_message) is not None:
            with self._guard:
                message = self._machine.next_message()
            if message is None:
                return
            handler(message)

    def _begin_closing(self) -> bool:
        """Claim the closing of the link; return False when it was claimed before."""
        with self._guard:
            claimed, self._close_asked = not self._close_asked, True
            return claimed

    def _can_write(self) -> bool:
        """Tell whether the peer can still take data."""
        with self._guard:
            return self._machine.writable

    def _stop(self) -> bool:
        """Close the machine; tell whether the peer is to be waited for before message 9."""
        with self._guard:
            self._machine.close()
            return self._machine.lingers

    def _peer_leaves(self) -> bool:
        """Tell whether the peer has said that it closes too."""
        with self._guard:
            return self._machine.heard_closing

    def _last_message(self) -> bytes:
        """Return the last bytes of the message connection (message 9)."""
        with self._guard:
            return self._machine.say_closing()

    def _no_expression(self, timeout: float | None) -> LinkTimeout:
        """Return the error of a `get()` that took too long."""
        return LinkTimeout(f"{self}: no expression in {timeout:g} s")

    def _not_written(self) -> LinkTimeout:
        """Return the error of a `flush()` that took too long."""
        return LinkTimeout(f"{self}: the peer does not read: not all could be written in time")

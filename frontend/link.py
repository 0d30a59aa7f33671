"""One client's link: from its greeting to its end, with or without a kernel.

| state | meaning |
|---|---|
| GREETING | the greeting is not complete |
| LOCKED | the client has to give the server's token; nothing else is understood |
| ALONE | no kernel; only commands are understood |
| OPENING | a kernel has been requested; nothing more is carried out until the answer |
| ATTACHED | bytes pass |
| PARTING | a command detaches or ends the kernel; ALONE follows when its stream has ended |
| CLOSING | the last answer is written, then the link is closed |
| ENDED | the link is closed |

A new link's kernel is automatic until the client sends anything but a command that names its
kernel, or one that needs none; or until it has listened for :data:`_LISTENS_AFTER` seconds. The
server ends no session for an automatic kernel, and does not ask for one before the client has had
a moment (:func:`_grace`) for a first word that makes it needless.

While a kernel that the client asked for is awaited, nothing is read from the client. A client that
goes meanwhile loses its place in the queue: at once, or after :data:`_LEFT_WORK` seconds if it has
left something for the kernel to do. Answers of the
server's own are written between two of the kernel's expressions, never inside one. When the kernel
is gone, or the client gets none, all that was said is written first. Then the link closes
(:meth:`wstp.relay.RelayLink.close`), and the client has time to read it.

How much of the output has the client *taken*? What its machine has acknowledged
(:mod:`kernelbus.frontend.delivery`), if the connection ended like one whose reader has read all of
it. A connection that was reset, or that fell silent, may have held unread output. Then only the
output from before the client's last input counts as taken, so that output may be sent twice but is
never lost. The same holds for a client that has not gone by the time the frontend shuts down,
unless its library reads on when it hears of that (PROTOCOL.md section 7).

A frontend that shuts down lets the packet under way to each client finish before it closes the
link.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Final, Protocol

from kernelbus.bus.channel.channel import Data, Ended, EndReason, Event, Reset, Urgent, Writable
from kernelbus.bus.channel.multiplexer import ChannelHandle, Multiplexer
from kernelbus.bus.errors import ChannelUsageError
from kernelbus.bus.protocol.messages import Demand, KeepAlive, Open, Told, WhyWaiting, WithdrawAbort
from kernelbus.bus.protocol.reports import LinkStatus, Status
from kernelbus.bus.protocol.schema import Message as BusMessage
from kernelbus.bus.rounds import Rounds
from kernelbus.bus.settings.config import Config
from kernelbus.bus.settings.logs import TRACE, EventLogger, fields
from kernelbus.bus.turns import Turn
from kernelbus.frontend.access import Attempt
from kernelbus.frontend.commands import (
    CONTEXT,
    CommandRefused,
    Wanted,
    asks_for_kernel,
    gives_token,
    needs_no_kernel,
    read,
    run,
)
from kernelbus.frontend.delivery import Delivery
from kernelbus.frontend.enquiries import Enquiries
from kernelbus.frontend.incoming import Arrival, Gone, Incoming
from kernelbus.frontend.intake import Intake
from kernelbus.frontend.lock import SYMBOL, Lock
from kernelbus.frontend.reader import Reader
from wstp import OURS, Expr, Function, LimitExceeded, Limits, Message, RemoteProtocolError, Symbol
from wstp.packets import encode_packet, packet
from wstp.relay import RelayLink, RelayOwner
from wstp.tracker import End, PacketEnd, Tracker
from wstp.transcoder import Transcoder, covers

__all__ = ["TRANSITIONS", "ClientLink", "LinkServer", "LinkState"]

_log = logging.getLogger("kernelbus.frontend")

#: The bytes of the server's own answers that may wait for the end of a kernel's expression.
_UNREAD = 64 * 1024
#: Seconds between two looks at what a client has read: at first, and at most.
_LOOK_AGAIN = 0.004
_LOOK_RARELY = 0.1
#: Bytes with which a packet may be ended whose rest will not come.
_BREAK_OFF = 65536
#: The messages that may wait for the input before them.
_MESSAGES = 64

#: Seconds of silence after which a new client waits for its kernel. A program that goes back to a
#: kernel says so at once.
_LISTENS_AFTER = 1.0
#: Seconds that a new client has for its first word before it gets an automatic kernel, beside two
#: round trips on its network; and the most of both. A program that says nothing does not notice it.
_FIRST_WORD = 0.01
_FIRST_WORD_AT_MOST = 0.05
#: The same after a command that needs no kernel: whoever says that may have no need of one.
_NEXT_WORD = 0.5
#: Seconds after which a client that wants to know is told why it waits, and between two looks at
#: whether the reason is another one.
_WAITS_AFTER = 1.5
_WAITS_AGAIN = 5.0
#: Seconds for which a kernel is still awaited for what a client has left behind that has gone. One
#: that is ready comes within them.
_LEFT_WORK = 1.0


def _grace(round_trip: float | None) -> float:
    """Return the seconds that a client has for its first word, by the time to its machine and back.
    """
    return min(_FIRST_WORD + 2 * (round_trip or 0.0), _FIRST_WORD_AT_MOST)


class LinkState(Enum):
    """The state of a link; the module's table says what each means."""

    GREETING = "greeting"
    LOCKED = "locked"
    ALONE = "alone"
    OPENING = "opening"
    ATTACHED = "attached"
    PARTING = "parting"
    CLOSING = "closing"
    ENDED = "ended"


#: The states that may follow each state of a link.
TRANSITIONS: Final[dict[LinkState, frozenset[LinkState]]] = {
    LinkState.GREETING: frozenset({LinkState.LOCKED, LinkState.ALONE, LinkState.OPENING, LinkState.CLOSING, LinkState.ENDED}),
    LinkState.LOCKED: frozenset({LinkState.ALONE, LinkState.OPENING, LinkState.CLOSING, LinkState.ENDED}),
    LinkState.ALONE: frozenset({LinkState.OPENING, LinkState.CLOSING, LinkState.ENDED}),
    LinkState.OPENING: frozenset({LinkState.ATTACHED, LinkState.ALONE, LinkState.CLOSING, LinkState.ENDED}),
    LinkState.ATTACHED: frozenset({LinkState.PARTING, LinkState.CLOSING, LinkState.ENDED}),
    LinkState.PARTING: frozenset({LinkState.ALONE, LinkState.CLOSING, LinkState.ENDED}),
    LinkState.CLOSING: frozenset({LinkState.ENDED}),
    LinkState.ENDED: frozenset(),
}


class LinkServer(Protocol):
    """What a link needs of its frontend."""

    config: Config
    multiplexer: Multiplexer
    rounds: Rounds
    enquiries: Enquiries[ClientLink]

    def new_channel(self) -> int:
        """Return a channel number that is not in use."""

    def request_kernel(self, link: ClientLink, request: Open) -> None:
        """Ask the broker for a kernel.

        The answer comes as `opened` or `refused`, perhaps before this returns.
        """

    def tell_broker(self, message: BusMessage) -> None:
        """Send the broker a control message about this link's channel."""

    def request_status(self, link: ClientLink) -> None:
        """Ask the broker for its status.

        The answer comes as `told_status`, perhaps before this returns.
        """

    def channel_done(self, channel: int, text: str) -> None:
        """Forget a channel, and tell the broker with `text` that it is not used any more."""

    def channel_forgotten(self, channel: int) -> None:
        """Forget a channel that the broker knows to be over."""

    def link_idle(self, link: ClientLink, idle: bool) -> None:
        """Note whether a link has no kernel and waits for none."""

    def link_gone(self, link: ClientLink) -> None:
        """Forget a link that has ended."""

    def needs_token(self, link: ClientLink) -> bool:
        """Whether the client has to give the server's token first."""

    def take_token(self, link: ClientLink, token: str) -> Attempt:
        """Judge a token that the client has given."""

    def new_number(self) -> str:
        """Return a random number for a client's proof that it knows the token."""

    def take_proof(self, link: ClientLink, numbers: tuple[str, str], proof: str) -> tuple[Attempt, str]:
        """Judge a client's proof; return the server's with it, or "" for a wrong one."""


class ClientLink(RelayOwner):
    """A client's link. Is the target of :mod:`kernelbus.frontend.commands`, and the owner of its
    channel.
    """

    def __init__(self, server: LinkServer, link: RelayLink) -> None:
        self._loop = asyncio.get_running_loop()
        self._state = LinkState.GREETING
        self._since = self._last_command = self._loop.time()
        self.kernel = ""
        self.pool = ""
        self.channel = 0
        self.log = EventLogger(_log, self._fields)
        self._server = server
        self._link = link
        self._wstp_limits = limits = Limits(token_size=server.config.limits.token_size)
        self._transcoder: Transcoder | None = None
        self._intake = Intake(limits)
        # The first piece that waits, if it is a command and has been decoded.
        self._decoded: Expr | CommandRefused | None = None
        # Messages that came behind input that waits for this link's turn: how many bytes are before
        # them.
        self._messages: deque[tuple[int, Message]] = deque()
        self._output = Tracker(limits)
        self._incoming = Incoming(self._take, lambda: self._output.skippable)
        self._handle: ChannelHandle | None = None
        self._received = 0
        self._credited = 0  # of the output: what the host has been given credit for
        self._look: asyncio.TimerHandle | None = None
        self._pause = _LOOK_AGAIN
        self._urgent: deque[Urgent] = deque()
        self._answers: deque[bytes] = deque()
        self._answered_bytes = 0  # of answers that wait until the kernel's expression is complete
        self._unopened: list[bytes | bytearray | memoryview] = []
        self._asked_by_command = False
        self._lock: Lock | None = None  # until the client has given the token
        self._automatic = False  # the kernel attached or awaited was not requested by the client
        self._waits_for = ""  # what the client was last told that it waits for
        self._told = False  # the client knows the id of the kernel
        self._said: dict[type[BusMessage], KeepAlive | Told] = {}  # what it said last of this kernel
        self._request: Open | None = None  # the last request for a kernel
        self._next: Wanted | None = None  # the kernel to request when the present one is detached
        self._show_status: Callable[[Status, str], Expr] | None = None
        self._position = 0
        self._delivery = Delivery()
        self._reader = Reader()
        # What the client's machine had acknowledged at the client's last input. The client has read
        # what it replied to. Later output may be unread, and sending it twice is better than never.
        self._answered = 0
        self._finishes_by: float | None = None  # the packet under way may finish before the end

    def __str__(self) -> str:
        return f"link {self.name}"

    @property
    def state(self) -> LinkState:
        """The state of the link; see the module's table."""
        return self._state

    @state.setter
    def state(self, state: LinkState) -> None:
        assert state in TRANSITIONS[self._state], f"{self}: {self._state.value} to {state.value}"
        self._state = state
        self._since = self._loop.time()
        self._server.link_idle(self, state is LinkState.ALONE)

    @property
    def changed(self) -> float:
        """When the state changed last, on the loop's clock."""
        return self._since

    @property
    def idle_since(self) -> float | None:
        """Since when it has no kernel and asks for nothing, on the loop's clock; None: it does."""
        return max(self._since, self._last_command) if self.state is LinkState.ALONE else None

    @property
    def bytes_in(self) -> int:
        """Token bytes that came from the client."""
        return self._link.bytes_in

    @property
    def bytes_out(self) -> int:
        """Token bytes given to the client."""
        return self._link.bytes_out

    def status(self, frontend: str, now: float) -> LinkStatus:
        """Return the status of the link; `now` is on the loop's clock."""
        return LinkStatus(
            self.name, frontend, self.state.value, self.kernel, self.pool, max(0.0, now - self._since), self.bytes_in, self.bytes_out
        )

    def _fields(self) -> dict[str, object]:
        channel = f"{self.channel:x}" if self.channel else ""
        return {"kernel": self.kernel, "session": self.kernel, "pool": self.pool, "client": self.name, "channel": channel}

    @property
    def name(self) -> str:
        """The client's address and port."""
        return self._link.name

    @property
    def address(self) -> str:
        """The client's address."""
        return self._link.address

    @property
    def local(self) -> bool:
        """Whether the client is a program of this machine."""
        return self._link.local

    # ------------------------------------------------------------------ from the client

    def link_active(self, link: RelayLink) -> None:
        self.log.info("%s is up", self)
        if not covers(link.peer_features, OURS):
            self.log.info("%s takes fewer kinds of tokens than kernels send; its output is rewritten", self)
            self._transcoder = Transcoder(link.peer_features, self._wstp_limits)
        if self._server.needs_token(self):
            self.state = LinkState.LOCKED
            self._lock = Lock(self)
        else:
            self._begin()

    def _begin(self) -> None:
        """Serve the client, from now on."""
        if self._server.config.enable_automatic_kernel_connection:
            self._automatic = True
            self._ask(Wanted())
        else:
            self.state = LinkState.ALONE

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None:
        self._answered = link.acknowledged()
        if self._lock is not None and not self._lock.came(link.bytes_in):
            return
        self._intake.add(data)
        self._proceed()

    def _proceed(self) -> None:
        """Process the client's input as far as the state and this link's turn allow."""
        self._server.rounds.ask(self)
        if self._server.rounds.waits(self):
            self._set_reading()

    def work(self, turn: Turn) -> bool:
        """Process the client's input; see :class:`kernelbus.bus.rounds.Worker`."""
        goes_on = True
        try:
            while goes_on:
                if self._blocked():
                    if not self._asks_now():
                        break
                elif self._intake.first() is not None:
                    self._carry_out_first()
                    goes_on = turn.step()
                elif self._intake.waiting:
                    goes_on = self._intake.fill(turn)
                    self._pass_to_kernel()
                else:
                    break
        except (RemoteProtocolError, LimitExceeded) as error:
            self.log.error("%s: %s; closed", self, error)
            self._close_with("protocol", str(error))
        more = not goes_on and self._intake.waiting > 0 and not self._blocked()
        self._pass_messages(all=not more)
        self._set_reading(soon=more)
        return more

    def _blocked(self) -> bool:
        """Whether what the client has sent must wait for something other than this link's turn."""
        match self.state:
            case LinkState.PARTING:
                return True
            case LinkState.CLOSING | LinkState.ENDED:
                self._intake.clear()
                return True
            case LinkState.OPENING:
                if self._show_status is not None or self._unread():
                    return True
                return self._intake.first() is not None and not self._first_is(needs_no_kernel) and not self._asks_for_another()
            case LinkState.ATTACHED:
                if self._show_status is not None or (self._handle is not None and not self._handle.writable):
                    return True
                return (piece := self._intake.first()) is not None and piece.command and self._unread()
            case _:
                return self._unread()

    def _unread(self) -> bool:
        """Whether a command must wait for the broker's answer, or for the client to read answers.

        A client that does not read its answers is not read either. (What is for its kernel passes
        on: what the kernel says has limits of its own.)
        """
        return self._show_status is not None or self._link.congested or self._answered_bytes > _UNREAD

    def _asks_for_another(self) -> bool:
        return self._automatic and self._first_is(asks_for_kernel)

    def _asks_now(self) -> bool:
        """Ask for the kernel that was to come automatically, if the client has sent it something.

        Returns:
            Whether it has just been asked for.
        """
        request = self._request
        if self.state is not LinkState.OPENING or request is None or request.demand == "asked" or self._intake.first() is None:
            return False
        if self._first_is(needs_no_kernel) or self._asks_for_another():
            return False
        self._demand(request, "asked")
        return True

    def _carry_out_first(self) -> None:
        """Process the first piece, in a state that allows it."""
        piece = self._intake.first()
        assert piece is not None
        if self.state is LinkState.OPENING and not self._first_is(needs_no_kernel):
            self._drop_channel(f"client {self.name} asks for a kernel itself")
            self.state = LinkState.ALONE
        elif self._lock is not None:
            self._carry_out_locked(self._lock)
        elif piece.command:
            self._asked()
            command, self._decoded = self._decode(), None
            self._intake.take()
            self._command(command, len(piece.data))
        elif self.state is LinkState.ATTACHED:
            self._pass_to_kernel()
        else:
            self._refuse_expressions(self._intake.take().expressions)

    def _asked(self) -> None:
        """Note that the client has asked for something, and is idle from now on at the earliest."""
        self._last_command = self._loop.time()
        if self.state is LinkState.ALONE:
            self._server.link_idle(self, False)
            self._server.link_idle(self, True)

    def _pass_to_kernel(self) -> None:
        if self.state is LinkState.ATTACHED and self._handle is not None and (pieces := self._intake.take_passing()):
            self._automatic = False
            self._handle.send_all(piece.data for piece in pieces)

    def _set_reading(self, soon: bool = True) -> None:
        """Read on when what has come is processed and there is room.

        Args:
            soon: whether reading is paused only until this link's next turn.
        """
        # While an automatic kernel is awaited, the client's first command may ask for another
        # kernel.
        waits = self.state is LinkState.OPENING and not self._automatic
        full = self._handle is not None and not self._handle.writable
        if self._intake.waiting or waits or full or self.state is LinkState.PARTING or self._show_status is not None:
            self._link.pause(soon=soon and self._intake.waiting > 0)
        else:
            self._link.resume()

    def _carry_out_locked(self, lock: Lock) -> None:
        """Process the first piece of a client that has yet to give the token."""
        lock.said()
        gives = self._first_is(gives_token)
        command, self._decoded = self._decoded, None
        piece = self._intake.take()
        if gives and command is not None:
            self._command(command, len(piece.data))
            if lock.opened:
                self._lock = None
                self._begin()
        elif piece.command or piece.expressions:
            lock.refuse(max(piece.expressions, 1))

    def refuse(self, tag: str, text: str, *, failed: bool = True) -> None:
        """See :class:`kernelbus.frontend.lock.LockedLink`."""
        self._answer_refused(tag, text, SYMBOL, failed)

    def close_for(self, tag: str, text: str) -> None:
        """See :class:`kernelbus.frontend.lock.LockedLink`."""
        self.log.error("%s is closed: %s", self, text)
        self._close_with(tag, text, SYMBOL)

    def link_message(self, link: RelayLink, message: Message) -> None:
        if self._handle is None or self.state is not LinkState.ATTACHED:
            self.log.debug("%s: message %d is ignored: no kernel is attached", self, message.code)
            return
        self._automatic = False
        self._look_soon()
        if self._server.rounds.waits(self):
            # What the client sent before it has come, and passes on in one of the next turns.
            self._messages.append((self._link.bytes_in, message))
            self._pass_messages(all=len(self._messages) > _MESSAGES)
        else:
            self._pass_message(message)

    def _pass_messages(self, all: bool) -> None:
        """Pass on the messages before which nothing waits any more, or all."""
        while self._messages and (all or self._messages[0][0] <= self._link.bytes_in - self._intake.waiting):
            self._pass_message(self._messages.popleft()[1])

    def _pass_message(self, message: Message) -> None:
        handle = self._handle
        # One that is said again before the kernel's host has the first says nothing new.
        if handle is None or self.state is not LinkState.ATTACHED or handle.channel.repeats(message.code, message.parameter):
            return
        try:
            handle.send_urgent(message.code, message.parameter)
        except ChannelUsageError as error:
            self.log.error("%s: a message is dropped: %s", self, error)

    def link_drained(self, link: RelayLink) -> None:
        self._credit()
        self._proceed()

    def link_leaves(self, link: RelayLink) -> None:
        if self.state is LinkState.OPENING:
            if self._intake.waiting or link.unread():
                self._loop.call_later(_LEFT_WORK, self._withdraw, self.channel)
            else:
                self._withdraw(self.channel)

    def _withdraw(self, channel: int) -> None:
        """Wait for a kernel no longer, since the client has gone. Its end cannot be read yet."""
        if self.state is LinkState.OPENING and self.channel == channel:
            self.log.info("%s has gone while it waited for a kernel", self)
            self._drop_channel(f"client {self.name} is gone")
            self.state = LinkState.CLOSING
            self._intake.clear()
            self._link.close()

    def link_ended(self, link: RelayLink, said_so: bool) -> None:
        self._unwatch()
        self._stop_looking()
        state, self.state = self.state, LinkState.ENDED
        if state is not LinkState.CLOSING:
            self.log.info("%s %s", self, "has closed" if said_so else "is lost: its connection ended without a closing message")
        if state is LinkState.OPENING:
            self._drop_channel(f"client {self.name} is gone")
        elif self._handle is not None:
            if state is LinkState.CLOSING:
                reason, text = EndReason.CLIENT_LOST, "the frontend is shutting down"
            elif said_so:
                reason, text = EndReason.CLIENT_CLOSED, f"client {self.name} closed its link"
            else:
                reason, text = EndReason.CLIENT_LOST, f"client {self.name} is lost"
            if self._automatic and not self._told:
                # It never used the kernel, and cannot come back to it.
                reason = EndReason.UNUSED
            reason = self._as_said() or reason
            # Some libraries read on when they hear that we close.
            reads = link.read_to_the_end or (state is LinkState.CLOSING and link.peer_features.reads_on and not link.broken)
            taken = self._delivery.taken(link.acknowledged() if reads else self._answered)
            self._handle.end(reason, text, taken)
        self._incoming.clear()
        self._server.rounds.forget(self)
        self._server.link_gone(self)

    def _as_said(self) -> EndReason | None:
        """Return the reason for the channel's end that has the kernel kept, or ended, as its client
        said; None: it said nothing of that.

        What the client said went through the broker, which may have been away. The channel's end
        arrives in any case.
        """
        keep = self._said.get(KeepAlive)
        if isinstance(keep, KeepAlive):
            return EndReason.DETACHED if keep.keep else EndReason.CLOSE_KERNEL
        used = self._handle is not None and self._handle.channel.accepted > 0
        return EndReason.DETACHED if Told in self._said and used else None

    # ------------------------------------------------------------------ commands

    def _command(self, command: Expr | CommandRefused, size: int) -> None:
        try:
            if isinstance(command, CommandRefused):
                raise command
            if self.log.isEnabledFor(TRACE) and isinstance(command, Function) and isinstance(command.head, Symbol):
                head = command.head.name
                self.log.log(TRACE, "%s: command %s, %d bytes", self, head, size, extra=fields(head=head, bytes=size))
            answer = run(self, command)
        except CommandRefused as refused:
            if self.state is not LinkState.CLOSING:
                symbol = SYMBOL if self._lock is not None else CONTEXT + "Command"
                self._answer_refused(refused.tag, str(refused), symbol)
        else:
            if answer is not None:
                self._answer(packet("ReturnPacket", answer))

    def _decode(self) -> Expr | CommandRefused:
        """Return the first piece, a command, decoded; decode it once."""
        if self._decoded is None:
            piece = self._intake.first()
            assert piece is not None
            try:
                self._decoded = read(piece.data)
            except CommandRefused as refused:
                self._decoded = refused
        return self._decoded

    def _first_is(self, kind: Callable[[Expr], bool]) -> bool:
        """Whether the next piece is a command of this kind."""
        piece = self._intake.first()
        if piece is None or not piece.command:
            return False
        command = self._decode()
        return not isinstance(command, CommandRefused) and kind(command)

    @property
    def resume_point(self) -> int:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        return self._position

    @property
    def replaceable(self) -> bool:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        return self._automatic and bool(self.kernel)

    def connect_kernel(self, wanted: Wanted) -> None:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        self._asked_by_command = True
        if self._handle is None:
            self._automatic = False
            self._ask(wanted)
        else:
            self._next = wanted
            self._let_go(EndReason.UNUSED)

    def keep_alive(self, keep: bool) -> None:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        self._automatic = False
        self._say(KeepAlive(self.channel, keep))

    def withdraw_abort(self) -> None:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        self._server.tell_broker(WithdrawAbort(self.channel))

    def told_id(self) -> None:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        if not self._told:
            self._told = True
            self._say(Told(self.channel))

    def _say(self, message: KeepAlive | Told) -> None:
        self._said[type(message)] = message
        self._server.tell_broker(message)

    def say_again(self) -> None:
        """Tell the broker again what its client has said of the kernel: it may be another broker.
        """
        if self.state is LinkState.ATTACHED:
            for message in self._said.values():
                self._server.tell_broker(message)

    def ask_status(self, show: Callable[[Status, str], Expr]) -> None:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        self._show_status = show
        self._server.request_status(self)

    def told_status(self, answer: Status | None) -> None:
        """Answer the client with the broker's status; None: the broker did not answer in time."""
        show, self._show_status = self._show_status, None
        if show is None or self.state in (LinkState.CLOSING, LinkState.ENDED):
            return
        if answer is None:
            self._answer_refused("nobroker", "the server's broker does not answer; try again later")
        else:
            kernel, features = self.kernel, self._link.peer_features
            kind = (show, kernel, features)
            self._write_answer(
                self._server.enquiries.form(answer, kind, lambda: encode_packet(packet("ReturnPacket", show(answer, kernel)), features))
            )
        self._proceed()

    def authenticate(self, token: str) -> None:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        if self._lock is None:
            return  # a client that needs none may give one
        attempt = self._server.take_token(self, token)
        self.log.log(logging.INFO if attempt is Attempt.RIGHT else logging.ERROR, "%s: the token that it gives is %s", self, attempt.value)
        self._lock.judged(attempt)

    def challenge(self, number: str) -> str:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        if self._lock is None:
            raise CommandRefused("args", "this link needs no token, and no proof of one")
        self._lock.numbers = number, self._server.new_number()
        return self._lock.numbers[1]

    def prove(self, proof: str) -> str:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        if self._lock is None or self._lock.numbers is None:
            raise CommandRefused("args", 'a proof comes after Authenticate["Challenge", "..."], once')
        numbers, self._lock.numbers = self._lock.numbers, None
        attempt, answer = self._server.take_proof(self, numbers, proof)
        self.log.log(logging.INFO if attempt is Attempt.RIGHT else logging.ERROR, "%s: its proof of the token is %s", self, attempt.value)
        self._lock.judged(attempt)
        return answer

    def disconnect(self) -> None:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        self._let_go(EndReason.DETACHED)

    def close_kernel(self) -> None:
        """See :class:`kernelbus.frontend.commands.CommandTarget`."""
        self._let_go(EndReason.CLOSE_KERNEL)

    def _let_go(self, reason: EndReason) -> None:
        assert self._handle is not None
        self.state = LinkState.PARTING
        self._handle.end(reason, f"client {self.name} asked for it", self._delivery.written)

    def _answer(self, answer: Function) -> None:
        self._write_answer(encode_packet(answer, self._link.peer_features))

    def _write_answer(self, answer: bytes) -> None:
        """Write an answer of the server's own, between two of the kernel's expressions."""
        self._answers.append(answer)
        self._answered_bytes += len(answer)
        self._write_answers()

    def _write_answers(self) -> None:
        while self._answers and self._output.idle:
            answer = self._answers.popleft()
            self._answered_bytes -= len(answer)
            self._link.write(answer)

    def _answer_refused(self, tag: str, text: str, symbol: str = CONTEXT + "Command", failed: bool = True) -> None:
        """Refuse as a kernel does: with a message, its text, and $Failed for a command."""
        self._answer(packet("MessagePacket", Symbol(symbol), tag))
        self._answer(packet("TextPacket", f"{symbol}::{tag}: {text}"))
        if failed:
            self._answer(packet("ReturnPacket", Symbol("$Failed")))

    def _refuse_expressions(self, count: int) -> None:
        """Refuse expressions that need a kernel: by one message, and $Failed for each."""
        if count:
            text = f"no kernel is attached to this link; ask for one with {CONTEXT}ConnectKernel[]"
            self._answer_refused("nokernel", text if count == 1 else f"{text} (for {count} expressions)", failed=False)
            self._write_answer(encode_packet(packet("ReturnPacket", Symbol("$Failed")), self._link.peer_features) * count)

    def _unwatch(self) -> None:
        if self._lock is not None:
            self._lock.end()
            self._lock = None

    def _close_with(self, tag: str, text: str, symbol: str = CONTEXT + "ConnectKernel") -> None:
        self._unwatch()
        self._drop_channel(text)
        self.state = LinkState.CLOSING
        self._intake.clear()
        self._break_off()
        self._answer_refused(tag, text, symbol, failed=False)
        self._link.close()

    def _break_off(self) -> None:
        """End the packet under way as broken, where that is possible: its rest will not come.

        The client's library reports an error for it, and the next packet can be read.
        """
        try:
            rest = self._output.break_off(_BREAK_OFF)
            if rest:
                self._output.feed(rest)
                for piece in [rest] if self._transcoder is None else self._transcoder.feed(rest):
                    self._link.write(piece)
        except (RemoteProtocolError, LimitExceeded) as error:
            self.log.debug("%s: the packet under way is cut off: %s", self, error)

    # ------------------------------------------------------------------ the broker's answers

    def _ask(self, wanted: Wanted) -> None:
        self.state = LinkState.OPENING
        if not self._automatic:
            self._link.pause()
        self.channel = self._server.new_channel()
        self._handle = self._server.multiplexer.open(self.channel, self)
        self._received = self._credited = 0
        self._stop_looking()
        # These are from the previous channel, which may have been dropped before it was known to be
        # open.
        self._unopened = []
        self._urgent.clear()
        self._delivery = Delivery()
        request = Open(
            self.channel,
            self.name,
            wanted.pool,
            wanted.parallel,
            wanted.kernel,
            wanted.wait,
            wanted.resume,
            wanted.point,
            wanted.profile,
            "automatic" if self._automatic else "asked",
            self._asked_by_command,
            wanted.keep,
        )
        self._told = self._asked_by_command
        self._said = {}
        self._request = request
        self._waits_for = ""
        if wanted.progress:
            self._loop.call_later(_WAITS_AFTER, self._ask_why, self.channel)
        if self._link.leaves:
            self._loop.call_later(_LEFT_WORK, self._withdraw, self.channel)
        if self._automatic:
            self._loop.call_later(_LISTENS_AFTER, self._listens, self.channel)
            self._await_word(request, _grace(self._link.round_trip()))
        else:
            self._server.request_kernel(self, request)

    def _await_word(self, request: Open, seconds: float) -> None:
        self._loop.call_later(seconds, self._spoke_not, request, self._loop.time())

    def _spoke_not(self, request: Open, since: float) -> None:
        """Request the automatic kernel of a client that has said nothing that makes it needless."""
        if self.state is not LinkState.OPENING or self._request is not request:
            return
        if self._last_command > since or self._show_status is not None:
            self._await_word(request, _NEXT_WORD)
        else:
            self._server.request_kernel(self, request)

    def _ask_why(self, channel: int) -> None:
        """Ask why the kernel on `channel` has not come yet, or says nothing, now and again."""
        if self.channel == channel and self._waits:
            self._server.tell_broker(WhyWaiting(channel))
            self._loop.call_later(_WAITS_AGAIN, self._ask_why, channel)

    @property
    def _waits(self) -> bool:
        """Whether the client waits for its kernel, or for the first word of the one that it named.

        A named kernel that works for an earlier client has no prompt for this one yet.
        """
        if self.state is LinkState.OPENING:
            return True
        request, handle = self._request, self._handle
        if self.state is not LinkState.ATTACHED or self._received or request is None or handle is None or not request.kernel:
            return False
        prompted = self._server.config.send_input_name_packet_upon_kernel_connection and not request.resume
        return prompted or handle.channel.accepted == 0

    def waits(self, text: str) -> None:
        """Tell the client what it waits for, if that has changed."""
        if self._waits and text != self._waits_for:
            self._waits_for = text
            self._answer_refused("waiting", text, CONTEXT + "ConnectKernel", failed=False)

    def _listens(self, channel: int) -> None:
        """Handle that the client has said nothing for a while: it waits for its kernel."""
        request = self._request
        if self.state is LinkState.OPENING and self.channel == channel and request is not None and request.demand == "automatic":
            self._demand(request, "listens")

    def _demand(self, request: Open, demand: Demand) -> None:
        self._request = replace(request, demand=demand)
        self._server.request_kernel(self, self._request)

    def opened(self, kernel: str, pool: str, position: int) -> None:
        """Attach the kernel to which the channel leads; packet `position` is the first to come."""
        if self.state is not LinkState.OPENING:
            return
        self.kernel, self.pool, self._position = kernel, pool, position
        self.state = LinkState.ATTACHED
        self.log.info("%s is attached to kernel %s of pool %s", self, kernel[:8], pool)
        if self._asked_by_command:
            self._asked_by_command = False
            self._answer(packet("ReturnPacket", kernel))
        unopened, self._unopened = self._unopened, []
        self._incoming.again(unopened)
        self._server.rounds.ask(self._incoming)
        self._proceed()

    def refused(self, code: str, text: str) -> None:
        """Tell the client that it gets no kernel; close the link unless a command had asked."""
        if self.state is not LinkState.OPENING:
            return
        # Whoever asks for a kernel that has ended learns how: that is no fault.
        self.log.log(logging.INFO if code == "unknown-kernel" else logging.ERROR, "%s gets no kernel: %s", self, text)
        if not self._asked_by_command:
            self._close_with(code.replace("-", ""), text)
            return
        self._asked_by_command = False
        self._drop_channel(text, tell=False)
        self.state = LinkState.ALONE
        self._answer_refused(code.replace("-", ""), text, CONTEXT + "ConnectKernel")
        self._proceed()

    def lost(self, text: str) -> None:
        """Tell the client that its kernel is lost, and close the link, behind what has come."""
        if self.state is LinkState.ATTACHED and self._incoming:
            self._incoming.add(Gone(text))
        else:
            self._lose(text)

    def _lose(self, text: str) -> None:
        if self.state in (LinkState.CLOSING, LinkState.ENDED):
            if self._handle is not None:
                self._drop_channel(text, tell=False)
            return
        self.log.error("%s: its kernel %s is lost: %s", self, self.kernel[:8], text)
        self._close_with("lost", text)

    def shut_down(self, linger: float) -> None:
        """Close the link in order, because the frontend ends.

        Args:
            linger: the seconds that the client has to read what was written.
        """
        if self.state is LinkState.OPENING:
            self._drop_channel("the frontend is shutting down")
        unfinished = self.state is LinkState.ATTACHED and not self._output.idle
        if self.state not in (LinkState.CLOSING, LinkState.ENDED):
            # Its channel ends with the link: until then it is not known what the client takes.
            self._unwatch()
            self.state = LinkState.CLOSING
        if unfinished:
            self._finishes_by = self._loop.time() + linger
            self._loop.call_later(linger / 2, self._finish, linger / 2)
        else:
            self._link.close(linger)

    def _finish(self, linger: float) -> None:
        self._finishes_by = None
        if self.state is LinkState.CLOSING:
            self._link.close(linger)

    def _finish_packet(self, data: bytes | bytearray | memoryview) -> None:
        """Pass on what belongs to the packet under way; close the link behind it."""
        assert self._finishes_by is not None
        base = self._output.position
        ends = [mark for mark in self._output.feed(data) if type(mark) in (End, PacketEnd)]
        if not ends:
            self._write_output(data, [])
            self._credit()
            return
        last = ends[1] if len(ends) > 1 and type(ends[1]) is PacketEnd else ends[0]
        self._write_output(memoryview(data)[: last.offset - base], [ends[0].offset - base])
        self._finish(max(0.0, self._finishes_by - self._loop.time()))

    def turn_out(self, tag: str, text: str) -> None:
        """Close the link with a reason, at once if its client does not read."""
        if self.state in (LinkState.CLOSING, LinkState.ENDED):
            return
        self.log.warning("%s is closed: %s", self, text)
        if self.state is LinkState.GREETING or self._link.congested:
            self._link.abort()
        else:
            self._close_with(tag, text)

    def abort(self) -> None:
        """Close the link at once."""
        self._link.abort()

    def _drop_channel(self, text: str, tell: bool = True) -> None:
        self._incoming.clear()
        if self._handle is not None:
            self._handle.drop()
            self._handle = None
            if tell:
                self._server.channel_done(self.channel, text)
            else:
                self._server.channel_forgotten(self.channel)
        self.channel, self.kernel, self.pool = 0, "", ""

    # ------------------------------------------------------------------ from the kernel

    def channel_event(self, event: Event) -> None:
        """Handle an event of the channel from the kernel's host."""
        match event:
            case Data() | Ended() | Reset():
                self._incoming.add(event)
                self._server.rounds.ask(self._incoming)
            case Urgent():
                self._urgent.append(event)
                self._pass_urgent()
            case Writable():
                self._proceed()

    def _take(self, event: Arrival) -> None:
        """Take what the kernel's host has sent, in its order and in this link's turn."""
        match event:
            case Data(_, payload):
                if self.state is LinkState.ATTACHED:
                    self._pass_to_client(payload)
                elif self.state is LinkState.OPENING:
                    # Data has overtaken the message "opened", which travels on the control lane.
                    self._unopened.append(payload)
                elif self._finishes_by is not None:
                    self._finish_packet(payload)
                elif self._handle is not None and self.state is not LinkState.CLOSING:
                    # What comes while the link closes is not taken, and stays in the host's log.
                    self._handle.consume(len(payload))
            case Gone(text):
                self._lose(text)
            case Ended(reason, text):
                self._kernel_side_ended(reason, text)
            case Reset():
                text = "the kernel's host knows nothing of this link any more"
                if self.state is LinkState.ATTACHED:
                    self.lost(text)
                else:
                    self._kernel_side_ended(EndReason.DETACHED, text)

    def _kernel_side_ended(self, reason: EndReason, text: str) -> None:
        if self.state is LinkState.ATTACHED and reason is EndReason.KERNEL_ENDED and self._replaced():
            self.log.info("%s: kernel %s has ended (%s); the client gets another", self, self.kernel[:8], text)
            self.state = LinkState.PARTING
            self._next = Wanted(pool=self.pool)
        if self._handle is not None:
            self._handle.end(EndReason.ANSWER)
        if self.state is LinkState.ATTACHED:
            self.log.info("%s: kernel %s has ended the session's link: %s", self, self.kernel[:8], text)
            self.state = LinkState.CLOSING
            self._link.close()

    def _replaced(self) -> bool:
        """Whether a client whose kernel has ended gets another.

        Not one that has sent its kernel nothing: a kernel that ends by itself would be replaced
        without end.
        """
        handle = self._handle
        return self._server.config.allow_silent_kernel_replacement and handle is not None and handle.channel.accepted > 0

    def channel_closed(self) -> None:
        """Handle the end of both directions of the channel."""
        self._incoming.clear()
        self._handle = None
        self._server.channel_done(self.channel, "ended")
        self.channel, self.kernel, self.pool = 0, "", ""
        if self.state is LinkState.OPENING:
            self.refused("lost", "the kernel was lost before it was attached; try again")
            return
        if self.state is LinkState.PARTING:
            self.state = LinkState.ALONE
            self._break_off()
            if not self._output.idle:
                # The expression that the kernel was writing will never be complete.
                self.log.error("%s is closed: its kernel was detached in the middle of an expression", self)
                self.state = LinkState.CLOSING
                self._link.close()
                return
            wanted, self._next = self._next, None
            if wanted is not None:
                self._automatic = False
                self._ask(wanted)
            self._proceed()

    def _pass_to_client(self, data: bytes | bytearray | memoryview) -> None:
        base = self._output.position
        try:
            marks = self._output.feed(data)
        except (RemoteProtocolError, LimitExceeded) as error:
            # Nothing that follows could be told apart. The session stays for the next link.
            self.log.error("%s is closed: what its kernel says cannot be read: %s", self, error)
            self.state = LinkState.CLOSING
            self._link.close()
            return
        self._write_output(data, [mark.offset - base for mark in marks if type(mark) is End])
        if self._answers:
            self._write_answers()
        if self._urgent:
            self._pass_urgent()
        self._credit()

    def _write_output(self, data: bytes | bytearray | memoryview, ends: list[int]) -> None:
        """Write output to the client; `ends` are where packets end in it."""
        self._position += len(ends)
        if self._transcoder is None:
            self._delivery.wrote(self._link.written, len(data), len(data))
            self._link.write(data)
        else:
            # Packet by packet, so that it is known which of them the client has received.
            view = memoryview(data)
            for start, end in itertools.pairwise([0, *ends, *([len(view)] if ends[-1:] != [len(view)] else [])]):
                written = self._link.written
                for piece in self._transcoder.feed(view[start:end]):
                    self._link.write(piece)
                self._delivery.wrote(written, self._link.written - written, end - start)
        if self._delivery.many:
            self._delivery.forget(self._answered, self._link.acknowledged())
        self._received += len(data)

    def _pass_urgent(self) -> None:
        while self._urgent and self._urgent[0].offset <= self._received:
            message = self._urgent.popleft()
            self._link.write_message(message.code, message.parameter)

    def _credit(self) -> None:
        """Give the host credit for what the client has read, as nearly as can be known.

        What is only written would be lost if this process were killed now. What waits in the
        client's machine counts as waiting.
        """
        if self._handle is None:
            return
        taken = self._delivery.taken(self._reader.read(self._link.acknowledged(), self._link.window(), self._loop.time()))
        if taken > self._credited:
            more, self._credited = taken - self._credited, taken
            self._pause = _LOOK_AGAIN
            self._handle.consume(more)
        if self._credited < self._delivery.written and self._look is None:
            # Nobody tells when the client reads something.
            self._look = self._loop.call_later(self._pause, self._look_again)
            self._pause = min(2 * self._pause, _LOOK_RARELY)

    def _look_again(self) -> None:
        self._look = None
        if self.state is LinkState.ATTACHED or self._finishes_by is not None:
            self._credit()

    def _look_soon(self) -> None:
        """Look soon at what the client has taken: a client that speaks reads, too, or is about to.
        """
        if self._look is not None and self._pause > _LOOK_AGAIN:
            self._stop_looking()
            self._credit()

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._pause = _LOOK_AGAIN

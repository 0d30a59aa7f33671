"""One kernel's session: its client, what passes between the two, and what the next client gets.

A client's bytes pass from its channel through the gate (:mod:`kernelbus.kernelhost.session.gate`)
to the kernel's link. They do so in turns (:mod:`kernelbus.bus.turns`): until the session has one,
they wait undivided. When the kernel's socket has taken them, credit goes back to the client. The
kernel's bytes pass from the link through the output log
(:mod:`kernelbus.kernelhost.session.output`) to the channel. Both directions are followed for packet
heads only (:mod:`kernelbus.kernelhost.session.conversation`).

A detached kernel goes on evaluating, and the log keeps its output. A client that attaches gets
nothing stale: once the kernel is idle, or asks its client something, the client is *greeted*. It
gets `InputNamePacket` with the session's prompt, or the question again, and then what the kernel
answers to it. A client that resumes gets instead every packet that the last client did not take,
in order, and goes on live. If the kernel asks something and the question is not among those
packets, it is asked once more.

A client whose first packet asks for another kernel has been given one by then
(`EnableAutomaticKernelConnection`). A kernel that was given so and was not asked for anything goes
back to its pool as new.

A WSTP message (abort, interrupt) carries the data offset at which the client sent it. It is written
to the kernel when the data before it has been written, or at once while the kernel works on
something earlier. An abort of what the kernel does ends also what that has said and the client has
not been sent (:meth:`kernelbus.kernelhost.session.output.OutputLog.forgo`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from kernelbus.bus.channel.channel import Data, Ended, EndReason, Event, Reset, Urgent, Writable
from kernelbus.bus.channel.multiplexer import ChannelHandle, Multiplexer
from kernelbus.bus.protocol.messages import NO_POINT, Acquire
from kernelbus.bus.rounds import Rounds
from kernelbus.bus.settings.config import LimitsConfig
from kernelbus.bus.settings.logs import EventLogger
from kernelbus.bus.turns import Backlog, Turn
from kernelbus.kernelhost.pools.keeping import Activity, Worth, worth_of
from kernelbus.kernelhost.session.conversation import Conversation
from kernelbus.kernelhost.session.gate import Gate
from kernelbus.kernelhost.session.output import OutputLog
from kernelbus.kernelhost.session.trace import TO, PacketTrace
from wstp import Function, LimitExceeded, Limits, Message, MessageCode, RemoteProtocolError, Symbol
from wstp.packets import encode_packet, packet
from wstp.relay import RelayLink
from wstp.tracker import Mark

__all__ = ["Session", "SessionKernel"]

#: Bytes of the largest output in which the kernel's id is looked for. A client that has asked the
#: kernel for its id, and was told it, can come back.
_SMALL = 65536

#: Pieces below this size are joined before they are written.
_JOINED = 65536

#: Seconds for which a client that an administrator has detached may not come back by itself.
_STAYS_AWAY = 10.0

#: The symbol of the server's own messages about a kernel.
_SYMBOL = "WSTPServer`Kernel"


class SessionKernel(Protocol):
    """What a session needs of its kernel, and tells it. The log shows it as `str` gives it."""

    identity: str
    program: str
    log: EventLogger
    trace: PacketTrace

    @property
    def link(self) -> RelayLink | None:
        """Its link, while there is one."""

    def end(self, why: str) -> None:
        """Ask it to end."""

    def completion(self) -> Iterable[bytes | memoryview]:
        """Return the bytes that complete the packet that it was sending."""

    def break_off(self) -> bytes | None:
        """Return what ends the packet that it was sending as broken; None: nothing does."""

    def hold(self, held: bool) -> None:
        """Read no more of its output for a while, or read on."""

    def abort_written(self) -> None:
        """Handle that an abort has been written to it."""

    def session_busy(self) -> None:
        """Handle that :attr:`Session.busy` has changed."""

    def session_unused(self) -> None:
        """Handle that the client has gone without a request: the kernel is as it was before."""

    def session_detached(self, why: str) -> None:
        """Handle that the client has gone."""

    def session_unwanted(self, why: str) -> None:
        """Handle that the client has asked for the kernel's end."""


@dataclass(slots=True)
class _Attachment:
    """A client that is attached to the kernel.

    Attributes:
        handle: its channel.
        gate: the way of its bytes into the kernel.
        urgent: its WSTP messages whose time has not come.
        received: how many of its bytes went into the gate.
        owed: for how many of these it has not yet been given credit.
        waiting: its bytes that have not gone into the gate, because the session has had no turn
            since, or because it is not greeted. Before that the kernel may still work for an
            earlier client, and the answer would count as stale.
        over: the end of its stream, which is behind what waits.
        greeted: whether the kernel works for it.
        base: the log offset of the first byte that is sent to it.
        cursor: the log offset up to which the output has been sent.
    """

    handle: ChannelHandle
    gate: Gate
    urgent: deque[Urgent]
    received: int = 0
    owed: int = 0
    waiting: Backlog = field(default_factory=Backlog)
    over: Ended | None = None
    greeted: bool = False
    base: int = 0
    cursor: int = 0


class Session:
    """The session of one kernel.

    Args:
        kernel: the kernel.
        limits: `Limits` of the configuration.
        send_prompt: whether a client that attaches is sent `InputNamePacket`.
        replaced: whether a client whose kernel dies gets another one at once.
        rounds: gives the turns.

    Attributes:
        channel: the channel of its client; 0: it has no client.
        start: the number of the packet with which its client began, or the last one.
        client: the address of its client.
        profile: the name that the client has given to the session.
        attachments: how many clients it has had.
        known: whether a client was told the id of the kernel, and so can come back.
        promised: whether a client has asked for the kernel to be kept.
        began: when the first client came, on the caller's clock; 0: none has come.
        conversation: what client and kernel have asked of each other.
    """

    def __init__(self, kernel: SessionKernel, limits: LimitsConfig, send_prompt: bool, replaced: bool, rounds: Rounds) -> None:
        self.channel = 0
        self.start = 0
        self.client = ""
        self.profile = ""
        self.attachments = 0
        self.known = False
        self.promised = False
        self.began = 0.0
        self.conversation = Conversation()
        self._orderly = False  # whether the last client said that it leaves
        self._sent_away = ("", "", 0.0)  # the address of a client that was detached, by whom, and when
        self._kernel = kernel
        self._limits = limits
        self._tracker_limits = Limits(token_size=limits.token_size)
        self._send_prompt = send_prompt
        self._replaced = replaced
        self._rounds = rounds
        self._attachment: _Attachment | None = None
        self._log = OutputLog(limits.output_buffer)
        self._sent = 0  # the log offset up to which output was sent to any client that has gone
        self._end_of_output = b""
        self._completion: Iterator[bytes | memoryview] | None = None
        self._clearing = False  # whether the kernel has yet to answer what is, or was, completed
        # The kernel's last question, and the number of the packet behind it.
        self._question: Function | None = None
        self._asked_before = 0

    @property
    def busy(self) -> bool:
        """Whether the kernel has been asked for something that it has not answered."""
        return self.conversation.busy or self._completion is not None

    @property
    def listening(self) -> bool:
        """Whether the kernel takes a client's next packet now: it is idle, or asks something."""
        return self.conversation.listening and self._completion is None

    @property
    def activity(self) -> Activity:
        """What the kernel does."""
        if not self.busy:
            return Activity.IDLE
        return Activity.ASKING if self.listening else Activity.EVALUATING

    @property
    def worth(self) -> Worth:
        """What the session is worth without its last client."""
        conversation = self.conversation
        return worth_of(
            promised=self.promised or bool(self.profile),
            known=self.known,
            orderly=self._orderly,
            asked=conversation.evaluations,
            answered=conversation.answered,
        )

    def send_away(self, by: str, now: float) -> None:
        """Note that an administrator detaches the client, which is not to come back by itself."""
        self.promised = True
        self._sent_away = (self.client.rpartition(":")[0], by, now)

    def sent_away(self, request: Acquire, now: float) -> str:
        """Say why a client that was just detached by an order may not resume yet; empty: it may.

        A client that comes back by itself does so from the same address, at once, and from where it
        was.
        """
        address, by, since = self._sent_away
        if not by or request.point == NO_POINT or request.client.rpartition(":")[0] != address or now - since > _STAYS_AWAY:
            return ""
        return f"the kernel was detached by {by} {now - since:.0f} s ago; come back in {_STAYS_AWAY - now + since:.0f} s"

    @property
    def attached(self) -> bool:
        """Whether it has a client."""
        return self._attachment is not None

    # ------------------------------------------------------------------ attach and detach

    def position(self, resume: bool, point: int) -> int:
        """Return the number of the packet with which a client that attaches begins.

        Args:
            resume: whether it wants what the last client has not taken.
            point: with `resume`, the number of the packet that it wants to go on from; NO_POINT:
                the first one that is known not to have been taken.

        Raises:
            ResumeError: that packet is not kept, or does not exist yet.
        """
        if not resume:
            return self._log.packets
        if point == NO_POINT:
            return self._log.missed()[1]
        self._log.resume(point)
        return point

    def attach(self, channel: int, client: str, multiplexer: Multiplexer, resume: bool = False, point: int = NO_POINT) -> None:
        """Give the kernel to the client at the other end of `channel`.

        Without `resume`, what the kernel has said meanwhile is dropped as stale. With it, that is
        sent first. An open question is then sent again even if the last client has taken it, since
        that client left without an answer.

        Args:
            channel: the client's channel.
            client: its address.
            multiplexer: the host's channels.
            resume, point: see :meth:`position`.
        """
        assert self._attachment is None
        log = self._log
        self.channel, self.client = channel, client
        handle = multiplexer.open(channel, _ChannelEvents(self))
        gate = Gate(self._limits.hold_buffer, self._tracker_limits, self._requested, self._kernel.trace.kept)
        attachment = _Attachment(handle, gate, deque())
        self._attachment = attachment
        if resume:
            missed = log.missed()
            first = missed[1] if point == NO_POINT else point
            attachment.base = attachment.cursor = missed[0] if point == NO_POINT else log.resume(point)
            log.rewind(attachment.base)
            attachment.greeted = True
            if (question := self.conversation.question) is not None and first >= self._asked_before and log.between:
                self._say_question(question)
            self._send_kept()
            self._credit()
        else:
            log.drop()
            self._greet()
        if handle.writable:
            self._kernel.hold(False)

    def let_go(self, text: str) -> None:
        """Detach the client, because nothing is at the other end of its channel any more.

        Its link has broken off, and so it may not have read what its machine has acknowledged.
        If the kernel was never used, it goes back to its pool as new.
        """
        if self._unused and self._attachment is not None and self._attachment.handle.channel.peer_consumed == 0:
            self._give_back(EndReason.DETACHED, text)
        elif self._attachment is not None:
            self._part(EndReason.DETACHED, text, broken=True)
            self._kernel.session_detached(text)

    @property
    def _unused(self) -> bool:
        """Whether the kernel is as new: its first client is there and has asked for nothing."""
        attachment = self._attachment
        return (
            attachment is not None
            and self.attachments == 1
            and attachment.greeted
            and attachment.received == 0
            and not attachment.waiting
            and not attachment.urgent
            and not self.busy
        )

    @property
    def unspent(self) -> bool:
        """Whether its client has the kernel, has asked it for nothing, and was promised nothing."""
        return self._unused and not self.promised and not self.profile

    def _give_back(self, reason: EndReason, text: str) -> None:
        self._part(reason, text)
        self.attachments = 0
        self.profile, self.began = "", 0.0
        self.known = self.promised = False
        self._log, self._sent = OutputLog(self._limits.output_buffer), 0
        self._kernel.session_unused()

    def detach(self, reason: EndReason, text: str) -> None:
        """Take the kernel from its client."""
        if self._attachment is not None:
            self._part(reason, text)
            self._kernel.session_detached(text)

    def _greet(self) -> None:
        """Begin to work for the attached client, once the kernel listens and its output is whole.

        The client gets the prompt, or the kernel's question, and nothing stale before it.
        """
        attachment = self._attachment
        if attachment is None or attachment.greeted or not self.listening or not self._log.between:
            return
        log = self._log
        log.keep()
        attachment.base = attachment.cursor = log.end
        attachment.greeted = True
        question = self.conversation.question
        if question is not None:
            self._say_question(question)
        elif self._send_prompt and self.conversation.prompts:
            log.append_packet(encode_packet(packet("InputNamePacket", self.conversation.prompt)))
        self._send_kept()
        self._proceed()
        self._credit()

    def _say_question(self, question: Function) -> None:
        """Ask the client once more, in the kernel's name."""
        self._log.append_packet(encode_packet(question))
        self._asked_before = self._log.packets

    def _send_kept(self) -> None:
        """Send the client what the log holds for it, as far as the client takes it."""
        attachment = self._attachment
        if attachment is None or not attachment.greeted:
            return
        while attachment.handle.writable and attachment.cursor < self._log.end:
            piece = self._log.piece(attachment.cursor)
            # Before sending: that can bring events from the client, and so call this method again.
            attachment.cursor += len(piece)
            attachment.handle.send(piece)
        if attachment.cursor == self._log.end and attachment.handle.writable:
            self._kernel.hold(False)

    def _note_taken(self, attachment: _Attachment, exactly: int | None = None) -> None:
        if exactly is None:
            self._log.take(attachment.base + attachment.handle.channel.peer_consumed)
        else:
            # Less than its machine has acknowledged, if the client may not have read all of that.
            self._log.answered(attachment.base + exactly)
            self._log.give_back(attachment.base + exactly)

    def _part(self, reason: EndReason, text: str, taken: int | None = None, broken: bool = False) -> None:
        """Separate the client from the kernel.

        An expression that the kernel has begun to read is completed, and aborted.

        Args:
            reason, text: what ends the client's channel.
            taken: bytes of the output that the client has taken, or has read, if its connection may
                have held unread ones; None: as its channel says.
            broken: whether its link has broken off unseen.
        """
        attachment, self._attachment = self._attachment, None
        assert attachment is not None
        self._orderly = False
        self.channel, self.client = 0, ""
        if attachment.greeted:
            self._note_taken(attachment, taken)
            self._sent = max(self._sent, attachment.cursor)
            if broken:
                self._log.give_back()
        self._log.left()
        if self._kernel.link is not None:
            if attachment.waiting:
                left = attachment.waiting.size
                self._kernel.log.info("%s: %d bytes that its client has sent are dropped", self._kernel, left)
            self._kernel.hold(False)
            completion = attachment.gate.abandon()
            if completion is not None:
                self._kernel.log.info("%s: its client left in the middle of an expression, which is completed and aborted", self._kernel)
                self._completion, self._clearing = completion, True
                self._send_message(MessageCode.ABORT)
                self._complete()
        attachment.handle.end(reason, text)

    def kernel_ended(self, how: str, tag: str = "") -> None:
        """Handle that the kernel has ended: send the client the rest of the output, and let it go.

        Args:
            how: how it ended, for the client; follows "the kernel".
            tag: the name of a message that tells the client so; empty: its link just ends. A packet
                in whose middle the kernel ended is first ended as broken, where that is possible.
        """
        attachment = self._attachment
        if attachment is None:
            return
        while attachment.greeted and (piece := self._log.piece(attachment.cursor)):
            attachment.cursor += len(piece)
            attachment.handle.send(piece)
        if self._attachment is attachment:
            if self._replaced and attachment.greeted:
                self._say_replaced(attachment, how)
            elif tag and attachment.greeted and (rest := b"" if self._log.between else self._kernel.break_off()) is not None:
                attachment.handle.send(rest)
                for packed in _message(tag, f"the kernel {how}"):
                    attachment.handle.send(encode_packet(packed))
            self._part(EndReason.KERNEL_ENDED, how)

    def forget(self) -> None:
        """Forget the output: the kernel has ended, and nobody can come back to it."""
        self._log, self._sent = OutputLog(self._limits.output_buffer), 0

    def tell(self, tag: str, text: str) -> None:
        """Send the client a message of the server's own, unless a kernel's packet is unfinished.

        Args:
            tag: the name of the message.
            text: its text.
        """
        attachment = self._attachment
        if attachment is not None and attachment.greeted and attachment.cursor == self._log.end and self._log.between:
            for packed in _message(tag, text):
                self._log.append_packet(encode_packet(packed))
            self._send_kept()

    def _say_replaced(self, attachment: _Attachment, how: str) -> None:
        """Answer what the kernel still owed to a client that is to get another kernel at once.

        An unfinished packet is completed, and every evaluation that was not answered gives $Failed.
        """
        handle, owed = attachment.handle, self.conversation.awaited["ReturnPacket"]
        if not self._log.between:
            for piece in self._kernel.completion():
                handle.send(piece)
            handle.send(b"]")
        if self.busy:
            handle.send(encode_packet(packet("MessagePacket", Symbol(_SYMBOL), "replaced")))
            text = f"{_SYMBOL}::replaced: the kernel has ended ({how}); another takes its place."
            handle.send(encode_packet(packet("TextPacket", text)))
            for _ in range(owed):
                handle.send(encode_packet(packet("ReturnPacket", Symbol("$Failed"))))

    def _complete(self) -> None:
        """Go on writing what completes a half-read expression, as fast as the kernel takes it."""
        while self._completion is not None and self._kernel.link is not None and not self._kernel.link.congested:
            try:
                piece = next(self._completion, None)
            except LimitExceeded as error:
                self._kernel.log.error("%s is ended: the expression that its client left cannot be completed (%s)", self._kernel, error)
                self._completion = None
                self._kernel.end("had begun to read an expression that could not be completed")
                return
            if piece is None:
                self._completion = None
                if self._kernel.program:
                    # The embedded kernel applies an abort to the packet that it is reading. Whether
                    # another kernel does is not known.
                    self._send_message(MessageCode.ABORT)
                self._clear()
                self._proceed()
            else:
                self._kernel.link.write(piece)

    def _clear(self) -> None:
        """Let the client's bytes pass, once nothing of what the last client left is under way."""
        if self._clearing and self.listening:
            self._clearing = False
            self._proceed()

    @property
    def _held_up(self) -> bool:
        """Whether the client's bytes have to wait for the end of what the last client left.

        They cannot stand in the middle of its expression. Until the kernel has answered that, the
        abort of it may be under way, and would end what this client asks for. Only what a client
        has asked for that has gone is not worth that wait.
        """
        return self._completion is not None or (self._clearing and self._attachment is not None and self._attachment.over is None)

    # ------------------------------------------------------------------ from the client

    def channel_event(self, event: Event) -> None:
        """Handle an event on the attached client's channel."""
        attachment = self._attachment
        if attachment is None:
            return
        match event:
            case Data(_, payload):
                if attachment.greeted:
                    self._log.answered(attachment.base + attachment.handle.channel.peer_consumed)
                attachment.waiting.add(payload)
                self._proceed()
            case Urgent():
                attachment.urgent.append(event)
                self._pass_urgent(attachment)
            case Ended():
                attachment.over = event
                self._proceed()
            case Reset():
                self._part(EndReason.ANSWER, "", broken=True)
                self._kernel.session_detached("its frontend knows nothing of it")
            case Writable():
                self._send_kept()

    def _proceed(self) -> None:
        """Pass on what the client has sent, as far as this session's turn allows.

        A client that has gone may have sent a request before: the kernel carries it out after what
        was asked earlier.
        """
        attachment = self._attachment
        if attachment is None or self._held_up:
            return
        if (attachment.greeted and attachment.waiting) or attachment.over is not None:
            self._rounds.ask(self)

    def work(self, turn: Turn) -> bool:
        """Pass on what the client has sent; see :class:`kernelbus.bus.rounds.Worker`."""
        attachment = self._attachment
        if attachment is None or self._held_up:
            return False
        try:
            self._feed(attachment, turn)
        except (RemoteProtocolError, LimitExceeded) as error:
            self._kernel.log.error("%s: its client sent what is not WSTP (%s); its link is closed", self._kernel, error)
            self.detach(EndReason.REFUSED, str(error))
            return False
        if attachment.urgent:
            self._pass_urgent(attachment)
        self._credit()
        if self._attachment is attachment and not attachment.waiting and attachment.over is not None:
            self._left(attachment.over)
        return self._attachment is attachment and bool(attachment.waiting)

    def _feed(self, attachment: _Attachment, turn: Turn) -> None:
        """Pass what waits through the gate to the kernel, as long as the turn lasts."""
        waiting, gate, link = attachment.waiting, attachment.gate, self._kernel.link
        small: list[bytes | memoryview] = []
        goes_on = True
        try:
            while waiting and goes_on:
                part = waiting.take(gate.skippable)
                attachment.received += len(part)
                attachment.owed += len(part)
                if link is not None:
                    for piece in gate.feed(part):
                        if len(piece) < _JOINED:
                            small.append(piece)
                        else:
                            _write(link, small)
                            link.write(piece)
                goes_on = turn.step()
        finally:
            if link is not None:
                _write(link, small)

    def _left(self, end: Ended) -> None:
        """Handle that the client has gone, and that all that it has sent has been passed on."""
        if end.reason is EndReason.UNUSED and self._unused:
            self._give_back(EndReason.ANSWER, "")
            return
        why = end.text or end.reason.name.lower().replace("_", " ")
        self._part(EndReason.ANSWER, "", end.taken)
        self._orderly = end.reason is not EndReason.CLIENT_LOST
        # Disconnect[] lets the kernel go, to be found again by its id.
        self.promised = self.promised or end.reason is EndReason.DETACHED
        if end.reason is EndReason.CLOSE_KERNEL:
            self._kernel.session_unwanted(why)
        else:
            self._kernel.session_detached(why)

    def _credit(self) -> None:
        """Give the client credit, unless the kernel does not read, or still works for another."""
        attachment, link = self._attachment, self._kernel.link
        if attachment is not None and attachment.greeted and attachment.owed and link is not None and not link.congested:
            owed, attachment.owed = attachment.owed, 0
            attachment.handle.consume(owed)

    def _pass_urgent(self, attachment: _Attachment) -> None:
        """Pass on the WSTP messages whose time has come.

        This is when the kernel has been given the data before them, or works on something earlier.
        """
        while attachment.urgent and self._kernel.link is not None:
            first = attachment.urgent[0]
            passed = attachment.received - attachment.gate.held >= first.offset
            if not (passed or self.busy or first.code == MessageCode.TERMINATE):
                return
            attachment.urgent.popleft()
            if first.code == MessageCode.ABORT and self.busy:
                self._forgo(attachment)
            if passed and not self.busy:
                self._kernel.link.when_written(lambda message=first: self._write_message(message))  # type: ignore[misc]
            else:
                self._write_message(first)

    def _forgo(self, attachment: _Attachment) -> None:
        """Drop what an evaluation has said and the client, which aborts it, has not been sent."""
        if not attachment.greeted:
            return
        count, size = self._log.forgo(max(attachment.cursor, self._sent))
        if count:
            text = "%s: its client aborts; %d packets (%d bytes) that were not on their way to it yet are dropped"
            self._kernel.log.info(text, self._kernel, count, size)
            self._send_kept()

    def send(self, code: MessageCode) -> None:
        """Send the kernel a WSTP message at once, as if its client had sent it."""
        self._write_message(Urgent(0, int(code), 0))

    def _write_message(self, message: Urgent) -> None:
        if self._kernel.link is not None:
            self._send_message(message.code, message.parameter)
            if message.code == MessageCode.ABORT:
                self._kernel.abort_written()
                self.conversation.interrupted()

    def _send_message(self, code: int, parameter: int = 0) -> None:
        assert self._kernel.link is not None
        self._kernel.link.write_message(code, parameter)
        if self._kernel.trace.active:
            self._kernel.trace.message(TO, code)

    def _requested(self, head: str | None, size: int, beginning: bytes) -> None:
        """Note that a whole packet has passed to the kernel (see :class:`Gate`)."""
        if self._kernel.trace.active:
            self._kernel.trace.passed(TO, head, size, beginning)
        was_busy = self.busy
        self.conversation.requested(head)
        if self.busy and not was_busy:
            self._kernel.session_busy()

    # ------------------------------------------------------------------ from the kernel

    def heard(self, data: bytes | memoryview, marks: list[Mark], base: int) -> None:
        """Log the kernel's next bytes; send them to the client if it has had all before them.

        If the client, or the log, takes no more, the kernel is held back.

        Args:
            data: the bytes.
            marks: the tracker's marks in them.
            base: the tracker's offset of the first of them.
        """
        log, attachment = self._log, self._attachment
        if not self.known and attachment is not None:
            self._look_for_id(data)
        before = log.end
        kept = log.append(data, marks, base)
        if attachment is None:
            if log.full:
                self._kernel.hold(True)
        elif not attachment.greeted:
            # The marks have not been followed yet: `looked_at` finds out whether the client can be
            # greeted.
            pass
        else:
            if attachment.cursor == before and attachment.handle.writable:
                attachment.cursor = log.end
                if len(kept):
                    attachment.handle.send(kept)
            if self._attachment is attachment:
                self._note_taken(attachment)
            if not attachment.handle.writable:
                self._kernel.hold(True)

    def _look_for_id(self, data: bytes | memoryview) -> None:
        if len(data) >= _SMALL:
            self._end_of_output = b""
            return
        identity = self._kernel.identity.encode()
        text = self._end_of_output + bytes(data)
        self.known = identity in text
        # It may come in two pieces.
        self._end_of_output = text[1 - len(identity) :]

    def looked_at(self) -> None:
        """Greet the client if it waits, now that the conversation has followed what was heard."""
        if (question := self.conversation.question) is not self._question:
            self._question, self._asked_before = question, self._log.packets
        self._clear()
        if self._attachment is not None and not self._attachment.greeted:
            self._greet()

    def told(self, message: Message) -> None:
        """Pass on a WSTP message of the kernel to the client."""
        if self._attachment is not None:
            self._attachment.handle.send_urgent(message.code, message.parameter)

    def drained(self) -> None:
        """Handle that the kernel's link takes more."""
        self._complete()
        self._credit()
        if self._attachment is not None and self._attachment.urgent:
            self._pass_urgent(self._attachment)


def _message(tag: str, text: str) -> tuple[Function, Function]:
    """Return the two packets of a message of the server's own."""
    return packet("MessagePacket", Symbol(_SYMBOL), tag), packet("TextPacket", f"{_SYMBOL}::{tag}: {text}")


def _write(link: RelayLink, pieces: list[bytes | memoryview]) -> None:
    """Write small pieces in one, and forget them."""
    if pieces:
        link.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        pieces.clear()


class _ChannelEvents:
    """Passes the events of one channel to the session, while it is the session's channel."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._channel = session.channel

    def channel_event(self, event: Event) -> None:
        if self._session.channel == self._channel:
            self._session.channel_event(event)

    def channel_closed(self) -> None:
        """Do nothing: the client and the kernel were separated when either of them ended."""

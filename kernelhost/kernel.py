"""One kernel: its process, its link, and the client that is attached to it, if any.

The kernel's state is the pool's (:class:`kernelhost.pool.KernelState`); this object is the I/O under it. Bytes pass: from the
channel through the gate to the link, from the link through the log to the channel. Both directions are tracked only for packet heads
(:mod:`kernelhost.conversation`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from bus.channel import Data, Ended, EndReason, Event, Reset, Urgent, Writable
from bus.config import LimitsConfig, PoolConfig
from bus.messages import NO_POINT
from bus.multiplexer import ChannelHandle, Multiplexer
from kernelhost.abort import AbortWatch
from kernelhost.accounting import Usage
from kernelhost.conversation import Conversation
from kernelhost.gate import Gate
from kernelhost.initialisation import Initialisation, Step, verdict
from kernelhost.nursery import InitialisationFailed, Nursery, NurseryFailed
from kernelhost.output import OutputLog
from kernelhost.process import KernelProcess, SpawnedKernel, embedded_arguments, kernel_command
from wstp import Function, LimitExceeded, Limits, Message, MessageCode, RemoteProtocolError, Symbol
from wstp.packets import encode_packet, packet
from wstp.relay import RelayLink, RelayListener, RelayOwner
from wstp.tracker import Argument, End, Head, Mark, Start, Tracker

__all__ = ["Kernel", "KernelHandler", "Phase"]

_log = logging.getLogger("kernelbus.host")

#: Seconds between asking a kernel to end and killing it.
_END_GRACE = 1.0


class Phase(Enum):
    """How far a kernel has come."""

    STARTING = "starting"
    INITIALISING = "initialising"
    SERVING = "serving"
    ENDED = "ended"


class KernelHandler(Protocol):
    """Whoever is told of a kernel's life."""

    def kernel_ready(self, kernel: Kernel) -> None:
        """It waits for its first client."""

    def kernel_busy(self, kernel: Kernel) -> None:
        """:attr:`Kernel.busy` or :attr:`Kernel.prompt` has changed."""

    def kernel_unused(self, kernel: Kernel) -> None:
        """Its client has gone and asked it for nothing: it is as it was before."""

    def kernel_detached(self, kernel: Kernel, why: str) -> None:
        """Its client has gone."""

    def kernel_unwanted(self, kernel: Kernel, why: str) -> None:
        """Its client has asked for its end."""

    def kernel_ended(self, kernel: Kernel, how: str) -> None:
        """Its process is gone. Comes once."""


@dataclass(slots=True)
class _Attachment:
    """A client's hold on the kernel. `received` counts its bytes that came, `owed` those not yet given credit for.

    What is sent to it lies in the log from `base` on, and `cursor` is how far it has been sent.
    """

    handle: ChannelHandle
    gate: Gate
    urgent: deque[Urgent]
    received: int = 0
    owed: int = 0
    greeted: bool = False
    base: int = 0
    cursor: int = 0


class Kernel(RelayOwner):
    """A kernel process with its link.

    Args:
        number: the pool's.
        identity: the kernel id, for clients.
        pool: what it is started as.
        send_prompt: whether a client that attaches is sent `InputNamePacket`.
        replaced: whether a client whose kernel dies gets another at once.
    """

    def __init__(
        self,
        number: int,
        identity: str,
        pool: PoolConfig,
        limits: LimitsConfig,
        send_prompt: bool,
        replaced: bool,
        handler: KernelHandler,
        nursery: Nursery,
    ) -> None:
        self.number = number
        self.identity = identity
        self.pool = pool
        self.phase = Phase.STARTING
        self.attachments = 0
        self.channel = 0
        self.client = ""
        self.profile = ""
        self.serial = 0
        self.conversation = Conversation()
        self._limits = limits
        self._send_prompt = send_prompt
        self._replaced = replaced
        self._handler = handler
        self._nursery = nursery
        self._loop = asyncio.get_running_loop()
        self._listener: RelayListener | None = None
        self._process: KernelProcess | None = None
        self._link: RelayLink | None = None
        self._exit: str | None = None
        self.usage = Usage()  #: what it was last seen to have used
        self.quiet_since = 0.0  #: when it was ready, or last came to the end of an evaluation
        self.program = ""  #: what it runs; empty: it is an embedded kernel
        self._ending: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._abort = AbortWatch(self, limits.abort_timeout)
        self._attachment: _Attachment | None = None
        self._tracker_limits = Limits(token_size=limits.token_size)
        self._initialisation = Initialisation(pool.initialization_file, pool.initialization_code)
        self._steps: deque[Step] = deque()
        self._step: Step | None = None
        self._value: object = None
        self._last_message = ""
        self._prompted = False
        self._output = Tracker(self._tracker_limits, want_first_argument=Conversation.HEADS | {"ReturnPacket"})
        self._log = OutputLog(limits.output_buffer)
        self._completion: Iterator[bytes | memoryview] | None = None

    def __str__(self) -> str:
        return f"kernel {self.identity[:8]} of pool {self.pool.name}"

    @property
    def busy(self) -> bool:
        """Whether it has been asked for something it has not answered."""
        return self.conversation.busy or self._completion is not None

    @property
    def listening(self) -> bool:
        """Whether it takes a client's next word now: it is idle, or asks its client something."""
        return self.conversation.listening and self._completion is None

    @property
    def bytes_in(self) -> int:
        """Token bytes given to the kernel."""
        return self._link.bytes_out if self._link is not None else 0

    @property
    def bytes_out(self) -> int:
        """Token bytes that came from the kernel."""
        return self._link.bytes_in if self._link is not None else 0

    @property
    def pid(self) -> int:
        """Its process; 0: none yet, or no more."""
        return self._process.pid if self._process is not None and self._exit is None else 0

    @property
    def idle(self) -> float:
        """Seconds since it has evaluated, or has been ready; 0 while it evaluates."""
        return 0.0 if self.busy or self.phase is not Phase.SERVING else self._loop.time() - self.quiet_since

    @property
    def held(self) -> bool:
        """Whether nobody takes what it says at present, so that it is not read."""
        return self._link is not None and self._link.paused

    # ------------------------------------------------------------------ start and end

    async def start(self) -> None:
        """Start the process and wait for its link in the background; the handler is told of success or failure."""
        self._listener = RelayListener(self._accept, ("uuid", "default"), self._limits.greeting_timeout)
        try:
            port = await self._listener.listen("127.0.0.1", 0)
            command = kernel_command(self.pool.kernel_path, self.pool.kernel_options, f"{port}@127.0.0.1", self.pool.parallel_kernels)
            if embedded_arguments(command) is None:
                self.program = command[0]
            elif self._limits.kernel_memory:
                command += ["-memory", str(self._limits.kernel_memory)]
            self._process = await self._run(command)
        except OSError as error:
            program = self.program or "the embedded kernel"
            self._exited(f"could not be started: {program}: {error.strerror or error}")
        except (InitialisationFailed, NurseryFailed) as error:
            self._exited(f"could not be initialised: {error}")
        else:
            if self._ending is not None:
                self._process.kill()
            elif self._exit is None:
                self._timer = self._loop.call_later(self._limits.kernel_start_timeout, self._late)
                if self._prompted:
                    self._initialise()

    async def _run(self, command: list[str]) -> KernelProcess:
        arguments = embedded_arguments(command)
        if arguments is not None and self._nursery.available:
            try:
                return await self._nursery.fork(arguments, str(self), self._exited, self._initialisation, self.pool.name)
            except NurseryFailed as error:
                if self._ending is not None:
                    raise
                _log.error("%s; %s is started by itself", error, self)
        return await SpawnedKernel.start(command, str(self), self._exited)

    def end(self, why: str) -> None:
        """Ask it to end; after a grace it is killed."""
        if self._ending is not None:
            return
        self._ending = why
        if self._link is not None:
            self._link.write_message(MessageCode.TERMINATE)
            self._link.close()
        self._restart_timer(_END_GRACE, self.kill)
        if self._link is None:
            self.kill()

    def kill(self) -> None:
        """End it now."""
        if self._process is not None:
            self._process.kill()

    def interrupt(self) -> None:
        """Send its process SIGINT."""
        if self._process is not None:
            self._process.interrupt()

    def destroy(self, tag: str, why: str) -> None:
        """Kill it, and tell its client why: `tag` names the message, `why` follows "the kernel"."""
        self._ending = self._ending or why
        attachment = self._attachment
        # Not in the middle of what the kernel was saying.
        if attachment is not None and attachment.greeted and attachment.cursor == self._log.end and self._log.between:
            symbol = "WSTPServer`Kernel"
            for packed in (packet("MessagePacket", Symbol(symbol), tag), packet("TextPacket", f"{symbol}::{tag}: the kernel {why}")):
                attachment.handle.send(encode_packet(packed))
        self.kill()

    def _late(self) -> None:
        limit = f"{self._limits.kernel_start_timeout:g} s"
        if self._step is not None:
            self._fail(f"did not end in {limit}")
            return
        output = self._process.last_output if self._process else ""
        self.end(f"did not get ready in {limit}" + (f"; it said last: {output}" if output else ""))

    def _exited(self, how: str) -> None:
        self._exit = how
        self._stop_timer()
        if self._listener is not None:
            self._listener.close()
        if self._link is None:
            self._finish()
        else:
            # What it said before is still on its way; its connections end behind it. They may be held open by what it started.
            self._restart_timer(_END_GRACE, self._abandon_link)

    def _abandon_link(self) -> None:
        if self._link is not None and self._attachment is None:
            self._link.abort()

    def link_ended(self, link: RelayLink, said_so: bool) -> None:
        self._link = None
        if self._exit is None:
            self._restart_timer(_END_GRACE, self.kill)
        if self._attachment is not None:
            self._say_replaced()
            self._part(EndReason.KERNEL_ENDED, self._ending or self._exit or "the kernel closed its link")
        if self._exit is not None:
            self._finish()

    def _finish(self) -> None:
        self._stop_timer()
        self._abort.stop()
        if self.phase is Phase.ENDED:
            return
        self.phase = Phase.ENDED
        assert self._exit is not None
        if self._step is not None and self._ending is None:
            self._ending = f"could not be initialised: {self._step.name} ended the kernel, which {self._exit}"
        if self._attachment is not None:
            self._say_replaced()
            self._part(EndReason.KERNEL_ENDED, self._ending or self._exit)
        self._handler.kernel_ended(self, self._ending or self._exit)

    def _restart_timer(self, delay: float, callback: object) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay, callback)  # type: ignore[arg-type]

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ------------------------------------------------------------------ the link comes up

    def _accept(self, link: RelayLink) -> RelayOwner | None:
        if self._link is not None:
            _log.error("%s: a second link to its port; refused", self)
            return None
        self._link = link
        return self

    def link_active(self, link: RelayLink) -> None:
        if self._listener is not None:
            self._listener.close()

    def _initialise(self) -> None:
        """The first prompt has come: define what every kernel has, and run what the pool says, unless its parent did."""
        self.phase = Phase.INITIALISING
        assert self._process is not None
        if not self._process.initialised:
            self._steps.extend(self._initialisation.steps())
        define = [
            Symbol("Set")(Symbol("WSTPServer`$KernelID"), self.identity),
            Symbol("Set")(Symbol("WSTPServer`$PoolName"), self.pool.name),
        ]
        self._ask(Symbol("CompoundExpression")(*define, Symbol("Null")))

    def _ask(self, expression: Function) -> None:
        assert self._link is not None
        self._value = None
        self.conversation.requested("EvaluatePacket")
        self._link.write(encode_packet(packet("EvaluatePacket", expression)))

    def _initialise_on(self) -> None:
        """What was asked is answered: go on with the next, unless it failed."""
        if self._ending is not None:
            return
        if self._step is not None and (why := verdict(self._value)) is not None:
            self._fail(why)
        elif self._steps:
            self._step = self._steps.popleft()
            self._ask(self._step.expression)
        else:
            self._step = None
            self._become_ready()

    def _fail(self, why: str) -> None:
        assert self._step is not None
        because = f"; its last message: {self._last_message}" if self._last_message else ""
        self.end(f"could not be initialised: {self._step.name} {why}{because}")

    def _become_ready(self) -> None:
        self.phase = Phase.SERVING
        self.quiet_since = self._loop.time()
        self._output.want_first_argument(Conversation.HEADS)
        self.conversation.evaluations = 0
        self._stop_timer()
        self._handler.kernel_ready(self)

    # ------------------------------------------------------------------ attach and detach

    def position(self, resume: bool, point: int) -> int:
        """Give the number of the packet with which a client that attaches begins.

        Args:
            resume: whether it wants what the last one has not taken.
            point: with `resume`, the packet it wants to go on from; NO_POINT: what is known to be missed.

        Raises:
            ResumeError: that packet is not kept.
        """
        if not resume:
            return self._log.packets
        if point == NO_POINT:
            return self._log.missed()[1]
        self._log.resume(point)
        return point

    def attach(self, channel: int, client: str, multiplexer: Multiplexer, resume: bool = False, point: int = NO_POINT) -> None:
        """Give the kernel to the client at the other end of `channel`.

        Without `resume`, what it said while nobody listened is stale; with it, that is sent first.
        """
        assert self._attachment is None
        log = self._log
        self.channel, self.client = channel, client
        handle = multiplexer.open(channel, _ChannelEvents(self))
        attachment = _Attachment(handle, Gate(self._limits.hold_buffer, self._tracker_limits, self._requested), deque())
        self._attachment = attachment
        if resume:
            attachment.base = attachment.cursor = log.missed()[0] if point == NO_POINT else log.resume(point)
            attachment.greeted = True
            self._send_kept()
            self._credit()
        else:
            log.drop()
            self._greet()
        if self._link is not None and handle.writable:
            self._link.resume()

    def let_go(self, text: str) -> None:
        """Nobody is at the other end of its channel any more, or ever was."""
        if self._unused and self._attachment is not None and self._attachment.handle.channel.peer_consumed == 0:
            self._give_back(EndReason.DETACHED, text)
        else:
            self.detach(EndReason.DETACHED, text)

    @property
    def _unused(self) -> bool:
        """Whether it is as new: it has a client, its first, which has not asked it for anything."""
        attachment = self._attachment
        return (
            attachment is not None
            and self.attachments == 1
            and attachment.greeted
            and attachment.received == 0
            and not attachment.urgent
            and not self.busy
        )

    def _give_back(self, reason: EndReason, text: str) -> None:
        self._part(reason, text)
        self.attachments = 0
        self.profile = ""
        self._log = OutputLog(self._limits.output_buffer)
        self._handler.kernel_unused(self)

    def detach(self, reason: EndReason, text: str) -> None:
        """Take the kernel from its client."""
        if self._attachment is not None:
            self._part(reason, text)
            self._handler.kernel_detached(self, text)

    def _greet(self) -> None:
        """Begin with an attached client, once the kernel listens: nothing stale, then the prompt, or what the kernel asks."""
        attachment = self._attachment
        if attachment is None or attachment.greeted or not self.listening or not self._log.between:
            return
        log = self._log
        log.keep()
        attachment.base = attachment.cursor = log.end
        attachment.greeted = True
        question = self.conversation.question
        if question is not None:
            log.append_packet(encode_packet(question))
        elif self._send_prompt:
            log.append_packet(encode_packet(packet("InputNamePacket", self.conversation.prompt)))
        self._send_kept()
        self._credit()

    def _send_kept(self) -> None:
        """Send on from the log, as far as the client takes it."""
        attachment = self._attachment
        if attachment is None or not attachment.greeted:
            return
        while attachment.handle.writable and attachment.cursor < self._log.end:
            piece = self._log.piece(attachment.cursor)
            # First, since to send can bring word from the client, and so this function once more.
            attachment.cursor += len(piece)
            attachment.handle.send(piece)
        if self._link is not None and attachment.cursor == self._log.end and attachment.handle.writable:
            self._link.resume()

    def _note_taken(self, attachment: _Attachment, exactly: int | None = None) -> None:
        taken = attachment.handle.channel.peer_consumed if exactly is None else exactly
        self._log.take(attachment.base + taken)

    def _part(self, reason: EndReason, text: str, taken: int | None = None) -> None:
        """The client and the kernel go apart; an expression the kernel has begun to read is completed, and aborted."""
        attachment, self._attachment = self._attachment, None
        assert attachment is not None
        self.channel, self.client = 0, ""
        if attachment.greeted:
            self._note_taken(attachment, taken)
        self._log.left()
        if self._link is not None:
            self._link.resume()
            completion = attachment.gate.abandon()
            if completion is not None:
                _log.info("%s: its client went in the middle of an expression, which is completed and aborted", self)
                self._completion = completion
                self._link.write_message(MessageCode.ABORT)
                self._complete()
        attachment.handle.end(reason, text)

    def _say_replaced(self) -> None:
        """A client that is to get another kernel at once is not left waiting for what this one still owed it."""
        attachment = self._attachment
        if not self._replaced or attachment is None or not attachment.greeted:
            return
        handle, owed = attachment.handle, self.conversation.awaited["ReturnPacket"]
        if not self._log.between:
            for piece in self._output.completion():
                handle.send(piece)
            handle.send(b"]")
        if self.busy:
            symbol = "WSTPServer`Kernel"
            handle.send(encode_packet(packet("MessagePacket", Symbol(symbol), "replaced")))
            text = f"{symbol}::replaced: the kernel has ended ({self._exit or 'it closed its link'}); another takes its place."
            handle.send(encode_packet(packet("TextPacket", text)))
            for _ in range(owed):
                handle.send(encode_packet(packet("ReturnPacket", Symbol("$Failed"))))

    def _complete(self) -> None:
        """Write on at what completes a half-read expression, as fast as the kernel takes it."""
        while self._completion is not None and self._link is not None and not self._link.congested:
            try:
                piece = next(self._completion, None)
            except LimitExceeded as error:
                _log.error("%s: the expression its client left cannot be completed (%s); ended", self, error)
                self._completion = None
                self.end("half an expression could not be completed")
                return
            if piece is None:
                self._completion = None
                if self.program:
                    # The embedded kernel takes an abort for what it is reading; of another that is not known.
                    self._link.write_message(MessageCode.ABORT)
            else:
                self._link.write(piece)

    # ------------------------------------------------------------------ from the client

    def channel_event(self, event: Event) -> None:
        """Something came from the attached client."""
        attachment = self._attachment
        if attachment is None:
            return
        match event:
            case Data(_, payload):
                attachment.received += len(payload)
                attachment.owed += len(payload)
                self._feed(attachment, payload)
            case Urgent():
                attachment.urgent.append(event)
                self._pass_urgent(attachment)
            case Ended(reason, text, taken):
                why = text or reason.name.lower().replace("_", " ")
                if reason is EndReason.UNUSED and self._unused:
                    self._give_back(EndReason.ANSWER, "")
                    return
                self._part(EndReason.ANSWER, "", taken)
                if reason is EndReason.CLOSE_KERNEL:
                    self._handler.kernel_unwanted(self, why)
                else:
                    self._handler.kernel_detached(self, why)
            case Reset():
                self._part(EndReason.ANSWER, "")
                self._handler.kernel_detached(self, "its frontend knows nothing of it")
            case Writable():
                self._send_kept()

    def _feed(self, attachment: _Attachment, payload: bytes | bytearray | memoryview) -> None:
        link = self._link
        if link is None:
            return
        try:
            for piece in attachment.gate.feed(payload):
                link.write(piece)
        except (RemoteProtocolError, LimitExceeded) as error:
            _log.error("%s: its client sent what is not WSTP (%s); its link is closed", self, error)
            self.detach(EndReason.REFUSED, str(error))
            return
        if attachment.urgent:
            self._pass_urgent(attachment)
        self._credit()

    def _credit(self) -> None:
        """Let the client send more, unless the kernel does not read, or is still at work for another."""
        attachment = self._attachment
        if attachment is not None and attachment.greeted and attachment.owed and self._link is not None and not self._link.congested:
            owed, attachment.owed = attachment.owed, 0
            attachment.handle.consume(owed)

    def _pass_urgent(self, attachment: _Attachment) -> None:
        """Hand over the messages whose time has come: the kernel was given the data before them, or is at work on something earlier."""
        while attachment.urgent and self._link is not None:
            first = attachment.urgent[0]
            passed = attachment.received - attachment.gate.held >= first.offset
            if not (passed or self.busy or first.code == MessageCode.TERMINATE):
                return
            attachment.urgent.popleft()
            if passed and not self.busy:
                self._link.when_written(lambda message=first: self._write_message(message))  # type: ignore[misc]
            else:
                self._write_message(first)

    def _write_message(self, message: Urgent) -> None:
        if self._link is not None:
            self._link.write_message(message.code, message.parameter)
            if message.code == MessageCode.ABORT:
                self._abort.asked()
                self.conversation.interrupted()

    def _requested(self, head: str | None) -> None:
        """A whole packet has passed to the kernel."""
        was_busy = self.busy
        self.conversation.requested(head)
        if self.busy and not was_busy:
            self._handler.kernel_busy(self)

    # ------------------------------------------------------------------ from the kernel

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None:
        try:
            marks = self._output.feed(data)
        except (RemoteProtocolError, LimitExceeded) as error:
            _log.error("%s sent what is not WSTP (%s); ended", self, error)
            self.end("it sent what is not WSTP")
            return
        if self.phase is Phase.SERVING:
            self._pass_on(link, data, marks)
        was_busy = self.busy
        conversation = self.conversation
        for mark in marks:
            match mark:
                case Start():
                    conversation.begins()
                case Head():
                    conversation.names(mark.name)
                case Argument():
                    head = conversation.says(mark.value)
                    if self.phase is Phase.INITIALISING:
                        self._said_at_the_start(head, mark.value)
                case End():
                    self._said(conversation.ends())
        if self._attachment is not None and not self._attachment.greeted:
            self._greet()
        if self.busy != was_busy:
            self.quiet_since = self._loop.time()
            self._handler.kernel_busy(self)

    def _said_at_the_start(self, head: str, value: object) -> None:
        """A packet's first argument, while the kernel is initialised: for the log, and for whether that failed."""
        if head == "ReturnPacket":
            self._value = value
        elif head == "TextPacket":
            said = str(value).strip()
            after_message = self.conversation.after_message
            if after_message:
                self._last_message = said
            level = logging.WARNING if after_message else logging.INFO
            _log.log(level, "%s said while it was initialised: %s", self, said)

    def _pass_on(self, link: RelayLink, data: bytes | memoryview, marks: list[Mark]) -> None:
        """Log what the kernel says, and send it to the client, if that has had everything before it."""
        log, attachment = self._log, self._attachment
        before = log.end
        kept = log.append(data, marks, self._output.position - len(data))
        if attachment is None:
            if log.full:
                link.pause()
        elif not attachment.greeted:
            # Its marks are not looked at yet: whether it is the client's turn now is found behind them.
            pass
        else:
            if attachment.cursor == before:
                attachment.cursor = log.end
                if len(kept):
                    attachment.handle.send(kept)
            if self._attachment is attachment:
                self._note_taken(attachment)
            if not attachment.handle.writable:
                link.pause()

    def _said(self, head: str) -> None:
        self._abort.answered(head)
        if self.phase is Phase.STARTING and head == "InputNamePacket":
            self._prompted = True
            # A forked kernel may be quicker than the word that it has been forked.
            if self._process is not None:
                self._initialise()
        elif self.phase is Phase.INITIALISING and not self.busy:
            self._initialise_on()

    def link_message(self, link: RelayLink, message: Message) -> None:
        if self._attachment is not None:
            self._attachment.handle.send_urgent(message.code, message.parameter)

    def link_drained(self, link: RelayLink) -> None:
        self._complete()
        self._credit()
        if self._attachment is not None and self._attachment.urgent:
            self._pass_urgent(self._attachment)


class _ChannelEvents:
    """Takes one channel's events to its kernel, for as long as that channel is the kernel's present one."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._channel = kernel.channel

    def channel_event(self, event: Event) -> None:
        if self._kernel.channel == self._channel:
            self._kernel.channel_event(event)

    def channel_closed(self) -> None:
        """Nothing is left to do: the kernel parted from the client when either of them ended."""

"""One kernel: its process, its link, and the client that is attached to it, if any.

The kernel's state is the pool's (:class:`kernelhost.pool.KernelState`); this object is the I/O under it. Bytes pass: from the
channel through the gate to the link, from the link to the channel. Both directions are tracked only for packet heads, from which come
the prompt and whether the kernel is busy.
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
from bus.multiplexer import ChannelHandle, Multiplexer
from kernelhost.abort import AbortWatch
from kernelhost.gate import Gate
from kernelhost.initialisation import Initialisation, Step, verdict
from kernelhost.nursery import InitialisationFailed, Nursery, NurseryFailed
from kernelhost.process import KernelProcess, SpawnedKernel, embedded_arguments, kernel_command
from wstp import Function, LimitExceeded, Limits, Message, MessageCode, RemoteProtocolError, Symbol
from wstp.packets import encode_packet, packet
from wstp.relay import RelayLink, RelayListener, RelayOwner
from wstp.tracker import Argument, End, Head, Tracker

__all__ = ["Kernel", "KernelHandler", "Phase"]

_log = logging.getLogger("kernelbus.host")

#: Seconds between asking a kernel to end and killing it.
_END_GRACE = 1.0
#: Packets whose content is looked at all along.
_PACKETS = {"InputNamePacket", "TextPacket"}
_REQUESTS = {"EvaluatePacket": "ReturnPacket", "EnterTextPacket": "InputNamePacket", "EnterExpressionPacket": "InputNamePacket"}


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

    def kernel_detached(self, kernel: Kernel, why: str) -> None:
        """Its client has gone."""

    def kernel_unwanted(self, kernel: Kernel, why: str) -> None:
        """Its client has asked for its end."""

    def kernel_ended(self, kernel: Kernel, how: str) -> None:
        """Its process is gone. Comes once."""


@dataclass(slots=True)
class _Attachment:
    """A client's hold on the kernel. `received` counts its bytes that came, `owed` those not yet given credit for."""

    handle: ChannelHandle
    gate: Gate
    urgent: deque[Urgent]
    received: int = 0
    owed: int = 0
    greeted: bool = False


class Kernel(RelayOwner):
    """A kernel process with its link.

    Args:
        number: the pool's.
        identity: the kernel id, for clients.
        pool: what it is started as.
        send_prompt: whether a client that attaches is sent `InputNamePacket`.
    """

    def __init__(
        self,
        number: int,
        identity: str,
        pool: PoolConfig,
        limits: LimitsConfig,
        send_prompt: bool,
        handler: KernelHandler,
        nursery: Nursery,
    ) -> None:
        self.number = number
        self.identity = identity
        self.pool = pool
        self.phase = Phase.STARTING
        self.prompt = ""
        self.evaluations = 0
        self.attachments = 0
        self.channel = 0
        self.serial = 0
        self._limits = limits
        self._send_prompt = send_prompt
        self._handler = handler
        self._nursery = nursery
        self._loop = asyncio.get_running_loop()
        self._listener: RelayListener | None = None
        self._process: KernelProcess | None = None
        self._link: RelayLink | None = None
        self._exit: str | None = None
        self._ending: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._abort = AbortWatch(self, limits.abort_timeout)
        self._attachment: _Attachment | None = None
        self._tracker_limits = Limits(token_size=limits.token_size)
        self._initialisation = Initialisation(pool.initialization_file, pool.initialization_code)
        self._steps: deque[Step] = deque()
        self._step: Step | None = None
        self._value: object = None
        self._after_message = False
        self._last_message = ""
        self._prompted = False
        self._output = Tracker(self._tracker_limits, want_first_argument={*_PACKETS, "ReturnPacket"})
        self._head: str | None = None
        self._awaited = {"ReturnPacket": 0, "InputNamePacket": 0}
        self._kept: deque[bytes | memoryview] = deque()
        self._kept_bytes = 0
        self._completion: Iterator[bytes | memoryview] | None = None

    def __str__(self) -> str:
        return f"kernel {self.identity[:8]} of pool {self.pool.name}"

    @property
    def busy(self) -> bool:
        """Whether it has been asked for something it has not answered."""
        return any(self._awaited.values()) or self._completion is not None

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
            self._process = await self._run(command)
        except OSError as error:
            program = self.pool.kernel_path or "the embedded kernel"
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
        if self._attachment is not None and self._attachment.greeted and self._output.idle:
            symbol = "WSTPServer`Kernel"
            for packed in (packet("MessagePacket", Symbol(symbol), tag), packet("TextPacket", f"{symbol}::{tag}: the kernel {why}")):
                self._attachment.handle.send(encode_packet(packed))
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
            self._part(EndReason.KERNEL_ENDED, self._exit)
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
        self._awaited["ReturnPacket"] += 1
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
        self._output.want_first_argument(_PACKETS)
        self._stop_timer()
        self._handler.kernel_ready(self)

    # ------------------------------------------------------------------ attach and detach

    def attach(self, channel: int, multiplexer: Multiplexer) -> None:
        """Give the kernel to the client at the other end of `channel`; what it said while nobody listened is forgotten."""
        assert self._attachment is None
        self._kept.clear()
        self._kept_bytes = 0
        self.channel = channel
        self.attachments += 1
        handle = multiplexer.open(channel, _ChannelEvents(self))
        self._attachment = _Attachment(handle, Gate(self._limits.hold_buffer, self._tracker_limits, self._requested), deque())
        if self._link is not None:
            self._link.resume()
        self._greet()

    def detach(self, reason: EndReason, text: str) -> None:
        """Take the kernel from its client."""
        if self._attachment is not None:
            self._part(reason, text)
            self._handler.kernel_detached(self, text)

    def _greet(self) -> None:
        """Begin with an attached client, once the kernel is idle: nothing stale, then the prompt."""
        attachment = self._attachment
        if attachment is None or attachment.greeted or self.busy:
            return
        attachment.greeted = True
        if self._send_prompt:
            attachment.handle.send(encode_packet(packet("InputNamePacket", self.prompt)))
        self._credit()

    def _part(self, reason: EndReason, text: str) -> None:
        """The client and the kernel go apart; an expression the kernel has begun to read is completed, and aborted."""
        attachment, self._attachment = self._attachment, None
        assert attachment is not None
        self.channel = 0
        if self._link is not None:
            self._link.resume()
            completion = attachment.gate.abandon()
            if completion is not None:
                _log.info("%s: its client went in the middle of an expression, which is completed and aborted", self)
                self._completion = completion
                self._link.write_message(MessageCode.ABORT)
                self._complete()
        attachment.handle.end(reason, text)

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
                if self.pool.kernel_path is not None:
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
            case Ended(reason, text):
                why = text or reason.name.lower().replace("_", " ")
                self._part(EndReason.ANSWER, "")
                if reason is EndReason.CLOSE_KERNEL:
                    self._handler.kernel_unwanted(self, why)
                else:
                    self._handler.kernel_detached(self, why)
            case Reset():
                self._part(EndReason.ANSWER, "")
                self._handler.kernel_detached(self, "its frontend knows nothing of it")
            case Writable():
                if self._link is not None:
                    self._link.resume()

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

    def _requested(self, head: str | None) -> None:
        """A whole packet has passed to the kernel."""
        answer = _REQUESTS.get((head or "").removeprefix("System`"))
        if answer is not None:
            was_busy = self.busy
            self.evaluations += 1
            self._awaited[answer] += 1
            if not was_busy:
                self._handler.kernel_busy(self)

    # ------------------------------------------------------------------ from the kernel

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None:
        try:
            marks = self._output.feed(data)
        except (RemoteProtocolError, LimitExceeded) as error:
            _log.error("%s sent what is not WSTP (%s); ended", self, error)
            self.end("it sent what is not WSTP")
            return
        attachment = self._attachment
        live = attachment is not None and attachment.greeted and self.phase is Phase.SERVING
        if live:
            assert attachment is not None
            attachment.handle.send(data)
            if not attachment.handle.writable:
                link.pause()
        elif self.phase is Phase.SERVING and attachment is None:
            self._keep(link, data)
        was_busy = self.busy
        for mark in marks:
            match mark:
                case Head():
                    self._after_message = self._head == "MessagePacket"
                    self._head = (mark.name or "").removeprefix("System`")
                case Argument():
                    self._said(mark.value)
                case End():
                    self._answered(self._head)
        if was_busy and not self.busy:
            self._greet()
            self._handler.kernel_busy(self)

    def _said(self, value: object) -> None:
        if self._head == "InputNamePacket" and isinstance(value, str):
            self.prompt = value
        elif self.phase is Phase.INITIALISING:
            if self._head == "ReturnPacket":
                self._value = value
                return
            said = str(value).strip()
            if self._after_message:
                self._last_message = said
            level = logging.WARNING if self._after_message else logging.INFO
            _log.log(level, "%s said while it was initialised: %s", self, said)

    def _answered(self, head: str | None) -> None:
        if head is not None and self._awaited.get(head):
            self._awaited[head] -= 1
        self._abort.answered(head)
        if self.phase is Phase.STARTING and head == "InputNamePacket":
            self._prompted = True
            # A forked kernel may be quicker than the word that it has been forked.
            if self._process is not None:
                self._initialise()
        elif self.phase is Phase.INITIALISING and not self.busy:
            self._initialise_on()

    def _keep(self, link: RelayLink, data: bytes | memoryview) -> None:
        """Keep what a detached kernel says, up to a bound past which it is held back, never cut."""
        self._kept.append(data)
        self._kept_bytes += len(data)
        if self._kept_bytes > self._limits.output_buffer:
            link.pause()

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

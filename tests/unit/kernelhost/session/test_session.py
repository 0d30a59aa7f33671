"""A session between a client's end of a channel and a kernel that a test plays."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import cast

import pytest
from host_parts import until

from kernelbus.bus.channel.channel import ChannelOptions, Data, Ended, EndReason, Event, Urgent
from kernelbus.bus.channel.frames import Frame
from kernelbus.bus.channel.multiplexer import Multiplexer
from kernelbus.bus.protocol.messages import NO_POINT
from kernelbus.bus.rounds import Rounds
from kernelbus.bus.settings.config import LimitsConfig
from kernelbus.bus.settings.logs import EventLogger
from kernelbus.kernelhost.session.output import ResumeError
from kernelbus.kernelhost.session.session import Session, SessionKernel
from kernelbus.kernelhost.session.trace import PacketTrace
from wstp import NEED_DATA, EarlyEnd, Expr, ExpressionReader, Function, Limits, MessageCode, Symbol
from wstp.packets import encode_packet, packet
from wstp.relay import RelayLink
from wstp.tracker import Argument, End, Head, Start, Tracker

EVALUATE = packet("EvaluatePacket", Symbol("f")(1))
PROMPT = packet("InputNamePacket", "In[1]:= ")
RETURN = packet("ReturnPacket", 2)


def read(data: bytes) -> list[Expr]:
    reader = ExpressionReader()
    reader.feed(data)
    found: list[Expr] = []
    while (expression := reader.next()) is not NEED_DATA:
        found.append(expression)
    return found


class _Link:
    """A kernel's link: what is written to it."""

    def __init__(self) -> None:
        self.data = b""
        self.messages: list[tuple[int, int]] = []
        self.congested = False
        self.paused = False

    def write(self, data: bytes | memoryview) -> None:
        self.data += bytes(data)

    def write_message(self, code: int, parameter: int = 0) -> None:
        self.messages.append((int(code), len(self.data)))

    def when_written(self, callback: Callable[[], None]) -> None:
        callback()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class _Kernel(SessionKernel):
    """A kernel that says what a test has it say. `told`: what the session has told it."""

    def __init__(self, rounds: Rounds | None = None, **limits: int) -> None:
        self.identity = "the-id-of-the-kernel"
        self.program = ""
        self.log = EventLogger(logging.getLogger("kernelbus.host"), dict)
        self.trace = PacketTrace(self.log, "kernel", time.time)
        self.wire: _Link | None = _Link()
        self.told: list[str] = []
        self.session = Session(self, LimitsConfig(**limits), True, False, rounds or Rounds())  # type: ignore[arg-type]
        self.tracker = Tracker(Limits(), want_first_argument=self.session.conversation.HEADS)
        self.say(PROMPT)

    @property
    def link(self) -> RelayLink | None:
        return cast("RelayLink | None", self.wire)

    @property
    def got(self) -> list[Expr]:
        assert self.wire is not None
        return read(self.wire.data)

    def say(self, expression: Function) -> None:
        self.hear(encode_packet(expression))

    def hear(self, data: bytes) -> None:
        """Take what the kernel's link brings, as :meth:`Kernel.link_data` does."""
        base, marks = self.tracker.position, self.tracker.feed(data)
        if self.session.attachments:
            self.session.heard(data, marks, base)
        for mark in marks:
            match mark:
                case Start():
                    self.session.conversation.begins()
                case Head():
                    self.session.conversation.names(mark.name)
                case Argument():
                    self.session.conversation.says(mark.value)
                case End():
                    self.session.conversation.ends()
        self.session.looked_at()

    def end(self, why: str) -> None:
        self.told.append(f"end: {why}")

    def completion(self) -> Iterable[bytes | memoryview]:
        return self.tracker.completion()

    def break_off(self) -> bytes | None:
        return self.tracker.break_off(65536)

    def hold(self, held: bool) -> None:
        assert self.wire is not None
        self.wire.paused = held

    def abort_written(self) -> None:
        self.told.append("abort")

    def session_busy(self) -> None:
        self.told.append("busy")

    def session_unused(self) -> None:
        self.told.append("unused")

    def session_detached(self, why: str) -> None:
        self.told.append(f"detached: {why}")

    def session_unwanted(self, why: str) -> None:
        self.told.append(f"unwanted: {why}")


class _Client:
    """A client's end of a channel, which takes everything at once."""

    def __init__(self, network: _Network, channel: int) -> None:
        self.data = b""
        self.messages: list[int] = []
        self.ended: Ended | None = None
        self.takes = True
        self._untaken = 0
        self.handle = network.clients.open(channel, self)

    @property
    def got(self) -> list[Expr]:
        return read(self.data)

    def take(self) -> None:
        self.takes = True
        untaken, self._untaken = self._untaken, 0
        self.handle.consume(untaken)

    def send(self, *expressions: Function) -> None:
        for expression in expressions:
            self.handle.send(encode_packet(expression))

    def channel_event(self, event: Event) -> None:
        match event:
            case Data(_, payload):
                self.data += bytes(payload)
                self._untaken += len(payload)
                if self.takes:
                    self.take()
            case Urgent():
                self.messages.append(event.code)
            case Ended():
                self.ended = event

    def channel_closed(self) -> None:
        pass


class _Network:
    """A frontend's and a host's channels, joined through the event loop."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        options = ChannelOptions(window=64 * 1024, chunk=8 * 1024, backlog=32 * 1024)

        def to_host(frame: Frame) -> None:
            loop.call_soon(lambda: self.host.receive(frame))

        def to_clients(frame: Frame) -> None:
            loop.call_soon(lambda: self.clients.receive(frame))

        self.clients = Multiplexer(to_host, options)
        self.host = Multiplexer(to_clients, options)
        self._channel = 0

    def attach(self, kernel: _Kernel, resume: bool = False, point: int = NO_POINT) -> _Client:
        """Attach a client as the host does."""
        self._channel += 1
        client = _Client(self, self._channel)
        kernel.session.attachments += 1
        kernel.session.attach(self._channel, "client", self.host, resume, point)
        return client


def play(story: Callable[[_Network], Awaitable[None]]) -> None:
    async def main() -> None:
        network = _Network()
        try:
            await story(network)
        finally:
            network.clients.close()
            network.host.close()

    asyncio.run(main())


async def leave(kernel: _Kernel, client: _Client, reason: EndReason = EndReason.CLIENT_CLOSED, taken: int | None = None) -> None:
    """Have the client go, and wait until both sides know."""
    client.handle.end(reason, "", taken)
    await until(lambda: not kernel.session.attached and client.ended is not None)


def test_a_client_gets_the_prompt_and_the_answers_to_what_it_asks() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        client = network.attach(kernel)
        await until(lambda: client.got == [PROMPT])
        client.send(EVALUATE)
        await until(lambda: kernel.got == [EVALUATE])
        assert kernel.session.busy and kernel.told == ["busy"]
        kernel.say(RETURN)
        await until(lambda: client.got == [PROMPT, RETURN])
        assert not kernel.session.busy

    play(story)


def test_the_next_client_gets_nothing_stale_and_waits_for_its_turn() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        first = network.attach(kernel)
        first.send(EVALUATE)
        await until(lambda: kernel.session.busy)
        await leave(kernel, first)
        assert kernel.told[-1].startswith("detached")
        second = network.attach(kernel)
        second.send(packet("EvaluatePacket", 7))
        await until(lambda: network.host.channels == [2])
        assert kernel.got == [EVALUATE], "the kernel works for the first"
        kernel.say(RETURN)
        await until(lambda: len(kernel.got) == 2)
        kernel.say(packet("ReturnPacket", 7))
        await until(lambda: second.got == [PROMPT, packet("ReturnPacket", 7)])

    play(story)


def test_a_client_that_resumes_gets_what_the_last_has_not_taken() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        first = network.attach(kernel)
        first.send(EVALUATE, EVALUATE)
        await until(lambda: len(kernel.got) == 2)
        kernel.say(RETURN)
        await until(lambda: first.got == [PROMPT, RETURN])
        await leave(kernel, first, EndReason.CLIENT_LOST, taken=len(encode_packet(PROMPT)))
        kernel.say(packet("ReturnPacket", 3))
        assert kernel.session.position(True, NO_POINT) == 1
        second = network.attach(kernel, resume=True)
        await until(lambda: second.got == [RETURN, packet("ReturnPacket", 3)])
        await leave(kernel, second)
        third = network.attach(kernel, resume=True, point=0)
        await until(lambda: third.got == [PROMPT, RETURN, packet("ReturnPacket", 3)])
        with pytest.raises(ResumeError, match="is not there yet"):
            kernel.session.position(True, 99)

    play(story)


@pytest.mark.parametrize("how", ["its client was reset", "its frontend is gone"])
def test_what_may_be_unread_at_the_clients_machine_is_sent_again(how: str) -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        first = network.attach(kernel)
        await until(lambda: first.got == [PROMPT])
        first.send(EVALUATE)
        await until(lambda: len(kernel.got) == 1)
        for number in range(3):
            kernel.say(packet("TextPacket", f"{number}"))
        # Its machine has acknowledged that it has all of it.
        await until(lambda: len(first.got) == 4)
        await until(lambda: kernel.session._attachment is not None and kernel.session._attachment.handle.channel.peer_consumed > 80)
        if how == "its client was reset":
            await leave(kernel, first, EndReason.CLIENT_LOST, taken=len(encode_packet(PROMPT)))
        else:
            kernel.session.let_go(how)
        second = network.attach(kernel, resume=True)
        await until(lambda: second.got == [packet("TextPacket", f"{number}") for number in range(3)])

    play(story)


@pytest.mark.parametrize(("half", "told"), [(b'FB#GA~DList\n"HD~Eabc', True), (b'FA#MA~JTextPacket\n"HD~Eabc', False)])
def test_a_client_whose_kernel_dies_in_half_a_packet_is_told_where_that_is_possible(half: bytes, told: bool) -> None:
    """Its link just ends if nothing but text is missing: the packet would pass for a whole one."""

    async def story(network: _Network) -> None:
        kernel = _Kernel()
        client = network.attach(kernel)
        client.send(EVALUATE)
        await until(lambda: kernel.got)
        kernel.hear(half)
        kernel.session.kernel_ended("was ended by SIGKILL", "killed")
        await until(lambda: client.ended)
        rest = client.data[len(encode_packet(PROMPT)) :]
        assert rest.startswith(half)
        if told:
            reader = ExpressionReader()
            reader.feed(rest)
            with pytest.raises(EarlyEnd):
                reader.next()
            message = reader.next()
            assert isinstance(message, Function) and message.args[1] == "killed"
        else:
            assert rest == half

    play(story)


def test_a_session_that_is_over_keeps_no_output() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        client = network.attach(kernel)
        client.send(EVALUATE)
        await until(lambda: kernel.got)
        kernel.say(packet("ReturnPacket", "x" * 1000))
        await until(lambda: len(client.got) == 2)
        assert kernel.session._log.kept > 1000, "a client may want it again"
        await leave(kernel, client)
        kernel.session.forget()
        assert kernel.session._log.kept == 0

    play(story)


def test_an_abort_drops_what_the_client_was_not_sent() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        client = network.attach(kernel)
        client.takes = False
        client.send(EVALUATE)
        await until(lambda: kernel.session.busy)
        texts = [packet("TextPacket", f"{number}".rjust(10_000)) for number in range(50)]
        for text in texts:
            kernel.say(text)
        assert kernel.wire is not None and kernel.wire.paused
        client.handle.send_urgent(MessageCode.ABORT, 0)
        await until(lambda: "abort" in kernel.told)
        kernel.say(packet("ReturnPacket", Symbol("$Aborted")))
        client.take()
        await until(lambda: client.got[-1:] == [packet("ReturnPacket", Symbol("$Aborted"))])
        count = len(client.got) - 2
        assert client.got[1:-1] == texts[:count]
        assert 0 < count <= 11, "no more than was on its way: the window and the backlog"
        assert kernel.session.position(False, NO_POINT) == count + 2, "the packets that come are counted, and no others"

    play(story)


def test_an_open_question_is_asked_again() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        question = packet("InputStringPacket", "how many?")
        first = network.attach(kernel)
        first.send(EVALUATE)
        await until(lambda: kernel.session.busy)
        kernel.say(question)
        await until(lambda: first.got == [PROMPT, question])
        await leave(kernel, first, taken=len(first.data))
        second = network.attach(kernel, resume=True)
        await until(lambda: second.got == [question])
        await leave(kernel, second, taken=len(second.data))
        third = network.attach(kernel)
        await until(lambda: third.got == [question])

    play(story)


def test_half_an_expression_that_was_streamed_is_aborted_and_completed() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel(hold_buffer=16)
        client = network.attach(kernel)
        whole = encode_packet(packet("EvaluatePacket", "x" * 1000))
        client.handle.send(whole[:500])
        await until(lambda: kernel.wire is not None and len(kernel.wire.data) == 500)
        await leave(kernel, client)
        assert kernel.wire is not None
        assert kernel.wire.messages == [(MessageCode.ABORT, 500)], "before what completes it"
        assert [type(expression) for expression in kernel.got] == [Function]
        assert kernel.session.busy, "it owes an answer to what was completed"

    play(story)


def test_a_client_that_resumes_waits_until_what_the_last_has_left_is_completed_and_answered() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel(hold_buffer=16)
        assert kernel.wire is not None
        first = network.attach(kernel)
        whole = encode_packet(packet("EvaluatePacket", "x" * 1000))
        first.handle.send(whole[:500])
        await until(lambda: len(kernel.wire.data) == 500)
        kernel.wire.congested = True
        await leave(kernel, first)
        second = network.attach(kernel, resume=True)
        second.send(EVALUATE)
        await until(lambda: second.handle.channel.in_flight == 0)
        assert len(kernel.wire.data) == 500, "nothing stands in the middle of the other's expression"
        kernel.wire.congested = False
        kernel.session.drained()
        assert len(kernel.got) == 1
        await asyncio.sleep(0)
        assert len(kernel.got) == 1, "the abort of that may be under way"
        kernel.say(packet("ReturnPacket", Symbol("$Aborted")))
        await until(lambda: kernel.got[1:] == [EVALUATE])

    play(story)


def test_what_a_client_asked_that_has_gone_does_not_wait_for_an_answer_to_the_one_before() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel(hold_buffer=16)
        first = network.attach(kernel)
        first.handle.send(encode_packet(packet("EvaluatePacket", "x" * 1000))[:500])
        await until(lambda: kernel.wire is not None and len(kernel.wire.data) == 500)
        await leave(kernel, first)
        second = network.attach(kernel, resume=True)
        second.send(EVALUATE)
        await leave(kernel, second)
        assert kernel.got[1:] == [EVALUATE]

    play(story)


def test_a_message_waits_for_the_data_before_it_unless_the_kernel_works() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        client = network.attach(kernel)
        whole = encode_packet(EVALUATE)
        client.handle.send(whole[:-3])
        client.handle.send_urgent(MessageCode.INTERRUPT, 0)
        await until(lambda: kernel.session._attachment is not None and kernel.session._attachment.urgent)
        assert kernel.wire is not None and kernel.wire.messages == []
        client.handle.send(whole[-3:])
        await until(lambda: kernel.wire is not None and kernel.wire.messages)
        assert kernel.wire.messages == [(MessageCode.INTERRUPT, len(whole))]
        client.handle.send_urgent(MessageCode.ABORT, 0)
        await until(lambda: "abort" in kernel.told)

    play(story)


def test_an_unused_kernel_goes_back_as_new_and_a_used_one_does_not() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        client = network.attach(kernel)
        await until(lambda: client.got == [PROMPT])
        await leave(kernel, client, EndReason.UNUSED)
        assert kernel.told == ["unused"]
        assert kernel.session.attachments == 0
        client = network.attach(kernel)
        await until(lambda: client.got == [PROMPT])
        client.send(EVALUATE)
        await leave(kernel, client, EndReason.UNUSED)
        assert kernel.told[-1].startswith("detached")
        kernel.say(RETURN)
        client = network.attach(kernel)
        await until(lambda: client.got == [PROMPT])
        await leave(kernel, client, EndReason.UNUSED)
        assert kernel.told[-1].startswith("detached"), "it has the session of its first client"

    play(story)


def test_a_client_may_ask_for_its_kernels_end() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        client = network.attach(kernel)
        await leave(kernel, client, EndReason.CLOSE_KERNEL)
        assert kernel.told[-1].startswith("unwanted")

    play(story)


def test_the_rest_of_the_output_comes_before_the_kernels_end() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        client = network.attach(kernel)
        kernel.say(packet("TextPacket", "bye"))
        kernel.session.kernel_ended("exited with status 0")
        await until(lambda: client.ended is not None)
        assert client.got == [PROMPT, packet("TextPacket", "bye")]
        assert client.ended is not None
        assert (client.ended.reason, client.ended.text) == (EndReason.KERNEL_ENDED, "exited with status 0")

    play(story)


def test_a_kernel_whose_output_nobody_takes_is_held_back() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel(output_buffer=1000)
        client = network.attach(kernel)
        await until(lambda: client.got == [PROMPT])
        await leave(kernel, client, taken=len(client.data))
        kernel.say(packet("TextPacket", "x" * 900))
        assert kernel.wire is not None and not kernel.wire.paused
        kernel.say(packet("TextPacket", "x" * 900))
        assert kernel.wire.paused
        client = network.attach(kernel, resume=True)
        await until(lambda: len(client.got) == 2)
        assert not kernel.wire.paused

    play(story)


def test_a_client_that_does_not_send_tokens_is_refused() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        client = network.attach(kernel)
        client.handle.send(b"\xff\xff\xff")
        await until(lambda: client.ended is not None)
        assert client.ended is not None and client.ended.reason is EndReason.REFUSED
        assert not kernel.session.attached and kernel.got == []

    play(story)


def test_a_flood_passes_in_turns_and_others_pass_between_them() -> None:
    flood = b"\xa0\x01\n" * 20_000

    async def story(network: _Network) -> None:
        rounds = Rounds(steps=2, round=1e-9)
        flooded, other = _Kernel(rounds), _Kernel(rounds)
        assert flooded.wire is not None
        greedy, modest = network.attach(flooded), network.attach(other)
        await until(lambda: modest.got == [PROMPT])
        greedy.handle.send(flood)
        greedy.handle.end(EndReason.CLOSE_KERNEL)
        await until(lambda: bool(flooded.wire and flooded.wire.data))
        modest.send(EVALUATE)
        await until(lambda: other.got == [EVALUATE])
        assert len(flooded.wire.data) < len(flood), "the other one waits for no more than some turns"
        assert not any(told.startswith("unwanted") for told in flooded.told), "the end is behind what was sent before it"
        await until(lambda: any(told.startswith("unwanted") for told in flooded.told))
        assert flooded.wire.data == flood

    play(story)


def test_a_long_body_passes_at_once_and_in_one_piece() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel(Rounds(steps=10, round=1e-9), hold_buffer=1000)
        client = network.attach(kernel)
        await until(lambda: client.got == [PROMPT])
        body = packet("EvaluatePacket", "x" * 1_000_000)
        client.send(body)
        await until(lambda: kernel.got == [body])

    play(story)


def test_what_waits_of_a_client_that_was_detached_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel(Rounds(steps=1, round=1e-9))
        client = network.attach(kernel)
        await until(lambda: client.got == [PROMPT])
        client.handle.send(b"\xa0\x01\n" * 20_000)
        await until(lambda: bool(kernel.wire and kernel.wire.data))
        kernel.session.detach(EndReason.DETACHED, "by order")
        assert "bytes that its client has sent are dropped" in caplog.text
        second = network.attach(kernel)
        for _ in range(kernel.session.conversation.awaited["ReturnPacket"]):
            kernel.say(RETURN)
        assert kernel.wire is not None
        before = len(kernel.wire.data)
        second.send(EVALUATE)
        await until(lambda: kernel.wire is not None and kernel.wire.data[before:] == encode_packet(EVALUATE))

    with caplog.at_level(logging.INFO, "kernelbus.host"):
        play(story)


def test_a_client_that_is_told_the_id_in_two_pieces_knows_it() -> None:
    async def story(network: _Network) -> None:
        kernel = _Kernel()
        network.attach(kernel)
        said = encode_packet(packet("ReturnPacket", kernel.identity))
        kernel.hear(said[:-10])
        assert not kernel.session.known
        kernel.hear(said[-10:])
        assert kernel.session.known

    play(story)

"""Clients' links on a real frontend, with a host that the test controls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from bus_parts import Bus, Part, until

import wstp.aio
from kernelbus.bus.channel.channel import Ended, EndReason, Event
from kernelbus.bus.channel.multiplexer import ChannelHandle
from kernelbus.bus.protocol.messages import Acquire, Acquired, KernelReport, Release
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.settings.config import Config
from kernelbus.frontend.link import TRANSITIONS, LinkState
from kernelbus.frontend.server import Frontend
from wstp import Symbol
from wstp.packets import encode_packet, packet

pytestmark = pytest.mark.asyncio


class End:
    """A kernel's end of a channel."""

    handle: ChannelHandle

    def channel_event(self, event: Event) -> None:
        if isinstance(event, Ended):
            self.handle.end(EndReason.ANSWER)

    def channel_closed(self) -> None:
        pass


class Host(Part):
    """A host that sends a kernel's prompt at once; the test says when it reports it attached."""

    def __init__(self, bus: Bus) -> None:
        self.asked: list[Acquire] = []
        self.released: list[int] = []
        super().__init__(bus, "host", bus.connect)

    def control(self, message: Message) -> None:
        match message:
            case Acquire(channel):
                self.asked.append(message)
                end = End()
                end.handle = self.multiplexer.open(channel, end)
                end.handle.send(encode_packet(packet("InputNamePacket", f"of {len(self.asked)}")))
            case Release(channel):
                self.released.append(channel)

    def say_attached(self, number: int) -> None:
        channel = self.asked[number].channel
        report = KernelReport(f"kernel-{number}", "P", "attached", 1, channel, attachments=1)
        self.membership.send(Acquired(channel, report))


@pytest_asyncio.fixture
async def host() -> AsyncIterator[Host]:
    bus = Bus("call")
    await bus.start()
    made = Host(bus)
    bus.parts.append(made)
    await until(lambda: made.ups)
    yield made
    await bus.stop()


async def test_data_of_a_dropped_channel_is_not_given_to_the_next(host: Host) -> None:
    """Over ZeroMQ data may overtake the message that its channel is open, on another lane."""
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    port = await frontend.listen("127.0.0.1", 0)
    running = asyncio.get_running_loop().create_task(frontend.run())
    try:
        await frontend.membership.wait_until_up(20)
        async with await wstp.aio.connect(port, mode="uuid") as link:
            await until(lambda: host.asked)
            # The prompt is there before the channel is reported open; the client asks for another
            # kernel.
            link.put(Symbol("WSTPServer`ConnectKernel")(), end_packet=True)
            await link.flush(20)
            await until(lambda: len(host.asked) == 2)
            assert host.released == [host.asked[0].channel]
            host.say_attached(1)
            said = [await link.next_packet(20), await link.next_packet(20)]
            assert said == [packet("ReturnPacket", "kernel-1"), packet("InputNamePacket", "of 2")]
        await frontend.close()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_link_without_a_kernel_refuses_expressions_and_answers_commands(host: Host) -> None:
    config = Config(enable_automatic_kernel_connection=False)
    frontend = Frontend(config, host.bus.connect, name="f", version="1", where="the test's broker")
    port = await frontend.listen("127.0.0.1", 0)
    async with await wstp.aio.connect(port, mode="uuid") as link:
        await until(lambda: [own.state for own in frontend._links] == [LinkState.ALONE])
        link.put(packet("EvaluatePacket", 1), end_packet=True)
        link.put(Symbol("WSTPServer`KernelID")(), end_packet=True)
        await link.flush(20)
        heads = [await link.next_packet(20) for _ in range(4)]
        assert [str(answer.head) for answer in heads] == ["MessagePacket", "TextPacket", "ReturnPacket", "ReturnPacket"]
        assert heads[2:] == [packet("ReturnPacket", Symbol("$Failed")), packet("ReturnPacket", Symbol("None"))]
        assert "no kernel is attached" in heads[1].args[0]
        (own,) = frontend._links
        with pytest.raises(AssertionError, match="alone to attached"):
            own.state = LinkState.ATTACHED
    await until(lambda: own.state is LinkState.ENDED)
    assert frontend.open_links == 0
    assert host.asked == []
    await frontend.close()


async def test_a_link_without_an_answer_of_the_broker_is_closed_with_a_reason(host: Host) -> None:
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    port = await frontend.listen("127.0.0.1", 0)
    async with await wstp.aio.connect(port, mode="uuid") as link:
        await until(lambda: [own.state for own in frontend._links] == [LinkState.OPENING])
        (own,) = frontend._links
        frontend._unanswered(frontend._channels[own.channel][1])
        assert own.state is LinkState.CLOSING
        assert await link.next_packet(20) == packet("MessagePacket", Symbol("WSTPServer`ConnectKernel"), "nobroker")
    await until(lambda: own.state is LinkState.ENDED)
    await frontend.close()


async def test_every_state_of_a_link_can_end() -> None:
    assert TRANSITIONS.keys() == set(LinkState)
    for state in LinkState:
        reached, new = {state}, {state}
        while new:
            new = {after for before in new for after in TRANSITIONS[before]} - reached
            reached |= new
        assert LinkState.ENDED in reached
    assert not TRANSITIONS[LinkState.ENDED]

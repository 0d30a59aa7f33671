"""Clients' links on a real frontend, with a host that says what it likes, when it likes."""

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
    """A host that sends a kernel's prompt at once, and says that it has attached it only when it is
    told to.
    """

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


async def test_what_came_for_a_channel_that_was_given_up_is_not_the_next_ones(host: Host) -> None:
    """Over ZeroMQ the data overtakes the word that a channel is open, since that comes by another
    lane.
    """
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    port = await frontend.listen("127.0.0.1", 0)
    running = asyncio.get_running_loop().create_task(frontend.run())
    try:
        await frontend.membership.wait_until_up(20)
        async with await wstp.aio.connect(port, mode="uuid") as link:
            await until(lambda: host.asked)
            # Its prompt is there, and nobody has said yet that the channel is open; the client
            # wants another kernel.
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

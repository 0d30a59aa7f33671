"""A console in the process of its broker: what it asks, is told, and what is kept from it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import zmq
from broker_player import kernel, report
from bus_parts import OPTIONS

from kernelbus.bus.broker.console import Console, NoAnswer
from kernelbus.bus.broker.server import BrokerServer
from kernelbus.bus.channel.frames import Frame, Kind, control_frame
from kernelbus.bus.client import OrderRefused
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.messages import Register
from kernelbus.bus.protocol.orders import PartAnswer, Traced, TraceEvent, TraceOrder
from kernelbus.bus.protocol.reports import LinksRequest
from kernelbus.bus.protocol.schema import Message

pytestmark = pytest.mark.asyncio


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


class Part:
    """A part of the broker's process that answers orders as it is told to."""

    def __init__(self, server: BrokerServer, register: Register) -> None:
        self.got: list[Message] = []
        self.answers = True
        self._transport = server.connect(self._take)
        self.send(register)

    def send(self, message: Message) -> None:
        self._transport.send(control_frame(encode(message)))

    def _take(self, frame: Frame) -> None:
        if frame.kind == Kind.CONTROL:
            message = decode(frame.payload)
            self.got.append(message)
            if isinstance(message, TraceOrder) and self.answers:
                self.send(PartAnswer(message.request, True))


KERNEL = "AbCdEfGh0123456789abcd"
HOST = Register("H" * 8, "host", "h", "1", [report()], [kernel(KERNEL)])


async def test_it_asks_for_the_status_a_story_and_a_trace(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    server = BrokerServer(OPTIONS, context)
    host, console, traced = Part(server, HOST), server.console("the web page"), list[Traced]()
    console.traced = traced.append
    status = await console.status(5, links=True)
    assert [row.kernel for row in status.kernels] == [KERNEL]
    assert (await console.story(KERNEL[:4], 5)).kernel == KERNEL
    assert await console.trace(KERNEL[:8], True, 5) == KERNEL
    host.send(Traced(KERNEL, [TraceEvent(1.0, "to", "EvaluatePacket", 9)]))
    await asyncio.sleep(0)
    assert [event.head for batch in traced for event in batch.events] == ["EvaluatePacket"]
    with pytest.raises(OrderRefused, match="there is no kernel zzzz"):
        await console.story("zzzz", 5)
    server.close()


async def test_who_sits_before_it_is_not_known(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    server = BrokerServer(OPTIONS._replace(administrators=()), context)
    Part(server, HOST)
    console = server.console("the web page")
    assert [row.kernel for row in (await console.status(5)).kernels] == [KERNEL[:8]]
    with pytest.raises(OrderRefused, match="shows neither a key nor, by a socket, its user"):
        await console.trace(KERNEL[:8], True, 5)
    server.close()


async def test_a_part_that_does_not_answer_is_not_waited_for(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    server = BrokerServer(OPTIONS, context)
    host = Part(server, HOST)
    host.answers = False
    frontend = Part(server, Register("F" * 8, "frontend", "f", "1"))
    console = server.console("the web page")
    assert isinstance(console, Console)
    for asking in (console.trace(KERNEL, True, 0.05), console.status(0.05, links=True)):
        with pytest.raises(NoAnswer, match=r"has not answered in 0\.05 s"):
            await asking
    assert any(isinstance(message, LinksRequest) for message in frontend.got)
    # An answer that comes too late is for nobody.
    console.take(PartAnswer(2, True))
    server.close()

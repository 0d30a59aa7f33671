"""Run a real broker with frontends and hosts that are nothing but their side of the bus."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import zmq

from kernelbus.bus.broker.server import BrokerServer
from kernelbus.bus.broker.tables import BrokerOptions
from kernelbus.bus.channel.channel import (
    ChannelOptions,
    Data,
    Ended,
    EndReason,
    Event,
    Reset,
    Urgent,
    Writable,
)
from kernelbus.bus.channel.frames import Frame
from kernelbus.bus.channel.multiplexer import ChannelHandle, Multiplexer
from kernelbus.bus.errors import EndpointError
from kernelbus.bus.membership import Membership
from kernelbus.bus.protocol.messages import (
    Acquire,
    Acquired,
    ChannelReport,
    KernelReport,
    Open,
    Opened,
    PoolReport,
    Register,
    Release,
)
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.transport.interface import FrameHandler, Transport
from kernelbus.bus.transport.zeromq import dealer_factory

OPTIONS = BrokerOptions(name="test", heartbeat_interval=0.1, heartbeat_timeout=1.0, host_timeout=20.0, connection_timeout=10.0)
#: Small, so that windows close and losses are noticed during a test.
CHANNEL = ChannelOptions(window=64 * 1024, chunk=8 * 1024, backlog=32 * 1024, probe_delay=0.2, probe_delay_limit=0.4)


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait until `condition` holds.

    Raises:
        TimeoutError: it does not hold within `seconds`.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nothing signals the condition
            await asyncio.sleep(0.002)


def pattern(start: int, count: int) -> bytes:
    """Return bytes `start` to `start + count` of a stream in which no two places look the same."""
    first = start // 8
    return b"".join(number.to_bytes(8) for number in range(first, (start + count) // 8 + 1))[start % 8 :][:count]


class Stream:
    """The owner of one end of a channel.

    It checks that each byte comes once and in order, and writes as many bytes of the pattern as
    asked.
    """

    def __init__(self) -> None:
        self.handle: ChannelHandle
        self.received = 0
        self.owed = 0
        self.reading = True
        self.urgent: list[tuple[int, int]] = []
        self.ended: list[Ended] = []
        self.resets = 0
        self.closed = 0
        self._put = 0
        self._goal = 0

    def channel_event(self, event: Event) -> None:
        """See :class:`kernelbus.bus.channel.multiplexer.ChannelOwner`."""
        assert not self.closed
        match event:
            case Data(offset, payload):
                assert offset == self.received, "a byte twice or never"
                assert not self.ended
                assert bytes(payload) == pattern(offset, len(payload))
                self.received += len(payload)
                self.owed += len(payload)
                if self.reading:
                    self.read()
            case Urgent(offset, code, _):
                self.urgent.append((offset, code))
            case Ended():
                self.ended.append(event)
                self.handle.end(EndReason.ANSWER)
            case Reset():
                self.resets += 1
            case Writable():
                self.write()

    def channel_closed(self) -> None:
        """See :class:`kernelbus.bus.channel.multiplexer.ChannelOwner`."""
        self.closed += 1

    def read(self) -> None:
        """Consume what has come and what comes from now on."""
        self.reading = True
        owed, self.owed = self.owed, 0
        self.handle.consume(owed)

    def write(self, count: int = 0) -> None:
        """Write `count` more bytes of the pattern, as there is room."""
        self._goal += count
        while self._put < self._goal and self.handle.writable:
            size = min(5000, self._goal - self._put)
            piece = pattern(self._put, size)
            self._put += size
            self.handle.send(piece)


class Part:
    """A frontend or host: a membership and its channels."""

    def __init__(self, bus: Bus, role: str, connect: Callable[[FrameHandler], Transport]) -> None:
        self.identity = secrets.token_hex(8)
        self.role = role
        self.bus = bus
        self.messages: list[Message] = []
        self.ups = 0
        self.streams: dict[int, Stream] = {}
        self.multiplexer = Multiplexer(self.transmit, CHANNEL)
        self.membership = Membership(
            connect,
            self.describe,
            self.control,
            self.multiplexer.receive,
            self.up,
            heartbeat_timeout=bus.options.heartbeat_timeout,
            where="the test's broker",
        )
        self.task = asyncio.get_running_loop().create_task(self.membership.run())

    def transmit(self, frame: Frame) -> None:
        self.membership.transmit(frame)

    def up(self) -> None:
        self.ups += 1
        self.multiplexer.resume()

    def describe(self) -> Register:
        if self.role == "host":
            pools = [PoolReport("P", True, True, 0, 8, 0, 0, 0, 1, 64)]
            return Register(self.identity, "host", "h", "1", pools, [self.report(channel) for channel in self.streams])
        return Register(self.identity, "frontend", "f", "1", channels=[ChannelReport(channel, "k") for channel in self.streams])

    def report(self, channel: int) -> KernelReport:
        return KernelReport(f"{channel:x}", "P", "attached", 1, channel, attachments=1)

    def control(self, message: Message) -> None:
        self.messages.append(message)
        if isinstance(message, Acquire):
            # As the real host does: it reports the kernel first and opens the channel next.
            self.membership.send(Acquired(message.channel, self.report(message.channel)))
            self.stream(message.channel)
        elif isinstance(message, Release):
            stream = self.streams.pop(message.channel, None)
            if stream is not None:
                stream.handle.drop()

    def stream(self, channel: int) -> Stream:
        stream = self.streams[channel] = Stream()
        stream.handle = self.multiplexer.open(channel, stream)
        return stream

    async def open(self) -> Stream:
        """Return a new channel to a kernel; the part is a frontend."""
        channel = next(self.bus.numbers)
        stream = self.stream(channel)
        self.membership.send(Open(channel, "client"))
        await until(lambda: any(isinstance(m, Opened) and m.channel == channel for m in self.messages))
        return stream

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        self.multiplexer.close()


class Bus:
    """A broker that can be killed and restarted; parts reach it by `call` or over `tcp`."""

    def __init__(self, kind: str, options: BrokerOptions = OPTIONS) -> None:
        self.kind = kind
        self.options = options
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.numbers = itertools.count(0x100)
        self.parts: list[Part] = []
        self.endpoint = "tcp://127.0.0.1:0"
        self.cut = False  #: if true, no frame passes in either direction
        self.server: BrokerServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start a broker that knows nothing, at the last one's endpoint."""
        server = BrokerServer(self.options, self.context)
        if self.kind == "tcp":
            async with asyncio.timeout(20):
                while True:  # ZeroMQ closes the last broker's socket in the background
                    try:
                        self.endpoint = server.bind(self.endpoint)
                        break
                    except EndpointError:
                        await asyncio.sleep(0.01)
        self.server = server
        self._task = asyncio.get_running_loop().create_task(server.run())

    async def kill(self) -> None:
        """End the broker without a message to anyone."""
        assert self.server is not None and self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self.server.close()
        self.server = None

    def connect(self, on_frame: FrameHandler) -> Transport:
        """Return a new transport to the broker that runs now."""
        return _Cuttable(self, on_frame)

    async def part(self, role: str, up: bool = True) -> Part:
        """Start a frontend or a host; with `up`, wait until it is registered."""
        part = Part(self, role, self.connect)
        self.parts.append(part)
        if up:
            await until(lambda: part.ups)
        return part

    def host_end(self, stream: Stream) -> Stream:
        """Return the host's end of a frontend's stream."""
        channel = stream.handle.channel.channel
        return next(part.streams[channel] for part in self.parts if part.role == "host" and channel in part.streams)

    async def stop(self) -> None:
        for part in self.parts:
            await part.stop()
        if self.server is not None:
            await self.kill()
        self.context.destroy(linger=0)


class _Cuttable:
    """A transport that passes nothing while the bus is cut."""

    def __init__(self, bus: Bus, on_frame: FrameHandler) -> None:
        self._bus = bus
        self._on_frame = on_frame
        self._transport: Transport | None = None
        if bus.kind == "tcp":
            self._transport = dealer_factory(bus.context, bus.endpoint, secrets.token_bytes)(self._receive)
        elif bus.server is not None:
            self._transport = bus.server.connect(self._receive)

    def send(self, frame: Frame) -> None:
        if self._transport is not None and not self._bus.cut:
            self._transport.send(frame)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _receive(self, frame: Frame) -> None:
        if not self._bus.cut:
            self._on_frame(frame)

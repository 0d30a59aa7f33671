"""A broker with parts of its own process: what it sends, what it journals, and what it answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from bus_parts import OPTIONS, Bus, until

from kernelbus.bus.broker.allowance import Allowance
from kernelbus.bus.broker.server import BrokerServer
from kernelbus.bus.channel.frames import Frame, Kind, control_frame
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.messages import Heartbeat, KernelReport, PoolReport, Register, Registered
from kernelbus.bus.protocol.orders import Answer, LogLevelOrder
from kernelbus.bus.protocol.reports import Status, StatusRequest
from kernelbus.bus.protocol.schema import Message

pytestmark = pytest.mark.asyncio


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


class Caller:
    """A part or a console of the broker's own process."""

    def __init__(self, server: BrokerServer) -> None:
        self.frames: list[Frame] = []
        self._transport = server.connect(self.frames.append)

    def send(self, message: Message) -> None:
        self._transport.send(control_frame(encode(message)))

    def send_frame(self, frame: Frame) -> None:
        self._transport.send(frame)

    @property
    def messages(self) -> list[Message]:
        return [decode(frame.payload) for frame in self.frames if frame.kind == Kind.CONTROL]

    async def answer(self, number: int) -> Message:
        """Wait for the answer to a request."""
        found: list[Message] = []

        def there() -> bool:
            found[:] = [message for message in self.messages if getattr(message, "request", None) == number]
            return bool(found)

        await until(there)
        return found[0]


HOST = Register(
    "h", "host", "h", "1", [PoolReport("P", True, True, 0, 1, 0, 1, 0, 1, 8)], [KernelReport("k", "P", "detached", 1, attachments=1)]
)


async def test_a_part_registers_and_a_console_sees_it(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    server = BrokerServer(OPTIONS, context)
    host, console = Caller(server), Caller(server)
    host.send(HOST)
    await until(lambda: any(isinstance(message, Registered) for message in host.messages))
    console.send(StatusRequest(3, "me@here"))
    status = await console.answer(3)
    assert isinstance(status, Status)
    assert [kernel.kernel for kernel in status.kernels] == ["k"]
    server.close()


async def test_heartbeats_come_while_it_runs(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    server = BrokerServer(OPTIONS, context)
    host = Caller(server)
    host.send(HOST)
    task = asyncio.create_task(server.run())
    await until(lambda: sum(isinstance(message, Heartbeat) for message in host.messages) >= 2)
    task.cancel()
    server.close()


async def test_a_request_that_the_schema_refuses_is_answered(
    context: zmq.Context[zmq.Socket[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    server = BrokerServer(OPTIONS, context)
    console = Caller(server)
    content = {"message": "KernelOrder", "request": 5, "sender": "me@here", "kernel": "k", "action": "explode"}
    with caplog.at_level("ERROR", "kernelbus.broker"):
        console.send_frame(control_frame(json.dumps(content).encode()))
        answer = await console.answer(5)
    assert isinstance(answer, Answer)
    assert (answer.ok, answer.code) == (False, "malformed")
    assert "action" in answer.lines[0]
    assert "(me@here)" in caplog.text, "the log names the sender"
    server.close()


async def test_a_console_that_does_not_read_is_left_out_and_a_part_is_not(
    context: zmq.Context[zmq.Socket[bytes]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernelbus.bus.broker.server.Allowance", lambda now: Allowance(now, burst=2000, rate=0))
    server = BrokerServer(OPTIONS, context)
    console, part = Caller(server), Caller(server)
    part.send(HOST)
    await until(lambda: any(isinstance(message, Registered) for message in part.messages))
    with caplog.at_level("WARNING", "kernelbus.broker"):
        for number in range(200):
            for asker in (console, part):
                asker.send(StatusRequest(number, "me@here"))
    await part.answer(199)
    sizes = [len(frame.payload) for frame in console.frames]
    assert 0 < sum(sizes[:-1]) < 2000
    assert sum(isinstance(message, Status) for message in part.messages) == 200
    assert "asks for more than it can read" in caplog.text
    server.close()


async def test_its_own_process_carries_out_what_is_for_every_part(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    server = BrokerServer(OPTIONS, context)
    console = Caller(server)
    console.send(LogLevelOrder(6, "me@here", "loud"))
    answer = await console.answer(6)
    assert isinstance(answer, Answer)
    assert [(part.part, part.ok, part.code) for part in answer.parts] == [("broker", False, "level")]
    server.close()


async def test_a_channel_that_does_not_exist_is_reset_once_all_could_be_back(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    server = BrokerServer(OPTIONS._replace(host_timeout=0.0), context)
    part = Caller(server)
    await until(lambda: asyncio.get_running_loop().time() > server.broker.started)
    part.send_frame(Frame(Kind.DATA, 7, payload=b"x"))
    await until(lambda: part.frames)
    assert [(frame.kind, frame.channel) for frame in part.frames] == [(Kind.RESET, 7)]
    assert server.broker.dropped == 1
    server.close()


async def test_sessions_are_journaled_and_awaited_by_the_next_broker(tmp_path: Path, context: zmq.Context[zmq.Socket[bytes]]) -> None:
    server = BrokerServer(OPTIONS, context, tmp_path / "journal")
    host = Caller(server)
    host.send(HOST)
    await until(lambda: host.messages)
    server.close()
    server = BrokerServer(OPTIONS, context, tmp_path / "journal")
    assert list(server.broker.sessions.awaited) == ["k"]
    server.close()


async def test_a_broker_without_its_journal_says_so_in_its_status(tmp_path: Path, context: zmq.Context[zmq.Socket[bytes]]) -> None:
    path = tmp_path / "journal"
    path.mkdir()
    server = BrokerServer(OPTIONS, context, path)
    host = Caller(server)
    host.send(HOST)
    console = Caller(server)
    console.send(StatusRequest(1))
    status = await console.answer(1)
    assert isinstance(status, Status)
    assert status.health == "degraded"
    assert f"the journal {path} is a folder: name a file as Bus/Journal" in " ".join(status.problems)
    path.rmdir()
    running = asyncio.ensure_future(server.run())
    await until(lambda: not server.broker.unjournaled)
    running.cancel()
    console.send(StatusRequest(2))
    again = await console.answer(2)
    assert isinstance(again, Status)
    assert not any("journal" in problem for problem in again.problems)
    server.close()
    server = BrokerServer(OPTIONS, context, path)
    assert list(server.broker.sessions.awaited) == ["k"]
    server.close()


async def test_data_passes_between_parts_and_not_through_the_state_machine() -> None:
    bus = Bus("call")
    await bus.start()
    await bus.part("host")
    frontend = await bus.part("frontend")
    stream = await frontend.open()
    stream.write(100_000)
    await until(lambda: bus.host_end(stream).received == 100_000)
    await bus.stop()

"""One contract, three transports: plain call, ZeroMQ inproc, ZeroMQ tcp."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
import zmq

from bus.call_transport import CallHub
from bus.errors import EndpointError
from bus.frames import Frame, Kind, control_frame
from bus.transport import Route, TransportFactory
from bus.zmq_transport import RouterTransport, dealer_factory


class Hub:
    """A broker that answers every frame by `answer`."""

    def __init__(self) -> None:
        self.frames: list[tuple[Route, Frame]] = []
        self.answer: Callable[[Route, Frame], None] = lambda route, frame: None
        self.connect: TransportFactory

    def take(self, route: Route, frame: Frame) -> None:
        self.frames.append((route, frame))
        self.answer(route, frame)


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is awaited tells nobody
            await asyncio.sleep(0.005)


@pytest_asyncio.fixture(params=["call", "inproc", "tcp"])
async def hub(request: pytest.FixtureRequest) -> AsyncIterator[Hub]:
    made = Hub()
    if request.param == "call":
        calls = CallHub(made.take)
        made.connect = calls.connect
        yield made
        calls.close()
        return
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = RouterTransport(context, made.take)
    endpoint = router.bind("tcp://127.0.0.1:0" if request.param == "tcp" else f"inproc://{secrets.token_hex(8)}")
    made.connect = dealer_factory(context, endpoint, secrets.token_bytes)
    yield made
    router.close()
    context.destroy(linger=0)


def data(sequence: int, payload: bytes = b"") -> Frame:
    return Frame(Kind.DATA, 1, sequence, payload=payload)


@pytest.mark.asyncio
async def test_frames_of_a_lane_arrive_in_order_and_whole(hub: Hub) -> None:
    part = hub.connect(lambda frame: None)
    large = secrets.token_bytes(1 << 20)
    for sequence in range(300):
        part.send(data(sequence, large if sequence % 100 == 0 else b"%d" % sequence))
    await until(lambda: len(hub.frames) == 300)
    assert [frame.sequence for _, frame in hub.frames] == list(range(300))
    assert bytes(hub.frames[100][1].payload) == large
    assert bytes(hub.frames[101][1].payload) == b"101"
    part.close()


@pytest.mark.asyncio
async def test_answers_come_back_to_who_asked(hub: Hub) -> None:
    hub.answer = lambda route, frame: route.send(frame) and None
    got: dict[int, list[int]] = {number: [] for number in range(10)}
    parts = [hub.connect(lambda frame, number=number: got[number].append(frame.sequence)) for number in range(10)]  # type: ignore[misc]
    for sequence in range(50):
        for part in parts:
            part.send(data(sequence))
    await until(lambda: all(len(sequences) == 50 for sequences in got.values()))
    assert all(sequences == list(range(50)) for sequences in got.values())
    for part in parts:
        part.close()


@pytest.mark.asyncio
async def test_parts_that_play_ping_pong_side_by_side_all_finish(hub: Hub) -> None:
    """The trap of an edge-triggered descriptor: a send can swallow the news of what has come."""
    hub.answer = lambda route, frame: route.send(frame) and None
    done = []
    parts: list[Any] = []

    def play(number: int) -> Callable[[Frame], None]:
        def take(frame: Frame) -> None:
            if frame.sequence == 500:
                done.append(number)
            else:
                parts[number].send(data(frame.sequence + 1))

        return take

    parts += [hub.connect(play(number)) for number in range(12)]
    for part in parts:
        part.send(data(0))
    await until(lambda: len(done) == 12)
    for part in parts:
        part.close()


@pytest.mark.asyncio
async def test_a_part_is_not_called_back_from_inside_its_own_call(hub: Hub) -> None:
    hub.answer = lambda route, frame: route.send(frame) and None
    inside = [False]
    seen: list[bool] = []

    def take(frame: Frame) -> None:
        seen.append(inside[0])
        if frame.sequence < 5:
            inside[0] = True
            part.send(data(frame.sequence + 1))
            inside[0] = False

    part = hub.connect(take)
    part.send(data(0))
    await until(lambda: len(seen) == 6)
    assert seen == [False] * 6
    part.close()


@pytest.mark.asyncio
async def test_both_lanes_lead_to_one_route(hub: Hub) -> None:
    part = hub.connect(lambda frame: None)
    part.send(data(1))
    part.send(control_frame(b"{}"))
    await until(lambda: len(hub.frames) == 2)
    assert hub.frames[0][0] is hub.frames[1][0]
    part.close()


@pytest.mark.asyncio
async def test_a_part_that_is_gone_cannot_be_reached(hub: Hub) -> None:
    part = hub.connect(lambda frame: None)
    part.send(data(1))
    await until(lambda: hub.frames)
    route = hub.frames[0][0]
    part.close()
    await until(lambda: not route.send(data(2)))


@pytest.mark.asyncio
async def test_what_is_no_frame_is_logged_and_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    hub = Hub()
    router = RouterTransport(context, hub.take)
    stranger = context.socket(zmq.DEALER)
    endpoint = router.bind("tcp://127.0.0.1:0")
    stranger.connect(endpoint)
    stranger.send_multipart([b"garbage"])
    await until(lambda: "ignored" in caplog.text)
    assert hub.frames == []
    with pytest.raises(EndpointError, match="cannot be bound"):
        RouterTransport(context, hub.take).bind(endpoint)
    stranger.close(0)
    router.close()
    context.destroy(linger=0)

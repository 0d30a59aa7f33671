"""Test one contract with four transports: plain call, ZeroMQ inproc, tcp, and tcp with keys."""

from __future__ import annotations

import asyncio
import gc
import os
import pwd
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import zmq

from kernelbus.bus.channel.frames import MAXIMUM_PAYLOAD, Frame, Kind, Lane, control_frame, encode_header
from kernelbus.bus.errors import EndpointError
from kernelbus.bus.security.curve import Introduction
from kernelbus.bus.security.keys import KeyStore
from kernelbus.bus.settings.config import BusConfig, Config
from kernelbus.bus.transport.call import CallHub
from kernelbus.bus.transport.interface import Route, Transport, TransportFactory
from kernelbus.bus.transport.zeromq import RouterTransport, dealer_factory

pytestmark = pytest.mark.asyncio
MEBIBYTE = 1 << 20


class Hub:
    """A broker that records every frame and passes it to `answer`."""

    def __init__(self) -> None:
        self.frames: list[tuple[Route, Frame]] = []
        self.answer: Callable[[Route, Frame], object] = lambda route, frame: None
        self.factory: TransportFactory
        self.parts: list[Transport] = []

    def take(self, route: Route, frame: Frame) -> None:
        self.frames.append((route, frame))
        self.answer(route, frame)

    def connect(self, on_frame: Callable[[Frame], object] = lambda frame: None) -> Transport:
        part = self.factory(on_frame)  # type: ignore[arg-type]
        self.parts.append(part)
        return part


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.002)


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest_asyncio.fixture(params=["call", "inproc", "tcp", "curve"])
async def hub(
    request: pytest.FixtureRequest, context: zmq.Context[zmq.Socket[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Hub]:
    made = Hub()
    if request.param == "call":
        listening: CallHub | RouterTransport = CallHub(made.take)
        made.factory = listening.connect
    elif request.param == "curve":
        monkeypatch.setattr("kernelbus.bus.transport.zeromq.is_local", lambda endpoint: False)
        store = KeyStore(tmp_path / "keys")
        store.new()
        listening = RouterTransport(context, made.take, store)
        endpoint = listening.bind("tcp://127.0.0.1:0")
        introduction = Introduction(endpoint, Config(bus=BusConfig(keys=str(store.folder))))
        made.factory = dealer_factory(context, endpoint, secrets.token_bytes, introduction)
    else:
        listening = RouterTransport(context, made.take)
        endpoint = listening.bind("tcp://127.0.0.1:0" if request.param == "tcp" else f"inproc://{secrets.token_hex(8)}")
        made.factory = dealer_factory(context, endpoint, secrets.token_bytes)
    yield made
    for part in made.parts:
        part.close()
    listening.close()


@pytest_asyncio.fixture
async def router(context: zmq.Context[zmq.Socket[bytes]]) -> AsyncIterator[tuple[Hub, RouterTransport, str]]:
    """Run only a broker's ZeroMQ socket, at a tcp endpoint."""
    made = Hub()
    listening = RouterTransport(context, made.take)
    endpoint = listening.bind("tcp://127.0.0.1:0")
    made.factory = dealer_factory(context, endpoint, secrets.token_bytes)
    yield made, listening, endpoint
    for part in made.parts:
        part.close()
    listening.close()


def data(sequence: int, payload: bytes = b"") -> Frame:
    return Frame(Kind.DATA, 1, sequence, payload=payload)


# ---- order, complete frames, both directions


async def test_frames_of_a_lane_arrive_in_order_and_whole(hub: Hub) -> None:
    part = hub.connect()
    large = secrets.token_bytes(MEBIBYTE)
    for sequence in range(300):
        part.send(data(sequence, large if sequence % 100 == 0 else b"%d" % sequence))
    await until(lambda: len(hub.frames) == 300)
    assert [frame.sequence for _, frame in hub.frames] == list(range(300))
    assert bytes(hub.frames[100][1].payload) == large
    assert bytes(hub.frames[101][1].payload) == b"101"


async def test_every_field_of_a_frame_arrives_in_both_directions(hub: Hub) -> None:
    got: list[Frame] = []
    part = hub.connect(got.append)
    hub.answer = lambda route, frame: route.send(frame)
    frames = [
        Frame(Kind.DATA, 2**64 - 1, 2, 3, 4, 5, 6, 1, b"payload"),
        Frame(Kind.ACKNOWLEDGE, 1, 2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1, 3),
        control_frame(b"{}"),
        Frame(Kind.URGENT, 7, payload=b"12345678"),
    ]
    for frame in frames:
        part.send(frame)
    await until(lambda: len(got) == len(frames))
    for lane in Lane:
        sent = [frame for frame in frames if frame.lane is lane]
        assert [frame._replace(payload=bytes(frame.payload)) for frame in got if frame.lane is lane] == sent


async def test_a_large_frame_comes_back_intact(hub: Hub) -> None:
    got: list[Frame] = []
    part = hub.connect(got.append)
    hub.answer = lambda route, frame: route.send(frame)
    payload = secrets.token_bytes(MEBIBYTE)
    for kept in (payload, bytearray(payload), memoryview(payload)):
        part.send(Frame(Kind.DATA, 1, payload=kept))
    await until(lambda: len(got) == 3)
    assert all(bytes(frame.payload) == payload for frame in got)


async def test_answers_come_back_to_who_asked(hub: Hub) -> None:
    hub.answer = lambda route, frame: route.send(frame)
    got: dict[int, list[int]] = {number: [] for number in range(10)}
    parts = [hub.connect(lambda frame, number=number: got[number].append(frame.sequence)) for number in range(10)]  # type: ignore[misc]
    for sequence in range(50):
        for part in parts:
            part.send(data(sequence))
    await until(lambda: all(len(sequences) == 50 for sequences in got.values()))
    assert all(sequences == list(range(50)) for sequences in got.values())


async def test_both_lanes_lead_to_one_route(hub: Hub) -> None:
    part = hub.connect()
    part.send(data(1))
    part.send(control_frame(b"{}"))
    await until(lambda: len(hub.frames) == 2)
    assert hub.frames[0][0] is hub.frames[1][0]


# ---- no part delays another


@pytest.mark.parametrize("up", [True, False], ids=["to the broker", "to the part"])
async def test_a_backlog_of_bulk_does_not_delay_control(hub: Hub, up: bool) -> None:
    """A control message that is sent after 64 MiB of bulk data arrives before the last of them."""
    got: list[Frame] = []
    part = hub.connect(got.append)
    part.send(control_frame(b"hello"))
    part.send(data(0))
    await until(lambda: len(hub.frames) == 2)
    route = hub.frames[0][0]
    chunk = bytes(MEBIBYTE)

    def send_all() -> None:
        send = part.send if up else route.send
        for sequence in range(64):
            send(data(sequence + 1, chunk))
        send(control_frame(b"now"))

    send_all()
    seen: Callable[[], list[Kind | int]] = lambda: [f.kind for f in ([f for _, f in hub.frames[2:]] if up else got)]  # noqa: E731
    await until(lambda: len(seen()) == 65)
    if not isinstance(getattr(hub.factory, "__self__", None), CallHub):  # a call has no backlog: a frame that is sent has arrived
        assert seen().index(Kind.CONTROL) < 64


async def test_parts_that_play_ping_pong_side_by_side_all_finish(hub: Hub) -> None:
    """On an edge-triggered descriptor a send can consume the edge of a message that arrives."""
    hub.answer = lambda route, frame: route.send(frame)
    done = []
    parts: list[Transport] = []

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


async def test_parts_that_send_in_bursts_on_both_lanes_all_finish(hub: Hub) -> None:
    """No message stays unread when more come than one turn reads, and answers go out meanwhile."""
    hub.answer = lambda route, frame: route.send(frame)
    got = [0] * 8
    total = 400

    def count(number: int) -> Callable[[Frame], None]:
        def take(frame: Frame) -> None:
            got[number] += 1

        return take

    async def burst(part: Transport) -> None:
        for sequence in range(0, total, 40):
            for step in range(40):
                part.send(control_frame(b"{}") if step % 2 else data(sequence + step))
            await asyncio.sleep(0)

    parts = [hub.connect(count(number)) for number in range(8)]
    await asyncio.gather(*(burst(part) for part in parts))
    await until(lambda: got == [total] * 8)


# ---- no call inside a call


async def test_no_part_is_called_back_before_its_send_returns(hub: Hub) -> None:
    hub.answer = lambda route, frame: route.send(frame)
    inside, seen = [False], []

    def send(frame: Frame) -> None:
        inside[0] = True
        part.send(frame)
        inside[0] = False

    def take(frame: Frame) -> None:
        seen.append((frame.sequence, inside[0]))
        if frame.sequence % 5:
            send(data(frame.sequence + 1))

    part = hub.connect(take)
    for first in (1, 6, 11):  # three at once from the loop, and then from inside a callback
        send(data(first))
    await until(lambda: len(seen) == 15)
    assert sorted(seen) == [(sequence, False) for sequence in range(1, 16)]


async def test_the_broker_is_not_called_back_before_its_send_returns(hub: Hub) -> None:
    """A part's answer to a frame arrives after the broker's call that sent it has returned."""
    parts: list[Transport] = []
    parts += [hub.connect(lambda frame, number=number: parts[number].send(data(10 + number))) for number in range(3)]  # type: ignore[misc]
    for part in parts:
        part.send(data(0))
    await until(lambda: len(hub.frames) == 3)
    routes = [route for route, _ in hub.frames]
    hub.frames.clear()
    inside = True
    seen = []
    hub.answer = lambda route, frame: seen.append(inside)
    for route in routes:
        assert route.send(data(1))
    inside = False
    await until(lambda: len(hub.frames) == 3)
    assert seen == [False] * 3
    assert sorted(frame.sequence for _, frame in hub.frames) == [10, 11, 12]


async def test_order_is_kept_when_answers_wait_for_a_send_to_return(hub: Hub) -> None:
    """Answers to a part that is still sending arrive in order, whichever part sends in between."""
    got: list[int] = []
    first = hub.connect(lambda frame: got.append(frame.sequence))
    first.send(data(0))
    await until(lambda: hub.frames)
    route = hub.frames[0][0]
    hub.answer = lambda _, frame: route.send(frame)
    second = hub.connect()
    second.send(data(1))
    await until(lambda: 1 in got)
    first.send(data(2))
    first.send(data(3))
    second.send(data(4))
    first.send(data(5))
    await until(lambda: len(got) == 5)
    assert [sequence for sequence in got if sequence != 4] == [1, 2, 3, 5]


async def test_a_receiver_that_fails_stops_nobody(hub: Hub) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, what: told.append(what))

    def fail_on_odd(route: Route, frame: Frame) -> None:
        if frame.sequence % 2:
            raise ZeroDivisionError(str(frame.sequence))

    hub.answer = fail_on_odd
    part = hub.connect()
    for sequence in range(100):
        part.send(data(sequence))
    await until(lambda: len(hub.frames) == 100)
    assert [str(what["exception"]) for what in told] == [str(sequence) for sequence in range(1, 100, 2)]


# ---- connecting and closing


async def test_a_part_that_is_gone_cannot_be_reached(hub: Hub) -> None:
    part = hub.connect()
    part.send(data(1))
    await until(lambda: hub.frames)
    route = hub.frames[0][0]
    assert route.send(data(2))
    part.close()
    await until(lambda: not route.send(data(3)))


async def test_a_closed_part_hears_and_says_nothing_more(hub: Hub) -> None:
    heard: list[Frame] = []
    part, other = hub.connect(heard.append), hub.connect()
    part.send(data(1))
    await until(lambda: hub.frames)
    route = hub.frames[0][0]
    route.send(data(2))
    part.close()
    part.close()
    heard.clear()
    part.send(data(3))
    other.send(data(4))
    await until(lambda: hub.frames[-1][1].sequence == 4)
    assert [frame.sequence for _, frame in hub.frames] == [1, 4]
    assert heard == []


async def test_a_part_that_comes_again_has_another_route(hub: Hub) -> None:
    routes = []
    for sequence in range(3):
        part = hub.connect()
        part.send(data(sequence))
        await until(lambda sequence=sequence: len(hub.frames) == sequence + 1)  # type: ignore[misc]
        routes.append(hub.frames[-1][0])
        part.close()
    assert len(set(routes)) == 3
    assert all(route.name for route in routes)


# ---- ZeroMQ only: what is not a frame

_GOOD = encode_header(data(1, b"x"))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([b"garbage"], "2 parts"),
        ([], "2 parts"),
        ([_GOOD, b"x", b"y"], "4 parts"),
        ([b"GET / HTTP/1.1\r\n", b""], "a header of 16 bytes"),
        ([b"\x02" + _GOOD[1:], b"x"], "version 2"),
        ([_GOOD[:1] + b"\x09" + _GOOD[2:], b"x"], "unknown kind 9"),
        ([_GOOD, b"xyz"], "announces 1 bytes and has 3"),
        ([encode_header(data(1, bytes(MAXIMUM_PAYLOAD + 1))), bytes(MAXIMUM_PAYLOAD + 1)], "at most"),
    ],
)
async def test_what_is_no_frame_is_logged_and_passed_over(
    context: zmq.Context[zmq.Socket[bytes]],
    router: tuple[Hub, RouterTransport, str],
    caplog: pytest.LogCaptureFixture,
    parts: list[bytes],
    words: str,
) -> None:
    hub, _, endpoint = router
    stranger = context.socket(zmq.DEALER)
    stranger.setsockopt(zmq.IDENTITY, bytes([1]) * 17)
    stranger.connect(endpoint)
    stranger.send_multipart(parts or [b""])
    await until(lambda: "ignored" in caplog.text)
    assert words in caplog.text
    good = hub.connect()
    good.send(data(5))
    await until(lambda: hub.frames)
    assert [frame.sequence for _, frame in hub.frames] == [5]
    stranger.close(0)


async def test_a_connection_without_a_parts_identity_is_refused(
    context: zmq.Context[zmq.Socket[bytes]], router: tuple[Hub, RouterTransport, str], caplog: pytest.LogCaptureFixture
) -> None:
    hub, _, endpoint = router
    stranger = context.socket(zmq.DEALER)
    stranger.connect(endpoint)
    stranger.send_multipart([_GOOD, b"x"])
    await until(lambda: "not a part's" in caplog.text)
    assert hub.frames == []
    stranger.close(0)


async def test_a_broker_that_sends_no_frame_is_logged_and_passed_over(
    context: zmq.Context[zmq.Socket[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    wrong = context.socket(zmq.ROUTER)
    wrong.bind("tcp://127.0.0.1:0")
    got: list[Frame] = []
    part = dealer_factory(context, wrong.getsockopt_string(zmq.LAST_ENDPOINT), secrets.token_bytes)(got.append)
    part.send(data(1))
    await until(lambda: wrong.poll(0))
    identity = wrong.recv_multipart()[0]
    wrong.send_multipart([identity, b"garbage"])
    wrong.send_multipart([identity, _GOOD, b"x"])
    await until(lambda: got)
    assert "the broker sent a message of 1 parts" in caplog.text
    part.close()
    wrong.close(0)


async def test_strangers_leave_nothing_behind(router: tuple[Hub, RouterTransport, str]) -> None:
    hub, listening, _ = router
    for _ in range(20):
        part = hub.connect()
        part.send(data(1))
        part.close()
    await until(lambda: len(hub.frames) == 20)
    hub.frames.clear()
    gc.collect()
    assert len(listening._plain._routes) == 0


@pytest.mark.parametrize("endpoint", ["tcp", "inproc"])
async def test_a_taken_endpoint_is_one_clear_error(context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
    first, second = (RouterTransport(context, lambda route, frame: None) for _ in range(2))
    taken = first.bind("tcp://127.0.0.1:0" if endpoint == "tcp" else "inproc://taken")
    with pytest.raises(EndpointError) as error:
        second.bind(taken)
    assert str(error.value) == f"the bus endpoint {taken} cannot be bound: Address already in use"
    first.close()
    second.close()


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://nowhere", "tcp://127.0.0.1:x", "carrier-pigeon://127.0.0.1:1", ""])
async def test_an_endpoint_that_makes_no_sense_is_one_clear_error(context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
    listening = RouterTransport(context, lambda route, frame: None)
    with pytest.raises(EndpointError, match=r"cannot be (bound|used)") as bound:
        listening.bind(endpoint)
    with pytest.raises(EndpointError, match="cannot be used") as used:
        dealer_factory(context, endpoint, secrets.token_bytes)(lambda frame: None)
    for error in (bound, used):
        assert f"the bus endpoint {endpoint}" in str(error.value)
        assert "\n" not in str(error.value)
    listening.close()


async def test_the_bound_endpoint_is_the_one_to_connect_to(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    listening = RouterTransport(context, lambda route, frame: None)
    bound = listening.bind("tcp://127.0.0.1:0")
    assert bound.startswith("tcp://127.0.0.1:")
    assert not bound.endswith(":0")
    listening.close()


async def test_an_ipc_endpoint_says_whose_process_sends(context: zmq.Context[zmq.Socket[bytes]], tmp_path: Path) -> None:
    made = Hub()
    listening = RouterTransport(context, made.take)
    for endpoint in (f"ipc://{tmp_path}/bus", "tcp://127.0.0.1:0"):
        part = dealer_factory(context, listening.bind(endpoint), secrets.token_bytes)(lambda frame: None)
        part.send(data(1))
        await until(lambda: made.frames)
        route = made.frames.pop()[0]
        user = f"user {pwd.getpwuid(os.getuid()).pw_name}, process {os.getpid()}"
        assert route.credentials == (user if endpoint.startswith("ipc") else "")
        assert route.own is endpoint.startswith("ipc") and (route.key, route.machine) == ("", "")
        part.close()
    listening.close()

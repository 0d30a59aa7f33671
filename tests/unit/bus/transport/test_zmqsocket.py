"""Test one ZeroMQ socket in the event loop, the options of sockets, and the watch on handshakes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from kernelbus.bus.security.curve import ClientSecurity, Handshake
from kernelbus.bus.security.keys import KeyPair
from kernelbus.bus.transport.zmqsocket import BURST, BURST_BYTES, HandshakeMonitor, LoopSocket, configure

pytestmark = pytest.mark.asyncio

Context = zmq.Context[zmq.Socket[bytes]]
Pair = tuple[zmq.Socket[bytes], zmq.Socket[bytes]]


@pytest.fixture
def context() -> Iterator[Context]:
    made: Context = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.fixture
def pair(context: Context) -> Iterator[Pair]:
    """Two sockets that are connected with each other."""
    near, far = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    for socket in (near, far):
        configure(socket, alive=60.0)
    near.bind("inproc://pair")
    far.connect("inproc://pair")
    yield near, far
    near.close(0)
    far.close(0)


class Reader:
    """A receiver that records messages; `full` is set when `count` have come."""

    def __init__(self, count: int) -> None:
        self.messages: list[bytes] = []
        self.full = asyncio.Event()
        self._count = count

    def take(self, parts: list[zmq.Frame]) -> None:
        self.messages.append(b"".join(part.bytes for part in parts))
        if len(self.messages) >= self._count:
            self.full.set()

    async def wait(self) -> list[bytes]:
        async with asyncio.timeout(60):
            await self.full.wait()
        return self.messages


async def test_messages_from_before_and_after_the_start_are_read(pair: Pair) -> None:
    near, far = pair
    far.send_multipart([b"bef", b"ore"])
    reader = Reader(2)
    socket = LoopSocket(near, reader.take)
    far.send(b"after")
    assert await reader.wait() == [b"before", b"after"]
    socket.close(0)


async def test_a_send_does_not_hide_a_message_that_has_arrived(pair: Pair) -> None:
    near, far = pair
    count = 500
    reader = Reader(count)
    socket = LoopSocket(near, reader.take)
    for number in range(count):
        far.send(b"%d" % number)
        socket.send([b"consumes the edge"], large=False)
        if number % 7 == 0:
            await asyncio.sleep(0)
    assert await reader.wait() == [b"%d" % number for number in range(count)]
    socket.close(0)


@pytest.mark.parametrize(("size", "limit"), [(0, BURST), (BURST_BYTES // 4, 4)])
async def test_one_turn_of_the_loop_reads_a_limited_number_of_messages_and_bytes(pair: Pair, size: int, limit: int) -> None:
    near, far = pair
    count = 10 * limit
    for _ in range(count):
        far.send(bytes(size))
    reader = Reader(count)
    turns: list[int] = []
    new_turn = True

    def take(parts: list[zmq.Frame]) -> None:
        nonlocal new_turn
        if new_turn:
            new_turn = False
            turns.append(0)
            loop.call_soon(end_turn)
        turns[-1] += 1
        reader.take(parts)

    def end_turn() -> None:
        nonlocal new_turn
        new_turn = True

    loop = asyncio.get_running_loop()
    socket = LoopSocket(near, take)
    await reader.wait()
    socket.close(0)
    assert sum(turns) == count
    # A turn may read twice: for the descriptor, and as scheduled by the turn before.
    assert max(turns) <= 2 * limit


async def test_a_receiver_that_fails_is_reported_and_the_next_message_is_read(pair: Pair) -> None:
    near, far = pair
    reader = Reader(2)
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, about: reported.append(about))

    def take(parts: list[zmq.Frame]) -> None:
        reader.take(parts)
        if reader.messages == [b"bad"]:
            raise ValueError("bad")

    far.send(b"bad")
    far.send(b"good")
    socket = LoopSocket(near, take)
    assert await reader.wait() == [b"bad", b"good"]
    assert [str(about["exception"]) for about in reported] == ["bad"]
    socket.close(0)


async def test_a_receiver_may_close_its_socket_and_nothing_more_is_read(pair: Pair) -> None:
    near, far = pair
    reader = Reader(1)

    def take(parts: list[zmq.Frame]) -> None:
        reader.take(parts)
        socket.close(0)
        socket.close(0)

    far.send(b"first")
    far.send(b"second")
    socket = LoopSocket(near, take)
    assert await reader.wait() == [b"first"]
    await asyncio.sleep(0)
    assert reader.messages == [b"first"]
    assert near.closed


async def test_sockets_drop_nothing_and_give_silent_connections_up(context: Context) -> None:
    socket = context.socket(zmq.DEALER)
    configure(socket, alive=15.0)
    assert [socket.getsockopt(option) for option in (zmq.SNDHWM, zmq.RCVHWM, zmq.IPV6, zmq.TCP_KEEPALIVE)] == [0, 0, 1, 1]
    assert [socket.getsockopt(option) for option in (zmq.HEARTBEAT_IVL, zmq.HEARTBEAT_TIMEOUT)] == [3750, 15000]
    socket.close(0)


def new_pair() -> KeyPair:
    public, secret = (key.decode() for key in zmq.curve_keypair())
    return KeyPair(public, secret)


@pytest.mark.parametrize(
    ("server_keys", "client_keys", "outcome"),
    [
        (False, "none", Handshake.DONE),
        (True, "right", Handshake.DONE),
        (True, "none", Handshake.MISMATCH),
        (False, "right", Handshake.MISMATCH),
        (True, "wrong", Handshake.WRONG_KEY),
    ],
)
async def test_a_server_learns_how_a_handshake_ends(context: Context, server_keys: bool, client_keys: str, outcome: Handshake) -> None:
    broker = new_pair()
    heard: list[Handshake] = []
    first = asyncio.Event()

    def hear(handshake: Handshake) -> None:
        heard.append(handshake)
        first.set()

    server, client = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    if server_keys:
        server.setsockopt(zmq.CURVE_SERVER, 1)
        server.setsockopt(zmq.CURVE_SECRETKEY, broker.secret.encode())
    monitor = HandshakeMonitor(context, server, hear)
    server.bind("tcp://127.0.0.1:0")
    if client_keys != "none":
        expected = broker.public if client_keys == "right" else new_pair().public
        ClientSecurity(expected, "the broker", new_pair()).apply(client)
    client.connect(server.getsockopt_string(zmq.LAST_ENDPOINT))
    async with asyncio.timeout(60):
        await first.wait()
    assert heard[0] is outcome
    monitor.close()
    server.close(0)
    client.close(0)

"""Links of both kinds over real sockets: roles, modes, messages, closing, and strangers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import wstp
import wstp.aio
from wstp import Message, Symbol

F = Symbol("f")


@pytest.fixture(params=["uuid", "default", "default, port known"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[wstp.Link, wstp.Link]]:
    mode = "uuid" if request.param == "uuid" else "default"
    with wstp.listen(0, mode=mode) as listener:
        name = listener.link_name if request.param.endswith("known") else f"{listener.port}@127.0.0.1"
        accepted: list[wstp.Link] = []
        thread = threading.Thread(target=lambda: accepted.append(listener.accept(timeout=20)))
        thread.start()
        with wstp.connect(name, mode=mode, timeout=20) as one:
            thread.join(20)
            with accepted[0] as two:
                yield one, two


def test_expressions_pass_both_ways(pair: tuple[wstp.Link, wstp.Link]) -> None:
    for source, target in (pair, pair[::-1]):
        for number in range(3):
            source.put(F(number, "é\n]", 10**40, [1.5, Symbol("x")]), end_packet=number != 1)
        source.flush(timeout=10)
        for number in range(3):
            assert target.get(timeout=10) == F(number, "é\n]", 10**40, [1.5, Symbol("x")])
        assert not target.ready()


#: Packets that cannot be read, and what went wrong with each.
FAULTY = [
    (b"FB#DA~Af\n]", wstp.EarlyEnd, F(Symbol("$Failed"))),
    (b"FA#DA~Af\n+FA~C12x\n]", wstp.Misread, F(Symbol("$Failed"))),
    (b'FA#DA~Af\n"DD~A\xff\n]', wstp.Misread, F(Symbol("$Failed"))),
]


def test_the_reader_goes_on_behind_a_packet_that_cannot_be_read(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, two = pair
    one.put_raw([data for data, _, _ in FAULTY])
    one.put(F(1), end_packet=True)
    one.flush(timeout=10)
    for _, kind, expr in FAULTY:
        assert two.wait(timeout=10).data
        with pytest.raises(kind) as caught:
            two.next_packet(timeout=10)
        assert caught.value.expr == expr
    assert two.get(timeout=10) == F(1)
    two.put(F(2))
    two.flush(timeout=10)
    assert one.get(timeout=10) == F(2)


@pytest.mark.asyncio
async def test_the_asyncio_reader_goes_on_too() -> None:
    async with await wstp.aio.listen(0) as listener:
        accepting = asyncio.ensure_future(listener.accept(timeout=20))
        async with await wstp.aio.connect(listener.port, timeout=20) as one, await accepting as two:
            one.put_raw([data for data, _, _ in FAULTY])
            one.put(F(1), end_packet=True)
            await one.flush(timeout=10)
            for _, kind, expr in FAULTY:
                with pytest.raises(kind) as caught:
                    await two.get(timeout=10)
                assert caught.value.expr == expr
            assert await two.get(timeout=10) == F(1)


def test_a_large_array_passes(pair: tuple[wstp.Link, wstp.Link]) -> None:
    data = np.arange(8_000_000, dtype=np.float64).reshape(2, -1)
    writer = threading.Thread(target=lambda: (pair[0].put(data), pair[0].flush(timeout=60)))
    writer.start()
    result = pair[1].get(timeout=60)
    writer.join(60)
    assert isinstance(result, np.ndarray)
    assert np.array_equal(result, data)


def test_messages_pass_while_an_expression_is_awaited(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, two = pair
    heard: list[Message] = []
    two.on_message = heard.append
    one.put_message(3)
    one.put_message(130, -5)
    while len(heard) < 2:
        two.wait(timeout=0.05)
        with pytest.raises(wstp.LinkTimeout):
            two.get(timeout=0.05)
    assert heard == [Message(3, 0), Message(130, -5)]


def test_a_close_is_told_from_a_loss(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, two = pair
    one.put(1)
    one.close()
    assert two.get(timeout=10) == 1
    with pytest.raises(wstp.LinkClosed):
        two.get(timeout=10)


def test_a_loss_is_told_from_a_close(pair: tuple[wstp.Link, wstp.Link]) -> None:
    pair[0].abort()
    with pytest.raises(wstp.LinkLost):
        pair[1].get(timeout=10)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    with pytest.raises(wstp.ConnectFailed, match=f"{port}@127.0.0.1"):
        wstp.connect(f"{port}@127.0.0.1", mode="uuid", timeout=5)


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4, b"\x16\x03\x01" * 30])
def test_a_listener_that_speaks_something_else(words: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.sendall(words)
                connection.recv(1)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(wstp.WSTPError):
            wstp.connect(f"{other.getsockname()[1]}@127.0.0.1", mode="default", timeout=5)
        thread.join(10)


def deep(levels: int) -> wstp.Function:
    made = F(0)
    for _ in range(levels):
        made = F(made)
    return made


def test_a_hundred_thousand_levels() -> None:
    one, two = deep(100_000), deep(100_000)
    data = b"".join(bytes(piece) for piece in wstp.write_expression(one))
    reader = wstp.ExpressionReader()
    reader.feed(data)
    read = reader.next()
    assert read == one == two
    assert len(repr(read)) < 20_000
    del one, two, read


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (b"F1000000000000000000000 ", {}),
        (b'"999999999999999 D~', {}),
        (b"FA" * 1000, {"nesting_depth": 100}),
        (b"P9999999999999 \xf6", {}),
        (b'"F64 ', {"token_size": 10}),
    ],
)
def test_absurd_sizes_end_in_a_typed_error(data: bytes, limits: dict[str, int]) -> None:
    reader = wstp.ExpressionReader(wstp.Limits(**limits))
    reader.feed(data)
    with pytest.raises((wstp.LimitExceeded, wstp.RemoteProtocolError)):
        reader.next()
    with pytest.raises((wstp.LimitExceeded, wstp.RemoteProtocolError)):
        reader.next()


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["uuid", "default"])
async def test_the_asyncio_link_speaks_to_the_blocking_one(mode: str) -> None:
    with wstp.listen(0, mode="uuid" if mode == "uuid" else "default") as listener:
        accepted: list[wstp.Link] = []

        def serve() -> None:
            with listener.accept(timeout=20) as link:
                accepted.append(link)
                packet = link.get(timeout=20)
                link.put(packet, end_packet=True)
                link.put_message(130, 1)
                link.flush(timeout=10)
                with pytest.raises(wstp.LinkClosed):
                    link.get(timeout=20)

        failed: list[BaseException] = []
        thread = threading.Thread(target=guarded(serve, failed))
        thread.start()
        link = await wstp.aio.connect(f"{listener.port}@127.0.0.1", mode="uuid" if mode == "uuid" else "default", timeout=20)
        async with link:
            link.put(F(1, "two"), end_packet=True)
            await link.flush(timeout=10)
            assert await link.get(timeout=10) == F(1, "two")
            while not link.message_ready():
                await link.wait(timeout=10)
            assert link.get_message() == Message(130, 1)
        thread.join(20)
        assert not failed


def guarded(action: Callable[[], None], failed: list[BaseException]) -> Callable[[], None]:
    """Wrap `action` for a thread, so that its error is added to `failed`."""

    def run() -> None:
        try:
            action()
        except BaseException as error:
            failed.append(error)

    return run

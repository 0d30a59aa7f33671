"""Asyncio links over loopback: what blocking links promise, under asyncio's debug mode."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import pytest_asyncio

import wstp.aio
from wstp import LinkClosed, LinkLost, LinkTimeout, Message, Ready, Symbol

f = Symbol("f")
BIG = np.arange(8 << 20, dtype=np.float64)  # 64 MB
Pair = tuple[wstp.aio.Link, wstp.aio.Link]
pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["uuid", "default"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    asyncio.get_running_loop().set_debug(True)
    async with await wstp.aio.listen(0, mode=request.param) as listener:
        name = listener.link_name
        one, other = await asyncio.gather(wstp.aio.connect(name, mode=request.param), listener.accept(20))
        async with one, other:
            yield one, other


async def test_expressions_pass_both_ways(pair: Pair) -> None:
    for source, target in (pair, pair[::-1]):
        for number in range(100):
            source.put(f(number, "é"), end_packet=True)
        await source.flush(20)
        for number in range(100):
            assert await target.next_packet(20) == f(number, "é")
        assert not target.ready()


async def test_sixty_four_megabytes_both_ways(pair: Pair) -> None:
    async def exchange(link: wstp.aio.Link) -> object:
        link.read_ahead = 1 << 30
        link.put(BIG)
        await link.flush(60)
        return await link.get(60)

    for got in await asyncio.gather(*(exchange(link) for link in pair)):
        assert np.array_equal(got, BIG)  # type: ignore[call-overload]


async def test_a_slow_reader_holds_up_the_writer_and_no_more(pair: Pair) -> None:
    one, other = pair
    other.read_ahead = 1 << 20
    one.put(BIG)
    with pytest.raises(LinkTimeout):
        await one.flush(0.5)
    assert 0 < other._machine.unread <= (1 << 20) + (1 << 20)
    # When it reads, everything comes in order.
    one.put("behind")
    flushing = asyncio.create_task(one.flush(60))
    assert np.array_equal(await other.get(60), BIG)
    assert await other.get(60) == "behind"
    await flushing


async def test_a_message_takes_what_was_put_before_it_along(pair: Pair) -> None:
    one, other = pair
    one.put(5, end_packet=True)
    one.put_message(3)
    assert await other.get(20) == 5
    while not other.get_message():
        await other.wait(20)


async def test_messages(pair: Pair) -> None:
    one, other = pair
    heard: list[Message] = []
    other.on_message = heard.append
    for code in (3, 2, 200):
        one.put_message(code, -code)
    assert await other.wait(0.05) == Ready(False, False)
    while len(heard) < 3:
        await other.wait(0.05)
    assert heard == [Message(3, -3), Message(2, -2), Message(200, -200)]
    assert one.get_message() is None
    for number in range(3000):
        other.put_message(128, number)
    seen = 0
    while seen < 3000:
        await one.wait(20)
        while (message := one.get_message()) is not None:
            assert message == Message(128, seen)
            seen += 1


async def test_waiting_and_cancelling_lose_nothing(pair: Pair) -> None:
    one, other = pair
    with pytest.raises(LinkTimeout):
        await other.get(0.01)
    waiting = asyncio.create_task(other.get())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await other.get()
    one.put_raw([b"FA#DA~Af\n"])
    await one.flush()
    with pytest.raises(LinkTimeout):
        await other.get(0.05)
    one.put_raw([b"\xa1\x05\n"])
    one.end_packet()
    # A reader that waits for an answer flushes the question first.
    with pytest.raises(LinkTimeout):
        await one.get(0.0)
    assert await other.get(20) == f(5)


async def test_closing_and_losing(pair: Pair) -> None:
    one, other = pair
    one.put("last words")
    await one.close()
    await one.close()
    assert one.closed
    assert await other.get(20) == "last words"
    with pytest.raises(LinkClosed, match="by the peer"):
        await other.get(20)
    for action in (lambda: other.put(1), lambda: one.put(1), lambda: one.put_message(3)):
        with pytest.raises(LinkClosed):
            action()


async def test_a_loss_is_told_from_a_close(pair: Pair) -> None:
    one, other = pair
    one.abort()
    assert one.closed
    with pytest.raises(LinkLost):
        await other.get(20)


async def test_last_words_survive_unread_bytes(pair: Pair) -> None:
    one, other = pair
    one.read_ahead = 1 << 16
    other.put(BIG)
    with pytest.raises(LinkTimeout):
        await other.flush(0.3)
    one.put("last words")
    await one.close()
    assert await other.get(20) == "last words"
    with pytest.raises(LinkClosed):
        await other.get(20)


async def test_strangers_at_the_port(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "wstp")
    async with await wstp.aio.listen(0, timeout=0.3) as listener:
        connections = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(5)]
        uuid = b"01234567-89ab-4def-8123-456789abcdef"
        said = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"",
            b"id=f" + uuid[1:] + b" connection=mesg",
            b"id=" + uuid + b" connection=data" + bytes([3]) + bytes(15),
            b"id=" + uuid + b" connection=mesg",
        ]
        for (_, writer), words in zip(connections, said, strict=True):
            writer.write(words)
        for at, (reader, writer) in enumerate(connections):
            try:
                rest = await asyncio.wait_for(reader.read(), 20)
                assert (rest == b"") == (at != 3)
            except ConnectionResetError:
                pass
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        assert listener.rendezvous.timed_out == 2
        one, other = await asyncio.gather(wstp.aio.connect(listener.port), listener.accept(20))
        async with one, other:
            one.put(1)
            await one.flush()
            assert await other.get(20) == 1
    for words in ("an HTTP request", "said nothing in 0.3 s", "its data connection did not come", "greeting not complete in 0.3 s"):
        assert words in caplog.text


async def test_listeners_close_and_time_out() -> None:
    listener = await wstp.aio.listen(0)
    with pytest.raises(LinkTimeout, match=str(listener.port)):
        await listener.accept(0.02)
    with pytest.raises(OSError, match="in use"):
        await wstp.aio.listen(listener.port)
    accepting = asyncio.create_task(listener.accept())
    await asyncio.sleep(0)
    await listener.close()
    with pytest.raises(LinkClosed):
        await accepting
    with pytest.raises(wstp.ConnectFailed, match=str(listener.port)):
        await wstp.aio.connect(listener.port)


@asynccontextmanager
async def stranger(words: bytes) -> AsyncIterator[int]:
    """Yield a port whose listener sends `words` to each client, and reads until the client goes."""
    gone: list[asyncio.Event] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone.append(asyncio.Event())
        end = gone[-1]
        writer.write(words)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        end.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for event in gone:
            await asyncio.wait_for(event.wait(), 20)


async def test_a_listener_that_speaks_something_else() -> None:
    async with stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        for mode in ("uuid", "default"):
            with pytest.raises(wstp.ConnectFailed, match="no WSTP peer"):
                await wstp.aio.connect(port, mode="uuid" if mode == "uuid" else "default", timeout=20)
    async with stranger(b"") as port:
        with pytest.raises(LinkTimeout):
            await wstp.aio.connect(port, timeout=0.2)

"""One connection in an event loop: bytes, pauses, the end, and what has been acknowledged."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest

from wstp.stream import ByteStream, end_of


class Owner:
    """Keep what a stream tells."""

    def __init__(self) -> None:
        self.data: list[bytes | memoryview] = []
        self.ends: list[Exception | None] = []
        self.drained = 0
        self.changed = asyncio.Event()

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        self.data.append(data)
        self.changed.set()

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        self.ends.append(error)
        self.changed.set()

    def stream_drained(self, stream: ByteStream) -> None:
        self.drained += 1
        self.changed.set()

    def size(self) -> int:
        return sum(map(len, self.data))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what only the operating system knows."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def connect() -> tuple[Owner, ByteStream, socket.socket]:
    """Return an owner, its stream, and the plain socket at the other end."""
    owner = Owner()
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, stream = await loop.create_connection(lambda: ByteStream(owner), *server.getsockname())
        peer, _ = server.accept()
    peer.setblocking(False)
    return owner, stream, peer


@pytest.mark.asyncio
async def test_bytes_pass_both_ways() -> None:
    owner, stream, peer = await connect()
    loop = asyncio.get_running_loop()
    with peer:
        assert stream.local
        assert stream.name.startswith("127.0.0.1:")
        stream.write(b"hello")
        assert await loop.sock_recv(peer, 100) == b"hello"
        assert stream.written == 5
        sent = bytes(range(256)) * 20_000
        _, _ = await asyncio.gather(loop.sock_sendall(peer, sent), owner.until(lambda: owner.size() == len(sent)))
        # Buffers stay as they were when they were handed over.
        assert b"".join(owner.data) == sent
        stream.close()
        await owner.until(lambda: owner.ends)
    assert owner.ends == [None]
    stream.write(b"nobody reads this")


@pytest.mark.asyncio
async def test_a_stream_that_is_paused_reads_nothing() -> None:
    owner, stream, peer = await connect()
    with peer:
        stream.pause()
        await asyncio.get_running_loop().sock_sendall(peer, b"x" * 100)
        await eventually(lambda: stream.unread() == 100)
        assert owner.data == []
        stream.resume()
        await owner.until(owner.size)
        assert stream.unread() == 0
        stream.abort()
        await owner.until(lambda: owner.ends)


@pytest.mark.asyncio
async def test_a_slow_peer_congests_and_drains() -> None:
    owner, stream, peer = await connect()
    loop = asyncio.get_running_loop()
    with peer:
        block = bytes(1 << 20)
        while not stream.congested:
            stream.write(block)
        flushed: list[bool] = []
        stream.when_flushed(lambda: flushed.append(stream.ended))
        assert not flushed
        left = stream.written
        while left:
            left -= len(await loop.sock_recv(peer, 1 << 20))
        await owner.until(lambda: owner.drained and flushed)
        assert flushed == [False]
        await eventually(lambda: stream.acknowledged() == stream.written)
        written = stream.written
        stream.abort()
        await owner.until(lambda: owner.ends)
        assert stream.acknowledged() == written


@pytest.mark.asyncio
async def test_what_is_written_after_the_end_of_writing_is_dropped() -> None:
    owner, stream, peer = await connect()
    loop = asyncio.get_running_loop()
    with peer:
        stream.write(b"all")
        stream.end_writing()
        stream.write(b"more")
        assert await loop.sock_recv(peer, 100) == b"all"
        assert await loop.sock_recv(peer, 100) == b""
        assert stream.written == 3
        await loop.sock_sendall(peer, b"still read")
        await owner.until(lambda: owner.size() == 10)
        stream.abort()
        await owner.until(lambda: owner.ends)


@pytest.mark.asyncio
async def test_an_end_flushes_and_comes_once() -> None:
    owner, stream, peer = await connect()
    called: list[bool] = []
    while not stream.congested:
        stream.write(bytes(1 << 20))
    stream.when_flushed(lambda: called.append(stream.ended))
    peer.close()
    await owner.until(lambda: owner.ends and called)
    assert len(owner.ends) == 1
    assert called == [True]
    assert stream.unread() == 0
    assert not stream.get_buffer(-1), "a connection that is gone keeps no buffers, whoever still refers to it"


@pytest.mark.asyncio
async def test_a_peer_that_has_ended_its_side_is_sent_no_more() -> None:
    owner, stream, peer = await connect()
    with peer:
        while not stream.congested:
            stream.write(bytes(1 << 20))
        assert not stream.peer_ended
        peer.shutdown(socket.SHUT_WR)
        await owner.until(lambda: owner.ends)
        assert owner.ends == [None]
        assert stream.peer_ended
        # What its machine acknowledged counts, and not what it reads afterwards.
        taken = stream.acknowledged()
        assert taken < stream.written
        while await asyncio.get_running_loop().sock_recv(peer, 1 << 20):
            pass
        assert stream.acknowledged() == taken


def test_an_end_in_words() -> None:
    assert end_of(None) == "closed"
    assert end_of(ConnectionResetError(104, "Connection reset by peer")) == "Connection reset by peer"
    assert end_of(ValueError("odd")) == "odd"


@pytest.mark.asyncio
async def test_to_end_a_connection_that_its_peer_has_reset_is_no_fault() -> None:
    owner, stream, peer = await connect()
    stream.pause()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    stream.end_writing()
    stream.resume()
    await owner.until(lambda: owner.ends)

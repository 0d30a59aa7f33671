"""A close of any kind of link loses nothing that was written before (PROTOCOL.md section 7)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from late_reader import TIMEOUT, LateReader

import wstp.aio
from wstp import LinkClosed, Message, MessageCode, Symbol, encode_message, write_expression
from wstp.relay import RelayLink, RelayListener

NINE = encode_message(MessageCode.CLOSING)
WORDS = [Symbol("TextPacket")("last words"), "x" * 100_000]
Run = Callable[..., Future[Any]]


class BlockingEnd:
    """An accepted blocking link."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._listener = wstp.listen(0, mode="uuid")
        self.port = self._listener.port
        self._link: Future[wstp.Link] = run(self._listener.accept, TIMEOUT)

    def close(self, linger: float) -> Future[object]:
        """Write the last words and close in the background."""
        link = self._link.result(TIMEOUT)
        for words in WORDS:
            link.put(words)
        return self._run(link.close, TIMEOUT, linger)

    def end_of_peer(self) -> Future[object]:
        """Return what a reader is told."""
        link = self._link.result(TIMEOUT)
        return self._run(link.get, TIMEOUT)

    def shut(self) -> None:
        self._link.result(TIMEOUT).abort()
        self._listener.close()


class LoopEnd:
    """What the two kinds of links in an event loop share: a loop in a thread."""

    def __init__(self, run: Run) -> None:
        self._up: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = run(asyncio.run, self._serve())
        self._loop = self._up.result(TIMEOUT)
        self.port = self.do(self._listen()).result(TIMEOUT)

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        self._up.set_result(asyncio.get_running_loop())
        await self._over.wait()

    def do(self, main: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(main, self._loop)

    async def _listen(self) -> int:
        raise NotImplementedError

    async def _shut(self) -> None:
        raise NotImplementedError

    def shut(self) -> None:
        self.do(self._shut()).result(TIMEOUT)
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.result(TIMEOUT)


class AsyncioEnd(LoopEnd):
    """An accepted asyncio link."""

    async def _listen(self) -> int:
        self._listener = await wstp.aio.listen(0, mode="uuid")
        self._link = asyncio.create_task(self._listener.accept(TIMEOUT))
        return self._listener.port

    async def _close(self, linger: float) -> None:
        link = await self._link
        for words in WORDS:
            link.put(words)
        await link.close(TIMEOUT, linger)

    def close(self, linger: float) -> Future[object]:
        return self.do(self._close(linger))

    async def _get(self) -> object:
        return await (await self._link).get(TIMEOUT)

    def end_of_peer(self) -> Future[object]:
        return self.do(self._get())

    async def _shut(self) -> None:
        (await self._link).abort()
        await self._listener.close()


class RelayEnd(LoopEnd):
    """An accepted relay link, which is its own owner."""

    async def _listen(self) -> int:
        self._active: asyncio.Future[RelayLink] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._listener = RelayListener(lambda link: self)
        return await self._listener.listen("127.0.0.1", 0)

    def link_active(self, link: RelayLink) -> None:
        self._active.set_result(link)

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None: ...

    def link_message(self, link: RelayLink, message: Message) -> None: ...

    def link_drained(self, link: RelayLink) -> None: ...

    def link_leaves(self, link: RelayLink) -> None: ...

    def link_ended(self, link: RelayLink, said_so: bool) -> None:
        self._ended.set_result(said_so)

    async def _close(self, linger: float) -> None:
        link = await self._active
        for words in WORDS:
            link.write(b"".join(write_expression(words)))
        link.close(TIMEOUT)
        link.close(linger)  # it can be made shorter
        link.close(2 * TIMEOUT)  # and no longer
        assert await self._ended

    def close(self, linger: float) -> Future[object]:
        return self.do(self._close(linger))

    async def _until_ended(self) -> object:
        if await self._ended:
            raise LinkClosed
        return None

    def end_of_peer(self) -> Future[object]:
        return self.do(self._until_ended())

    async def _shut(self) -> None:
        (await self._active).abort()
        self._listener.close()


@pytest.fixture(params=[BlockingEnd, AsyncioEnd, RelayEnd])
def end(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Yield an accepting end of each kind."""
    with ThreadPoolExecutor(4) as threads:
        made = request.param(threads.submit)
        try:
            yield made
        finally:
            made.shut()


def test_a_late_reader_reads_all(end: Any) -> None:
    with LateReader(end.port) as peer:
        closing = end.close(TIMEOUT)
        assert peer.read_to_the_end() == WORDS
        # Nothing was said on the message connection, and it is open: message 9 may not have
        # overtaken the words.
        assert not peer.message_waits
        peer.data.sendall(b"\xa1\x05\n" * 100_000)  # it is read and dropped, without a reset
        peer.data.close()
        assert peer.read_message() == NINE
        closing.result(TIMEOUT)


def test_a_peer_that_closes_too_is_not_waited_for(end: Any) -> None:
    with LateReader(end.port) as peer:
        closing = end.close(TIMEOUT)
        assert peer.read_to_the_end() == WORDS
        assert peer.message is not None
        peer.message.sendall(NINE)
        closing.result(TIMEOUT / 2)


def test_a_peer_that_does_not_go_is_told(end: Any) -> None:
    with LateReader(end.port) as peer:
        begun = time.monotonic()
        closing = end.close(0.2)
        assert peer.read_message() == NINE
        assert time.monotonic() - begun >= 0.2
        assert peer.read_to_the_end() == WORDS
        closing.result(TIMEOUT)


def test_the_end_of_the_data_is_answered_and_is_a_close(end: Any) -> None:
    with LateReader(end.port) as peer:
        reading = end.end_of_peer()
        peer.data.shutdown(1)
        assert peer.read_to_the_end() == []
        assert peer.message is not None
        peer.message.sendall(NINE)
        peer.message.close()
        with pytest.raises(LinkClosed):
            reading.result(TIMEOUT)

"""Sessions and pools for asyncio (kernelbus.shell.pool.asynchronous), with a real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from serving import Part, write_config

from kernelbus import AsyncKernelPool, AsyncSession, EvaluationFailed, KernelMessage, NoKernel
from wstp import Symbol

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    config = write_config(tmp_path_factory.mktemp("async") / "c.conf", Pools={"M": {"KernelPath": "embedded", "MinimumKernelNumber": 2}})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def test_a_session_is_awaited(server: Part, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[object] = []

    def hear(what: object) -> None:
        said.append((what.tag if isinstance(what, KernelMessage) else what, threading.current_thread() is threading.main_thread()))

    async def main() -> None:
        async with AsyncSession(server.port, on_print=hear, on_message=hear) as session:
            assert await session.evaluate("x = 5") == 5
            assert await session.function("Plus")(Symbol("x"), 1) == 6
            # Two at a time follow each other, and the loop goes on meanwhile.
            assert await asyncio.gather(session.evaluate("x + 1"), session.evaluate("x + 2"), asyncio.sleep(0, 3)) == [6, 7, 3]
            await session.evaluate("Print[1]; 1/0")
            assert said == [("1\n", True), ("infy", True)]  # in the loop's thread, before the value
            assert [message.tag for message in session.messages] == ["infy"]
            with pytest.raises(EvaluationFailed):
                await session.evaluate("1 +")
            with pytest.raises(TypeError, match="of type object"):
                await session.function("f")([object()])
            assert session.fresh and session.missed == () and not session.busy and session.kernel_id
            session.abort()
            session._inner._on_print = None
            await session.evaluate("Print[\"to standard output\"]")
        with pytest.raises(NoKernel, match="closed"):
            await session.evaluate("1")
        await session.close()

    asyncio.run(main())
    assert capsys.readouterr().out == "to standard output\n"


def test_cancelling_a_task_aborts_its_evaluation(server: Part) -> None:
    async def main() -> None:
        begun = asyncio.Event()
        session = await AsyncSession(server.port, on_print=lambda text: begun.set())
        await session.evaluate("kept = 7")
        task = asyncio.create_task(session.evaluate("Print[1]; While[True]"))
        waiting = asyncio.create_task(session.evaluate("kept = 8"))
        await begun.wait()
        waiting.cancel()  # before it has begun
        task.cancel()
        assert [type(error) for error in await asyncio.gather(task, waiting, return_exceptions=True)] == [asyncio.CancelledError] * 2
        assert await session.evaluate("kept") == 7
        with pytest.raises(TimeoutError):
            await session.evaluate("While[True]", timeout=0.3)
        for _ in range(20):  # at any moment of its way to the kernel
            task = asyncio.create_task(session.evaluate("While[True]"))
            await asyncio.sleep(0)
            task.cancel()
        assert await session.evaluate("kept") == 7
        await session.close()

    asyncio.run(main())


def test_a_session_that_is_not_entered_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with AsyncSession"):
        AsyncSession(1).abort()
    with pytest.raises(NoKernel, match="cannot reach a server"):
        asyncio.run(AsyncSession(1).__aenter__())


def test_a_pool_is_awaited(server: Part) -> None:
    async def main() -> None:
        told: list[tuple[int, int | None]] = []
        async with AsyncKernelPool(f"wstp://127.0.0.1:{server.port}/M", 2, initializer="h[x_] := 2 x") as pool:
            assert await pool.wait() == 2
            assert await pool.submit("h", 4) == 8
            assert await pool.evaluate("1/2 + 1/2") == 1
            assert await pool.evaluate_on_all("k = 3") == [3, 3]
            values = pool.map("h[#] + k &", range(10), chunksize=4, progress=lambda *said: told.append(said))
            assert [value async for value in values] == [2 * n + 3 for n in range(10)]
            assert told[-1] == (10, 10)
            with pytest.raises(TimeoutError):
                await pool.evaluate_on_all("While[True]", timeout=0.3)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await pool.evaluate("While[True]")
            async for value in pool.map("If[# > 1, While[True], #] &", range(8), chunksize=1):
                assert value == 0
                break
            pool.resize(1)
            assert await pool.submit("h", 1) == 2
            assert pool.stats().kernels == 1
            with pytest.raises(NoKernel):
                await pool.wait(2)

    asyncio.run(main())

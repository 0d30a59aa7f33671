"""Memory that a process has freed goes back to the operating system."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import pytest
from host_parts import until

from kernelbus.shell.operations.memory import FREE, Heap, keep_small

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the C library is asked on Linux only")


def fill() -> list[bytes]:
    """Use much memory and free most of it; return what holds the rest in its place."""
    large = [b"x" * 100_000 for _ in range(4 * FREE // 100_000)]
    return large[::20]


def test_what_was_freed_is_given_back() -> None:
    heap = Heap()

    async def main() -> None:
        keeping = asyncio.create_task(keep_small(0.01))
        await asyncio.sleep(0)
        before = heap.resident
        kept = fill()
        assert heap.resident - before > 3 * FREE, "the C library keeps it"
        await until(lambda: heap.resident - before < FREE)
        assert kept
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping

    asyncio.run(main())


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    with pytest.raises(LookupError):
        Heap()

    async def main() -> None:
        keeping = asyncio.create_task(keep_small(0.0))
        await asyncio.sleep(0.05)
        assert not keeping.done()
        keeping.cancel()

    asyncio.run(main())

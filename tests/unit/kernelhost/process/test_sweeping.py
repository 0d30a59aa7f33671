"""What kernels have left behind is killed, by one look for many."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from kernelbus.kernelhost.process import sweeping
from kernelbus.kernelhost.process.sweeping import sweep


def test_kernels_that_end_together_share_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[list[str]] = []
    told: dict[str, int] = {}

    def kill(marks: Collection[str]) -> dict[str, int]:
        looks.append(list(marks))
        return {"b": 2}

    async def main() -> None:
        every = asyncio.Event()

        def done(mark: str, left: int) -> None:
            told[mark] = left
            if mark == "a":  # one that ends while the others are looked for waits for the next look
                sweep("d", lambda left: done("d", left))
            if len(told) == 4:
                every.set()

        for mark in "abc":
            sweep(mark, lambda left, mark=mark: done(mark, left))  # type: ignore[misc]
        await asyncio.wait_for(every.wait(), 60)

    monkeypatch.setattr(sweeping, "kill_marked", kill)
    asyncio.run(main())
    assert looks == [["a", "b", "c"], ["d"]]
    assert told == {"a": 0, "b": 2, "c": 0, "d": 0}

"""What is done to a kernel that does not obey an abort."""

from __future__ import annotations

import asyncio
import logging

import pytest
from host_parts import until

from kernelbus.bus.settings.logs import EventLogger
from kernelbus.kernelhost.session.abort import AbortWatch


class _Kernel:
    """A busy kernel that notes what is done to it."""

    def __init__(self) -> None:
        self.log = EventLogger(logging.getLogger("kernelbus.host"), dict)
        self.busy = True
        self.held = False
        self.interrupts = 0
        self.destroyed: list[tuple[str, str]] = []

    def __str__(self) -> str:
        return "the kernel"

    def interrupt(self) -> None:
        self.interrupts += 1

    def destroy(self, tag: str, why: str) -> None:
        self.destroyed.append((tag, why))


def test_a_kernel_that_obeys_nothing_is_interrupted_then_killed(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        kernel = _Kernel()
        AbortWatch(kernel, 0.2).asked()
        await until(lambda: kernel.destroyed)
        assert kernel.interrupts == 1
        why = "did not obey an abort in 0.2 s (Limits/AbortTimeout), neither the message nor SIGINT, and was killed"
        assert kernel.destroyed == [("abort", why)]

    with caplog.at_level(logging.INFO, "kernelbus"):
        asyncio.run(main())
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


def test_an_answer_after_sigint_ends_the_climb() -> None:
    async def main() -> None:
        kernel = _Kernel()
        watch = AbortWatch(kernel, 0.2)
        watch.asked()
        await until(lambda: kernel.interrupts)
        watch.answered("TextPacket")
        assert watch._timer is not None, "a text is no answer"
        watch.answered("ReturnPacket")
        assert watch._timer is None and not kernel.destroyed

    asyncio.run(main())


def test_a_kernel_that_is_not_busy_has_nothing_to_obey() -> None:
    async def main() -> None:
        kernel = _Kernel()
        kernel.busy = False
        watch = AbortWatch(kernel, 0.2)
        watch.asked()
        assert watch._timer is None
        kernel.busy = True
        watch.asked()
        kernel.busy = False
        await until(lambda: watch._timer is None)
        assert not kernel.interrupts

    asyncio.run(main())


def test_a_stopped_watch_does_nothing_more() -> None:
    async def main() -> None:
        kernel = _Kernel()
        watch = AbortWatch(kernel, 0.02)
        watch.asked()
        timer = watch._timer
        watch.stop()
        assert timer is not None and timer.cancelled()
        assert watch._timer is None

    asyncio.run(main())

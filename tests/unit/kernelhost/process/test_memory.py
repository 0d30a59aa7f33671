"""What a kernel may have of the machine, and how that is seen, with processes that have it."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest

from kernelbus.bus.settings.config import LimitsConfig
from kernelbus.kernelhost.kernel import Kernel, Phase
from kernelbus.kernelhost.process import watch
from kernelbus.kernelhost.process.accounting import Usage, machine_memory, usage
from kernelbus.kernelhost.process.memory import MemoryRules, Verdict, amount, default_limit

MIB = 2**20


@pytest.mark.parametrize(
    ("memory", "at_ready", "verdict"),
    [
        (100, None, Verdict.WELL),
        (101, None, Verdict.KILL),
        (101, 101, Verdict.KILL),
        (90, 80, Verdict.WELL),
        (91, 80, Verdict.RECYCLE),
        (91, None, Verdict.WELL),
    ],
)
def test_the_rules(memory: int, at_ready: int | None, verdict: Verdict) -> None:
    assert MemoryRules(100, 10).judge(memory, at_ready) is verdict


def test_no_limit_is_no_limit() -> None:
    assert MemoryRules(0, 0).judge(2**50, 1) is Verdict.WELL


def test_the_default_leaves_a_quarter_to_others() -> None:
    machine = machine_memory()
    assert machine is not None and 0 < machine <= psutil.virtual_memory().total
    assert default_limit(1000) == 750
    assert default_limit(None) == 0
    assert (amount(2**30 * 3 // 2), amount(5 * MIB)) == ("1.5 GiB", "5 MiB")


def test_usage_is_the_operating_systems() -> None:
    found, theirs = usage(os.getpid()), psutil.Process()
    assert found is not None
    assert abs(found.memory - theirs.memory_info().rss) < 8 * MIB
    assert abs(found.cpu - sum(theirs.cpu_times()[:4])) < 5
    ballast = np.ones(64 * MIB, np.uint8)
    more = usage(os.getpid())
    assert more is not None and more.memory > found.memory + 32 * MIB
    del ballast


def test_a_name_like_a_field_confuses_nothing(tmp_path: object) -> None:
    """The program's name stands in parentheses in the midst of the numbers, whatever is in it."""
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b') R 1 2 3 ('); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = usage(process.pid)
        assert found is not None and abs(found.memory - psutil.Process(process.pid).memory_info().rss) < 8 * MIB
        process.communicate()
    assert usage(process.pid) is None


class _Process:
    """A process that takes as much more memory as it is told."""

    CODE = "import sys\nkept = []\nfor line in sys.stdin:\n    kept.append(b'x' * int(line))\n    print(flush=True)\n"

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", self.CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.grow(1)

    def grow(self, count: int) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()


class _Kernel:
    """What the watch knows of a kernel."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.log = logging.getLogger("kernelbus.host")
        self.busy = False
        self.phase = Phase.SERVING
        self.attachments = 0
        self.usage = Usage()
        self.destroyed: list[str] = []

    def destroy(self, tag: str, why: str) -> None:
        self.destroyed.append(f"{tag}: {why}")


@pytest.fixture
def process() -> Iterator[_Process]:
    process = _Process()
    yield process
    process.process.communicate()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_INTERVAL", 0.01)
    monkeypatch.setattr(watch, "_IDLE_ROUNDS", 2)


async def until(condition: Callable[[_Kernel], object], kernel: _Kernel) -> None:
    async with asyncio.timeout(20):
        while not condition(kernel):  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


def start(kernel: _Kernel, limits: LimitsConfig) -> tuple[watch.KernelWatch, list[Usage], list[str]]:
    changed: list[Usage] = []
    recycled: list[str] = []
    kernels: list[Kernel] = [kernel]  # type: ignore[list-item]
    watched = watch.KernelWatch(
        limits, lambda: kernels, lambda each: changed.append(each.usage), lambda each, why: recycled.append(why)
    )
    watched.start()
    return watched, changed, recycled


@pytest.mark.usefixtures("quick")
def test_a_kernel_over_the_limit_is_destroyed(process: _Process) -> None:
    async def main() -> None:
        kernel = _Kernel(process.process.pid)
        kernel.attachments = 1
        watched, changed, recycled = start(kernel, LimitsConfig(kernel_memory=128 * MIB))
        await until(lambda kernel: kernel.usage.memory, kernel)
        assert not kernel.destroyed
        process.grow(160 * MIB)
        await until(lambda kernel: kernel.destroyed, kernel)
        watched.stop()
        assert "more than 128 MiB (Limits/KernelMemory), and was killed" in kernel.destroyed[0]
        assert changed[-1].memory > 128 * MIB and not recycled

    asyncio.run(main())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("attachments", [0, 1])
def test_only_a_kernel_that_never_had_a_client_is_recycled(process: _Process, attachments: int) -> None:
    async def main() -> None:
        kernel = _Kernel(process.process.pid)
        kernel.attachments = attachments
        watched, _, recycled = start(kernel, LimitsConfig(kernel_memory=0, kernel_recycle_memory=64 * MIB))
        await until(lambda kernel: kernel.usage.memory, kernel)
        process.grow(100 * MIB)
        await until(lambda kernel: kernel.usage.memory > 90 * MIB, kernel)
        await until(lambda kernel: watched._round % 2 == 0, kernel)
        watched.stop()
        assert bool(recycled) == (attachments == 0)
        assert not kernel.destroyed

    asyncio.run(main())

"""The watch on kernels, with processes that take memory."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernelbus.bus.settings.config import LimitsConfig
from kernelbus.bus.settings.logs import EventLogger
from kernelbus.kernelhost.process import watch
from kernelbus.kernelhost.process.accounting import Usage, machine_memory
from kernelbus.kernelhost.process.cgroups import Group

MIB = 2**20


def test_the_limit_that_is_not_configured_is_the_machines() -> None:
    machine = machine_memory()
    assert machine is not None
    assert watch.settled(LimitsConfig(kernel_memory=None)).kernel_memory == machine * 3 // 4
    assert watch.settled(LimitsConfig(kernel_memory=0)).kernel_memory == 0
    assert watch.KernelWatch.rules_of(LimitsConfig(kernel_memory=None)).limit == machine * 3 // 4


class _Process:
    """A process that allocates more memory when it is told to."""

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
    """A kernel as the watch sees it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.log = EventLogger(logging.getLogger("kernelbus.host"), dict)
        self.busy = False
        self.serving = True
        self.attachments = 0
        self.usage = Usage()
        self.group: Group | None = None
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


def start(kernel: _Kernel, limits: LimitsConfig) -> tuple[watch.KernelWatch[_Kernel], list[Usage], list[str]]:
    changed: list[Usage] = []
    recycled: list[str] = []
    watched = watch.KernelWatch(
        limits, lambda: [kernel], lambda each: changed.append(each.usage), lambda each, why: recycled.append(why)
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
        watched, _, recycled = start(kernel, LimitsConfig(kernel_memory=0, kernel_recycle_memory=64 * MIB))
        await until(lambda kernel: kernel.usage.memory, kernel)
        kernel.attachments = attachments
        process.grow(100 * MIB)
        await until(lambda kernel: kernel.usage.memory > 90 * MIB, kernel)
        await until(lambda kernel: watched._round % 2 == 0, kernel)
        watched.stop()
        assert bool(recycled) == (attachments == 0)
        assert not kernel.destroyed

    asyncio.run(main())


@pytest.mark.usefixtures("quick")
def test_a_kernel_in_a_group_has_what_its_group_counts(process: _Process, tmp_path: Path) -> None:
    """The group is a folder with the files of one that counts memory."""
    for name, text in {
        "cgroup.events": "populated 1\nfrozen 0\n",
        "memory.current": f"{150 * MIB}\n",
        "memory.stat": f"anon 1\ninactive_file {10 * MIB}\n",
        "cpu.stat": "usage_usec 2500000\nuser_usec 0\n",
    }.items():
        (tmp_path / name).write_text(text)

    async def main() -> None:
        kernel = _Kernel(process.process.pid)
        kernel.attachments = 1
        kernel.group = Group(tmp_path, limited=True)
        watched, _, _ = start(kernel, LimitsConfig(kernel_memory=145 * MIB))
        await until(lambda kernel: kernel.usage.memory, kernel)
        assert kernel.usage == Usage(2.5, 140 * MIB)
        (tmp_path / "memory.current").write_text(f"{160 * MIB}\n")
        await until(lambda kernel: kernel.destroyed, kernel)
        watched.stop()

    asyncio.run(main())

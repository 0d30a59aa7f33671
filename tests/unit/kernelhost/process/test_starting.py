"""Kernel processes: their command lines, and what is reported of their end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbus.bus.settings.config import loads
from kernelbus.kernelhost.process import starting
from kernelbus.kernelhost.process.starting import (
    SpawnedKernel,
    embedded_arguments,
    how_it_ended,
    kernel_command,
    link_to,
)


def test_a_pool_can_ask_for_the_embedded_kernel() -> None:
    config = loads('{"Pools": {"P": {"KernelPath": "embedded"}}}')
    assert config.warnings == ()
    command = kernel_command(config.pools[0].kernel_path, "-run '2 + 2'", (), True)
    arguments = embedded_arguments(command)
    assert arguments == ["-run", "2 + 2", "-subkernel", "-wstp"]


def test_the_options_of_a_program_come_before_the_link() -> None:
    command = kernel_command("/opt/kernel", "-run 'a b'", link_to(1), False)
    assert command == ["/opt/kernel", "-run", "a b", "-wstp", "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", "1@127.0.0.1"]
    assert embedded_arguments(command) is None


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "exited with status 0"), (-9, "was ended by SIGKILL"), (-200, "was ended by signal 200"), (None, "has ended")],
)
def test_an_exit_status_in_words(status: int | None, words: str) -> None:
    assert how_it_ended(status) == words


def told(code: str, end: str) -> str:
    """Run a program, end it by `end`, and return what its owner is told."""

    async def main() -> str:
        how: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        kernel = await SpawnedKernel.start([sys.executable, "-c", code], "a kernel", how.set_result)
        if end == "ours":
            kernel.kill()
        elif end == "theirs":
            os.kill(kernel.pid, signal.SIGKILL)
        return await asyncio.wait_for(how, 20)

    return asyncio.run(main())


SLEEP = "import time; time.sleep(600)"


def test_the_last_output_is_reported_with_the_end() -> None:
    assert told("print('no licence'); raise SystemExit(4)", "itself") == "exited with status 4; it said last: no licence"


def test_of_a_traceback_the_last_frame_and_the_error_are_reported() -> None:
    said = told("def f():\n  raise OSError('no room')\nprint('begins', flush=True)\nf()", "itself")
    assert said == "exited with status 1; it said last: begins | File \"<string>\", line 2, in f | OSError: no room"


def test_a_kill_by_others_is_distinguished_from_our_own() -> None:
    assert told(SLEEP, "ours") == "was ended by SIGKILL"
    assert told(SLEEP, "theirs") == "was ended by SIGKILL, not by this host: by hand, or by the system for want of memory"


@pytest.mark.parametrize(
    ("now", "who"),
    [
        ((3, 7), "by hand, or by the system for want of memory"),
        ((4, 8), "by the system for want of memory, at the limit of its cgroup"),
        ((3, 8), "by the system for want of memory, as it seems (its log says more)"),
    ],
)
def test_a_kill_by_the_system_is_known_by_its_counters(now: tuple[int, int], who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([(3, 7), now])
    monkeypatch.setattr(starting, "oom_kills", lambda: next(counts))
    assert told(SLEEP, "theirs") == f"was ended by SIGKILL, not by this host: {who}"


@pytest.fixture
def little_memory(tmp_path: Path) -> Iterator[Path]:
    """A cgroup whose processes may have 30 MiB together, if one can be made."""
    found = re.search(r"(?m)^\d+:memory:(.*)$", Path("/proc/self/cgroup").read_text())
    root = Path(f"/sys/fs/cgroup/memory{found[1]}" if found else "/sys/fs/cgroup")
    group = root / f"kernelbus-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if found else "memory.max")).write_text(str(30 << 20))
    except OSError as error:
        if group.exists():
            group.rmdir()
        pytest.skip(f"no cgroup with a limit of memory can be made here: {error}")
    yield group
    group.rmdir()


def test_a_kernel_that_the_system_kills_for_want_of_memory(little_memory: Path) -> None:
    join = f"import os; open('{little_memory}/cgroup.procs', 'w').write(str(os.getpid()))"
    how = told(f"{join}; kept = [bytearray(b'x' * 2**20) for _ in range(300)]", "itself")
    assert how.startswith("was ended by SIGKILL, not by this host: by the system for want of memory")

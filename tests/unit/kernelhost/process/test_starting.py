"""Kernel processes: their command lines, and what is reported of their end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from kernelbus.kernelhost.process.starting import SpawnedKernel, how_it_ended


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


def test_what_it_said_last_is_told() -> None:
    assert told("print('no licence'); raise SystemExit(4)", "itself") == "exited with status 4; it said last: no licence"


def test_a_kill_that_is_not_ours_is_told_from_one_that_is() -> None:
    assert told(SLEEP, "ours") == "was ended by SIGKILL"
    assert told(SLEEP, "theirs") == "was ended by SIGKILL, not by this host: by hand, or by the system for want of memory"

"""The process that evaluates: its answers, aborts, crashes and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from kernelbus.kernelhost.woxi.worker import Left, Lost, Worker

pytest.importorskip("woxi")
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def printed() -> list[str]:
    return []


@pytest.fixture
def worker(printed: list[str]) -> Iterator[Worker]:
    made = Worker(printed.append)
    yield made
    made.close()


def test_it_keeps_its_state_and_says_what_is_printed(worker: Worker, printed: list[str]) -> None:
    assert worker.ask("x = 5", "text")["text"] == "5"
    answer = worker.ask('Print["é"]; WriteString["stdout", "a"]; WriteString["stdout", "b"]; x + 1', "value")
    assert (answer["text"], "".join(printed)) == ("6", "é\nab")
    assert worker.ask("1/0", "text")["warnings"]
    assert worker.ask("f[1]]", "text")["wrong"]


def test_an_abort_leaves_the_state_from_before(worker: Worker, printed: list[str]) -> None:
    worker.ask("x = 5", "text")
    for _ in range(2):
        aborting = threading.Thread(target=lambda: (_until(lambda: "on\n" in printed), worker.abort()))
        aborting.start()
        with pytest.raises(Lost) as lost:
            worker.ask('x = 6; Print["on"]; While[True]', "value")
        aborting.join()
        printed.clear()
        assert lost.value.aborted
    worker.abort()
    assert worker.ask("x", "text")["text"] == "5", "an abort of nothing is none"


def test_a_crash_leaves_the_state_from_before(worker: Worker) -> None:
    worker.ask("x = 5", "text")
    pid = int(worker.ask("$ProcessID", "text")["text"])
    killing = threading.Timer(0.3, lambda: os.kill(pid, signal.SIGKILL))
    killing.start()
    with pytest.raises(Lost) as lost:
        worker.ask("x = 6; While[True]", "value")
    assert not lost.value.aborted
    assert worker.ask("x", "text")["text"] == "5"


@pytest.mark.parametrize(("code", "status"), [("Exit[3]", 3), ("Quit[]", 0)])
def test_code_may_end_it(worker: Worker, code: str, status: int) -> None:
    with pytest.raises(Left) as left:
        worker.ask(code, "value")
    assert left.value.status == status


def test_code_may_end_it_where_a_library_crashes_at_the_end() -> None:
    program = """
import ctypes
from kernelbus.kernelhost.woxi.worker import Left, Worker
ctypes.CDLL(None).__cxa_atexit(ctypes.c_void_p(8), None, None)
try:
    Worker(print).ask("Exit[3]", "value")
except Left as left:
    print(left.status)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "3\n", done.stderr


def _until(condition: object) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.01)

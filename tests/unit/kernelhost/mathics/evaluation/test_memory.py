"""The memory guard, in processes of its own: it limits the whole process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kernelbus.kernelhost.mathics.evaluation.memory import MemoryGuard

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")

PROGRAM = """
import mmap, signal
from kernelbus.kernelhost.mathics.evaluation.memory import MemoryGuard

class Aborted(Exception):
    pass

def abort(*_):
    raise Aborted

signal.signal(signal.SIGINT, abort)
guard = MemoryGuard()
guard.start(256 << 20)
"""

# The interpreter's tear-down takes the handler away, and the timer's signal would end the process.
END = "signal.setitimer(signal.ITIMER_PROF, 0)"


def printed(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM + program + END], capture_output=True, text=True, timeout=100, check=True)
    return done.stdout.splitlines()


def test_growth_is_aborted_and_given_back() -> None:
    program = """
# Shared memory is resident, but is no data that RLIMIT_DATA counts.
memory = []
try:
    while True:
        memory.append(mmap.mmap(-1, 1 << 20))
        memory[-1].write(b"x" * (1 << 20))
        assert len(memory) < 2000
except Aborted:
    print(len(memory) > 100)
print(guard.take(), guard.take())
memory.clear()
guard.relieve()
print(guard._pressed)
"""
    assert printed(program) == ["True", "True False", "False"]


def test_a_single_large_piece_is_refused() -> None:
    program = """
try:
    bytearray(1 << 30)
except MemoryError:
    print("refused")
guard.refused()
guard.relieve()
print(len(bytearray(1 << 20)), guard.take())
"""
    assert printed(program) == ["refused", f"{1 << 20} False"]


def test_no_limit_changes_nothing() -> None:
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGPROF)
    MemoryGuard().start(0)
    assert (resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGPROF)) == before

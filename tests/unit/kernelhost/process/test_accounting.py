"""What processes use and what the machine has, compared with what psutil says."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import psutil

from kernelbus.kernelhost.process.accounting import free_memory, machine_memory, oom_kills, usage

MIB = 2**20


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
    """The name of the program stands in parentheses among the numbers, and may contain anything."""
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b') R 1 2 3 ('); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = usage(process.pid)
        assert found is not None and abs(found.memory - psutil.Process(process.pid).memory_info().rss) < 8 * MIB
        process.communicate()
    assert usage(process.pid) is None


def test_what_the_system_has_killed_is_counted() -> None:
    own, machine = oom_kills()
    assert own >= 0
    assert machine >= 0
    assert oom_kills() >= (own, machine)


def test_the_machines_memory() -> None:
    total = psutil.virtual_memory().total
    machine, free = machine_memory(), free_memory()
    assert machine is not None and 0 < machine <= total
    assert free is not None and 0 < free < total

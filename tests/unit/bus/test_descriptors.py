"""File descriptors: how many there may be, and what is said when they run out."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys

import pytest

from kernelbus.bus import descriptors
from kernelbus.bus.descriptors import available, limit, shortage

_CHILD = """
import resource, subprocess, sys
from kernelbus.bus.descriptors import inherit_limit, limit, raise_limit
print(limit(), raise_limit(), limit())
show = [sys.executable, "-c", "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"]
sys.stdout.flush()
subprocess.run(show, preexec_fn=inherit_limit, check=True)
"""


def test_the_limit_is_raised_as_far_as_is_allowed_and_children_get_the_old_one() -> None:
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, text=True, check=True, preexec_fn=lower, env=environment)
    assert done.stdout.splitlines() == ["100 300 300", "100 300"]


def test_what_is_available_falls_with_each_that_is_open() -> None:
    before = available()
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(10)]
    assert before - available() == 10
    for descriptor in opened:
        os.close(descriptor)
    assert 0 < before < limit()


def test_when_none_is_left_none_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(folder: str) -> list[str]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(descriptors.os, "listdir", none_left)
    assert available() == 0


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EMFILE, r"short of file descriptors: it may have \d+ \(ulimit -n"),
        (errno.ENFILE, "machine is short of file descriptors"),
        (errno.EAGAIN, "short of processes"),
        (errno.ENOMEM, "short of memory"),
    ],
)
def test_what_is_short_is_named(number: int, words: str) -> None:
    import re

    assert re.search(words, shortage(OSError(number, "")))
    assert shortage(OSError(errno.ENOENT, "")) == ""

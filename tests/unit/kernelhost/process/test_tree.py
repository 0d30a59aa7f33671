"""The processes that belong to a kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import runs, wait_until

from kernelbus.kernelhost.process.tree import (
    MARK,
    Process,
    descendants,
    family,
    kill_descendants,
    kill_marked,
    mark_of,
    marked,
    parse,
    processes,
)

ROOT = Path(__file__).parents[4] / "src"

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists its processes in files")


def process(pid: int, parent: int, group: int = 1, session: int = 1) -> Process:
    return Process(pid, parent, group, session, 4096)


def pids(kernel: int, *everyone: Process) -> list[int]:
    return [each.pid for each in family(kernel, everyone)]


def test_those_in_its_group_or_session_belong_to_a_kernel_whoever_their_parent_is() -> None:
    assert pids(10, process(10, 5, 10, 10), process(12, 1, 10, 10), process(9, 1, 9, 10), process(7, 5, 7, 7)) == [10, 9, 12]


def test_descendants_belong_to_it_although_they_have_left_its_session() -> None:
    gone_far = process(30, 20, 30, 30)
    assert pids(10, gone_far, process(20, 10, 20, 20), process(10, 5, 10, 10), process(40, 5, 40, 40)) == [10, 20, 30]


def test_descendants_of_a_member_whose_parent_has_ended_belong_to_it() -> None:
    assert pids(10, process(20, 1, 20, 10), process(30, 20, 30, 30)) == [20, 30]


def test_a_kernel_that_is_gone_has_nobody() -> None:
    assert pids(10, process(20, 1, 20, 20)) == []


def test_a_name_may_have_any_characters() -> None:
    stat = b"12 (a) b (c) S 3 4 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 100 5000 25 18446744073709551615\n"
    found = parse(stat)
    assert found[:4] == (12, 3, 4, 5)
    assert found.memory == 25 * os.sysconf("SC_PAGE_SIZE")


CHILD = "import os, sys; os.setsid(); print(os.getpid(), flush=True); sys.stdin.read()"
KERNEL = f"""
import ctypes, os, subprocess, sys
sys.path.insert(0, {str(ROOT)!r})
from kernelbus.kernelhost.process.tree import become_reaper
become_reaper()
# Its child ends at once; what that has started stays.
given = sys.argv[1]
subprocess.run(["bash", "-c", '"$1" -c "$2" <&$3 &', "bash", sys.executable, {CHILD!r}, given], pass_fds=[int(given)])
sys.stdin.read()
"""


@pytest.fixture
def kernel() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process with the mark k1, and the id of one that it has started by one that has ended."""
    reading, writing = os.pipe()
    made = subprocess.Popen(
        [sys.executable, "-c", KERNEL, str(reading)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env={**os.environ, MARK: "k1"}, pass_fds=[reading],
    )  # fmt: skip
    os.close(reading)
    try:
        assert made.stdout is not None
        yield made, int(made.stdout.readline())
    finally:
        made.kill()
        made.communicate()
        os.close(writing)


@needs_linux
def test_what_a_kernel_has_started_stays_its_descendant(kernel: tuple[subprocess.Popen[bytes], int]) -> None:
    process, child = kernel
    assert os.getsid(child) == child
    wait_until(lambda: descendants(process.pid) == [child], "its parent has ended")
    assert [each.pid for each in family(process.pid, processes())] == [process.pid, child]
    assert marked(["k1", "k2"]) == {process.pid: "k1", child: "k1"}
    assert marked(["k"]) == {}
    kill_descendants(process.pid)
    wait_until(lambda: child not in [each for each in descendants(process.pid) if runs(each)], "it is killed")
    assert process.poll() is None


@needs_linux
def test_what_a_kernel_has_left_behind_is_found_by_its_mark(kernel: tuple[subprocess.Popen[bytes], int]) -> None:
    process, child = kernel
    process.kill()
    process.wait()
    assert descendants(process.pid) == []
    assert kill_marked(["k1", "k2"]) == {"k1": 1}
    wait_until(lambda: not runs(child), "it is killed")
    assert kill_marked(["k1"]) == {}



def test_a_mark_does_not_tell_the_id() -> None:
    assert mark_of("secret") == mark_of("secret") != mark_of("other")
    assert "secret" not in mark_of("secret")

"""The processes that belong to a kernel."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kernelbus.kernelhost.process.tree import MARK, Process, family, marked, parse, processes

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


@needs_linux
def test_real_processes_are_found() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'], start_new_session=True)"
    kernel = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env={**os.environ, MARK: "k1"},
    )  # fmt: skip
    try:
        assert kernel.stdout is not None and kernel.stdout.readline() == b"1\n"
        found = family(kernel.pid, processes())
        assert found[0].pid == kernel.pid
        assert len(found) == 2
        assert found[1].session != kernel.pid, "it has left the kernel's session"
        assert all(each.memory > 0 for each in found)
        assert set(marked("k1")) == {each.pid for each in found}
        assert marked("k") == []
    finally:
        kernel.communicate()

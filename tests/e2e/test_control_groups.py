"""Kernels in control groups of their own, where the server's group is delegated to it."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import connect, value
from control_groups import root_of_groups
from serving import Part, runs, stand_in_pool, wait_until, write_config

import wstp
from kernelbus.kernelhost.process.cgroups import Group
from wstp import Function, Symbol

pytestmark = pytest.mark.timeout(120)

MIB = 2**20


@pytest.fixture
def delegated() -> Iterator[Path]:
    """A group that is delegated to whoever runs in it."""
    folder = root_of_groups() / f"kernelbus-test-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    os.setxattr(folder, "user.delegate", b"1")
    yield folder
    Group(folder, limited=False).kill()
    while not Group(folder, limited=False).remove():
        time.sleep(0.01)


def serve_in(folder: Path, tmp_path: Path) -> Part:
    """Return a server in a group, whose kernels may have 300 MiB."""
    config = write_config(tmp_path / "c.conf", Pools={"Main": stand_in_pool(tmp_path)}, Limits={"KernelMemory": 300 * MIB})
    around = ("sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh")
    return Part("serve", "-p", "0", "-l", "debug", "-c", config, around=around)


def kernels(folder: Path) -> list[Group]:
    return [Group(kernel, limited=False) for kernel in folder.glob("kernel-Main-*")]


def test_each_kernel_has_a_group_that_ends_with_all_that_is_in_it(delegated: Path, tmp_path: Path) -> None:
    with serve_in(delegated, tmp_path) as part:
        with connect(part) as link:
            assert part.logged("each kernel has a control group")
            pid, daemon = value(link, Symbol("Pid")()), value(link, Symbol("Daemon")(1))
            assert isinstance(pid, int) and isinstance(daemon, int)
            mine = [group for group in kernels(delegated) if pid in group.processes()]
            assert len(mine) == 1 and daemon in mine[0].processes(), "what it has started is in its group"
            assert str(part.process.pid) in (delegated / "host" / "cgroup.procs").read_text().split()
            with contextlib.suppress(wstp.LinkClosed, wstp.LinkLost):
                value(link, Symbol("Exit")(0))
        wait_until(lambda: not runs(daemon), "it ends with the kernel")
        wait_until(lambda: not Path(mine[0].entry).exists(), "the group is removed")
        assert part.logged("had left 1 processes behind, which were killed")
    assert not kernels(delegated), "none is left when the server has ended"


def test_the_system_ends_a_kernel_at_the_limit_of_its_group_and_its_client_is_told(delegated: Path, tmp_path: Path) -> None:
    if "memory" not in (delegated / "cgroup.controllers").read_text().split():
        pytest.skip("control groups of version 2 have no memory controller on this machine")
    packets: list[object] = []
    with serve_in(delegated, tmp_path) as part, connect(part) as link:
        # It takes the memory faster than anybody can look.
        link.put(Symbol("EvaluatePacket")(Symbol("Hoard")(2000 * MIB)), end_packet=True)
        with contextlib.suppress(wstp.LinkClosed, wstp.LinkLost):
            while True:
                packets.append(link.get(timeout=30))
    message, text = packets[-2:]
    assert message == Symbol("MessagePacket")(Symbol("WSTPServer`Kernel"), "memory")
    assert isinstance(text, Function) and "300 MiB" in str(text.args[0])

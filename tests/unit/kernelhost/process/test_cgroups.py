"""Control groups of kernels: where they may be made, and real ones where this machine lets us."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_groups import root_of_groups
from serving import wait_until

from kernelbus.kernelhost.process.accounting import Usage
from kernelbus.kernelhost.process.cgroups import Group, Groups, GroupsUnavailable, delegated, own_folder
from kernelbus.kernelhost.process.confinement import Confinement

V2 = "36 25 0:31 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"


@pytest.mark.parametrize(
    ("groups", "mounts", "folder"),
    [
        ("0::/system.slice/k.service\n", V2, "/sys/fs/cgroup/system.slice/k.service"),
        ("0::/\n", V2, "/sys/fs/cgroup"),
        ("4:memory:/x\n0::/a b\n", "31 1 0:2 / /x rw - tmpfs t rw\n" + V2.replace("/sys/fs/cgroup", "/mnt/u"), "/mnt/u/a b"),
        # A part of the tree is mounted.
        ("0::/docker/1/sub\n", "36 25 0:31 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw", "/sys/fs/cgroup/sub"),
        ("0::/elsewhere\n", "36 25 0:31 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw", None),
        ("4:memory:/x\n", V2, None),
        ("0::/x\n", "36 25 0:31 / /sys/fs/cgroup rw - cgroup cgroup rw,memory", None),
        ("", "", None),
    ],
)
def test_the_folder_of_ones_own_group(groups: str, mounts: str, folder: str | None) -> None:
    assert own_folder(groups, mounts) == (None if folder is None else Path(folder))


def write(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_a_group_has_its_limit_and_the_system_says_what_it_uses(tmp_path: Path) -> None:
    """With the files of a memory controller, which are not the system's here."""
    write(tmp_path, cgroup__controllers="cpu memory pids\n", cgroup__subtree_control="")
    groups = Groups(tmp_path)
    assert groups.limited and not groups.why
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
    assert (tmp_path / "host" / "cgroup.procs").read_text() == "0"
    group = groups.make("Pool ../x-abc", 1000)
    (folder,) = tmp_path.glob("kernel-*")
    assert folder.name.startswith("kernel-Pool____x-abc-")
    assert (folder / "memory.max").read_text() == "1000"
    assert (folder / "memory.oom.group").read_text() == "1"
    assert group.entry == str(folder / "cgroup.procs")
    write(folder, memory__current="900\n", memory__stat="anon 1\ninactive_file 100\n", cpu__stat="usage_usec 1500000\n")
    write(folder, cgroup__events="populated 0\n")
    assert group.usage() is None, "nothing runs in it"
    write(folder, cgroup__events="populated 1\n", memory__events="low 0\noom 2\noom_kill 3\noom_group_kill 1\n")
    assert group.usage() == Usage(1.5, 800)
    assert group.out_of_memory() == 3


def test_without_a_memory_controller_groups_have_no_limit(tmp_path: Path) -> None:
    write(tmp_path, cgroup__controllers="cpu\n", cgroup__subtree_control="")
    groups = Groups(tmp_path)
    assert not groups.limited and "no memory controller" in groups.why
    group = groups.make("P", 1000)
    assert group.usage() is None
    assert not list(tmp_path.glob("kernel-*/memory.max"))


def test_a_group_that_other_processes_are_in_has_no_limits(tmp_path: Path) -> None:
    write(tmp_path, cgroup__controllers="memory\n")
    (tmp_path / "cgroup.subtree_control").mkdir()  # it cannot be written
    assert "while other processes are in it" in Groups(tmp_path).why


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(GroupsUnavailable, match="No such file"):
        Groups(tmp_path / "missing" / "folder")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A group of this machine, without processes."""
    path = root_of_groups() / f"kernelbus-test-{uuid.uuid4().hex[:8]}"
    path.mkdir()
    yield path
    Group(path, limited=False).kill()
    while not Group(path, limited=False).remove():
        time.sleep(0.01)


def test_a_group_is_the_hosts_if_it_is_delegated(folder: Path) -> None:
    assert not delegated(folder.parent), "the root of all groups is nobody's"
    assert not delegated(folder)
    os.setxattr(folder, "user.delegate", b"1")
    assert delegated(folder)


def sleeper(group: Group) -> subprocess.Popen[str]:
    """Start a process in the group, with a child that leaves its session."""
    code = "import os, time; print(os.fork() or os.setsid() or 0, flush=True); time.sleep(600)"
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, preexec_fn=Confinement(group=group.entry).enter
    )


def test_all_processes_of_a_group_are_killed_at_once(folder: Path) -> None:
    group = Group(folder, limited=False)
    with sleeper(group) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        assert process.pid in group.processes() and len(group.processes()) == 2
        assert not group.remove(), "something runs in it"
        assert group.kill() == 2
        assert process.wait(10) == -9
    wait_until(lambda: not group.processes(), "its child is gone, too")
    assert group.kill() == 0


def test_what_a_killed_host_has_left_is_ended(folder: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = Group(folder / f"kernel-P-{gone.pid}-1", limited=False)
    (folder / f"kernel-P-{gone.pid}-1").mkdir()
    code = "import os, sys; from kernelbus.kernelhost.process.cgroups import Groups; from pathlib import Path; Groups(Path(sys.argv[1]))"
    with sleeper(left) as process:
        subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
        assert process.wait(10) == -9
    wait_until(lambda: not left.processes(), "its child is gone, too")

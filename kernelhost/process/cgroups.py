"""A control group for each kernel, where this host may make some (cgroups(7), version 2).

In a group the system itself keeps a kernel's memory below its limit, counts what the kernel and all
that it has started use, and kills all of it at once. None of these processes can leave the group.

A host makes groups below its own, and only if that is *delegated* to it: systemd says so of a
service with `Delegate=` (the extended attribute `user.delegate` or `trusted.delegate`; older ones
only by making the service's user the owner), and the group at the root of a container's own tree is
the container's. So no other program's groups are ever touched.

=================  =============================================================================
below the host's   what it is for
=================  =============================================================================
`host`             the host itself: a group whose children have limits may have no processes
`kernel-...`       one kernel each
=================  =============================================================================

Where there is no memory controller, groups have no limit, and memory is looked up in ``/proc``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import time
from pathlib import Path

from kernelbus.kernelhost.process.accounting import Usage

__all__ = ["Group", "Groups", "GroupsUnavailable", "delegated", "own_folder"]

_HOST = "host"
_MEMORY = "memory"
_PRESENT = "cgroup.procs"
#: How often groups that are left are looked at in the last second.
_ATTEMPTS = 20


class GroupsUnavailable(Exception):
    """This host can make no groups; the text says why."""


class Group:
    """The control group of one kernel.

    Attributes:
        entry: the file into which a process writes 0 to enter the group.
        limited: whether the group keeps a limit and counts memory.
    """

    def __init__(self, folder: Path, limited: bool) -> None:
        self._folder = folder
        self.limited = limited
        self.entry = str(folder / _PRESENT)

    def processes(self) -> list[int]:
        """Return the ids of its processes, also of those below it."""
        found: list[int] = []
        for file in self._folder.rglob(_PRESENT):
            found += [int(pid) for pid in _read(file).split()]
        return found

    def usage(self) -> Usage | None:
        """Return what its processes have used together, also those that have ended.

        Memory is what the system cannot take back at once: what was read from files and has not
        been used for long does not count. None: memory is not counted, or nothing runs in it.
        """
        if not self.limited or not _numbers(self._folder / "cgroup.events").get("populated"):
            return None
        present = _read(self._folder / "memory.current").strip()
        if not present:
            return None
        unused = _numbers(self._folder / "memory.stat").get("inactive_file", 0)
        cpu = _numbers(self._folder / "cpu.stat").get("usage_usec", 0)
        return Usage(cpu / 1e6, max(0, int(present) - unused))

    def out_of_memory(self) -> int:
        """Return how many of its processes the system has killed at the group's limit."""
        return _numbers(self._folder / "memory.events").get("oom_kill", 0)

    def kill(self) -> int:
        """Kill all its processes; return how many there were."""
        present = self.processes()
        if present:
            try:
                (self._folder / "cgroup.kill").write_text("1")
            except OSError:
                # Linux before 5.14.
                for pid in present:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
        return len(present)

    def remove(self) -> bool:
        """Remove the group; return whether it is gone. It is not while it has a process."""
        for folder in sorted(self._folder.rglob("*/"), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        try:
            self._folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class Groups:
    """Makes the groups of one host's kernels.

    Args:
        folder: the host's own group, which is delegated to it.

    Attributes:
        limited: whether groups have limits of memory.
        why: why they have none; empty: they have.

    Raises:
        GroupsUnavailable: no group can be made there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = itertools.count(1)
        self.limited, self.why = False, ""
        try:
            (folder / _HOST).mkdir(exist_ok=True)
            (folder / _HOST / _PRESENT).write_text("0")
        except OSError as error:
            raise GroupsUnavailable(f"{folder}: {error.strerror or error}") from None
        self._remove_left()
        if _MEMORY not in _read(folder / "cgroup.controllers").split():
            self.why = f"{folder} has no memory controller"
            return
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{_MEMORY}")
        except OSError as error:
            self.why = f"{folder} cannot have it while other processes are in it: {error.strerror or error}"
        else:
            self.limited = True

    def _remove_left(self) -> None:
        """End what a host that was killed has left in its kernels' groups."""
        for folder in self._folder.glob("kernel-*-*"):
            host = folder.name.split("-")[-2]
            if host == str(os.getpid()) or not Path(f"/proc/{host}").exists():
                left = Group(folder, self.limited)
                left.kill()
                left.remove()

    @classmethod
    def find(cls) -> Groups:
        """Return the groups of this process.

        Raises:
            GroupsUnavailable: it can make none.
        """
        folder = own_folder(_read(Path("/proc/self/cgroup")), _read(Path("/proc/self/mountinfo")))
        if folder is None:
            raise GroupsUnavailable("this system has no control groups of version 2, or shows none")
        # With DelegateSubgroup= the service runs one below what is delegated to it.
        for each in (folder, folder.parent):
            if delegated(each):
                return cls(each)
        raise GroupsUnavailable(f"{folder} is not delegated to this process (Delegate= of its service)")

    def make(self, name: str, limit: int) -> Group:
        """Make the group of a kernel.

        Args:
            name: the kernel, for people who look at the groups.
            limit: bytes of memory; 0: no limit.

        Raises:
            OSError: it cannot be made.
        """
        folder = self._folder / f"kernel-{re.sub('[^A-Za-z0-9_-]', '_', name)}-{os.getpid()}-{next(self._number)}"
        folder.mkdir()
        if self.limited and limit:
            (folder / "memory.max").write_text(str(limit))
            # A kernel without one of its processes is of no use.
            with contextlib.suppress(OSError):
                (folder / "memory.oom.group").write_text("1")
        return Group(folder, self.limited)

    def close(self) -> None:
        """Remove the groups of this host's kernels, which have ended. It may take a second."""
        for _ in range(_ATTEMPTS):
            left = [Group(folder, self.limited) for folder in self._folder.glob(f"kernel-*-{os.getpid()}-*")]
            for group in left:
                group.kill()
            left = [group for group in left if not group.remove()]
            if not left:
                return
            time.sleep(1 / _ATTEMPTS)


def own_folder(groups: str, mounts: str) -> Path | None:
    """Return the folder of a process's own group; None: it has none of version 2.

    Args:
        groups: the text of its ``/proc/PID/cgroup``.
        mounts: the text of its ``/proc/PID/mountinfo``.
    """
    path = next((line[3:] for line in groups.splitlines() if line.startswith("0::/")), None)
    for line in mounts.splitlines():
        before, _, behind = line.partition(" - ")
        if path is not None and behind.startswith("cgroup2 "):
            fields = before.split()
            root, place = fields[3], fields[4]
            if root == "/" or path == root or path.startswith(root + "/"):
                return Path(place + (path if root == "/" else path.removeprefix(root)))
    return None


def delegated(folder: Path) -> bool:
    """Whether this process may make groups in `folder`: see the module."""
    # The root of the whole system's groups has no type, and belongs to nobody.
    if not (folder / "cgroup.type").exists() or not os.access(folder, os.W_OK) or not os.access(folder / _PRESENT, os.W_OK):
        return False
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError, AttributeError):
            if os.getxattr(folder, name) == b"1":
                return True
    if os.getuid() != 0 and folder.name.endswith(".service") and folder.stat().st_uid == os.getuid():
        return True
    # The root of a container's own tree: the process sees its own group as `/`.
    return folder.is_mount()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _numbers(path: Path) -> dict[str, int]:
    """Return a file of lines with a name and a number each."""
    pairs = (line.split() for line in _read(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}

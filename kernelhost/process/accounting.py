"""The processor time and memory of a process, and the memory of the machine, as Linux reports them.

Sources: proc(5), cgroups(7). On other systems these values are not known.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Usage", "free_memory", "machine_memory", "stat_fields", "usage", "usage_of"]

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
#: A cgroup without a limit may report a number of bytes that no machine has.
_NO_LIMIT = 2**60


class Usage(NamedTuple):
    """What a process has used.

    Attributes:
        cpu: seconds of processor time, including those of the children it has waited for.
        memory: bytes of resident memory, including those that it shares with other processes.
    """

    cpu: float = 0.0
    memory: int = 0


def stat_fields(stat: bytes) -> list[bytes]:
    """Return the fields of ``/proc/PID/stat`` behind the program's name, beginning with the state.

    The name stands in parentheses, and may contain any characters.
    """
    return stat[stat.rindex(b")") + 2 :].split()


def usage(pid: int) -> Usage | None:
    """Return what process `pid` has used; None: it is gone, or the system does not say."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    fields = stat_fields(text)
    return Usage(sum(map(int, fields[11:15])) / _TICK, int(fields[21]) * _PAGE)


def usage_of(pids: Iterable[int]) -> Usage | None:
    """Return what several processes have used together; None: none of them is known.

    Memory that they share counts for each of them.
    """
    known = [found for pid in pids if (found := usage(pid)) is not None]
    return Usage(sum(each.cpu for each in known), sum(each.memory for each in known)) if known else None


def machine_memory() -> int | None:
    """Return the bytes of memory that this process may have in all; None: not known.

    This is the memory of the machine, or the limit of the process's cgroup if that is less.
    """
    found = [*_of_machine(), *_of_groups()]
    return min((size for size in found if 0 < size < _NO_LIMIT), default=None)


def free_memory() -> int | None:
    """Return the bytes of memory that are available; None: not known.

    This is the system's own estimate (``MemAvailable``) of what can be allocated without swapping.
    """
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def oom_kills() -> tuple[int, int]:
    """Return how many processes the system has killed for want of memory.

    Returns:
        In this process's cgroup and those below it, and on the whole machine; 0: also not known.
    """
    own = 0
    for folder, old in _groups():
        counts = _read(folder / ("memory.oom_control" if old else "memory.events"))
        own = max(own, _counted(counts))
    return own, _counted(_read(Path("/proc/vmstat")))


def _counted(text: str) -> int:
    for line in text.splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def _of_machine() -> list[int]:
    try:
        return [os.sysconf("SC_PHYS_PAGES") * _PAGE]
    except (AttributeError, ValueError, OSError):
        return []


def _of_groups() -> list[int]:
    found = []
    for folder, old in _groups():
        text = _read(folder / ("memory.limit_in_bytes" if old else "memory.max")).strip()
        if text.isdigit():
            found.append(int(text))
    return found


def _groups() -> Iterator[tuple[Path, bool]]:
    """Yield the folders of this process's cgroups, and whether they are of cgroups version 1."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, group = line.split(":", 2)
        old = "memory" in controllers.split(",")
        if controllers and not old:
            continue
        root = Path("/sys/fs/cgroup/memory" if old else "/sys/fs/cgroup")
        # Each enclosing group limits it too. In a container the path may be that of the machine
        # outside, while the files of the group lie at the root.
        inner = root / group.lstrip("/")
        for folder in (inner, *(parent for parent in inner.parents if parent.is_relative_to(root))):
            yield folder, old


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

"""What a process has used, and what the machine has, as Linux tells: proc(5), cgroups(7). Elsewhere
it is not known.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

__all__ = ["Usage", "free_memory", "machine_memory", "usage"]

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
#: cgroups say "no limit" by a number that no machine has.
_NO_LIMIT = 2**60


class Usage(NamedTuple):
    """What a process has used.

    Attributes:
        cpu: seconds of processor time, those of the children it has waited for included.
        memory: bytes that it has resident, those that it shares with others included.
    """

    cpu: float = 0.0
    memory: int = 0


def usage(pid: int) -> Usage | None:
    """Give what process `pid` has used; None: it is gone, or this is not known here."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The second field is the program's name in parentheses, and can hold anything.
    fields = text[text.rindex(b")") + 2 :].split()
    return Usage(sum(map(int, fields[11:15])) / _TICK, int(fields[21]) * _PAGE)


def machine_memory() -> int | None:
    """Give the bytes of memory that this machine has, or that this process's cgroup may have, if
    that is less; None: not known.
    """
    found = [*_of_machine(), *_of_groups()]
    return min((size for size in found if 0 < size < _NO_LIMIT), default=None)


def free_memory() -> int | None:
    """Give the bytes of memory that could be had without giving up any in use, as the kernel
    estimates it; None: not known here.
    """
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _of_machine() -> list[int]:
    try:
        return [os.sysconf("SC_PHYS_PAGES") * _PAGE]
    except (AttributeError, ValueError, OSError):
        return []


def _of_groups() -> list[int]:
    found = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            root, name = Path("/sys/fs/cgroup"), "memory.max"
        elif "memory" in controllers.split(","):
            root, name = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
        else:
            continue
        # Each group around it bounds it too. In a container the path may be the host's, and the
        # group's own files at the root.
        inner = root / group.lstrip("/")
        for folder in (inner, *(parent for parent in inner.parents if parent.is_relative_to(root))):
            text = _read(folder / name).strip()
            if text.isdigit():
                found.append(int(text))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

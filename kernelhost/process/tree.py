"""The processes of a kernel: its own, those it has started, and those that these have started.

A program that is started by a kernel can leave the kernel's process group (setsid(2)), and its
parent can end before it. So three things say that a process belongs to a kernel: it descends from
it, it is in its session or group, or its environment has the kernel's mark (:data:`MARK`), which
every program passes on unless it means not to.

:func:`family` is sans-IO; :func:`processes` and :func:`marked` read ``/proc`` (proc(5)). On other
systems than Linux only the kernel's own process is known.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["MARK", "Process", "family", "marked", "processes"]

#: The name of the environment variable that carries the id of a kernel.
MARK = "KERNELBUS_KERNEL"


class Process(NamedTuple):
    """A process of the machine.

    Attributes:
        pid: its id.
        parent: the id of its parent.
        group: the id of its process group.
        session: the id of its session.
        memory: bytes of resident memory.
    """

    pid: int
    parent: int
    group: int
    session: int
    memory: int


_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def parse(stat: bytes) -> Process:
    """Read the text of ``/proc/PID/stat``."""
    # The second field is the program's name in parentheses, which may contain any characters.
    end = stat.rindex(b")")
    fields = stat[end + 2 :].split()
    pid = int(stat[: stat.index(b" ")])
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[21]) * _PAGE)


def processes() -> list[Process]:
    """Return the processes of this machine that this one can see."""
    found = []
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    found.append(parse(file.read()))
            except (OSError, ValueError):
                continue  # it has ended meanwhile
    return found


def family(kernel: int, everyone: Iterable[Process]) -> list[Process]:
    """Return the kernel's process and those that belong to it, the kernel's first.

    Args:
        kernel: the id of the kernel's process, which leads its session.
        everyone: the processes of the machine.
    """
    known = {process.pid: process for process in everyone}
    children = defaultdict(list)
    for process in known.values():
        children[process.parent].append(process)
    found = {process.pid for process in known.values() if kernel in (process.pid, process.group, process.session)}
    waiting = list(found)
    while waiting:
        for child in children[waiting.pop()]:
            if child.pid not in found:
                found.add(child.pid)
                waiting.append(child.pid)
    return [known[pid] for pid in sorted(found, key=lambda pid: (pid != kernel, pid))]


def marked(identity: str) -> list[int]:
    """Return the ids of the processes whose environment has the kernel's mark.

    Only processes of this user can be looked at.

    Args:
        identity: the id of the kernel.
    """
    wanted = f"{MARK}={identity}".encode()
    found = []
    for process in processes():
        try:
            with open(f"/proc/{process.pid}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(process.pid)
        except OSError:
            continue
    return found

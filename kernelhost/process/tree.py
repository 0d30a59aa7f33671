"""The processes of a kernel: its own, those it has started, and those that these have started.

A program that is started by a kernel can leave the kernel's process group (setsid(2)), and its
parent can end before it. A kernel is therefore made the reaper of its descendants
(:func:`become_reaper`): they stay its descendants as long as it lives. When it has ended, what it
has left behind is found by its mark (:data:`MARK`), which every program passes on in its
environment unless it means not to.

:func:`family` is sans-IO; the others read ``/proc`` (proc(5)). On other systems than Linux only the
kernel's own process is known.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from kernelbus.kernelhost.process.accounting import stat_fields

__all__ = [
    "MARK",
    "Process",
    "become_reaper",
    "descendants",
    "family",
    "kill_descendants",
    "kill_marked",
    "mark_of",
    "marked",
    "processes",
]

#: The name of the environment variable that carries the id of a kernel.
MARK = "KERNELBUS_MARK"
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
#: How often descendants are looked for again while they are killed.
_ROUNDS = 5


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
    fields = stat_fields(stat)
    pid = int(stat[: stat.index(b" ")])
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[21]) * _PAGE)


def processes() -> list[Process]:
    """Return the processes of this machine that this one can see."""
    found = []
    for name in _numbers():
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


def mark_of(identity: str) -> str:
    """Return the mark of a kernel: it does not tell the id, with which anybody can attach it."""
    return hashlib.blake2s(identity.encode(), digest_size=12).hexdigest()


def become_reaper() -> None:
    """Keep the descendants of this process when their parents end (PR_SET_CHILD_SUBREAPER).

    It lasts when this process runs another program. Runs in the child, after a fork.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants(pid: int) -> list[int]:
    """Return the ids of the processes that descend from `pid`, in no order."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
        except OSError:
            continue  # it has ended
        for task in tasks:
            try:
                with open(f"/proc/{parent}/task/{task}/children", "rb") as file:
                    children = [int(child) for child in file.read().split()]
            except OSError:
                continue
            found += children
            waiting += children
    return found


def kill_descendants(pid: int) -> None:
    """Kill the processes that descend from `pid`, and not that process itself."""
    # One that starts another meanwhile has it found in the next round.
    for _ in range(_ROUNDS):
        below = descendants(pid)
        for each in below:
            _kill(each)
        if not below:
            return


def kill_marked(marks: Collection[str]) -> dict[str, int]:
    """Kill the processes that have one of these marks.

    Returns:
        How many there were of each mark that any had.
    """
    killed: dict[int, str] = {}
    for _ in range(_ROUNDS):
        # One that has been killed may still be on its way out.
        left = {pid: mark for pid, mark in marked(marks).items() if pid not in killed and _kill(pid)}
        killed |= left
        if not left:
            break
    return dict(Counter(killed.values()))


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def marked(marks: Collection[str]) -> dict[int, str]:
    """Return the processes whose environment has one of these marks: the mark by process id.

    Only processes of this user can be looked at, and of these only those that have run a program
    since their kernel was started: a fork alone changes no environment that the system shows.
    """
    wanted = {f"{MARK}={mark}".encode(): mark for mark in marks}
    found = {}
    for name in _numbers():
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                entries = file.read().split(b"\0")
        except OSError:
            continue
        for entry in entries:
            if entry in wanted:
                found[int(name)] = wanted[entry]
    return found


def _numbers() -> list[str]:
    try:
        return [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []

"""How much memory a kernel may have, and what becomes of one that has more.

Rules of this module: no process, socket, clock or randomness.

| kernel | has more than | then |
|---|---|---|
| any | `Limits`/`KernelMemory` | it is killed, its client told why, and another started |
| one that waits for its first client | `Limits`/`KernelRecycleMemory` more than when it was ready | it is ended, and another started |

A kernel with a session is never ended for what it has below `KernelMemory`: nobody but its owner
can say whether that is needed.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["MemoryRules", "Verdict", "amount", "default_limit"]

#: The part of the machine's memory that one kernel may have by default: the rest is for the server,
#: and for who must stay to say so.
_SHARE = 0.75


class Verdict(Enum):
    """What is to become of a kernel."""

    WELL = "well"
    RECYCLE = "recycle"
    KILL = "kill"


def default_limit(machine: int | None) -> int:
    """Give `Limits`/`KernelMemory` where it is not configured, 0 for no limit; `machine`: what
    there is in all, None if not known.
    """
    return int(machine * _SHARE) if machine else 0


def amount(size: int) -> str:
    """Write a number of bytes for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


class MemoryRules:
    """The module's table, for kernels with these limits, in bytes; 0 is no limit."""

    def __init__(self, limit: int, recycle: int) -> None:
        self.limit = limit
        self.recycle = recycle

    def judge(self, memory: int, at_ready: int | None) -> Verdict:
        """Say what is to become of a kernel that has so much.

        Args:
            memory: what it has.
            at_ready: what it had when it was ready, if it waits for its first client; None: it does
                not.
        """
        if self.limit and memory > self.limit:
            return Verdict.KILL
        if self.recycle and at_ready is not None and memory - at_ready > self.recycle:
            return Verdict.RECYCLE
        return Verdict.WELL

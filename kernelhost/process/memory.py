"""How much memory a kernel may have, and what happens to a kernel that has more.

Sans-IO: no process, socket, clock or randomness.

| kernel | limit | above the limit |
|---|---|---|
| any | `Limits`/`KernelMemory` | it is killed, its client is told why, another is started |
| waits for its first client | see below | it is ended, another is started |

The limit of a kernel that waits for its first client is `Limits`/`KernelRecycleMemory` more than it
had when it became ready. A kernel with a session is never ended for memory below `KernelMemory`,
since only its owner can say whether that memory is needed.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["MemoryRules", "Verdict", "amount", "default_limit"]

#: The part of the machine's memory that one kernel may have by default. The rest keeps the server
#: alive, which has to report what happened to the kernel.
_SHARE = 0.75


class Verdict(Enum):
    """What is to be done with a kernel: nothing, end it and start another, or kill it."""

    WELL = "well"
    RECYCLE = "recycle"
    KILL = "kill"


def default_limit(machine: int | None) -> int:
    """Return the default of `Limits`/`KernelMemory` in bytes; 0: no limit.

    Args:
        machine: bytes of memory of the machine; None: not known.
    """
    return int(machine * _SHARE) if machine else 0


def amount(size: int) -> str:
    """Return a number of bytes as text, in GiB or MiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


class MemoryRules:
    """The module's table for given limits.

    Args:
        limit: `KernelMemory` in bytes; 0: no limit.
        recycle: `KernelRecycleMemory` in bytes; 0: no limit.
    """

    def __init__(self, limit: int, recycle: int) -> None:
        self.limit = limit
        self.recycle = recycle

    def judge(self, memory: int, at_ready: int | None) -> Verdict:
        """Return what is to be done with a kernel.

        Args:
            memory: bytes that it has.
            at_ready: bytes that it had when it became ready, if it waits for its first client;
                None: it has had a client, or is not ready.
        """
        if self.limit and memory > self.limit:
            return Verdict.KILL
        if self.recycle and at_ready is not None and memory - at_ready > self.recycle:
            return Verdict.RECYCLE
        return Verdict.WELL

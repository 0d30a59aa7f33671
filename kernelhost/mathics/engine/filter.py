"""The filter of system calls that confines an engine (seccomp(2), BPF). No I/O.

The engine computes. It reads one pipe and writes another, and needs memory, the clock and random
bytes. Everything else is refused: it can open no file and no connection, start no process, and see
no folder, whatever code it evaluates.
"""

from __future__ import annotations

import struct
import sys
from typing import Final, NamedTuple

__all__ = ["filter_for"]

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
#: Where a filter finds the number of a call, the machine, and the low half of the first argument.
_NUMBER, _MACHINE, _FIRST = 0, 4, 16
_CLONE_THREAD = 0x00010000


class _Machine(NamedTuple):
    """Say how a machine numbers its system calls.

    Attributes:
        audit: the machine's number in the filter's data.
        clone, clone3: calls that make threads and processes.
        calls: the calls that are allowed.
    """

    audit: int
    clone: int
    clone3: int
    calls: tuple[int, ...]


#: Allowed are, in this order where a machine has them: read, write, close, fstat, lseek, mmap,
#: mprotect, munmap, brk, rt_sigaction, rt_sigprocmask, rt_sigreturn, readv, writev, sched_yield,
#: mremap, madvise, nanosleep, getpid, exit, uname, gettimeofday, getrusage, sysinfo, getppid,
#: sigaltstack, gettid, futex, sched_getaffinity, restart_syscall, clock_gettime, clock_getres,
#: clock_nanosleep, exit_group, tgkill, pselect6, ppoll, set_robust_list, getrandom, membarrier,
#: rseq; of x86-64 also poll, select and time.
_MACHINES: Final = {
    "x86_64": _Machine(
        0xC000003E, 56, 435,
        (
            0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 24, 25, 28, 35, 39, 60, 63, 96, 98, 99, 110, 131, 186, 202, 204,
            219, 228, 229, 230, 231, 234, 270, 271, 273, 318, 324, 334, 7, 23, 201,
        ),
    ),
    "aarch64": _Machine(
        0xC00000B7, 220, 435,
        (
            63, 64, 57, 80, 62, 222, 226, 215, 214, 134, 135, 139, 65, 66, 124, 216, 233, 101, 172, 93, 160, 169, 165, 179, 173,
            132, 178, 98, 123, 128, 113, 114, 115, 94, 131, 72, 73, 99, 278, 283, 293,
        ),
    ),
}  # fmt: skip


def filter_for(machine: str, platform: str = sys.platform) -> bytes | None:
    """Return the filter for a machine, as an array of ``struct sock_filter``.

    Args:
        machine: what ``platform.machine()`` says.
        platform: what ``sys.platform`` says.

    Returns:
        The filter; None where the system has none, or the machine is not known.
    """
    known = _MACHINES.get(machine) if platform == "linux" else None
    if known is None:
        return None
    calls, count = known.calls, len(known.calls)
    # A jump counts the instructions that it passes over. The last three return.
    #   0 load the machine, 1 compare, 2 load the number, 3 clone3, 4 clone, 5... calls,
    #   then: refuse; load the flags of clone; test them; refuse; allow; no such call
    refuse = 5 + count
    flags, allow, absent = refuse + 1, refuse + 4, refuse + 5
    program = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 0, refuse - 2, known.audit),
        (_LOAD, 0, 0, _NUMBER),
        # Its flags are in memory, where a filter does not look. Libraries go back to clone.
        (_EQUAL, absent - 4, 0, known.clone3),
        (_EQUAL, flags - 5, 0, known.clone),
        *((_EQUAL, allow - at - 1, 0, call) for at, call in enumerate(calls, 5)),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
        (_LOAD, 0, 0, _FIRST),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | _ENOSYS),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)

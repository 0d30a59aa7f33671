"""Use as many file descriptors as the system allows, and know when it is short of something.

Each connection costs a descriptor. The *soft* limit that a process begins with is often 1024, for
the sake of old programs that use select(2); the *hard* one, which a process may raise its own to,
is often a thousand times as much. Each part raises its limit when it starts (:func:`raise_limit`).
Kernels get the old limit back (:func:`inherit_limit`), since a kernel may be such a program.
"""

from __future__ import annotations

import errno
import os
import resource

__all__ = ["available", "inherit_limit", "limit", "raise_limit", "shortage"]

#: More is of no use, and there are programs that go through all numbers up to their limit.
_MOST = 1 << 20

_FOLDER = next((folder for folder in ("/proc/self/fd", "/dev/fd") if os.path.isdir(folder)), "")
_first = resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_limit() -> int:
    """Raise this process's limit of descriptors as far as is allowed; return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return soft  # some systems have another, lower bound
    return limit()


def inherit_limit() -> None:
    """Set the limit that the process began with; for a child, between fork and exec."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != _first:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_first, hard))


def limit() -> int:
    """Return how many descriptors this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else soft


def available() -> int:
    """Return how many more descriptors this process may open."""
    try:
        return limit() - len(os.listdir(_FOLDER)) if _FOLDER else limit()
    except OSError as error:
        return 0 if error.errno == errno.EMFILE else limit()


def shortage(error: OSError) -> str:
    """Say what the system is short of, if it is for that that a call has failed; else return ""."""
    match error.errno:
        case errno.EMFILE:
            return f"this process is short of file descriptors: it may have {limit()} (ulimit -n, LimitNOFILE)"
        case errno.ENFILE:
            return "this machine is short of file descriptors (fs.file-max)"
        case errno.EAGAIN:
            return "this machine is short of processes: no more may be started (ulimit -u, TasksMax, pids.max)"
        case errno.ENOMEM | errno.ENOBUFS:
            return "this machine is short of memory"
        case _:
            return ""

"""The descriptors that a process may have: as many as its hard limit allows.

The usual soft limit of 1024 is for programs that use select(2), which none of this server's do.
"""

from __future__ import annotations

import resource

__all__ = ["raise_limit"]

#: Where the hard limit is not one, this many are asked for: some systems keep tables of the size.
_ENOUGH = 2**20


def raise_limit() -> int:
    """Raise the soft limit to the hard one, and return how many descriptors there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _ENOUGH if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted

"""How many links a process has descriptors for. No I/O.

A process that has no descriptor left can neither accept a client nor start a kernel, nor even say
so. So a frontend takes no more links than the limit of its process allows, and leaves some
descriptors over for everything else.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PER_LINK", "Capacity", "capacity"]

#: The descriptors of one link: two connections, and a second one of each for its options.
PER_LINK = 4
#: The same of a connection that is not a link yet, and of a kernel of the same process.
_PER_PENDING, _PER_KERNEL = 2, 10
#: What the process itself needs: files, the event loop, the bus with its consoles and parts.
_RESERVE = 128


class Capacity(NamedTuple):
    """What a frontend can hold, and a line for the log if that is less than was asked for."""

    links: int
    pending: int
    warning: str = ""


def capacity(descriptors: int, links: int, pending: int, kernels: int) -> Capacity:
    """Return how many links and pending connections fit.

    Args:
        descriptors: the process's limit.
        links: `Limits`/`Links`.
        pending: `Limits`/`Pending`.
        kernels: the kernels that the same process may start.

    >>> capacity(2**20, 1000, 1024, 16)
    Capacity(links=1000, pending=1024, warning='')
    >>> capacity(1024, 1000, 1024, 16)[:2]
    (138, 92)
    """
    needed = _RESERVE + PER_LINK * links + _PER_PENDING * pending + _PER_KERNEL * kernels
    if needed <= descriptors:
        return Capacity(links, pending)
    left = max(0, descriptors - _RESERVE - _PER_KERNEL * kernels)
    # A quarter is for connections that are not links yet.
    held = max(16, min(pending, left // 4 // _PER_PENDING))
    fit = max(1, min(links, (left - _PER_PENDING * held) // PER_LINK))
    text = (
        f"Limits/Links of {links} and Limits/Pending of {pending} need {needed} descriptors, and this process may have {descriptors}: "
        f"it serves {fit} links at once; raise the limit (ulimit -n, or LimitNOFILE of its service)"
    )
    return Capacity(fit, held, text)

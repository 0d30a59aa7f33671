"""The broker's status as Wolfram Language associations. No I/O.

Whoever knows a kernel's id can attach to the kernel. So a client receives the whole id of its own
kernel only, and the first eight characters of others.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from kernelbus.bus.protocol.reports import Status
from wstp import Expr

__all__ = ["SHOWN", "kernels", "pools", "status"]

#: The number of characters of an id that anyone may see.
SHOWN = 8


def status(answer: Status, kernel: str) -> Expr:
    """Return the state of the server as a whole; `kernel` is the id of the asker's own."""
    states = [known.state for known in answer.kernels]
    return {
        "Broker": answer.broker,
        "Up": answer.up,
        "Health": answer.health,
        "Problems": answer.problems,
        "Frontends": len(answer.frontends),
        "Links": answer.attachments,
        "Hosts": [_named(host) for host in answer.hosts],
        "Pools": len(answer.pools),
        "Kernels": {state: states.count(state) for state in dict.fromkeys(states)},
    }


def pools(answer: Status, kernel: str) -> Expr:
    """Return the pools by name."""
    return {pool.pool: _named(pool, without="pool") for pool in answer.pools}


def kernels(answer: Status, kernel: str) -> Expr:
    """Return the kernels by id, other clients' shortened; `kernel` is the id of the asker's own."""
    return {
        known.kernel if known.kernel == kernel else known.kernel[:SHOWN]: _named(known, without="kernel")
        for known in answer.kernels
    }


def _named(part: Any, without: str = "") -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(part) if field.name != without]
    return {"".join(word.capitalize() for word in name.split("_")): getattr(part, name) for name in names}

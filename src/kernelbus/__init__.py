"""kernelbus: a server for long-lived Wolfram Language kernels, and what Python programs use of it.

* :func:`connect`, :class:`Session`: one kernel with its state, blocking;
* :class:`KernelPool`: a `concurrent.futures.Executor` over several kernels;
* :func:`admin_client`, :class:`Status`: the status of a server, and orders to it.

>>> from kernelbus import connect
>>> with connect("wstp://localhost") as session:  # doctest: +SKIP
...     session.evaluate("2+2")
4

A name is imported from its module when it is first used, so that importing one part of the package
does not load the others. The protocol itself is the package `wstp`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelbus.bus.client import AdminClient, BrokerUnreachable, OrderRefused
    from kernelbus.bus.protocol import orders, reports
    from kernelbus.bus.protocol.reports import Status
    from kernelbus.shell.address import AddressError
    from kernelbus.shell.operations.adminclient import admin_client
    from kernelbus.shell.pool.kernellink import (
        EvaluationAborted,
        EvaluationError,
        EvaluationFailed,
        KernelDied,
        KernelMessage,
        KernelPoolError,
        NoKernel,
        TokenRefused,
    )
    from kernelbus.shell.pool.kernelpool import KernelFuture, KernelPool, KernelWarning
    from kernelbus.shell.pool.session import Session, connect

__all__ = [
    "AddressError",
    "AdminClient",
    "BrokerUnreachable",
    "EvaluationAborted",
    "EvaluationError",
    "EvaluationFailed",
    "KernelDied",
    "KernelFuture",
    "KernelMessage",
    "KernelPool",
    "KernelPoolError",
    "KernelWarning",
    "NoKernel",
    "OrderRefused",
    "Session",
    "Status",
    "TokenRefused",
    "admin_client",
    "connect",
    "orders",
    "reports",
]

# The module that each name comes from.
_HOMES = {
    "AddressError": "kernelbus.shell.address",
    "AdminClient": "kernelbus.bus.client",
    "BrokerUnreachable": "kernelbus.bus.client",
    "EvaluationAborted": "kernelbus.shell.pool.kernellink",
    "EvaluationError": "kernelbus.shell.pool.kernellink",
    "EvaluationFailed": "kernelbus.shell.pool.kernellink",
    "KernelDied": "kernelbus.shell.pool.kernellink",
    "KernelFuture": "kernelbus.shell.pool.kernelpool",
    "KernelMessage": "kernelbus.shell.pool.kernellink",
    "KernelPool": "kernelbus.shell.pool.kernelpool",
    "KernelPoolError": "kernelbus.shell.pool.kernellink",
    "KernelWarning": "kernelbus.shell.pool.kernelpool",
    "NoKernel": "kernelbus.shell.pool.kernellink",
    "OrderRefused": "kernelbus.bus.client",
    "Session": "kernelbus.shell.pool.session",
    "Status": "kernelbus.bus.protocol.reports",
    "TokenRefused": "kernelbus.shell.pool.kernellink",
    "admin_client": "kernelbus.shell.operations.adminclient",
    "connect": "kernelbus.shell.pool.session",
}

# What is a module itself.
_MODULES = {"orders": "kernelbus.bus.protocol.orders", "reports": "kernelbus.bus.protocol.reports"}


def __getattr__(name: str) -> Any:
    # PEP 562: called for a name that the module does not have yet.
    if name in _MODULES:
        return import_module(_MODULES[name])
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kernelbus.shell.extras import needed

    with needed():
        value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

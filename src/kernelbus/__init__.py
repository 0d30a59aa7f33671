"""kernelbus: a server for long-lived Wolfram Language kernels, and what Python programs use of it.

* :func:`evaluate`: one evaluation, on a kernel of this program's own;
* :class:`Session`: one kernel with its state, blocking;
* :class:`KernelPool`: a `concurrent.futures.Executor` over several kernels;
* :class:`AsyncSession`, :class:`AsyncKernelPool`: the same for asyncio;
* :func:`admin_client`, :class:`Status`: the status of a server, and orders to it.

>>> from kernelbus import Session
>>> with Session("wstp://localhost") as session:  # doctest: +SKIP
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
    from kernelbus.shell.pool.asynchronous import AsyncKernelPool, AsyncSession
    from kernelbus.shell.pool.crew import PoolStats
    from kernelbus.shell.pool.default import evaluate
    from kernelbus.shell.pool.kernelpool import KernelFuture, KernelPool
    from kernelbus.shell.pool.missed import Missed
    from kernelbus.shell.pool.picture import Picture
    from kernelbus.shell.pool.said import (
        EvaluationAborted,
        EvaluationError,
        EvaluationFailed,
        KernelDied,
        KernelMessage,
        KernelPoolError,
        KernelWarning,
        NoKernel,
        TokenRefused,
    )
    from kernelbus.shell.pool.session import Session, connect
    from kernelbus.shell.pool.values import register_converter

__all__ = [
    "AddressError",
    "AdminClient",
    "AsyncKernelPool",
    "AsyncSession",
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
    "Missed",
    "NoKernel",
    "OrderRefused",
    "Picture",
    "PoolStats",
    "Session",
    "Status",
    "TokenRefused",
    "admin_client",
    "connect",
    "evaluate",
    "orders",
    "register_converter",
    "reports",
]

# The module that each name comes from.
_HOMES = {
    "AddressError": "kernelbus.shell.address",
    "AdminClient": "kernelbus.bus.client",
    "AsyncKernelPool": "kernelbus.shell.pool.asynchronous",
    "AsyncSession": "kernelbus.shell.pool.asynchronous",
    "BrokerUnreachable": "kernelbus.bus.client",
    "EvaluationAborted": "kernelbus.shell.pool.said",
    "EvaluationError": "kernelbus.shell.pool.said",
    "EvaluationFailed": "kernelbus.shell.pool.said",
    "KernelDied": "kernelbus.shell.pool.said",
    "KernelFuture": "kernelbus.shell.pool.kernelpool",
    "KernelMessage": "kernelbus.shell.pool.said",
    "KernelPool": "kernelbus.shell.pool.kernelpool",
    "KernelPoolError": "kernelbus.shell.pool.said",
    "KernelWarning": "kernelbus.shell.pool.said",
    "Missed": "kernelbus.shell.pool.missed",
    "NoKernel": "kernelbus.shell.pool.said",
    "OrderRefused": "kernelbus.bus.client",
    "Picture": "kernelbus.shell.pool.picture",
    "PoolStats": "kernelbus.shell.pool.crew",
    "Session": "kernelbus.shell.pool.session",
    "Status": "kernelbus.bus.protocol.reports",
    "TokenRefused": "kernelbus.shell.pool.said",
    "admin_client": "kernelbus.shell.operations.adminclient",
    "connect": "kernelbus.shell.pool.session",
    "evaluate": "kernelbus.shell.pool.default",
    "register_converter": "kernelbus.shell.pool.values",
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


def load_ipython_extension(shell: Any) -> None:
    """Add the magics %wl and %%wl to IPython, for `%load_ext kernelbus`."""
    from kernelbus.shell.ipython.magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them away, for `%unload_ext kernelbus`."""
    from kernelbus.shell.ipython.magics import unload

    unload(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

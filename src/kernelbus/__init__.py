"""kernelbus: a server for long-lived Wolfram Language kernels, and what Python programs use of it.

A name is imported from its module when it is first used, so that importing one part of the package
does not load the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelbus.shell.address import AddressError
    from kernelbus.shell.pool.kernellink import (
        EvaluationAborted,
        EvaluationError,
        EvaluationFailed,
        KernelDied,
        KernelMessage,
        KernelPoolError,
        NoKernel,
    )
    from kernelbus.shell.pool.kernelpool import KernelFuture, KernelPool, KernelWarning

__all__ = [
    "AddressError",
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
]

# The module that each name comes from.
_HOMES = {
    "AddressError": "kernelbus.shell.address",
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
}


def __getattr__(name: str) -> Any:
    # PEP 562: called for a name that the module does not have yet.
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

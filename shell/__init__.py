"""Everything a person types: the `kernelbus` command and its clients, and `KernelPool` for Python
programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    # Only now: the `kernelbus` command, which needs none of it, must not wait for it.
    if name in __all__:
        from kernelbus.shell.pool import kernellink, kernelpool

        return getattr(kernelpool, name, None) or getattr(kernellink, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

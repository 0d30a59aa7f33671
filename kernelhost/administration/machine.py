"""A host's report on the machine that it runs on. What the system does not say is 0 or empty."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from kernelbus.bus.protocol.reports import HostReport
from kernelbus.kernelhost.process.accounting import free_memory, machine_memory

__all__ = ["report"]


def report(separate: bool, draining: bool, up: float) -> HostReport:
    """Return a report of the present state of the machine and the host.

    The arguments are the fields of :class:`kernelbus.bus.protocol.reports.HostReport` that only the
    host knows.

    Args:
        separate: whether the host is a process of its own.
        draining: whether it gives no kernels out.
        up: seconds since it was started.
    """
    return HostReport(
        separate,
        draining,
        up,
        f"{platform.system()} {platform.release()} {platform.machine()}",
        platform.python_version(),
        _embedded(),
        os.cpu_count() or 0,
        _load(),
        machine_memory() or 0,
        free_memory() or 0,
    )


def _load() -> float:
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return 0.0


@cache
def _embedded() -> str:
    try:
        return f"Mathics3 {version('Mathics3')}"
    except PackageNotFoundError:
        return ""

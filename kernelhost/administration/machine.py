"""What a host tells of the machine it runs on. What a system does not tell is 0 or empty."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from kernelbus.bus.protocol.reports import HostReport
from kernelbus.kernelhost.process.accounting import free_memory, machine_memory

__all__ = ["report"]


def report(separate: bool, draining: bool, up: float) -> HostReport:
    """Give a host's report of now; the arguments are what only the host knows
    (:class:`kernelbus.bus.protocol.reports.HostReport`).
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

"""A status with one of each thing, for tests of what is made of it."""

from __future__ import annotations

from dataclasses import replace

from kernelbus.bus.protocol.reports import (
    FrontendStatus,
    HostStatus,
    KernelStatus,
    LinkStatus,
    PoolStatus,
    Status,
)

__all__ = ["ATTACHED", "AWAITED", "DETACHED", "HOST", "KERNEL", "POOL", "STATUS"]

KERNEL = KernelStatus("abcdefgh01234567890123", "Main", "alpha", "ready", 100.0, 7.0)
ATTACHED = replace(KERNEL, kernel="abcxyz0001234567890123", state="attached", busy=True, client="10.0.0.5:53211", attachments=1, cpu=5.0)
DETACHED = replace(KERNEL, kernel="detached01234567890123", state="detached", attachments=2, profile="nightly", cpu=2.0)
AWAITED = replace(KERNEL, kernel="awaited001234567890123", state="awaited", host="beta", attachments=1)
POOL = PoolStatus("Main", "serving", True, True, False, 1, 0, 1, 1, 1, 1, 2, 3.0, 1, 8)
HOST = HostStatus("alpha", "84aceb4b", "up", "0.1.0", 0.1, ["Main"], 3, 2, separate=True)
STATUS = Status(
    1, "alpha", "0.1.0", "healthy", [], 9.0, 1, [HOST, HostStatus("beta", "11aceb4b", "lost", "0.1.0", 99.0, [], 0, 0)],
    [FrontendStatus("alpha", "2d6491ae", "up", "0.1.0", 0.1)], [POOL], [KERNEL, ATTACHED, DETACHED, AWAITED],
    [LinkStatus("10.0.0.5:53211", "alpha", "attached", ATTACHED.kernel, "Main", 7.0, 1, 2)],
)  # fmt: skip

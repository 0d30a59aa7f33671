"""Watches the processor time and the memory that kernels use, with one timer for all of them.

What a kernel uses is what its control group says, where it has one that counts memory, else what
its process and the processes that descend from it use.

Kernels that work are looked at twice a second, idle ones every ten seconds, since an idle kernel
does not grow. Nothing is asked of the kernels, and nothing here is on the way of their data:
:mod:`kernelbus.kernelhost.process.accounting` reads ``/proc/PID/stat``, and
:mod:`kernelbus.kernelhost.process.memory` says which kernel has too much.

The embedded kernel is told its limit and stays below it by itself
(:mod:`kernelbus.kernelhost.mathics.evaluation.memory`). For it, this watch is what is left when
that does not help.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from kernelbus.bus.settings.config import LimitsConfig
from kernelbus.bus.settings.logs import EventLogger
from kernelbus.kernelhost.process.accounting import Usage, machine_memory, usage_of
from kernelbus.kernelhost.process.cgroups import Group
from kernelbus.kernelhost.process.memory import MemoryRules, Verdict, amount, default_limit
from kernelbus.kernelhost.process.tree import descendants

__all__ = ["KernelWatch", "Watched", "settled"]

_log = logging.getLogger("kernelbus.host")

#: Seconds between two looks.
_INTERVAL = 0.5
#: Idle kernels are looked at in one look of so many.
_IDLE_ROUNDS = 20
#: Changes below these are not worth a report: seconds, bytes.
_CPU_STEP = 1.0
_MEMORY_STEP = 2**20


class Watched(Protocol):
    """What the watch needs of a kernel. The log shows the kernel as `str` gives it."""

    log: EventLogger
    usage: Usage

    @property
    def group(self) -> Group | None:
        """Its control group; None: it has none."""

    @property
    def pid(self) -> int:
        """The id of its process; 0 without a process."""

    @property
    def busy(self) -> bool:
        """Whether it has been asked for something that it has not answered."""

    @property
    def serving(self) -> bool:
        """Whether it is initialised, and has not ended."""

    @property
    def attachments(self) -> int:
        """How many clients it has had."""

    def destroy(self, tag: str, why: str) -> None:
        """Kill its process, and tell its client why."""


_Kernel = TypeVar("_Kernel", bound=Watched)


@dataclass(slots=True)
class _Seen:
    """What the watch remembers of a kernel.

    Attributes:
        busy: whether it worked at the last look.
        at_ready: bytes of memory it had when it became ready; None: it has had a client, or has not
            been seen ready.
        told: the usage of which the owner was last told.
    """

    busy: bool = True
    at_ready: int | None = None
    told: Usage = field(default_factory=Usage)


def settled(limits: LimitsConfig) -> LimitsConfig:
    """Return `limits` with the values filled in that depend on this machine."""
    if limits.kernel_memory is not None:
        return limits
    return replace(limits, kernel_memory=default_limit(machine_memory()))


class KernelWatch(Generic[_Kernel]):
    """Watch the kernels of one host.

    Args:
        limits: those of the configuration.
        kernels: returns the present kernels.
        changed: called with each kernel whose :attr:`Watched.usage` has changed.
        recycle: called with a kernel that is to be ended while it waits for its first client, and
            with the reason.

    Attributes:
        rules: what follows from the limits; may be replaced at any time.
    """

    def __init__(
        self,
        limits: LimitsConfig,
        kernels: Callable[[], Iterable[_Kernel]],
        changed: Callable[[_Kernel], None],
        recycle: Callable[[_Kernel, str], None],
    ) -> None:
        self.rules = self.rules_of(limits)
        self._kernels = kernels
        self._changed = changed
        self._recycle = recycle
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._seen: dict[_Kernel, _Seen] = {}
        self._round = 0

    @staticmethod
    def rules_of(limits: LimitsConfig) -> MemoryRules:
        """Return the rules that follow from these limits."""
        return MemoryRules(settled(limits).kernel_memory or 0, limits.kernel_recycle_memory)

    def start(self) -> None:
        """Log the limit, and begin to look at the kernels."""
        _log.info("a kernel may use %s of memory", amount(self.rules.limit) if self.rules.limit else "any amount")
        self._arm()

    def stop(self) -> None:
        """Look at the kernels no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = self._loop.call_later(_INTERVAL, self._look)

    def _look(self) -> None:
        self._arm()
        self._round += 1
        all_of_them = self._round % _IDLE_ROUNDS == 0
        seen, self._seen = self._seen, {}
        for kernel in list(self._kernels()):
            known = self._seen[kernel] = seen.get(kernel) or _Seen()
            busy = kernel.busy or not kernel.serving
            if busy or known.busy or all_of_them:
                self._look_at(kernel, known)
            known.busy = busy

    def _look_at(self, kernel: _Kernel, known: _Seen) -> None:
        found = kernel.group.usage() if kernel.group is not None else None
        if found is None and kernel.pid:
            found = usage_of([kernel.pid, *descendants(kernel.pid)])
        if found is None:
            return
        # The processor time of a child that has ended is its parent's only once that has waited.
        found = found._replace(cpu=max(found.cpu, kernel.usage.cpu))
        kernel.usage = found
        fresh = kernel.serving and kernel.attachments == 0
        if not fresh:
            known.at_ready = None
        elif known.at_ready is None:
            known.at_ready = found.memory
        if found.cpu - known.told.cpu >= _CPU_STEP or abs(found.memory - known.told.memory) >= _MEMORY_STEP:
            known.told = found
            self._changed(kernel)
        match self.rules.judge(found.memory, known.at_ready):
            case Verdict.KILL:
                why = f"took {amount(found.memory)} of memory, more than {amount(self.rules.limit)} (Limits/KernelMemory), and was killed"
                kernel.log.error("%s %s", kernel, why)
                kernel.destroy("memory", why)
            case Verdict.RECYCLE:
                assert known.at_ready is not None
                why = f"has grown by {amount(found.memory - known.at_ready)} while it waited (Limits/KernelRecycleMemory)"
                self._recycle(kernel, why)

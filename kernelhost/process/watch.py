"""Looks at what the kernels use: one timer for all of them, and nothing on the way of their data.

Kernels at work are looked at twice a second, idle ones every ten seconds: who does nothing does not
grow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from kernelbus.bus.settings.config import LimitsConfig
from kernelbus.kernelhost.kernel import Kernel, Phase
from kernelbus.kernelhost.process.accounting import Usage, machine_memory, usage
from kernelbus.kernelhost.process.memory import MemoryRules, Verdict, amount, default_limit

__all__ = ["KernelWatch", "settled"]

_log = logging.getLogger("kernelbus.host")

_INTERVAL = 0.5
#: Every so many looks idle kernels are looked at too.
_IDLE_ROUNDS = 20
#: Changes below these are not worth a report: seconds, bytes.
_CPU_STEP = 1.0
_MEMORY_STEP = 2**20


@dataclass(slots=True)
class _Seen:
    """What was seen of a kernel: whether it was at work at the last look, what it had when it was
    ready, and what has been told.
    """

    busy: bool = True
    at_ready: int | None = None
    told: Usage = field(default_factory=Usage)


def settled(limits: LimitsConfig) -> LimitsConfig:
    """Give the limits with what of them depends on this machine."""
    if limits.kernel_memory is not None:
        return limits
    return replace(limits, kernel_memory=default_limit(machine_memory()))


class KernelWatch:
    """Watches one host's kernels.

    Args:
        kernels: gives those that there are.
        changed: told of each whose :attr:`Kernel.usage` has changed.
        recycle: ends a kernel that waits for its first client, for this reason.
    """

    def __init__(
        self,
        limits: LimitsConfig,
        kernels: Callable[[], Iterable[Kernel]],
        changed: Callable[[Kernel], None],
        recycle: Callable[[Kernel, str], None],
    ) -> None:
        self.rules = self.rules_of(limits)
        self._kernels = kernels
        self._changed = changed
        self._recycle = recycle
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._seen: dict[Kernel, _Seen] = {}
        self._round = 0

    @staticmethod
    def rules_of(limits: LimitsConfig) -> MemoryRules:
        """Give the rules that these limits make."""
        return MemoryRules(settled(limits).kernel_memory or 0, limits.kernel_recycle_memory)

    def start(self) -> None:
        """Begin."""
        _log.info("a kernel may have %s of memory", amount(self.rules.limit) if self.rules.limit else "any amount")
        self._arm()

    def stop(self) -> None:
        """End."""
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
            busy = kernel.busy or kernel.phase is not Phase.SERVING
            if busy or known.busy or all_of_them:
                self._look_at(kernel, known)
            known.busy = busy

    def _look_at(self, kernel: Kernel, known: _Seen) -> None:
        found = usage(kernel.pid) if kernel.pid else None
        if found is None:
            return
        kernel.usage = found
        fresh = kernel.phase is Phase.SERVING and kernel.attachments == 0
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

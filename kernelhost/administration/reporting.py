"""The reports of a host to its broker: their contents, and when they are sent.

Pools are reported as they change, kernels too but at most twice a second. Counts are reported once
a second if they have changed, the machine every five seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from kernelbus.bus.protocol.messages import KernelReport, PoolReport
from kernelbus.bus.protocol.reports import HostReport, PoolFigures
from kernelbus.bus.protocol.schema import Message
from kernelbus.kernelhost.kernel import Kernel
from kernelbus.kernelhost.pools.figures import PoolCounts
from kernelbus.kernelhost.pools.keeping import Activity
from kernelbus.kernelhost.pools.pool import Pool

__all__ = ["Reporter", "kernel_report"]

#: Seconds from a kernel's change to its report, which covers all changes meanwhile.
_KERNELS_INTERVAL = 0.5
#: Seconds between two reports of the counts, and how many of those come between two reports of the
#: machine.
_FIGURES_INTERVAL = 1.0
_MACHINE_ROUNDS = 5


def kernel_report(kernel: Kernel, pool: Pool) -> KernelReport:
    """Return a report of a kernel's present state, with the next serial number."""
    entry = pool.kernels[kernel.number]
    kernel.serial += 1
    session = kernel.session
    return KernelReport(
        kernel.identity,
        kernel.pool.name,
        entry.state.value,
        kernel.serial,
        session.channel,
        session.conversation.prompt,
        kernel.busy,
        session.conversation.evaluations,
        kernel.attachments,
        session.client,
        session.profile,
        kernel.bytes_in,
        kernel.bytes_out,
        entry.keep,
        kernel.pid,
        kernel.usage.cpu,
        kernel.usage.memory,
        kernel.idle,
        session.activity is Activity.ASKING,
        kernel.ends_in,
        pool.safe(Activity.IDLE),
        pool.safe(Activity.EVALUATING),
        session.start,
        pool.ends_sessions(Activity.IDLE),
        pool.ends_sessions(Activity.EVALUATING),
    )


class Reporter:
    """Sends reports to the broker as things change.

    Args:
        send: sends the broker a message.
        report_kernel, report_pools, report_machine: return reports of the present state.
        counts: the counts of the pools, by name.
        kernels: returns the present kernels.
    """

    def __init__(
        self,
        send: Callable[[Message], None],
        report_kernel: Callable[[Kernel], KernelReport],
        report_pools: Callable[[], list[PoolReport]],
        report_machine: Callable[[], HostReport],
        counts: dict[str, PoolCounts],
        kernels: Callable[[], Iterable[Kernel]],
    ) -> None:
        self._send = send
        self._report_kernel = report_kernel
        self._report_pools = report_pools
        self._report_machine = report_machine
        self._counts = counts
        self._kernels = kernels
        self._loop = asyncio.get_running_loop()
        self._pools_told: dict[str, PoolReport] = {}
        self._pools_due = False
        self._changed: set[Kernel] = set()
        self._kernels_timer: asyncio.TimerHandle | None = None
        self._figures_told: dict[str, PoolFigures] = {}
        self._figures_timer: asyncio.TimerHandle | None = None
        self._round = 0

    def start(self) -> None:
        """Begin to report the counts and the machine at intervals."""
        self._figures_timer = self._loop.call_later(_FIGURES_INTERVAL, self._tell_figures)

    def stop(self) -> None:
        """Stop the timers."""
        for timer in (self._kernels_timer, self._figures_timer):
            if timer is not None:
                timer.cancel()

    def registered(self) -> None:
        """Handle a registration: report everything that the broker has not learned from it."""
        self._pools_told.clear()
        self._figures_told.clear()
        self.machine()
        self.pools()

    def machine(self) -> None:
        """Report the machine and the host now."""
        self._send(self._report_machine())

    def kernel_changed(self, kernel: Kernel) -> None:
        """Report a kernel soon."""
        self._changed.add(kernel)
        if self._kernels_timer is None:
            self._kernels_timer = self._loop.call_later(_KERNELS_INTERVAL, self._tell_kernels)

    def kernel_gone(self, kernel: Kernel) -> None:
        """Report a kernel no more: it has ended."""
        self._changed.discard(kernel)

    def _tell_kernels(self) -> None:
        self._kernels_timer = None
        changed, self._changed = self._changed, set()
        for kernel in changed:
            self._send(self._report_kernel(kernel))

    def pools(self) -> None:
        """Report the changed pools, once for all changes in this turn of the loop."""
        if not self._pools_due:
            self._pools_due = True
            self._loop.call_soon(self._tell_pools)

    def _tell_pools(self) -> None:
        self._pools_due = False
        for report in self._report_pools():
            if self._pools_told.get(report.pool) != report:
                self._pools_told[report.pool] = report
                self._send(report)

    def now(self) -> None:
        """Report every change of a pool or a kernel now.

        After an order this precedes the answer, so that the effect is seen when the answer comes.
        """
        self._tell_pools()
        if self._kernels_timer is not None:
            self._kernels_timer.cancel()
            self._tell_kernels()

    def _tell_figures(self) -> None:
        self._figures_timer = self._loop.call_later(_FIGURES_INTERVAL, self._tell_figures)
        passed: dict[str, list[int]] = {name: [0, 0] for name in self._counts}
        for kernel in self._kernels():
            if (both := passed.get(kernel.pool.name)) is not None:
                both[0] += kernel.bytes_in
                both[1] += kernel.bytes_out
        for name, counts in self._counts.items():
            figures = counts.figures(*passed[name])
            if self._figures_told.get(name) != figures:
                self._figures_told[name] = figures
                self._send(figures)
        self._round += 1
        if self._round % _MACHINE_ROUNDS == 0:
            self.machine()

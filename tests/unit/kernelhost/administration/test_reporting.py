"""When a host reports what."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from host_parts import make_kernel, until

from kernelbus.bus.protocol.messages import KernelReport, Message, PoolReport
from kernelbus.bus.protocol.reports import HostReport, PoolFigures
from kernelbus.kernelhost.administration import reporting
from kernelbus.kernelhost.administration.reporting import Reporter, kernel_report
from kernelbus.kernelhost.kernel import Kernel
from kernelbus.kernelhost.pools.figures import PoolCounts
from kernelbus.kernelhost.pools.keeping import Timeouts
from kernelbus.kernelhost.pools.pool import KernelEntry, KernelState, Pool, PoolOptions

POOL = PoolReport("P", True, True, 0, 1, 0, 0, 0, 1, 4)
MACHINE = HostReport(False, False, 1.0, "system", "3", "", 2, 0.5, 100, 50)


def pool_of(entry: KernelEntry, timeouts: Timeouts) -> Pool:
    pool = Pool(PoolOptions("P", 1, 1, timeouts=timeouts))
    pool.kernels[entry.number] = entry
    return pool


class _Host:
    """What a reporter asks, with answers that a test can change."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.pools = [POOL, replace(POOL, pool="Q")]
        self.kernels: list[Kernel] = []
        self.counts = {"P": PoolCounts("P")}
        self.reporter = Reporter(
            self.sent.append,
            lambda kernel: kernel_report(kernel, pool_of(KernelEntry(kernel.number, KernelState.READY, 0.0), Timeouts())),
            lambda: list(self.pools),
            lambda: MACHINE,
            self.counts,
            lambda: self.kernels,
        )

    def of(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.sent if isinstance(message, kind)]


def test_a_report_of_a_kernel_has_the_next_number() -> None:
    async def main() -> None:
        kernel = make_kernel()
        entry = KernelEntry(1, KernelState.DETACHED, 0.0, keep=False)
        pool = pool_of(entry, Timeouts(idle=9.0, evaluation=8.0, ends=frozenset({"idle"})))
        first, second = kernel_report(kernel, pool), kernel_report(kernel, pool)
        assert (first.kernel, first.pool, first.state, first.keep, first.pid) == ("identity-1", "P", "detached", False, 0)
        assert (first.serial, second.serial) == (1, 2)
        assert (first.safe, first.safe_ends, first.safe_busy, first.safe_busy_ends) == (9.0, True, 8.0, False)

    asyncio.run(main())


def test_only_pools_that_have_changed_are_reported() -> None:
    async def main() -> None:
        host = _Host()
        host.reporter.registered()
        await asyncio.sleep(0)
        assert host.sent == [MACHINE, *host.pools]
        host.pools[1] = replace(host.pools[1], ready=3)
        host.reporter.pools()
        host.reporter.pools()
        assert host.sent[3:] == [], "all changes of one turn of the loop together"
        await asyncio.sleep(0)
        assert host.sent[3:] == [host.pools[1]]
        host.reporter.registered()
        await asyncio.sleep(0)
        assert host.sent[4:] == [MACHINE, *host.pools], "a broker that was restarted knows nothing"

    asyncio.run(main())


def test_changes_of_a_kernel_are_reported_together_or_at_once_on_request() -> None:
    async def main() -> None:
        host = _Host()
        one, two = make_kernel(number=1), make_kernel(number=2)
        for _ in range(3):
            host.reporter.kernel_changed(one)
        host.reporter.kernel_changed(two)
        host.reporter.kernel_gone(two)
        assert host.of(KernelReport) == []
        host.reporter.now()
        assert [(report.kernel, report.serial) for report in host.of(KernelReport) if isinstance(report, KernelReport)] == [
            ("identity-1", 1)
        ]

    asyncio.run(main())


def test_counts_are_reported_when_they_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "_FIGURES_INTERVAL", 0.01)

    async def main() -> None:
        host = _Host()
        host.reporter.start()
        await until(lambda: host.of(HostReport))
        first = host.of(PoolFigures)
        assert first == [PoolCounts("P").figures(0, 0)], "once in several rounds, since nothing was counted"
        host.counts["P"].started += 1
        await until(lambda: len(host.of(PoolFigures)) == 2)
        host.reporter.stop()

    asyncio.run(main())

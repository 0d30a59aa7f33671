"""The feed of traces: batches, their bounds, and the lease."""

from __future__ import annotations

import asyncio

import pytest
from host_parts import make_kernel, until

from kernelbus.bus.protocol.orders import Traced
from kernelbus.kernelhost.administration import tracefeed
from kernelbus.kernelhost.administration.tracefeed import TraceFeed
from kernelbus.kernelhost.session.trace import FROM, TO


def test_a_batch_has_the_events_in_order_and_counts_those_that_it_omits() -> None:
    async def main() -> None:
        batches: list[Traced] = []
        feed, kernel = TraceFeed(batches.append), make_kernel()
        feed.trace(kernel, True)
        assert kernel.trace.active
        kernel.trace.passed(TO, "EvaluatePacket", 17)
        kernel.trace.passed(FROM, None, 3)
        for _ in range(300):
            kernel.trace.message(TO, 3)
        await until(lambda: batches)
        batch = batches[0]
        assert batch.kernel == "identity-1"
        assert [(event.direction, event.head, event.size) for event in batch.events[:3]] == [
            ("to", "EvaluatePacket", 17),
            ("from", "", 3),
            ("to", "message 3", 0),
        ]
        assert (len(batch.events), batch.missed) == (200, 102)
        kernel.trace.message(TO, 2)
        await until(lambda: len(batches) == 2)
        assert (len(batches[1].events), batches[1].missed) == (1, 0)
        feed.close()

    asyncio.run(main())


def test_a_trace_ends_with_an_order_with_its_kernel_and_with_the_feed() -> None:
    async def main() -> None:
        batches: list[Traced] = []
        feed = TraceFeed(batches.append)
        kernels = [make_kernel(number=number) for number in (1, 2, 3)]
        for kernel in kernels:
            feed.trace(kernel, True)
            kernel.trace.message(TO, 3)
        feed.trace(kernels[0], False)
        feed.kernel_ended(kernels[1])
        feed.close()
        assert [batch.kernel for batch in batches] == ["identity-1", "identity-2", "identity-3"], "nothing that passed is lost"
        assert not any(kernel.trace.active for kernel in kernels)
        feed.trace(kernels[0], False)
        feed.kernel_ended(kernels[1])

    asyncio.run(main())


def test_a_trace_that_is_not_renewed_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracefeed, "_INTERVAL", 0.01)
    monkeypatch.setattr(tracefeed, "_LEASE", 0.05)

    async def main() -> None:
        feed, kernel = TraceFeed(lambda batch: None), make_kernel()
        feed.trace(kernel, True)
        await until(lambda: not kernel.trace.active)
        feed.trace(kernel, True)
        assert kernel.trace.active
        feed.close()

    asyncio.run(main())

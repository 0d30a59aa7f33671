"""A kernel host with stand-in kernels, and a broker that is a stub."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from host_parts import BrokerStub, stand_in, until

from kernelbus.bus.descriptors import available
from kernelbus.bus.protocol.messages import (
    Acquire,
    Acquired,
    KernelGone,
    KernelReport,
    PoolReport,
    Refused,
    Register,
    Release,
)
from kernelbus.bus.protocol.orders import HostOrder, PartAnswer, PoolOrder, ReloadOrder
from kernelbus.bus.protocol.reports import HostReport
from kernelbus.bus.settings.config import Config, LimitsConfig, PoolConfig
from kernelbus.kernelhost.host import Host

LIMITS = LimitsConfig(kernel_memory=0, shutdown_timeout=4.0)


def configuration(*pools: PoolConfig) -> Config:
    return Config(pools=pools, limits=LIMITS)


@asynccontextmanager
async def running(config: Config, **options: Callable[[], Config] | Callable[[str], None]) -> AsyncIterator[tuple[Host, BrokerStub]]:
    broker = BrokerStub()
    host = Host(config, broker.hub.connect, name="host", version="1", where="here", **options)  # type: ignore[arg-type]
    task = asyncio.create_task(host.run())
    try:
        await asyncio.wait_for(broker.settled.wait(), 60)
        yield host, broker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def play(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


def test_a_host_registers_with_its_pools_and_reports_its_machine() -> None:
    async def story() -> None:
        async with running(configuration(stand_in("A", default=True), stand_in("B", minimum_kernel_number=0))) as (host, broker):
            register = await broker.expect(Register)
            assert (register.role, register.name, register.version) == ("host", "host", "1")
            assert [pool.pool for pool in register.pools] == ["A", "B"]
            assert not (await broker.expect(HostReport)).separate
            assert host.attached == 0

    play(story)


def test_a_kernel_is_given_to_a_channel_taken_back_as_new_and_ended_with_the_host() -> None:
    async def story() -> None:
        async with running(configuration(stand_in("A", default=True, minimum_kernel_number=1))) as (host, broker):
            await broker.expect(PoolReport, lambda report: report.ready == 1)
            broker.send(Acquire(7, "A", "client", 30.0))
            acquired = await broker.expect(Acquired)
            assert (acquired.channel, acquired.kernel.state, acquired.kernel.attachments) == (7, "attached", 1)
            assert host.attached == 1
            broker.send(Acquire(8, "A", "thief", 30.0, kernel=acquired.kernel.kernel))
            assert (await broker.expect(Refused)).code == "kernel-in-use"
            broker.send(Release(7, "it is gone"))
            report = await broker.expect(KernelReport, lambda report: report.state == "ready")
            assert (report.kernel, report.channel, report.attachments) == (acquired.kernel.kernel, 0, 0)
            assert host.attached == 0
        assert host.kernels == 0

    play(story)


def test_requests_for_unknown_pools_and_kernels_are_refused() -> None:
    async def story() -> None:
        async with running(configuration(stand_in("A", default=True, minimum_kernel_number=0))) as (_, broker):
            await broker.expect(Register)
            broker.send(Acquire(7, "B", "client", 30.0))
            refused = await broker.expect(Refused)
            assert (refused.channel, refused.code) == (7, "unknown-pool")
            assert refused.text == "host host has no pool 'B'; it has: A"
            broker.send(Acquire(8, "A", "client", 30.0, kernel="nobody"))
            assert (await broker.expect(Refused)).code == "unknown-kernel"

    play(story)


def test_a_pool_whose_kernels_do_not_start_refuses_at_once_with_the_reason() -> None:
    async def story() -> None:
        pool = stand_in("A", "-exitatonce 4", default=True, minimum_kernel_number=0)
        async with running(configuration(pool)) as (_, broker):
            await broker.expect(Register)
            broker.send(Acquire(7, "A", "client", 600.0))
            gone = await broker.expect(KernelGone)
            assert gone.text == "exited with status 4; it said last: no licence for this machine"
            refused = await broker.expect(Refused)
            assert refused.code == "no-kernel" and gone.text in refused.text

    play(story)


@pytest.mark.parametrize("separate", [False, True])
def test_only_a_separate_host_can_be_evicted(separate: bool) -> None:
    async def story() -> None:
        ended: list[str] = []
        options = {"end": ended.append} if separate else {}
        async with running(configuration(stand_in("A", default=True, minimum_kernel_number=0)), **options) as (_, broker):
            await broker.expect(Register)
            broker.send(HostOrder(1, "somebody", "host", "evict"))
            answer = await broker.expect(PartAnswer)
            if separate:
                assert answer.ok
                await until(lambda: ended)
                assert ended == ["evicted by somebody"]
            else:
                assert (answer.ok, answer.code) == (False, "not-separate")

    play(story)


def test_a_drained_host_refuses_and_ends_when_it_is_empty() -> None:
    async def story() -> None:
        ended: list[str] = []
        config = configuration(stand_in("A", default=True, minimum_kernel_number=1))
        async with running(config, end=ended.append) as (host, broker):
            await broker.expect(PoolReport, lambda report: report.ready == 1)
            broker.send(HostOrder(1, "somebody", "host", "drain"))
            assert (await broker.expect(PartAnswer)).ok
            broker.send(Acquire(7, "A", "client", 30.0))
            assert (await broker.expect(Refused)).code == "draining"
            await until(lambda: ended)
            assert host.kernels == 0

    play(story)


def test_a_reload_replaces_kernels_whose_configuration_changes() -> None:
    async def story() -> None:
        before = configuration(stand_in("A", default=True, minimum_kernel_number=1))
        after = replace(before, pools=(stand_in("A", "-uuid", default=True, minimum_kernel_number=1), stand_in("B")))
        async with running(before, reread=lambda: after) as (_, broker):
            old = await broker.expect(KernelReport, lambda report: report.state == "ready")
            broker.send(ReloadOrder(1, "somebody"))
            answer = await broker.expect(PartAnswer)
            assert answer.ok
            assert "pool A: 1 kernels that wait for a first client are replaced; sessions keep theirs" in answer.lines
            assert (await broker.expect(KernelGone)).kernel == old.kernel
            new = await broker.expect(KernelReport, lambda report: report.pool == "A" and report.state == "ready")
            assert new.kernel != old.kernel

    play(story)


def test_a_pool_is_resized_by_an_order() -> None:
    async def story() -> None:
        async with running(configuration(stand_in("A", default=True, minimum_kernel_number=0))) as (_, broker):
            await broker.expect(Register)
            broker.send(PoolOrder(1, "somebody", "A", "resize", 1, 1))
            assert (await broker.expect(PoolReport, lambda report: report.resized)).maximum == 1
            assert (await broker.expect(PartAnswer)).ok
            await broker.expect(PoolReport, lambda report: report.ready == 1)

    play(story)


def test_a_host_that_is_short_of_descriptors_says_so_and_goes_on_when_there_are_some() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def story() -> None:
        pool = stand_in("A", default=True, minimum_kernel_number=0, maximum_kernel_number=4)
        async with running(configuration(pool)) as (_, broker):
            await broker.expect(Register)
            resource.setrlimit(resource.RLIMIT_NOFILE, (limits[0] - available() + 28, limits[1]))
            for channel in range(1, 5):
                broker.send(Acquire(channel, "A", "client", 600.0))
            report = await broker.expect(PoolReport, lambda report: bool(report.failing))
            assert "this process is short of file descriptors" in report.failing
            assert report.queued
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            await broker.expect(PoolReport, lambda report: report.attached == 4 and not report.failing)

    try:
        play(story)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_a_host_that_is_drained_while_its_kernels_start_ends(delay: float) -> None:
    async def story() -> None:
        ended: list[str] = []
        pool = PoolConfig("A", default=True, kernel_path="embedded", minimum_kernel_number=4)
        async with running(configuration(pool), end=ended.append) as (host, broker):
            # A kernel is forked: three more follow in this moment.
            await until(lambda: any(kernel.pid for kernel in host._kernels.values()))
            await asyncio.sleep(delay)
            broker.send(HostOrder(1, "tester", "host", "drain"))
            await until(lambda: ended)
            assert host.kernels == 0

    play(story)

"""What the broker says of how everything stands: one source for whoever asks, over a link or over the bus. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bus.messages import HostStatus, KernelStatus, PoolStatus, Status

if TYPE_CHECKING:
    from bus.broker import Broker

__all__ = ["describe"]


def describe(broker: Broker, request: int, now: float) -> Status:
    """Say how everything stands at `now`; `request` is the asker's number for it."""
    wall = now + broker.epoch
    hosts = broker.peers_of("host")
    kernels = [
        KernelStatus(
            kernel,
            session.report.pool,
            session.host.name,
            session.state,
            max(0.0, wall - session.created),
            max(0.0, wall - session.since),
            session.report.prompt,
            session.report.client,
            session.report.profile,
            session.report.evaluations,
            session.report.attachments,
            session.report.bytes_in,
            session.report.bytes_out,
            session.report.cpu,
            session.report.memory,
            0.0 if session.report.busy else session.report.idle + max(0.0, wall - session.heard),
        )
        for kernel, session in broker.sessions.live.items()
    ]
    kernels += [
        KernelStatus(
            kernel,
            record.pool,
            record.host,
            record.state,
            max(0.0, wall - record.created),
            max(0.0, wall - record.changed),
            record.prompt,
            "",
            record.profile,
            record.evaluations,
            record.attachments,
            record.bytes_in,
            record.bytes_out,
        )
        for kernel, record in broker.sessions.awaited.items()
    ]
    return Status(
        request,
        broker.options.name,
        now - broker.started,
        len(broker.peers_of("frontend")),
        len(broker.channels),
        [HostStatus(host.name, host.state.value, host.version, max(0.0, now - host.last_seen)) for host in hosts],
        [_pool(broker, pool, now) for pool in dict.fromkeys(pool for host in hosts for pool in host.pools)],
        kernels,
    )


def _pool(broker: Broker, pool: str, now: float) -> PoolStatus:
    reports = [host.pools[pool] for host in broker.peers_of("host") if pool in host.pools]
    waiting = [e for e in broker.channels.values() if e.phase.value in ("waiting", "asked") and e.pool == pool]
    return PoolStatus(
        pool,
        any(report.default for report in reports),
        any(report.parallel_default for report in reports),
        any(report.parallel for report in reports),
        len(reports),
        sum(report.starting for report in reports),
        sum(report.ready for report in reports),
        sum(report.attached for report in reports),
        sum(report.detached for report in reports),
        len(waiting),
        max((now - entry.since for entry in waiting), default=0.0),
        sum(report.minimum for report in reports),
        sum(report.maximum for report in reports),
        next((report.failing for report in reports if report.failing), ""),
    )

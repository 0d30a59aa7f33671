"""Describe the state of the server for a status: one source for everybody who asks.

A client asks over its link, a console over the bus, and the metrics within the process.
docs/status.md says what each field means. Rules of this module: no I/O, and no change of state.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from kernelbus.bus.broker.sessions import Session, SessionRecord
from kernelbus.bus.broker.tables import SHORT_ID, BrokerTables, ChannelEntry, ChannelPhase, Peer
from kernelbus.bus.protocol.histogram import Histogram, added
from kernelbus.bus.protocol.messages import PoolReport
from kernelbus.bus.protocol.reports import (
    Counted,
    FrontendReport,
    FrontendStatus,
    HostReport,
    HostStatus,
    KernelStatus,
    LinkStatus,
    PoolFigures,
    PoolStatus,
    Status,
    StatusRequest,
)

__all__ = ["DEGRADED", "HEALTHY", "add_figures", "describe", "figures", "shortened"]

HEALTHY, DEGRADED = "healthy", "degraded"

#: For how many seconds a pool is not healthy after it has refused a client for want of a kernel.
_REFUSALS_FOR = 300.0

#: How many of the sessions that are over are shown, the last ones; thousands are remembered.
_OVER = 1000


def describe(
    tables: BrokerTables, asked: StatusRequest, now: float, *, links: list[LinkStatus] | None = None, unheard: tuple[str, ...] = ()
) -> Status:
    """Return the status at `now`.

    Args:
        asked: which parts of the status are wanted.
        links: the clients' links, if they were asked for.
        unheard: the frontends that were asked for their links and did not answer.
    """
    wall = now + tables.epoch
    sessions = tables.sessions
    hosts = [_host(tables, host, now) for host in tables.peers_of("host")]
    hosts += [gone.status(max(0.0, now - gone.last_seen)) for gone in tables.gone_hosts.values()]
    kernels: list[KernelStatus] = []
    if not asked.brief:
        kernels += [_kernel(session, wall) for session in sessions.live.values()]
        kernels += [_record(record, wall) for record in sessions.awaited.values()]
    if asked.over:
        kernels += [_record(record, wall) for record in list(sessions.over.values())[-_OVER:]]
    waiting = _waiting(tables)
    pools = [_pool(tables, pool, now) for pool in tables.pool_names()]
    problems = [*_problems(tables, pools, now), *(f"{name} was asked for its links and does not answer" for name in unheard)]
    return Status(
        asked.request,
        tables.options.name,
        tables.options.version,
        DEGRADED if problems else HEALTHY,
        problems,
        now - tables.started,
        len(tables.channels),
        hosts,
        [_frontend(peer, now) for peer in tables.peers_of("frontend")],
        pools,
        kernels,
        links or [],
        [] if asked.brief else figures(tables),
        [Counted(what, count) for what, count in sorted(tables.refused.items())],
        len(waiting),
        max((now - entry.since for entry in waiting), default=0.0),
    )


def _waiting(tables: BrokerTables) -> list[ChannelEntry]:
    """Return the requests for kernels that have not been answered yet."""
    return [entry for entry in tables.channels.values() if entry.phase in (ChannelPhase.WAITING, ChannelPhase.ASKED)]


def _problems(tables: BrokerTables, pools: list[PoolStatus], now: float) -> list[str]:
    """Return what an operator must act on: hosts that are gone, and pools that lack kernels."""
    problems = []
    for host in tables.peers_of("host"):
        if host.state.value != "up":
            problems.append(f"host {host.name} has been silent for {now - host.last_seen:.0f} s")
    for gone in tables.gone_hosts.values():
        problems.append(f"host {gone.name} is gone: it {gone.why}")
    if not tables.peers_of("host"):
        waiting = len(_waiting(tables))
        many = f"; {waiting} request{' waits' if waiting == 1 else 's wait'} for one" if waiting else ""
        problems.append(f"no kernel host has registered with the broker{many}")
    if awaited := len(tables.sessions.awaited):
        names = sorted({record.host for record in tables.sessions.awaited.values()})
        problems.append(f"{awaited} sessions wait for their hosts to come back after the broker's restart: {', '.join(names)}")
    if tables.unjournaled:
        problems.append(f"{tables.unjournaled}; a broker that is started again does not know the sessions")
    problems += tables.disagreements()
    for pool in pools:
        if pool.failing:
            problems.append(f"pool {pool.pool}: its kernels do not start: {pool.failing}")
        elif refusals := _recent_refusals(tables, pool.pool, now):
            count = "a request for a kernel was" if len(refusals) == 1 else f"{len(refusals)} requests for kernels were"
            why = f": it is at its maximum of {pool.maximum}" if pool.at_maximum else ""
            lately = f"in the last {_REFUSALS_FOR / 60:.0f} min, the last {now - max(refusals):.0f} s ago"
            problems.append(f"pool {pool.pool}: {count} refused {lately}{why}")
        if not pool.failing and pool.state == "serving" and (missing := sum(map(_missing, tables.pool_reports(pool.pool)))):
            why = f": {pool.limited}" if pool.limited else ""
            problems.append(f"pool {pool.pool} is under its minimum: {missing} of {pool.minimum} ready kernels are missing{why}")
    return problems


def _recent_refusals(tables: BrokerTables, pool: str, now: float) -> list[float]:
    """Return when requests of a pool were refused lately, because no kernel could be given."""
    return [at for at in tables.refusals.get(pool, ()) if now - at <= _REFUSALS_FOR]


def _missing(report: PoolReport) -> int:
    """Return how many ready kernels a pool lacks on a host.

    Those are kernels that the pool should keep ready there, that it has room for, and that are
    neither ready nor starting.
    """
    if report.state != "serving":
        return 0
    room = report.maximum - report.attached - report.detached
    kept = report.minimum if report.limited else min(report.minimum, room)
    return max(0, kept - report.ready - report.starting)


def _host(tables: BrokerTables, host: Peer, now: float) -> HostStatus:
    kernels = [session for session in tables.sessions.live.values() if session.host is host]
    status = HostStatus(
        host.name,
        host.id[:SHORT_ID],
        host.state.value,
        host.version,
        max(0.0, now - host.last_seen),
        list(host.pools),
        len(kernels),
        sum(1 for session in kernels if session.report.attachments),
    )
    report = host.report
    if not isinstance(report, HostReport):
        return status
    return replace(
        status,
        state="draining" if report.draining and host.state.value == "up" else status.state,
        separate=report.separate,
        up=report.up + max(0.0, now - host.reported),
        system=report.system,
        python=report.python,
        embedded=report.embedded,
        cores=report.cores,
        load=report.load,
        memory=report.memory,
        free=report.free,
    )


def _frontend(peer: Peer, now: float) -> FrontendStatus:
    status = FrontendStatus(peer.name, peer.id[:SHORT_ID], peer.state.value, peer.version, max(0.0, now - peer.last_seen))
    report = peer.report
    if not isinstance(report, FrontendReport):
        return status
    return replace(
        status,
        port=report.port,
        interface=report.interface,
        up=report.up + max(0.0, now - peer.reported),
        links=report.links,
        accepted=report.accepted,
        refused=report.refused,
        bytes_in=report.bytes_in,
        bytes_out=report.bytes_out,
        access=report.access,
        grants=report.grants,
    )


def _kernel(session: Session, wall: float) -> KernelStatus:
    # Made at once, without a record: there may be thousands, and everybody waits for them.
    report, unheard = session.report, max(0.0, wall - session.heard)
    return KernelStatus(
        report.kernel,
        report.pool,
        session.host.name,
        session.state,
        max(0.0, wall - session.created),
        max(0.0, wall - session.since),
        report.prompt,
        report.client,
        report.profile,
        report.evaluations,
        report.attachments,
        report.bytes_in,
        report.bytes_out,
        report.cpu,
        report.memory,
        0.0 if report.busy else report.idle + unheard,
        report.keep,
        report.pid,
        "",
        report.busy,
        report.asking,
        max(0.0, report.ends_in - unheard),
        report.safe,
        report.safe_busy,
        report.safe_ends,
        report.safe_busy_ends,
    )


def _record(record: SessionRecord, wall: float) -> KernelStatus:
    return KernelStatus(
        record.kernel,
        record.pool,
        record.host,
        record.state,
        max(0.0, wall - record.created),
        max(0.0, wall - record.changed),
        record.prompt,
        record.client,
        record.profile,
        record.evaluations,
        record.attachments,
        record.bytes_in,
        record.bytes_out,
        text=record.text,
    )


def _pool(tables: BrokerTables, pool: str, now: float) -> PoolStatus:
    reports = tables.pool_reports(pool)
    waiting = [entry for entry in _waiting(tables) if entry.pool == pool]
    states = {report.state for report in reports}
    busy = [session.state for session in tables.sessions.live.values() if session.report.pool == pool and session.report.busy]
    return PoolStatus(
        pool,
        states.pop() if len(states) == 1 else "serving",
        any(report.default for report in reports),
        any(report.parallel_default for report in reports),
        any(report.parallel for report in reports),
        len(reports),
        sum(report.starting for report in reports),
        sum(report.ready for report in reports),
        sum(report.attached for report in reports),
        len(busy),
        sum(report.detached for report in reports),
        len(waiting),
        max((now - entry.since for entry in waiting), default=0.0),
        sum(report.minimum for report in reports),
        sum(report.maximum for report in reports),
        next((report.failing for report in reports if report.failing), ""),
        next((report.limited for report in reports if report.limited), ""),
        busy.count("detached"),
        bool(reports) and all(report.room("automatic") <= 0 for report in reports),
    )


def add_figures(first: PoolFigures, second: PoolFigures) -> PoolFigures:
    """Return the sum of what two hosts have counted of one pool."""
    total: dict[str, Any] = {}
    for field in fields(PoolFigures):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if field.name != "pool":
            total[field.name] = added(a, b) if isinstance(a, Histogram) else a + b
    return PoolFigures(first.pool, **total)


def shortened(status: Status) -> Status:
    """Return a status with the beginnings of kernels' ids alone.

    Whoever has a whole id can attach the kernel.
    """
    kernels = [replace(kernel, kernel=kernel.kernel[:SHORT_ID]) for kernel in status.kernels]
    return replace(status, kernels=kernels, links=[replace(link, kernel=link.kernel[:SHORT_ID]) for link in status.links])


def figures(tables: BrokerTables) -> list[PoolFigures]:
    """Return what has been counted, by pool, over all hosts.

    Hosts that are gone are included, so that no count ever falls.
    """
    total = dict(tables.past_figures)
    for host in tables.peers_of("host"):
        for pool, counted in host.figures.items():
            total[pool] = add_figures(total[pool], counted) if pool in total else counted
    for pool, latencies in tables.attaches.items():
        total[pool] = replace(total.get(pool, PoolFigures(pool)), attaches=latencies.histogram())
    return list(total.values())

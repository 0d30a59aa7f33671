"""The target of a command, found in a status by what was typed, and what the command would lose.

No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kernelbus.bus.protocol.naming import NotFound, find_id, find_named, find_pool
from kernelbus.bus.protocol.reports import (
    FrontendStatus,
    HostStatus,
    KernelStatus,
    LinkStatus,
    PoolStatus,
    Status,
)
from kernelbus.bus.settings.schema import offer
from kernelbus.shell.operations.status import rows_of
from kernelbus.shell.operations.tables import SHORT_ID, counted, duration, printable

__all__ = [
    "Found",
    "called",
    "closing_kernel",
    "closing_session",
    "draining_host",
    "draining_pool",
    "evicting_host",
    "host_of",
    "kernel_of",
    "pool_of",
    "session_of",
]


@dataclass(slots=True)
class Found:
    """Everything that has one name."""

    kernels: list[KernelStatus] = field(default_factory=list)
    pools: list[PoolStatus] = field(default_factory=list)
    hosts: list[HostStatus] = field(default_factory=list)
    links: list[LinkStatus] = field(default_factory=list)
    frontends: list[FrontendStatus] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.kernels or self.pools or self.hosts or self.links or self.frontends)


def called(status: Status, text: str) -> Found:
    """Find everything that is called `text`.

    Kernels and sessions are found by id or its beginning, pools by name, hosts and frontends by
    name or the beginning of their id, links by the client's address.

    Raises:
        NotFound: nothing has that name; the text offers the nearest.
    """
    found = Found(
        pools=[pool for pool in status.pools if pool.pool == text],
        hosts=[host for host in status.hosts if host.name == text or (len(text) >= 3 and host.id.startswith(text))],
        links=[link for link in status.links if link.client == text],
        frontends=[part for part in status.frontends if part.name == text or (len(text) >= 3 and part.id.startswith(text))],
    )
    kernels = {kernel.kernel: kernel for kernel in status.kernels}
    if len(text) >= 3 and any(identity.startswith(text) for identity in kernels):
        found.kernels.append(kernels[find_id(text, kernels, "kernel")])
    if not found:
        names = [pool.pool for pool in status.pools] + [host.name for host in status.hosts]
        names += [frontend.name for frontend in status.frontends]
        names += [link.client for link in status.links] + [identity[: max(SHORT_ID, len(text))] for identity in kernels]
        known = "kernels, sessions, pools, hosts, links or frontends"
        raise NotFound("unknown-id", f"nothing is called {text}: {offer(text, dict.fromkeys(names), known)}")
    return found


def kernel_of(status: Status, text: str) -> KernelStatus:
    """Find a kernel by its id, or its beginning.

    Raises:
        NotFound: there is none, or several; the text offers the nearest.
    """
    kernels = {kernel.kernel: kernel for kernel in rows_of(status, "kernels") if isinstance(kernel, KernelStatus)}
    return kernels[find_id(text, kernels, "kernel")]


def session_of(status: Status, text: str) -> KernelStatus:
    """Find a session by its kernel's id; raises as :func:`kernel_of`."""
    sessions = {kernel.kernel: kernel for kernel in rows_of(status, "sessions") if isinstance(kernel, KernelStatus)}
    return sessions[find_id(text, sessions, "session")]


def pool_of(status: Status, text: str) -> PoolStatus:
    """Find a pool by its name; raises as :func:`kernel_of`."""
    pools = {pool.pool: pool for pool in status.pools}
    return pools[find_pool(text, pools)]


def host_of(status: Status, text: str) -> HostStatus:
    """Find a host by its name or id; raises as :func:`kernel_of`."""
    hosts = {host.id: host for host in status.hosts}
    # A host that was lost and has come back has one name and two ids: the present one is meant.
    known = {host.id: host.name for host in status.hosts if host.state != "lost"}
    known |= {host.id: host.name for host in status.hosts if host.state == "lost" and host.name not in known.values()}
    return hosts[find_named(text, known, "host")]


# ---- what would be lost ------------------------------------------------------------------------


def _named(kernel: KernelStatus) -> str:
    return f"kernel {kernel.kernel[:SHORT_ID]} of pool {printable(kernel.pool)}"


def closing_kernel(kernel: KernelStatus) -> str:
    """Say what is lost when a kernel ends; "" if no client has ever had it."""
    if kernel.client:
        doing = " and evaluates" if kernel.busy else ""
        return f"{_named(kernel)} has client {printable(kernel.client)}{doing}; the client loses its session."
    if kernel.attachments:
        called = f" ({printable(kernel.profile)})" if kernel.profile else ""
        since = duration(kernel.since)
        return f"{_named(kernel)} has a session{called} without a client since {since}; nobody can go back to it then."
    return ""


def closing_session(session: KernelStatus) -> str:
    """Say what is lost when a session ends."""
    if session.state == "awaited":
        return f"Session {session.kernel[:SHORT_ID]} of pool {printable(session.pool)} waits for its host {printable(session.host)}."
    return closing_kernel(session)


def draining_pool(pool: PoolStatus) -> str:
    """Say what happens to a pool that is drained."""
    waiting = f", and {counted(pool.waiting, 'request')} that wait now" if pool.waiting else ""
    sessions = pool.attached + pool.detached
    going_on = f" Sessions go on: {sessions}." if sessions else ""
    return f"Pool {printable(pool.pool)} refuses whoever wants a kernel until it is resumed{waiting}.{going_on}"


def draining_host(host: HostStatus) -> str:
    """Say what happens to a host that is drained."""
    end = "ends when it has no session left" if host.separate else "has none when its sessions have ended"
    return f"Host {printable(host.name)} starts no more kernels, and {end}; now: {counted(host.sessions, 'session')}."


def evicting_host(status: Status, host: HostStatus) -> str:
    """Say what is lost with an evicted host; "" if the host is lost already."""
    if host.state == "lost":
        return ""
    kernels = [kernel for kernel in status.kernels if kernel.host == host.name]
    clients = sum(1 for kernel in kernels if kernel.client)
    sessions = sum(1 for kernel in kernels if kernel.attachments)
    ending = f"{counted(len(kernels), 'kernel')} and {counted(sessions, 'session')}"
    return f"Host {printable(host.name)} ends, and with it {ending}; with a client: {clients}."

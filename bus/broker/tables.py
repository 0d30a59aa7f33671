"""Define what a broker keeps: its options, its parts, its channels, and what it decides.

Rules of this module: as :mod:`kernelbus.bus.broker.machine`'s. It holds state and look-ups, and no
decisions.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from kernelbus.bus.broker.sessions import LOST, SessionTable
from kernelbus.bus.protocol.histogram import Latencies
from kernelbus.bus.protocol.messages import Open, PoolReport
from kernelbus.bus.protocol.reports import FrontendReport, HostReport, HostStatus, PoolFigures
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.settings.config import Config
from kernelbus.bus.transport.interface import Route

__all__ = [
    "SHORT_ID",
    "TRANSITIONS",
    "BrokerOptions",
    "BrokerTables",
    "ChannelEntry",
    "ChannelPhase",
    "GoneHost",
    "Note",
    "Peer",
    "PeerState",
    "Send",
]

#: Characters of a part's id that are shown.
SHORT_ID = 8


class PeerState(Enum):
    """Whether a part is there; see :mod:`kernelbus.bus.broker.machine`."""

    UP = "up"
    SUSPECT = "suspect"
    LOST = "lost"


class ChannelPhase(Enum):
    """How far a channel has come; see the table of :mod:`kernelbus.bus.broker.machine`."""

    WAITING = "waiting"
    ASKED = "asked"
    OPEN = "open"
    HALF = "half"


#: The phases that may follow each phase of a channel. None stands for a channel that is not there.
TRANSITIONS: Final[dict[ChannelPhase | None, frozenset[ChannelPhase | None]]] = {
    None: frozenset({ChannelPhase.WAITING, ChannelPhase.HALF}),
    # Waiting again: the frontend makes its request once more.
    ChannelPhase.WAITING: frozenset({ChannelPhase.WAITING, ChannelPhase.ASKED, ChannelPhase.OPEN, None}),
    ChannelPhase.ASKED: frozenset({ChannelPhase.OPEN, ChannelPhase.WAITING, None}),
    # Open again: one of the two sides registers again after a break.
    ChannelPhase.OPEN: frozenset({ChannelPhase.OPEN, None}),
    ChannelPhase.HALF: frozenset({ChannelPhase.HALF, ChannelPhase.OPEN, ChannelPhase.WAITING, None}),
}


class BrokerOptions(NamedTuple):
    """The broker's options. Times are in seconds.

    `administrators`: the keys, and the names of keys, whose holders may give orders; None:
    everybody may who reaches the bus.
    """

    name: str = "broker"
    heartbeat_interval: float = 1.0
    heartbeat_timeout: float = 5.0
    host_timeout: float = 60.0
    connection_timeout: float = 30.0
    allow_stealing: bool = False
    replace_silently: bool = False
    version: str = ""
    administrators: tuple[str, ...] | None = None
    unused_timeout: float = 20.0

    def of(self, config: Config) -> BrokerOptions:
        """Return the options of the same broker under another configuration."""
        return self._replace(
            heartbeat_interval=config.bus.heartbeat_interval,
            heartbeat_timeout=config.bus.heartbeat_timeout,
            host_timeout=config.limits.host_timeout,
            connection_timeout=config.limits.connection_timeout,
            allow_stealing=config.allow_stealing_kernels,
            replace_silently=config.allow_silent_kernel_replacement,
            administrators=config.bus.administrators,
            unused_timeout=config.limits.unused_kernel_timeout,
        )


@dataclass(frozen=True, slots=True)
class Send:
    """An action: send `message` over `route`."""

    route: Route
    message: Message


@dataclass(frozen=True, slots=True)
class Note:
    """An action: log a line.

    `fields` say what it is about, for structured logs (:mod:`kernelbus.bus.settings.logs`). A
    warning is shown at each level of the log, as an error is.
    """

    text: str
    error: bool = False
    fields: Mapping[str, object] = field(default_factory=dict, compare=False)
    warning: bool = False


@dataclass(slots=True)
class Peer:
    """A frontend or a kernel host, as the broker knows it."""

    id: str
    role: str
    name: str
    route: Route
    last_seen: float
    state: PeerState = PeerState.UP
    version: str = ""
    asked: dict[str, int] = field(default_factory=dict)  #: channels in ASKED at this host, by pool
    pools: dict[str, PoolReport] = field(default_factory=dict)
    report: HostReport | FrontendReport | None = None
    reported: float = 0.0
    figures: dict[str, PoolFigures] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.role} {self.name} ({self.id[:8]})"

    @property
    def fields(self) -> dict[str, object]:
        """The fields of a log line about it."""
        return {self.role: self.name}

    def accepts(self, pool: str) -> bool:
        """Whether a fresh kernel of `pool` may be asked for here."""
        report = self.pools.get(pool)
        return report is not None and report.state == "serving" and self.state is PeerState.UP and not self.draining

    @property
    def draining(self) -> bool:
        """Whether it is a host that hands out no kernels."""
        return isinstance(self.report, HostReport) and self.report.draining


@dataclass(frozen=True, slots=True)
class GoneHost:
    """A host that was lost, and why."""

    id: str
    name: str
    version: str
    last_seen: float
    why: str

    def status(self, silent: float) -> HostStatus:
        """Return its entry in a status; `silent`: seconds since it was last heard."""
        return HostStatus(self.name, self.id[:SHORT_ID], LOST, self.version, silent, [], 0, 0, text=f"it {self.why}")


@dataclass(slots=True)
class ChannelEntry:
    """One attachment: its frontend, its host, and how far it has come."""

    channel: int
    phase: ChannelPhase
    deadline: float
    frontend: Peer | None = None
    host: Peer | None = None
    request: Open | None = None
    kernel: str = ""
    pool: str = ""  #: the pool in which it waits or is asked for
    since: float = 0.0
    position: int = 0  #: as in Opened
    turn: int = 0  #: the order of requests, which holds however often one is asked anew
    left: dict[str, float] = field(default_factory=dict)  #: when it was taken from a host, by host id
    address: str = ""  #: the client's address, as it counts for its turn
    charged: bool = False  #: whether its address has had a turn for it
    confirm_by: float = math.inf  #: when it is dropped, unless its frontend asks again
    said: dict[type[Message], Message] = field(default_factory=dict)  #: what its client said last, for its host


class BrokerTables:
    """What a broker knows: its parts, channels and sessions, and what it has counted.

    :class:`kernelbus.bus.broker.machine.Broker` extends these tables and changes them. Its
    administration and its status look things up in them.

    Args:
        now: the time of the start.
        epoch: seconds to add to `now` to get wall-clock time.

    Attributes:
        options: the options in force.
        started: the time of the start.
        epoch: seconds to add to a time to get wall-clock time.
        peers: the parts that are not lost, by id.
        channels: the attachments, by channel number.
        sessions: the kernels, and what became of those that are over.
        dropped: frames that had no route, since the start.
        refused: refused requests for kernels, by the code of the refusal.
        refusals: when the last requests were refused for want of a kernel, by pool.
        attaches: how long clients waited for a kernel, by pool.
        past_figures: what hosts that are gone had counted, by pool.
        gone_hosts: the hosts that were lost, by id.
        unjournaled: why sessions are not written to the journal; empty: they are, or are not to be.
    """

    def __init__(self, options: BrokerOptions, now: float, epoch: float) -> None:
        self.options = options
        self.started = now
        self.epoch = epoch
        self.peers: dict[str, Peer] = {}
        self.channels: dict[int, ChannelEntry] = {}
        self.sessions = SessionTable()
        self.dropped = 0
        self.refused: dict[str, int] = {}
        self.refusals: dict[str, deque[float]] = {}
        self.attaches: dict[str, Latencies] = {}
        self.past_figures: dict[str, PoolFigures] = {}
        self.gone_hosts: dict[str, GoneHost] = {}
        self.unjournaled = ""

    def peers_of(self, role: str) -> list[Peer]:
        """Return the parts of a role (frontend, host), in the order in which they came."""
        return [peer for peer in self.peers.values() if peer.role == role]

    def pool_reports(self, pool: str) -> list[PoolReport]:
        """Return what the hosts report of `pool`, one report for each host that has it."""
        return [host.pools[pool] for host in self.peers_of("host") if pool in host.pools]

    def pool_names(self) -> list[str]:
        """Return the names of all pools, in the order in which they came."""
        return list(dict.fromkeys(pool for host in self.peers_of("host") for pool in host.pools))

    def default_pool(self, parallel: bool) -> str:
        """Return the pool that serves clients that name none; "" without a host.

        Where hosts do not agree, the host decides that came first.

        Args:
            parallel: whether a parallel kernel is wanted.
        """
        reports = [report for host in self.peers_of("host") for report in host.pools.values()]
        for report in reports:
            if report.parallel_default if parallel else report.default:
                return report.pool
        return reports[0].pool if reports else ""

    def disagreements(self) -> list[str]:
        """Say, a line each, of which pool some hosts say that it is the default, and others not."""
        hosts = self.peers_of("host")
        lines = []
        for pool in self.pool_names():
            having = [host for host in hosts if pool in host.pools]
            for parallel, key, what in ((False, "Default", "no pool"), (True, "ParallelKernelDefault", "no pool for a parallel kernel")):
                said = [host.pools[pool].parallel_default if parallel else host.pools[pool].default for host in having]
                if len(set(said)) > 1:
                    pairs = list(zip(having, said, strict=True))
                    where, elsewhere = (", ".join(host.name for host, own in pairs if own is yes) for yes in (True, False))
                    lines.append(
                        f"pool {pool} has {key} on {where}, and not on {elsewhere}; clients that name {what} get "
                        f"{self.default_pool(parallel)}: let the configurations of all hosts agree"
                    )
        return lines

"""Define the messages that describe the state of the server.

They are what parts report beside their kernels, and what the broker answers to a request for its
status. Parts report what the broker cannot see itself: a host its pools and kernels when they
change, its counts once a second and its machine every five seconds; a frontend the numbers of its
links. The links themselves are asked for only when somebody asks for them.

docs/status.md is the specification of each field; a test checks that it names them all. Times are
in seconds, and a time at which something happened is in seconds ago, unless a field says otherwise;
sizes are in bytes.
"""

from __future__ import annotations

import dataclasses

from kernelbus.bus.protocol.histogram import Histogram
from kernelbus.bus.protocol.schema import Message, control_message

__all__ = [
    "Counted",
    "FrontendReport",
    "FrontendStatus",
    "GrantStatus",
    "HostReport",
    "HostStatus",
    "KernelStatus",
    "LinkStatus",
    "LinksAnswer",
    "LinksRequest",
    "PoolFigures",
    "PoolStatus",
    "Status",
    "StatusRequest",
    "Story",
    "StoryEvent",
    "StoryRequest",
]


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class PoolFigures(Message):
    """What has been counted of a pool since its host began; in a status, since all its hosts began.

    The counts never fall. `started`: kernels that were started and became ready. `failed`: kernels
    that did not become ready. `died`: kernels that ended without being told to. `bytes_in` and
    `bytes_out` count as the kernels see them. `starts`: latencies from the start of a process until
    its kernel is ready. `evaluations`: latencies from the moment a kernel is asked until it has
    answered all that it was asked. `attaches`, which only a broker knows: latencies from a client's
    request for a kernel until the client has one.
    """

    pool: str
    started: int = 0
    failed: int = 0
    died: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    starts: Histogram = dataclasses.field(default_factory=Histogram)
    evaluations: Histogram = dataclasses.field(default_factory=Histogram)
    attaches: Histogram = dataclasses.field(default_factory=Histogram)


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class HostReport(Message):
    """What a kernel host reports of itself and its machine.

    It reports when it registers and every few seconds. `separate`: whether the host is a process of
    its own, which can end by itself, and not part of `kernelbus serve`. `memory` and `free` are the
    machine's.
    """

    separate: bool
    draining: bool
    up: float
    system: str  #: operating system and processor architecture
    python: str
    embedded: str  #: name and version of the embedded kernel; empty: it is not installed
    cores: int
    load: float  #: the system's load average of the last minute; 0: not known
    memory: int
    free: int


@dataclasses.dataclass(frozen=True, slots=True)
class GrantStatus(Message):
    """Programs of a network that need no token for a time.

    `until`: seconds since 1970; `sender`: who has granted it.
    """

    network: str
    until: float
    sender: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class FrontendReport(Message):
    """What a frontend reports of itself.

    It reports when it registers, and at most once a second when something has changed. `links`:
    links that are open now; `accepted` and `refused`: links since it began; `bytes_in` and
    `bytes_out`: bytes from and to its clients since then; `access`: who may use the server, in one
    line; `grants`: the exceptions from that which administrators have made.
    """

    port: int
    interface: str
    up: float
    links: int
    accepted: int
    refused: int
    bytes_in: int
    bytes_out: int
    access: str = ""
    grants: list[GrantStatus] = dataclasses.field(default_factory=list)


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class LinksRequest(Message):
    """The broker asks a frontend for its links."""

    request: int


@dataclasses.dataclass(frozen=True, slots=True)
class LinkStatus(Message):
    """A client's link."""

    client: str
    frontend: str
    state: str
    kernel: str
    pool: str
    since: float
    bytes_in: int
    bytes_out: int


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class LinksAnswer(Message):
    """A frontend's links."""

    request: int
    links: list[LinkStatus]


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class StatusRequest(Message):
    """Ask the broker for its status.

    `request` is the number that the asker gives it; `sender` says who asks, for the log. `links`:
    include the clients' links, for which the broker asks its frontends first. `over`: include the
    sessions that are over, at most the last thousand. `brief`: leave out kernels and what is
    counted.
    """

    request: int
    sender: str = ""
    links: bool = False
    over: bool = False
    brief: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class HostStatus(Message):
    """A kernel host, as the broker sees it."""

    name: str
    id: str
    state: str
    version: str
    silent: float
    pools: list[str]
    kernels: int
    sessions: int
    separate: bool = False
    up: float = 0.0
    system: str = ""
    python: str = ""
    embedded: str = ""
    cores: int = 0
    load: float = 0.0
    memory: int = 0
    free: int = 0
    text: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class FrontendStatus(Message):
    """A frontend, as the broker sees it."""

    name: str
    id: str
    state: str
    version: str
    silent: float
    port: int = 0
    interface: str = ""
    up: float = 0.0
    links: int = 0
    accepted: int = 0
    refused: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    access: str = ""
    grants: list[GrantStatus] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class PoolStatus(Message):
    """A pool over all its hosts."""

    pool: str
    state: str
    default: bool
    parallel_default: bool
    parallel: bool
    hosts: int
    starting: int
    ready: int
    attached: int
    busy: int
    detached: int
    waiting: int
    longest: float
    minimum: int
    maximum: int
    failing: str = ""
    limited: str = ""
    detached_busy: int = 0
    at_maximum: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class KernelStatus(Message):
    """A kernel, and its session once it has had a client."""

    kernel: str
    pool: str
    host: str
    state: str
    created: float
    since: float
    prompt: str = ""
    client: str = ""
    profile: str = ""
    evaluations: int = 0
    attachments: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    cpu: float = 0.0
    memory: int = 0
    idle: float = 0.0
    keep: bool = True
    pid: int = 0
    text: str = ""
    busy: bool = False
    asking: bool = False
    ends_in: float = 0.0
    safe: float = 0.0
    safe_busy: float = 0.0
    safe_ends: bool = False
    safe_busy_ends: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Counted(Message):
    """How many there are of something."""

    what: str
    count: int


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Status(Message):
    """The broker's answer to a :class:`StatusRequest`."""

    request: int
    broker: str
    version: str
    health: str
    problems: list[str]
    up: float
    attachments: int
    hosts: list[HostStatus] = dataclasses.field(default_factory=list)
    frontends: list[FrontendStatus] = dataclasses.field(default_factory=list)
    pools: list[PoolStatus] = dataclasses.field(default_factory=list)
    kernels: list[KernelStatus] = dataclasses.field(default_factory=list)
    links: list[LinkStatus] = dataclasses.field(default_factory=list)
    figures: list[PoolFigures] = dataclasses.field(default_factory=list)
    refused: list[Counted] = dataclasses.field(default_factory=list)
    waiting: int = 0
    longest: float = 0.0


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class StoryRequest(Message):
    """Ask the broker what has happened to a kernel, named by its id or the beginning of it."""

    request: int
    sender: str
    kernel: str


@dataclasses.dataclass(frozen=True, slots=True)
class StoryEvent(Message):
    """Something that happened. `at`: seconds since 1970."""

    at: float
    text: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Story(Message):
    """The broker's answer to a :class:`StoryRequest`, oldest event first. `kernel`: the whole id.
    """

    request: int
    kernel: str
    events: list[StoryEvent]

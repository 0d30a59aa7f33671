"""How everything stands, as messages: what the parts report beside their kernels, and the broker's
answer to who asks for the status.

Each field's meaning is in docs/STATUS.md, which is the specification; a test sees to it that it
names them all. Times are seconds, and those that say when are seconds ago; sizes are bytes.
"""

from __future__ import annotations

import dataclasses

from kernelbus.bus.protocol.histogram import Histogram
from kernelbus.bus.protocol.schema import Message, control_message

__all__ = [
    "Counted",
    "FrontendReport",
    "FrontendStatus",
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
    """What has been counted of a pool since its host (or in a status, all hosts) began; never
    falls.

    `started`: kernels that were started and became ready. `failed`: that did not. `died`: that
    ended and had not been told to. `bytes_in` and `bytes_out` are as the kernels see them. `starts`
    and `evaluations` are latencies: from the start of a process until it is ready, and from a
    kernel's being asked until it has answered all it was asked. `attaches`, which only a broker
    knows: from a client's asking for a kernel until it has one.
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
    """A kernel host tells of its machine and itself, when it registers and every few seconds.

    `separate`: whether it is a process of its own (not part of `kernelbus serve`), which can end by
    itself. `memory`, `free`: of the machine.
    """

    separate: bool
    draining: bool
    up: float
    system: str  #: operating system and processor architecture
    python: str
    embedded: str  #: what the embedded kernel is, with its version; empty: it is not installed
    cores: int
    load: float  #: of the last minute, as the system counts it; 0: not known
    memory: int
    free: int


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class FrontendReport(Message):
    """A frontend tells where it listens and what it has counted, when it registers and when that
    has changed, at most once a second.

    `links`: open now; `accepted`, `refused`: since it began. `bytes_in`, `bytes_out`: from and to
    its clients since then.
    """

    port: int
    interface: str
    up: float
    links: int
    accepted: int
    refused: int
    bytes_in: int
    bytes_out: int


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
    """Asks the broker for its status. `request` is the asker's number for it, `sender` who asks,
    for the log.

    `links`: with the clients' links, which it asks the frontends for first; `over`: with the
    sessions that were over last, of many a thousand; `brief`: without kernels, and without what is
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


@dataclasses.dataclass(frozen=True, slots=True)
class Counted(Message):
    """So many of something."""

    what: str
    count: int


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Status(Message):
    """The broker's answer to a StatusRequest."""

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


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class StoryRequest(Message):
    """Asks the broker what has happened to a kernel; its id, or the beginning of it."""

    request: int
    sender: str
    kernel: str


@dataclasses.dataclass(frozen=True, slots=True)
class StoryEvent(Message):
    """Something that happened; `at`: seconds since 1970."""

    at: float
    text: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Story(Message):
    """The broker's answer to a StoryRequest, oldest first. `kernel`: the whole id."""

    request: int
    kernel: str
    events: list[StoryEvent]

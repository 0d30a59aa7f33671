"""Define the control messages that parts and the broker exchange beside the data.

Each message is a frozen dataclass; its schema is made from its fields
(:mod:`kernelbus.bus.protocol.schema`). Messages travel as JSON
(:mod:`kernelbus.bus.protocol.codec`).

| from | to | messages |
|---|---|---|
| frontend, host | broker | Register, Heartbeat, Leave |
| broker | frontend, host | Registered, Heartbeat, RegisterAgain |
| frontend | broker | Open, Release, KeepAlive, Told, WithdrawAbort, WhyWaiting |
| broker | frontend | Opened, Refused, Lost, Waiting |
| broker | host | Acquire, Release, KeepAlive, Told, WithdrawAbort, Reclaim |
| host | broker | Acquired, Refused, KernelReport, KernelGone, PoolReport |
| frontend, host | broker | reports for the status (:mod:`kernelbus.bus.protocol.reports`) |
| console, frontend | broker | StatusRequest, StoryRequest (the same module) |
| console | broker, then the parts | orders (:mod:`kernelbus.bus.protocol.orders`) |
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from kernelbus.bus.protocol.schema import Message, control_message

__all__ = [
    "NO_POINT",
    "Acquire",
    "Acquired",
    "ChannelReport",
    "Demand",
    "Heartbeat",
    "KeepAlive",
    "KernelGone",
    "KernelReport",
    "Leave",
    "Lost",
    "Open",
    "Opened",
    "PoolReport",
    "Reclaim",
    "Refused",
    "Register",
    "RegisterAgain",
    "Registered",
    "Release",
    "Told",
    "Waiting",
    "WhyWaiting",
    "WithdrawAbort",
    "rank",
]

#: How a client asks for a kernel. For an asked one a session may be given up that is over its
#: time-outs; for one that a client listens for, only a session that nobody can come back to; for an
#: automatic one none.
Demand = Literal["asked", "listens", "automatic"]


def rank(demand: Demand) -> int:
    """Return the place of a demand among others: the strongest, which comes first, is 0."""
    return ("asked", "listens", "automatic").index(demand)


#: The value of a resume point that is not given.
NO_POINT = 2**64 - 1


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class PoolReport(Message):
    """A pool as one host has it.

    `queued` counts the requests that wait at the host; `maximum` is the cap on all its kernels in
    the pool. `spare` counts sessions that may be given up when a client needs their place, and
    `leftovers` those among them that nobody can come back to.
    """

    pool: str
    default: bool
    parallel_default: bool
    starting: int
    ready: int
    attached: int
    detached: int
    queued: int
    minimum: int
    maximum: int
    failing: str = ""  #: why kernels do not start at present; empty if they do
    spare: int = 0
    parallel: bool = False
    limited: str = ""  #: why the cap is lower than configured at present
    state: str = "serving"  #: or paused, or draining (kernelbus.bus.protocol.orders.PoolOrder)
    resized: bool = False  #: whether an administrator has changed minimum or maximum
    leftovers: int = 0

    def room(self, demand: Demand) -> int:
        """Return how many more kernels could be handed out, counting what may be given up."""
        free = self.maximum - self.attached - self.detached
        return free + {"asked": self.spare, "listens": self.leftovers, "automatic": 0}[demand]


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class KernelReport(Message):
    """A kernel, as its host reports it.

    A host reports a kernel when its state changes, at most about once a second when only its
    counters change, and when the host registers again. A kernel has a session once it has had a
    client. `bytes_in` and `bytes_out` count as the kernel sees them.
    """

    kernel: str
    pool: str
    state: str
    serial: int  #: the number of this report among those of its kernel
    channel: int = 0  #: the channel of the attachment; 0 if detached
    prompt: str = ""
    busy: bool = False
    evaluations: int = 0
    attachments: int = 0
    client: str = ""  #: the address of the attached client
    profile: str = ""  #: the name that the client gave its session
    bytes_in: int = 0
    bytes_out: int = 0
    keep: bool = True  #: whether the kernel is kept when its client leaves
    pid: int = 0  #: the id of its process on its host
    cpu: float = 0.0  #: processor time used, in seconds
    memory: int = 0  #: resident memory, in bytes
    idle: float = 0.0  #: seconds since its last evaluation, or since it was ready; 0 while it evaluates
    asking: bool = False  #: whether its evaluation waits for the client's answer to a question
    ends_in: float = 0.0  #: seconds until it is killed unless it obeys an abort; 0: it is not
    safe: float = 0.0  #: seconds for which the session is safe while it is idle; 0: for ever
    safe_busy: float = 0.0  #: the same while it evaluates
    position: int = 0  #: as in :class:`Opened`, of the attachment
    safe_ends: bool = False  #: whether it ends after `safe` in any case, also if nobody needs its place
    safe_busy_ends: bool = False  #: the same after `safe_busy`


@dataclasses.dataclass(frozen=True, slots=True)
class ChannelReport(Message):
    """A channel that a part holds, reported when the part registers again.

    A host reports only channels that outlive their kernels; a kernel's own channel is in its
    report.
    """

    channel: int
    kernel: str = ""
    client: str = ""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Register(Message):
    """A part registers.

    `peer` is the part's own identity, new for each process; it is never ZeroMQ's. Only the part and
    its broker know the whole of it. `predecessors`: the identities of parts of the same machine
    that have ended without leaving, and cannot come back (:mod:`kernelbus.bus.predecessors`).
    """

    peer: str
    role: str
    name: str
    version: str
    pools: list[PoolReport] = dataclasses.field(default_factory=list)
    kernels: list[KernelReport] = dataclasses.field(default_factory=list)
    channels: list[ChannelReport] = dataclasses.field(default_factory=list)
    predecessors: list[str] = dataclasses.field(default_factory=list)


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Registered(Message):
    """The broker has entered the part in its tables."""

    broker: str
    heartbeat_interval: float


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class RegisterAgain(Message):
    """The broker asks the part to register again: it was restarted, or may have missed something.
    """


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """The sender is there."""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Leave(Message):
    """The part leaves, and what it had ends with it."""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Open(Message):
    """A client wants a kernel.

    `channel` is the number that its frontend has chosen for the attachment. `demand` says how the
    client has asked: not at all, for a link's automatic kernel; by listening in silence for a
    while; or by what it has sent. When it rises the frontend sends the same request again.
    """

    channel: int
    client: str
    pool: str = ""  #: empty: the default pool
    parallel: bool = False
    kernel: str = ""  #: the id of a kernel to attach to again; empty: a fresh one
    wait: bool = True  #: whether to attach to a kernel that evaluates, and wait for it
    resume: bool = False  #: send what the last client has not taken, and continue from there
    point: int = NO_POINT  #: with `resume`: continue from this packet instead
    profile: str = ""
    demand: Demand = "asked"
    told: bool = False  #: the client is told the id of the kernel, so that it can come back
    keep: bool | None = None  #: whether the kernel is kept when the client leaves; None: as its pool says


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Opened(Message):
    """The channel leads to a kernel now.

    `position`: the number of the first packet that will come through it.
    """

    channel: int
    kernel: str
    pool: str
    host: str
    position: int = 0


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Refused(Message):
    """The channel gets no kernel.

    `code` is stable, for programs; `text` says why and what to do.
    """

    channel: int
    code: str
    text: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Lost(Message):
    """What the channel led to is gone for good."""

    channel: int
    text: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Acquire(Message):
    """The broker asks a host for a kernel for this channel."""

    channel: int
    pool: str
    client: str
    wait: float  #: seconds that the request may wait for a kernel
    kernel: str = ""
    steal: bool = False
    busy: bool = True  #: whether a named kernel may be evaluating
    resume: bool = False
    point: int = NO_POINT
    profile: str = ""
    demand: Demand = "asked"  #: as in :class:`Open`
    told: bool = False
    keep: bool | None = None


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Acquired(Message):
    """The host has attached a kernel to the channel. `position`: as in :class:`Opened`."""

    channel: int
    kernel: KernelReport
    position: int = 0


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Release(Message):
    """The channel is given up.

    From a frontend, and from the broker to a host: a request that still waits is cancelled, and a
    client that is still attached is taken for lost.
    """

    channel: int
    text: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class KernelGone(Message):
    """A kernel has ended."""

    kernel: str
    text: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class KeepAlive(Message):
    """The client says whether its kernel is kept when it leaves, whatever the rule of the pool is.
    """

    channel: int
    keep: bool


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Told(Message):
    """The client has been told the id of its kernel, and so can come back to it."""

    channel: int


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Reclaim(Message):
    """End a kernel, for the reason given, if its client has not used it: another needs its place.

    Since version 1.1 of the protocol.
    """

    kernel: str
    why: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class WithdrawAbort(Message):
    """The client does not want its kernel to be killed for not obeying an abort."""

    channel: int


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class WhyWaiting(Message):
    """The frontend asks why the request on a channel has not been met yet."""

    channel: int


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Waiting(Message):
    """The request on the channel waits; `text` says for what, and its place among others."""

    channel: int
    text: str

"""Control messages: what the parts tell each other beside the data, as JSON checked by marshmallow
at the door.

Each message is a frozen dataclass; its schema is made from its fields
(:mod:`kernelbus.bus.protocol.schema`), so the two cannot differ. :func:`decode` refuses what the
schema refuses, unknown messages and unknown keys included, with one line that names the message and
the key. After the door nothing is checked again.

| from | to | messages |
|---|---|---|
| frontend, host | broker | :class:`Register`, :class:`Heartbeat`, :class:`Leave` |
| broker | frontend, host | :class:`Registered`, :class:`Heartbeat`, :class:`RegisterAgain` |
| frontend | broker | :class:`Open`, :class:`Release` |
| broker | frontend | :class:`Opened`, :class:`Refused`, :class:`Lost` |
| broker | host | :class:`Acquire`, :class:`Release` |
| host | broker | :class:`Acquired`, :class:`Refused`, :class:`KernelReport`, :class:`KernelGone`, :class:`PoolReport` |
| frontend, host | broker | what they report for the status (:mod:`kernelbus.bus.protocol.reports`) |
| console, frontend | broker | :class:`StatusRequest`, :class:`StoryRequest` |
| console | broker, and on to the parts | orders (:mod:`kernelbus.bus.protocol.orders`) |
"""

from __future__ import annotations

import dataclasses

from kernelbus.bus.protocol.schema import Message, control_message

__all__ = [
    "NO_POINT",
    "Acquire",
    "Acquired",
    "ChannelReport",
    "Heartbeat",
    "KeepAlive",
    "KernelGone",
    "KernelReport",
    "Leave",
    "Lost",
    "Open",
    "Opened",
    "PoolReport",
    "Refused",
    "Register",
    "RegisterAgain",
    "Registered",
    "Release",
]

#: Where a resume point could stand and none does.
NO_POINT = 2**64 - 1


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class PoolReport(Message):
    """A pool as one host has it. `queued` counts requests that wait there; `maximum` is the cap on
    all its kernels.

    `spare` counts detached kernels that may be given up when someone needs their place.
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
    failing: str = ""  #: why kernels do not start at present; empty when they do
    spare: int = 0
    parallel: bool = False
    limited: str = ""  #: why the cap is lower than configured at present
    state: str = "serving"  #: or paused, or draining (kernelbus.bus.protocol.orders.PoolOrder)
    resized: bool = False  #: whether minimum or maximum are not the configuration's, but an administrator's

    @property
    def room(self) -> int:
        """How many more kernels could be handed out, those given up that may be."""
        return self.maximum - self.attached - self.detached + self.spare


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class KernelReport(Message):
    """A kernel, told when its state changes, at most about once a second when only its counters do,
    and when its host registers again.

    It has a session once it has had a client. `bytes_in` and `bytes_out` are as the kernel sees
    them.
    """

    kernel: str
    pool: str
    state: str
    serial: int  #: of this report, among those of its kernel
    channel: int = 0  #: the attachment; 0 when detached
    prompt: str = ""
    busy: bool = False
    evaluations: int = 0
    attachments: int = 0
    client: str = ""  #: the address of who is attached
    profile: str = ""  #: what the session's client calls it
    bytes_in: int = 0
    bytes_out: int = 0
    keep: bool = True  #: whether it is kept when its client leaves
    pid: int = 0  #: of its process, on its host
    cpu: float = 0.0  #: seconds of processor time it has used
    memory: int = 0  #: bytes it has resident
    idle: float = 0.0  #: seconds since it evaluated last, or was ready; 0 while it evaluates


@dataclasses.dataclass(frozen=True, slots=True)
class ChannelReport(Message):
    """A channel that a part holds, told when it registers again. A host tells of those that outlive
    their kernels.
    """

    channel: int
    kernel: str = ""
    client: str = ""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Register(Message):
    """A part introduces itself. `peer` is its own identity, new for each process; never ZeroMQ's.
    """

    peer: str
    role: str
    name: str
    version: str
    pools: list[PoolReport] = dataclasses.field(default_factory=list)
    kernels: list[KernelReport] = dataclasses.field(default_factory=list)
    channels: list[ChannelReport] = dataclasses.field(default_factory=list)


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Registered(Message):
    """The broker has the part in its table."""

    broker: str
    heartbeat_interval: float


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class RegisterAgain(Message):
    """The broker does not know who is speaking (it was restarted)."""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """I am here."""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Leave(Message):
    """The part goes, and what it had with it."""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Open(Message):
    """A client wants a kernel; `channel` is the number its frontend has chosen for the attachment.
    """

    channel: int
    client: str
    pool: str = ""  #: empty: the default one
    parallel: bool = False
    kernel: str = ""  #: the id of a kernel to go back to; empty: a fresh one
    wait: bool = True  #: whether a kernel that evaluates is waited for, once attached
    resume: bool = False  #: send what the last client has not taken, and go on from there
    point: int = NO_POINT  #: with `resume`: go on from this packet instead
    profile: str = ""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Opened(Message):
    """The channel leads to a kernel now. `position`: the number of the first packet that will come
    through it.
    """

    channel: int
    kernel: str
    pool: str
    host: str
    position: int = 0


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Refused(Message):
    """No kernel for this channel. `code` is stable, for programs; `text` says why and what to do.
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
    wait: float  #: seconds the request may wait for a kernel
    kernel: str = ""
    steal: bool = False
    busy: bool = True  #: whether a named kernel may be evaluating
    resume: bool = False
    point: int = NO_POINT
    profile: str = ""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Acquired(Message):
    """The host has attached a kernel to the channel. `position`: as in Opened."""

    channel: int
    kernel: KernelReport
    position: int = 0


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Release(Message):
    """The frontend is done with the channel: a request still waiting is cancelled, a client still
    attached is taken for lost.
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
    """The client says whether its kernel is to be kept when it leaves, whatever the pool's rule is.
    """

    channel: int
    keep: bool

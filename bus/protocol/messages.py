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
import json
from typing import Any

from marshmallow import ValidationError

from kernelbus.bus.errors import MessageError
from kernelbus.bus.protocol.orders import (
    Answer,
    HostOrder,
    KernelOrder,
    LogLevelOrder,
    PartAnswer,
    PoolOrder,
    ReloadOrder,
    SessionOrder,
    StartOrder,
    Traced,
    TraceOrder,
)
from kernelbus.bus.protocol.reports import (
    FrontendReport,
    HostReport,
    LinksAnswer,
    LinksRequest,
    PoolFigures,
    Status,
    StatusRequest,
    Story,
    StoryRequest,
)
from kernelbus.bus.protocol.schema import MAXIMUM_TEXT, Message, fault, load, schema_of

__all__ = [
    "MAXIMUM_TEXT",
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
    "Message",
    "Open",
    "Opened",
    "PoolReport",
    "Refused",
    "Register",
    "RegisterAgain",
    "Registered",
    "Release",
    "Status",
    "StatusRequest",
    "decode",
    "encode",
]

#: Where a resume point could stand and none does.
NO_POINT = 2**64 - 1


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


@dataclasses.dataclass(frozen=True, slots=True)
class Registered(Message):
    """The broker has the part in its table."""

    broker: str
    heartbeat_interval: float


@dataclasses.dataclass(frozen=True, slots=True)
class RegisterAgain(Message):
    """The broker does not know who is speaking (it was restarted)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """I am here."""


@dataclasses.dataclass(frozen=True, slots=True)
class Leave(Message):
    """The part goes, and what it had with it."""


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


@dataclasses.dataclass(frozen=True, slots=True)
class Refused(Message):
    """No kernel for this channel. `code` is stable, for programs; `text` says why and what to do.
    """

    channel: int
    code: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Lost(Message):
    """What the channel led to is gone for good."""

    channel: int
    text: str


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


@dataclasses.dataclass(frozen=True, slots=True)
class Acquired(Message):
    """The host has attached a kernel to the channel. `position`: as in Opened."""

    channel: int
    kernel: KernelReport
    position: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Release(Message):
    """The frontend is done with the channel: a request still waiting is cancelled, a client still
    attached is taken for lost.
    """

    channel: int
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class KernelGone(Message):
    """A kernel has ended."""

    kernel: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class KeepAlive(Message):
    """The client says whether its kernel is to be kept when it leaves, whatever the pool's rule is.
    """

    channel: int
    keep: bool


_TYPES: tuple[type[Message], ...] = (
    Register,
    Registered,
    RegisterAgain,
    Heartbeat,
    Leave,
    Open,
    Opened,
    Refused,
    Lost,
    Acquire,
    Acquired,
    Release,
    KernelReport,
    KernelGone,
    KeepAlive,
    PoolReport,
    PoolFigures,
    HostReport,
    FrontendReport,
    LinksRequest,
    LinksAnswer,
    StatusRequest,
    Status,
    StoryRequest,
    Story,
    StartOrder,
    KernelOrder,
    SessionOrder,
    PoolOrder,
    HostOrder,
    ReloadOrder,
    LogLevelOrder,
    TraceOrder,
    Traced,
    PartAnswer,
    Answer,
)
_BY_NAME: dict[str, type[Message]] = {cls.__name__: cls for cls in _TYPES}
for _cls in _TYPES:
    schema_of(_cls)  # at the door there is no time to make one


def encode(message: Message) -> bytes:
    """Give the JSON text of `message`. Texts longer than the door lets pass are cut, since a
    message that is refused there is lost.
    """
    content = {"message": type(message).__name__, **_shortened(dataclasses.asdict(message))}  # type: ignore[call-overload]
    # In ASCII, since a text may hold half a surrogate pair, which has no other encoding.
    return json.dumps(content, separators=(",", ":")).encode()


def _shortened(content: Any) -> Any:
    if isinstance(content, str):
        return content if len(content) <= MAXIMUM_TEXT else content[: MAXIMUM_TEXT - 1] + "…"
    if isinstance(content, dict):
        return {key: _shortened(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_shortened(value) for value in content]
    return content


def decode(payload: bytes | bytearray | memoryview) -> Message:
    """Read a control message.

    Raises:
        MessageError: not JSON, not a known message, or not what its schema says; the text names the
            message and the key. It has the request's number and sender where those can be read.
    """
    try:
        content = json.loads(bytes(payload))
    except (ValueError, RecursionError) as error:
        raise MessageError(f"a control message is not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("message"), str):
        raise MessageError("a control message does not say which it is ('message' is missing)")
    name = content.pop("message")
    cls = _BY_NAME.get(name)
    if cls is None:
        raise _refusal(f"an unknown control message {name[:80]!r}", content)
    try:
        return load(cls, content)
    except ValidationError as error:
        raise _refusal(f"control message {name}: {fault(error)}", content) from None


def _refusal(text: str, content: dict[str, Any]) -> MessageError:
    request, sender = content.get("request"), content.get("sender")
    known = type(request) is int and 0 <= request < 2**64
    return MessageError(text, request if known else None, sender[:200] if isinstance(sender, str) else "")

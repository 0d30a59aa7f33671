"""Control messages: what the parts tell each other beside the data, as JSON checked by marshmallow at the door.

Each message is a frozen dataclass; its schema is made from its fields, so the two cannot differ. :func:`decode` refuses what the schema
refuses, unknown messages and unknown keys included, with one line that names the message and the key. After the door nothing is
checked again.

| from | to | messages |
|---|---|---|
| frontend, host | broker | :class:`Register`, :class:`Heartbeat`, :class:`Leave` |
| broker | frontend, host | :class:`Registered`, :class:`Heartbeat`, :class:`RegisterAgain` |
| frontend | broker | :class:`Open`, :class:`Release` |
| broker | frontend | :class:`Opened`, :class:`Refused`, :class:`Lost` |
| broker | host | :class:`Acquire`, :class:`Release` |
| host | broker | :class:`Acquired`, :class:`Refused`, :class:`KernelReport`, :class:`KernelGone`, :class:`PoolReport` |
"""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any, get_args, get_origin, get_type_hints

from marshmallow import Schema, ValidationError, fields, validate

from bus.errors import MessageError

__all__ = [
    "MAXIMUM_TEXT",
    "NO_POINT",
    "Acquire",
    "Acquired",
    "ChannelReport",
    "Heartbeat",
    "HostStatus",
    "KeepAlive",
    "KernelGone",
    "KernelReport",
    "KernelStatus",
    "Leave",
    "Lost",
    "Message",
    "Open",
    "Opened",
    "PoolReport",
    "PoolStatus",
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

#: Characters of the longest text in a message.
MAXIMUM_TEXT = 4096


class Message:
    """Base of the control messages. Channel numbers are unsigned 64-bit; times are seconds; texts are for people."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True)
class PoolReport(Message):
    """A pool as one host has it. `queued` counts requests that wait there; `maximum` is the cap on all its kernels.

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


@dataclasses.dataclass(frozen=True, slots=True)
class KernelReport(Message):
    """A kernel, told when its state changes, at most about once a second when only its counters do, and when its host registers again.

    It has a session once it has had a client. `bytes_in` and `bytes_out` are as the kernel sees them.
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
    """A channel that a part holds, told when it registers again. A host tells of those that outlive their kernels."""

    channel: int
    kernel: str = ""
    client: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Register(Message):
    """A part introduces itself. `peer` is its own identity, new for each process; never ZeroMQ's."""

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
    """A client wants a kernel; `channel` is the number its frontend has chosen for the attachment."""

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
    """The channel leads to a kernel now. `position`: the number of the first packet that will come through it."""

    channel: int
    kernel: str
    pool: str
    host: str
    position: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Refused(Message):
    """No kernel for this channel. `code` is stable, for programs; `text` says why and what to do."""

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
    """The frontend is done with the channel: a request still waiting is cancelled, a client still attached is taken for lost."""

    channel: int
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class KernelGone(Message):
    """A kernel has ended."""

    kernel: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class KeepAlive(Message):
    """The client says whether its kernel is to be kept when it leaves, whatever the pool's rule is."""

    channel: int
    keep: bool


@dataclasses.dataclass(frozen=True, slots=True)
class StatusRequest(Message):
    """Asks the broker for its status. `request` is the asker's number for it."""

    request: int


@dataclasses.dataclass(frozen=True, slots=True)
class HostStatus(Message):
    """A kernel host, as the broker sees it. `silent`: seconds since it was heard."""

    name: str
    state: str
    version: str
    silent: float


@dataclasses.dataclass(frozen=True, slots=True)
class PoolStatus(Message):
    """A pool over all its hosts. `waiting` counts requests, `longest` is how many seconds the first of them has waited."""

    pool: str
    default: bool
    parallel_default: bool
    parallel: bool
    hosts: int
    starting: int
    ready: int
    attached: int
    detached: int
    waiting: int
    longest: float
    minimum: int
    maximum: int
    failing: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class KernelStatus(Message):
    """A kernel. `state` as in the broker's table of session states; `created` and `since` are seconds ago."""

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
    cpu: float = 0.0  #: as in KernelReport, as are the next two
    memory: int = 0
    idle: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Status(Message):
    """The broker's answer to a StatusRequest. Times are seconds."""

    request: int
    broker: str
    up: float
    frontends: int
    links: int  #: attachments, waiting requests included
    hosts: list[HostStatus] = dataclasses.field(default_factory=list)
    pools: list[PoolStatus] = dataclasses.field(default_factory=list)
    kernels: list[KernelStatus] = dataclasses.field(default_factory=list)


def _field(hint: Any, required: bool) -> fields.Field[Any]:
    extra: dict[str, Any] = {"required": required}
    if hint is bool:
        return fields.Boolean(truthy={True}, falsy={False}, **extra)
    if hint is int:
        return fields.Integer(strict=True, validate=validate.Range(0, 2**64 - 1), **extra)
    if hint is float:
        return fields.Float(validate=validate.Range(0), **extra)
    if hint is str:
        return fields.String(validate=validate.Length(max=MAXIMUM_TEXT), **extra)
    if get_origin(hint) is list:
        return fields.List(_field(get_args(hint)[0], True), validate=validate.Length(max=100_000), **extra)
    return fields.Nested(_schema(hint)(), **extra)


def _schema(cls: type[Message]) -> type[Schema]:
    hints = get_type_hints(cls)
    made: dict[str, fields.Field[Any]] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        made[field.name] = _field(hints[field.name], required)
    return Schema.from_dict(typing.cast("dict[str, Any]", made), name=cls.__name__)


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
    StatusRequest,
    Status,
)
_BY_NAME: dict[str, tuple[type[Message], Schema]] = {cls.__name__: (cls, _schema(cls)()) for cls in _TYPES}


def encode(message: Message) -> bytes:
    """Give the JSON text of `message`. Texts longer than the door lets pass are cut, since a message that is refused there is lost."""
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
        MessageError: not JSON, not a known message, or not what its schema says; the text names the message and the key.
    """
    try:
        content = json.loads(bytes(payload))
    except (ValueError, RecursionError) as error:
        raise MessageError(f"a control message is not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("message"), str):
        raise MessageError("a control message does not say which it is ('message' is missing)")
    name = content.pop("message")
    try:
        cls, schema = _BY_NAME[name]
    except KeyError:
        raise MessageError(f"an unknown control message {name[:80]!r}") from None
    try:
        return typing.cast("Message", _build(cls, schema.load(content)))
    except ValidationError as error:
        raise MessageError(f"control message {name}: {_first(error.messages)}") from None


def _build(cls: Any, content: dict[str, Any]) -> Any:
    hints = get_type_hints(cls)
    for key, value in content.items():
        hint = hints[key]
        if isinstance(value, dict):
            content[key] = _build(hint, value)
        elif isinstance(value, list):
            content[key] = [_build(get_args(hint)[0], item) if isinstance(item, dict) else item for item in value]
    return cls(**content)


def _first(messages: Any) -> str:
    path: list[str] = []
    current: Any = messages
    while isinstance(current, dict):
        key = next(iter(current))
        path.append(str(key)[:80])
        current = current[key]
    return f"{'.'.join(path)}: {current[0] if isinstance(current, list) else current}"

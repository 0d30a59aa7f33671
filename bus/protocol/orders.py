"""What an administrator orders: from a console to the broker, from there to the parts that it is
for, and the answers back.

A console (the admin shell, a script) is no part of the bus: it does not register, and every request
stands by itself, so that losing the broker costs it nothing but the answer. The broker checks an
order, gives it a number of its own, sends it on to who is to carry it out, and answers when all
have answered, or when their time is over.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from kernelbus.bus.protocol.schema import Message, control_message

__all__ = [
    "Answer",
    "HostOrder",
    "KernelOrder",
    "LogLevelOrder",
    "Order",
    "PartAnswer",
    "PoolOrder",
    "ReloadOrder",
    "SessionOrder",
    "StartOrder",
    "TraceEvent",
    "TraceOrder",
    "Traced",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Order(Message):
    """Base of the orders. `request` is the sender's number for it; `sender` says who orders it
    (user@machine), for the log.
    """

    request: int
    sender: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class StartOrder(Order):
    """Start one more kernel in a pool, beside those it keeps ready; `host`: there (a name or an
    id's beginning), else where there is most room."""

    pool: str
    host: str = ""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class KernelOrder(Order):
    """Do something to a kernel; its id, or the beginning of it.

    abort, interrupt: what it evaluates, as if its client had sent the message. close: end it; its
    client is told. restart: end it, and start another in its pool.
    """

    kernel: str
    action: Literal["abort", "interrupt", "close", "restart"]


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class SessionOrder(Order):
    """Do something to a session; its kernel's id, or the beginning of it.

    detach: take the kernel from its client, and keep it. close: end the session, and its kernel if
    it is there; one whose host is not there is forgotten.
    """

    kernel: str
    action: Literal["detach", "close"]


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class PoolOrder(Order):
    """Change how a pool is run, on all its hosts and on those that come, until it is changed again
    or all of them have ended.

    pause: hand no kernels out; who wants one waits. drain: hand none out, refuse who wants one,
    keep none ready; sessions go on.
    resume: undo either. resize: keep `minimum` ready, have at most `maximum`; None: as it is.
    """

    pool: str
    action: Literal["pause", "resume", "drain", "resize"]
    minimum: int | None = None
    maximum: int | None = None


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class HostOrder(Order):
    """Change what a host does; its name, or the beginning of its id.

    drain: no new kernels there; when it has no session left, it ends. resume: undo that. evict: end
    its kernels and the host now, and if it cannot be reached, give it up.
    """

    host: str
    action: Literal["drain", "resume", "evict"]


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class ReloadOrder(Order):
    """Every part reads its configuration file again, and says what has changed and what needs a
    restart.
    """


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class LogLevelOrder(Order):
    """Every part logs at this level from now on: error, debug or trace, or 1, 2 or 3."""

    level: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class TraceOrder(Order):
    """Send a :class:`Traced` of what passes to and from a kernel; its id, or the beginning of it.

    It holds for 15 s, and goes on as long as it is repeated; `on` False ends it at once.
    """

    kernel: str
    on: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class TraceEvent(Message):
    """A packet or message that has passed. `at`: seconds since 1970; `size`: bytes; `direction`: to
    or from the kernel.
    """

    at: float
    direction: Literal["to", "from"]
    head: str
    size: int


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Traced(Message):
    """What has passed, in order. `missed`: how many more did that are not told of, since there were
    too many.
    """

    kernel: str
    events: list[TraceEvent]
    missed: int = 0


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class PartAnswer(Message):
    """What a part says to an order: whether it is carried out, and if not why (`code` is stable,
    for programs), in lines for people.
    """

    request: int
    ok: bool
    code: str = ""
    lines: list[str] = dataclasses.field(default_factory=list)
    part: str = ""  #: which part, as the broker calls it


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Answer(Message):
    """The broker's answer to a console. `ok`: everybody has carried it out; `target`: what was
    meant, by its whole name or id.
    """

    request: int
    ok: bool
    code: str = ""
    lines: list[str] = dataclasses.field(default_factory=list)
    parts: list[PartAnswer] = dataclasses.field(default_factory=list)
    target: str = ""

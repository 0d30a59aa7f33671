"""Define what an administrator can order, and the answers.

An order goes from a *console* (the admin shell, a script) to the broker, from there to the parts
that it is for, and the answers go back the same way. A console is no part of the bus: it does not
register, and each request stands by itself, so that the loss of the broker costs it one answer. The
broker checks an order, gives it a number of its own, sends it to the parts that carry it out, and
answers when all of them have answered or their time is over.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from kernelbus.bus.protocol.schema import Message, control_message

__all__ = [
    "AccessOrder",
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
    """Base of the orders.

    `request` is the number that the sender gives it; `sender` says who orders it (user@machine),
    for the log.
    """

    request: int
    sender: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class StartOrder(Order):
    """Start one more kernel in a pool, beside those that it keeps ready.

    `host`: the host to start it on, by its name or the beginning of its id; empty: the one with
    most room.
    """

    pool: str
    host: str = ""


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class KernelOrder(Order):
    """Do something to a kernel, named by its id or the beginning of it.

    * abort, interrupt: abort or interrupt its evaluation, as if its client had sent the message.
    * close: end the kernel; its client is told.
    * restart: end the kernel, and start another in its pool.
    """

    kernel: str
    action: Literal["abort", "interrupt", "close", "restart"]


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class SessionOrder(Order):
    """Do something to a session, named by its kernel's id or the beginning of it.

    * detach: take the kernel from its client, and keep it.
    * close: end the session, and its kernel if that is there. If its host is away, the session is
      forgotten.
    """

    kernel: str
    action: Literal["detach", "close"]


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class PoolOrder(Order):
    """Change how a pool is run, on all its hosts and on those that come later.

    It holds until it is changed again or all the hosts of the pool have ended.

    * pause: hand out no kernels; clients that want one wait.
    * drain: hand out no kernels, refuse clients that want one, and keep none ready. Sessions go on.
    * resume: undo pause or drain.
    * resize: keep `minimum` kernels ready and have at most `maximum`; None leaves a number as it
      is.
    """

    pool: str
    action: Literal["pause", "resume", "drain", "resize"]
    minimum: int | None = None
    maximum: int | None = None


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class HostOrder(Order):
    """Change what a host does; the host is named by its name or the beginning of its id.

    * drain: start no kernels there; when it has no session left, it ends.
    * resume: undo drain.
    * evict: end its kernels and the host now; if it cannot be reached, give it up.
    """

    host: str
    action: Literal["drain", "resume", "evict"]


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class AccessOrder(Order):
    """Change for a time who needs no token, at all frontends and at those that come meanwhile.

    `network`: an address or a network.

    * grant: its programs need no token for `seconds` from now.
    * revoke: they need it again.
    """

    network: str
    action: Literal["grant", "revoke"]
    seconds: float = 0.0


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class ReloadOrder(Order):
    """Have every part read its configuration file again.

    Each answers with what has changed and what needs a restart.
    """


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class LogLevelOrder(Order):
    """Have every part log at this level from now on: error, debug or trace, or 1, 2 or 3."""

    level: str


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class TraceOrder(Order):
    """Send the sender a :class:`Traced` of what passes to and from a kernel.

    The kernel is named by its id or the beginning of it. A trace holds for 15 s, and continues as
    long as the order is repeated; `on` False ends it at once.
    """

    kernel: str
    on: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class TraceEvent(Message):
    """A packet or message that has passed.

    `at`: seconds since 1970; `size`: bytes; `direction`: to or from the kernel.
    """

    at: float
    direction: Literal["to", "from"]
    head: str
    size: int


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Traced(Message):
    """What has passed, in order.

    `missed`: how many more packets and messages passed that are left out, since there were too
    many.
    """

    kernel: str
    events: list[TraceEvent]
    missed: int = 0


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class PartAnswer(Message):
    """A part's answer to an order: whether it has carried the order out.

    `code` says why not; it is stable, for programs. `lines` are for people.
    """

    request: int
    ok: bool
    code: str = ""
    lines: list[str] = dataclasses.field(default_factory=list)
    part: str = ""  #: which part, in the broker's words


@control_message
@dataclasses.dataclass(frozen=True, slots=True)
class Answer(Message):
    """The broker's answer to a console.

    `ok`: every part has carried the order out. `target`: the whole name or id of what was meant.
    """

    request: int
    ok: bool
    code: str = ""
    lines: list[str] = dataclasses.field(default_factory=list)
    parts: list[PartAnswer] = dataclasses.field(default_factory=list)
    target: str = ""

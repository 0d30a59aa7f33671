"""What passes between a kernel and whoever it works for, packet by packet, for those who want to
see it.

Never a packet's contents, but for the log's own use where `--log-contents` has asked for them.

Rules of this module: no I/O. Whoever passes a packet asks first whether :attr:`PacketTrace.active`,
which is all that a packet costs when nobody watches. The log is one watcher, at trace level; others
are added and removed at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kernelbus.bus.settings.logs import TRACE, EventLogger, contents_shown, fields
from kernelbus.kernelhost.session.excerpt import KEPT, excerpt

__all__ = ["FROM", "TO", "PacketTrace", "Passage", "Sink"]

#: The directions of a packet: to the kernel, from the kernel.
TO = "to"
FROM = "from"


@dataclass(frozen=True, slots=True)
class Passage:
    """One packet or message that has passed.

    Attributes:
        time: seconds since the epoch.
        direction: "to" the kernel, or "from" it.
        head: the packet's, as `EvaluatePacket`; empty for an expression without a symbol as its
            head; `message 3` for a WSTP message.
        size: bytes of its tokens, without the end-of-packet token; 0 for a message.
    """

    time: float
    direction: str
    head: str
    size: int


#: Takes what has passed. It must not wait, and is not to raise.
Sink = Callable[[Passage], None]


class PacketTrace:
    """One kernel's packets, as they pass.

    Args:
        log: the kernel's; it shows them at trace level.
        name: what the log's lines call the kernel.
        clock: gives the time, in seconds since the epoch.

    Attributes:
        kept: bytes of each packet's beginning that are wanted for the log; 0: contents are not
            shown.
    """

    def __init__(self, log: EventLogger, name: str, clock: Callable[[], float]) -> None:
        self._log = log
        self._name = name
        self._clock = clock
        self.kept = KEPT if contents_shown() else 0
        self._sinks: tuple[Sink, ...] = ()

    @property
    def active(self) -> bool:
        """Whether anyone watches."""
        return bool(self._sinks) or self._log.isEnabledFor(TRACE)

    def add(self, sink: Sink) -> None:
        """Have `sink` called with everything that passes from now on."""
        self._sinks = (*self._sinks, sink)

    def remove(self, sink: Sink) -> None:
        """Call `sink` no more; nothing happens when it is not there."""
        # Bound methods are equal, not identical, from one look-up to the next.
        self._sinks = tuple(other for other in self._sinks if other != sink)

    def passed(self, direction: str, head: str | None, size: int, beginning: bytes = b"") -> None:
        """A whole packet of `size` bytes has passed; `head` is None when it has no symbol as its
        head; `beginning`: its, where wanted.
        """
        self._tell(Passage(self._clock(), direction, head or "", size), beginning)

    def message(self, direction: str, code: int) -> None:
        """A WSTP message has passed."""
        self._tell(Passage(self._clock(), direction, f"message {int(code)}", 0))

    def _tell(self, passage: Passage, beginning: bytes = b"") -> None:
        if self._log.isEnabledFor(TRACE):
            contents = excerpt(beginning) if beginning else ""
            extra = fields(direction=passage.direction, head=passage.head, bytes=passage.size, contents=contents)
            if passage.head.startswith("message "):
                self._log.log(TRACE, "%s %s: %s", passage.direction, self._name, passage.head, extra=extra)
            else:
                what = passage.head or "an expression"
                text = "%s %s: %s, %d bytes: %s" if contents else "%s %s: %s, %d bytes%s"
                self._log.log(TRACE, text, passage.direction, self._name, what, passage.size, contents, extra=extra)
        for sink in self._sinks:
            sink(passage)

"""The packets that pass to and from a kernel, one by one, for those that watch them.

Sans-IO. The gate and the kernel's tracker know where packets begin and end, so that a packet's head
and size cost nothing more. Whatever passes a packet checks :attr:`PacketTrace.active` first, which
is all that a packet costs while nobody watches (0.4 µs). The log at trace level is one watcher;
others are added and removed at any time.

A watcher never sees a packet's contents. Only the log shows them, where `--log-contents` asks for
them (:mod:`kernelbus.kernelhost.session.excerpt`).
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
        head: the name of the packet's head, such as `EvaluatePacket`; empty: the head is not a
            symbol; for a WSTP message its code, such as `message 3`.
        size: bytes of the packet's tokens, without the end-of-packet token; 0 for a message.
    """

    time: float
    direction: str
    head: str
    size: int


#: A watcher: called with each packet and message. It must neither wait nor raise.
Sink = Callable[[Passage], None]


class PacketTrace:
    """The packets of one kernel, as they pass.

    Args:
        log: the kernel's log, which shows them at trace level.
        name: what the log's lines call the kernel.
        clock: returns the time, in seconds since the epoch.

    Attributes:
        kept: how many bytes of each packet's beginning the log needs; 0: it shows no contents.
    """

    def __init__(self, log: EventLogger, name: str, clock: Callable[[], float]) -> None:
        self._log = log
        self._name = name
        self._clock = clock
        self.kept = KEPT if contents_shown() else 0
        self._sinks: tuple[Sink, ...] = ()

    @property
    def active(self) -> bool:
        """Whether anything watches."""
        return bool(self._sinks) or self._log.isEnabledFor(TRACE)

    def add(self, sink: Sink) -> None:
        """Call `sink` with everything that passes from now on."""
        self._sinks = (*self._sinks, sink)

    def remove(self, sink: Sink) -> None:
        """Call `sink` no more; do nothing if it was not added."""
        # Each look-up of a bound method makes another object: they are equal, not identical.
        self._sinks = tuple(other for other in self._sinks if other != sink)

    def passed(self, direction: str, head: str | None, size: int, beginning: bytes = b"") -> None:
        """Tell the watchers of a whole packet.

        Args:
            direction: TO or FROM.
            head: the name of its head; None: the head is not a symbol.
            size: its bytes.
            beginning: its first :attr:`kept` bytes.
        """
        self._tell(Passage(self._clock(), direction, head or "", size), beginning)

    def message(self, direction: str, code: int) -> None:
        """Tell the watchers of a WSTP message."""
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

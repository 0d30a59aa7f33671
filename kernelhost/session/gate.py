"""The gate before a kernel's link: half an expression never stays in a kernel.

Rules of this module: no I/O. Bytes from a client go in, bytes for the kernel come out.

An expression is held until it is complete, up to `hold` bytes; if its client goes before that, the
kernel never sees it. A larger one is streamed as it comes, so that a gigabyte needs no gigabyte
here; if its client goes before it is complete, :meth:`Gate.abandon` gives the bytes that complete
it, to be written right behind an abort message, so that the evaluation is aborted and not carried
out on what only looks like the client's data. No byte of a client that stays is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

from kernelbus.kernelhost.session.excerpt import Beginnings
from wstp import Limits
from wstp.tracker import End, Head, PacketEnd, Start, Tracker

__all__ = ["Gate", "GateState"]


class GateState(Enum):
    """What becomes of the bytes that come in."""

    BETWEEN = "between expressions"
    HOLDING = "holding an expression"
    STREAMING = "streaming an expression"


class Gate:
    """One client's way into a kernel.

    Args:
        hold: bytes of an unfinished expression that are held.
        limits: of the tracker.
        on_packet: called with the head's name, how many bytes it has, and the first `keep` of them,
            when an expression has passed whole, in order.
        keep: see `on_packet`.

    Raises (from :meth:`feed`):
        RemoteProtocolError: the client's bytes are not tokens.
        LimitExceeded: a bound of `limits`.
    """

    def __init__(self, hold: int, limits: Limits, on_packet: Callable[[str | None, int, bytes], None], keep: int = 0) -> None:
        self.state = GateState.BETWEEN
        self._hold = hold
        self._tracker = Tracker(limits)
        self._on_packet = on_packet
        self._held: list[bytes | memoryview] = []
        self._held_bytes = 0
        self._head: str | None = None
        self._begun = 0
        self._beginnings = Beginnings(keep)

    @property
    def held(self) -> int:
        """Bytes held at present."""
        return self._held_bytes

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes | memoryview]:
        """Take the client's next bytes and give those that are to be written to the kernel now."""
        view = memoryview(data)
        base = self._tracker.position
        # Up to here the bytes belong to whole expressions; what follows, if anything does, to one
        # in progress.
        whole = 0
        marks = self._tracker.feed(data)
        self._beginnings.feed(view, marks, base)
        for mark in marks:
            match mark:
                case Start(offset):
                    self._head = None
                    self._begun = offset
                case Head():
                    self._head = mark.name
                case End(offset):
                    whole = offset - base
                    self.state = GateState.BETWEEN
                    self._on_packet(self._head, offset - self._begun, self._beginnings.take())
                case PacketEnd(offset):
                    whole = offset - base
        if self.state is GateState.STREAMING or (whole == len(view) and not self._held):
            return [view]
        out: list[bytes | memoryview] = []
        if whole > 0:
            out, self._held, self._held_bytes = self._held, [], 0
            out.append(view[:whole])
            view = view[whole:]
        if len(view):
            self.state = GateState.HOLDING
            self._held.append(view)
            self._held_bytes += len(view)
            if self._held_bytes > self._hold:
                self.state = GateState.STREAMING
                out += self._held
                self._held, self._held_bytes = [], 0
        return out

    def abandon(self) -> Iterator[bytes | memoryview] | None:
        """The client has gone. What is held is forgotten.

        Returns:
            None when the kernel has only whole expressions; else the bytes that complete the one it
            has begun to read, which are to be written behind an abort message.
        """
        streaming = self.state is GateState.STREAMING
        self.state = GateState.BETWEEN
        self._held, self._held_bytes = [], 0
        if not streaming:
            return None
        self._on_packet(self._head, self._tracker.position - self._begun, self._beginnings.take())
        return self._completion()

    def _completion(self) -> Iterator[bytes | memoryview]:
        yield from self._tracker.completion()
        yield b"]"

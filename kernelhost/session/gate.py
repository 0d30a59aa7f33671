"""The gate in front of a kernel's link: half an expression never stays in a kernel.

Sans-IO. Bytes from a client go in, bytes for the kernel come out.

An expression is held until it is complete, up to `hold` bytes (`Limits`/`HoldBuffer`, 1 MiB). If
its client goes before that, the kernel never sees it. A larger expression is streamed as it comes,
so that a gigabyte needs no gigabyte here. If its client goes in the middle of it,
:meth:`Gate.abandon` returns the bytes that complete it (spaces, zeros, Null). They are written
right behind an abort message, so that the evaluation is aborted and not carried out on data that
the client did not send. Nothing that a client sends is changed as long as it stays.

The embedded kernel takes an abort for the packet that it is reading, so this is exact. Another
kernel is sent a second abort behind the completion; it could in principle finish the completed
expression before that arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

from kernelbus.kernelhost.session.excerpt import Beginnings
from wstp import Limits
from wstp.tracker import End, Head, PacketEnd, Start, Tracker

__all__ = ["Gate", "GateState"]


class GateState(Enum):
    """What happens to the bytes that come in."""

    BETWEEN = "between expressions"
    HOLDING = "holding an expression"
    STREAMING = "streaming an expression"


class Gate:
    """The way of one client's bytes into a kernel.

    Args:
        hold: how many bytes of an unfinished expression are held.
        limits: the limits of the tracker.
        on_packet: called for each expression that has passed whole, in order, with the name of its
            head (None: not a symbol), its size in bytes, and its first `keep` bytes.
        keep: see `on_packet`.

    Attributes:
        state: what happens to the bytes that come in.
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
        """How many bytes are held at present."""
        return self._held_bytes

    @property
    def skippable(self) -> int:
        """How many of the next bytes are the rest of a body, which costs next to nothing."""
        return self._tracker.skippable

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes | memoryview]:
        """Take the client's next bytes; return those that are to be written to the kernel now.

        Raises:
            RemoteProtocolError: the client's bytes are not tokens.
            LimitExceeded: an expression exceeds one of the limits.
        """
        view = memoryview(data)
        base = self._tracker.position
        # So many of the bytes belong to complete expressions; the rest belongs to an unfinished
        # one.
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
        """Handle that the client has gone. What is held is dropped.

        Returns:
            None if the kernel has received only complete expressions; else the bytes that complete
            the one that it has begun to read, to be written behind an abort message.
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

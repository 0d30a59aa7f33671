"""What a kernel has said: kept until a client has taken it, so that the next client can be given
what the last one missed.

Rules of this module: no I/O, no clock. Bytes are counted from the kernel's first client on, packets
are numbered from 0. What has been taken is kept on for a while (`history`), since a client can lose
what its machine had taken for it, and then names the packet it wants to go on from. Nothing that
has not been taken is ever dropped: when there is too much of it (:attr:`OutputLog.full`) the kernel
is held back. Only a packet larger than `capacity` that a client is taking as it comes cannot be
kept whole; if that client goes in the middle of it, a note stands in its place.

| state | what becomes of what the kernel says |
|---|---|
| KEEPING | it is kept |
| DROPPING | it is stale: a client waits for the kernel to be done with what others asked |
| RESYNCHRONISING | it is kept from the next packet on |
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from enum import Enum

from wstp.packets import encode_packet, packet
from wstp.tracker import End, Mark, PacketEnd

__all__ = ["HISTORY", "LogState", "OutputLog", "ResumeError"]

#: Bytes of what was taken that are kept on.
HISTORY = 2**20

_CUT = "a packet of more than {} bytes (Limits/OutputBuffer) was cut off when its client went; it cannot be sent again"


class ResumeError(Exception):
    """A resume point from which nothing can be sent; the text says why. `code` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class LogState(Enum):
    """See the module's table."""

    KEEPING = "keeping"
    DROPPING = "dropping"
    RESYNCHRONISING = "resynchronising"


class OutputLog:
    """One session's output.

    Attributes:
        end: bytes logged so far, which is also the offset of the next one.
        taken: up to here a client has taken it.
        packets: how many whole packets were logged so far, which is also the number of the next
            one.
    """

    def __init__(self, capacity: int, history: int = HISTORY) -> None:
        self.state = LogState.KEEPING
        self.end = 0
        self.taken = 0
        self.packets = 0
        self._capacity = capacity
        self._history = history
        self._start = 0  # of the first packet kept
        self._headless = False  # the first packet kept has lost its beginning
        self._chunks: deque[bytes | memoryview] = deque()
        self._chunk_ends: deque[int] = deque()
        # Of each whole packet kept: where it ends, and where the next one starts (behind the
        # end-of-packet token, if there is one).
        self._ends: deque[int] = deque()
        self._followings: deque[int] = deque()
        self._between = True

    @property
    def kept(self) -> int:
        """Bytes kept."""
        return self.end - self._start

    @property
    def full(self) -> bool:
        """Whether so much has not been taken that the kernel should be held back."""
        return self.end - self.taken > self._capacity

    @property
    def between(self) -> bool:
        """Whether the kernel has said whole packets only."""
        return self._between

    # ------------------------------------------------------------------ what the kernel says

    def append(self, data: bytes | memoryview, marks: Iterable[Mark], base: int) -> bytes | memoryview:
        """Take what the kernel says, with a tracker's marks, which count from `base`. Gives the
        part of it that is kept.
        """
        ends = [mark for mark in marks if type(mark) is End or type(mark) is PacketEnd]
        skip = 0
        if self.state is not LogState.KEEPING:
            if self.state is LogState.RESYNCHRONISING and ends:
                skip = ends[0].offset - base
                del ends[0]
                self.state = LogState.KEEPING
            else:
                self._between = bool(ends) and ends[-1].offset - base == len(data)
                return b""
        if skip:
            data = memoryview(data)[skip:]
        start = self.end - skip - base
        for mark in ends:
            offset = mark.offset + start
            if type(mark) is End:
                self._ends.append(offset)
                self._followings.append(offset)
                self.packets += 1
            elif self._followings:
                # Else the packet that this token ends is gone, and the token stands before the next
                # one, where it means nothing.
                self._followings[-1] = offset
        if len(data):
            self._between = bool(ends) and ends[-1].offset + start == self.end + len(data)
            self._keep(data)
        elif skip:
            self._between = True
        return data

    def append_packet(self, data: bytes) -> None:
        """Take a whole packet that is said in the kernel's name."""
        self._keep(data)
        self.packets += 1
        self._ends.append(self.end)
        self._followings.append(self.end)

    def _keep(self, data: bytes | memoryview) -> None:
        if isinstance(data, memoryview) and 2 * len(data) < memoryview(data.obj).nbytes:
            # A small view must not keep the large buffer that it is of.
            data = bytes(data)
        self.end += len(data)
        self._chunks.append(data)
        self._chunk_ends.append(self.end)

    # ------------------------------------------------------------------ what becomes of it

    def take(self, offset: int) -> None:
        """A client has taken everything up to `offset`."""
        if offset > self.taken:
            self.taken = min(offset, self.end)
        # Packets go whole, and none before it has been taken.
        while self._followings and self._followings[0] <= self.taken and self.taken - self._start > self._history:
            self._ends.popleft()
            self._start = self._followings.popleft()
            self._headless = False
        if self.taken > self._start and self.end - self._start > self._capacity and not (self._ends and self._ends[0] <= self.taken):
            self._start = self.taken
            self._headless = True
        self._release()

    def _release(self) -> None:
        while self._chunk_ends and self._chunk_ends[0] <= self._start:
            self._chunk_ends.popleft()
            self._chunks.popleft()

    def left(self) -> None:
        """The client has gone. What it had taken of a packet in part is to be sent again, or a note
        in its place.
        """
        if self.state is LogState.DROPPING:
            self.state = LogState.KEEPING if self._between else LogState.RESYNCHRONISING
        elif self._headless and not (self._ends and self._ends[0] <= self.taken):
            self._replace_headless()

    def _replace_headless(self) -> None:
        self._headless = False
        note = encode_packet(packet("TextPacket", _CUT.format(self._capacity)))
        if self._ends:
            # Its end is there already, in what was not taken: the note goes before what follows.
            behind = self._pieces(self._followings[0], self.end)
            later = [(end, following) for end, following in zip(self._ends, self._followings, strict=True)][1:]
            shift = self._start + len(note) - self._followings[0]
            self._clear(self._start)
            self._keep(note)
            self._ends.append(self.end)
            self._followings.append(self.end)
            for piece in behind:
                self._keep(piece)
            for end, following in later:
                self._ends.append(end + shift)
                self._followings.append(following + shift)
        else:
            self._clear(self._start)
            self.append_packet(note)
            self.state = LogState.KEEPING if self._between else LogState.RESYNCHRONISING
        self.taken = self._start

    def drop(self) -> None:
        """What was said is stale, and what is said from now on, until :meth:`keep`."""
        last = self._followings[-1] if self._followings else self._start
        if last < self.end:
            kept = self._pieces(self._start, last)
            self._chunks.clear()
            self._chunk_ends.clear()
            self.end = last - sum(len(piece) for piece in kept)
            for piece in kept:
                self.end += len(piece)
                self._chunks.append(piece)
                self._chunk_ends.append(self.end)
        self._headless = False
        self.state = LogState.DROPPING
        # A client may have taken a part of what is cut off here.
        self.taken = min(self.taken, self.end)
        self.take(self.end)

    def keep(self) -> None:
        """Keep what is said from now on; the kernel must be between packets."""
        assert self._between
        self.state = LogState.KEEPING

    def _clear(self, at: int) -> None:
        self._chunks.clear()
        self._chunk_ends.clear()
        self._ends.clear()
        self._followings.clear()
        self._start = self.end = at

    # ------------------------------------------------------------------ what is sent again

    def missed(self) -> tuple[int, int]:
        """Give the offset, and the number, of the first packet that was not taken whole."""
        index = bisect_right(self._ends, self.taken)
        first = self.packets - len(self._ends)
        offset = self._followings[index - 1] if index else self._start
        return offset, first + index

    def resume(self, number: int) -> int:
        """Give the offset of packet `number`.

        Raises:
            ResumeError: it is no longer kept, or is not there yet.
        """
        first = self.packets - len(self._ends)
        if number > self.packets:
            raise ResumeError("resume-point", f"resume point {number} is not there yet: the session has said {self.packets} packets")
        if number < first or (number == first and self._headless):
            text = f"resume point {number} is too old: what the session said before {first + self._headless} is no longer kept"
            raise ResumeError("resume-too-old", text)
        return self._followings[number - first - 1] if number > first else self._start

    def piece(self, offset: int) -> bytes | memoryview:
        """Give some bytes from `offset` on, as many as lie together; none at the end."""
        if offset >= self.end:
            return b""
        index = bisect_right(self._chunk_ends, offset)
        chunk = self._chunks[index]
        skip = offset - (self._chunk_ends[index] - len(chunk))
        return memoryview(chunk)[skip:] if skip else chunk

    def _pieces(self, offset: int, until: int) -> list[bytes | memoryview]:
        pieces = []
        while offset < until:
            piece = self.piece(offset)[: until - offset]
            pieces.append(piece)
            offset += len(piece)
        return pieces

    def validate(self) -> None:
        """Check the invariants; for tests.

        Raises:
            AssertionError: one does not hold.
        """
        assert self._start <= self.taken <= self.end, (self._start, self.taken, self.end)
        assert len(self._ends) == len(self._followings) <= self.packets
        assert len(self._chunks) == len(self._chunk_ends)
        if self._chunks:
            assert self._chunk_ends[-1] == self.end
            assert self._chunk_ends[0] > self._start >= self._chunk_ends[0] - len(self._chunks[0])
        else:
            assert self._start == self.end
        bounds = [bound for pair in zip(self._ends, self._followings, strict=True) for bound in pair]
        assert bounds == sorted(bounds) and all(self._start <= bound <= self.end for bound in bounds)

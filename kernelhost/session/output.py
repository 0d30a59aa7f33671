"""The output log of a session: what the kernel has said, kept until a client has taken it.

From the log the next client gets what the last one missed. Sans-IO: no I/O, no clock. Bytes are
counted from the kernel's first client on, whole packets are numbered from 0.

What a client has *taken* is what its machine has acknowledged; the frontend counts it
(:mod:`kernelbus.frontend.delivery`) and reports it in the frame that ends the channel. Nothing that
has not been taken is ever dropped: when more than `capacity` (`Limits`/`OutputBuffer`) has not been
taken, the kernel is held back (:attr:`OutputLog.full`).

A client can lose what its machine had acknowledged. It has read what was there when it last sent
something (:meth:`OutputLog.answered`); what came later may be unread. So `unread` bytes of that are
kept. If the connection then ends like one with unread bytes, the frontend reports less than was
taken before, and the log goes back (:meth:`OutputLog.give_back`). Of what the client has read,
`history` bytes are kept for one that names the packet to go on from (`Reconnect[id, "Resume" ->
n]`).

When a client aborts an evaluation, what that has said and no client has been sent yet is dropped
(:meth:`OutputLog.forgo`): whole packets, and none that answers something. Packets after them take
their numbers.

Only one thing cannot be kept whole: a packet larger than `capacity` that a client takes as it
comes. If that client goes in the middle of it, a note takes its place.

| state | what happens to the kernel's output |
|---|---|
| KEEPING | it is kept |
| DROPPING | it is dropped as stale: a client waits until earlier requests have been answered |
| RESYNCHRONISING | it is dropped up to the end of the present packet, then kept |
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from enum import Enum

from wstp.packets import encode_packet, packet
from wstp.tracker import End, Head, Mark, PacketEnd

__all__ = ["HISTORY", "UNREAD", "LogState", "OutputLog", "ResumeError"]

#: How many bytes of what a client has read are kept.
HISTORY = 2**20
#: How many bytes are kept that its machine has acknowledged and that it may not have read. The
#: receive buffers of most systems hold no more (Linux: 6 MiB, net.ipv4.tcp_rmem).
UNREAD = 2**23

#: The packets in which an evaluation says something that nobody has to answer, and that answers
#: nothing.
_SAID = frozenset(("TextPacket", "MessagePacket", "DisplayPacket", "DisplayEndPacket", "ExpressionPacket"))

_CUT = "a packet of more than {} bytes (Limits/OutputBuffer) was cut off when its client went; it cannot be sent again"


class ResumeError(Exception):
    """A resume point from which nothing can be sent. `code` is stable, the text says why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class LogState(Enum):
    """The state of an output log; see the module's table."""

    KEEPING = "keeping"
    DROPPING = "dropping"
    RESYNCHRONISING = "resynchronising"


class OutputLog:
    """The output of one session.

    Args:
        capacity: bytes that may wait to be taken before the kernel is held back.
        history: bytes of what was read that are kept.
        unread: bytes that may be unread at a client's machine though they count as taken.

    Attributes:
        state: what happens to the kernel's output.
        end: how many bytes were logged, which is also the offset of the next one.
        taken: the offset up to which a client has taken the output.
        packets: how many whole packets were logged, which is also the number of the next one.
    """

    def __init__(self, capacity: int, history: int = HISTORY, unread: int = UNREAD) -> None:
        self.state = LogState.KEEPING
        self.end = 0
        self.taken = 0
        self.packets = 0
        self._capacity = capacity
        self._history = history
        self._unread = max(history, unread)
        self._read = 0  # the offset up to which the client has read
        self._start = 0  # the offset of the first byte kept
        self._headless = False  # whether the first packet kept has lost its beginning
        self._chunks: deque[bytes | memoryview] = deque()
        self._chunk_ends: deque[int] = deque()
        # For each whole packet kept: the offset of its end, and that of the next packet (behind
        # the end-of-packet token, if there is one).
        self._ends: deque[int] = deque()
        self._followings: deque[int] = deque()
        self._heads: deque[str] = deque()
        self._head = ""  # of the kernel's present packet
        self._between = True

    @property
    def kept(self) -> int:
        """How many bytes are kept."""
        return self.end - self._start

    @property
    def full(self) -> bool:
        """Whether the kernel should be held back: too much has not been taken."""
        return self.end - self.taken > self._capacity

    @property
    def between(self) -> bool:
        """Whether the kernel's output ends with a complete packet."""
        return self._between

    # ------------------------------------------------------------------ the kernel's output

    def append(self, data: bytes | memoryview, marks: Iterable[Mark], base: int) -> bytes | memoryview:
        """Log the kernel's next bytes; return the part of them that is kept.

        Args:
            data: the bytes.
            marks: the tracker's marks in them.
            base: the tracker's offset of the first of them.
        """
        ends = [mark for mark in marks if type(mark) is End or type(mark) is PacketEnd]
        heads = self._heads_of(marks)
        skip = 0
        if self.state is not LogState.KEEPING:
            if self.state is LogState.RESYNCHRONISING and ends:
                skip = ends[0].offset - base
                del ends[0], heads[0]
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
                self._heads.append(heads.popleft())
                self.packets += 1
            elif self._followings:
                # Otherwise the packet that this token ends is not kept, and the token stands in
                # front of the next packet, where it means nothing.
                self._followings[-1] = offset
        if len(data):
            self._between = bool(ends) and ends[-1].offset + start == self.end + len(data)
            self._keep(data)
        elif skip:
            self._between = True
        return data

    def _heads_of(self, marks: Iterable[Mark]) -> deque[str]:
        """Return the heads of the packets that end among these marks."""
        heads: deque[str] = deque()
        for mark in marks:
            if type(mark) is Head:
                self._head = (mark.name or "").removeprefix("System`")
            elif type(mark) is End:
                heads.append(self._head)
                self._head = ""
        return heads

    def append_packet(self, data: bytes) -> None:
        """Log a whole packet that the server sends in the kernel's name."""
        self._keep(data)
        self.packets += 1
        self._heads.append("")
        self._ends.append(self.end)
        self._followings.append(self.end)

    def _keep(self, data: bytes | memoryview) -> None:
        if isinstance(data, memoryview) and 2 * len(data) < memoryview(data.obj).nbytes:
            # A small view must not keep the large buffer behind it in memory.
            data = bytes(data)
        self.end += len(data)
        self._chunks.append(data)
        self._chunk_ends.append(self.end)

    # ------------------------------------------------------------------ taken, or dropped

    def take(self, offset: int) -> None:
        """Note that a client has taken everything up to `offset`; release what is not needed."""
        if offset > self.taken:
            self.taken = min(offset, self.end)
        # Packets are released whole, and none before it has been taken.
        while self._followings and self._followings[0] <= self.taken and self._longer_than_needed():
            self._ends.popleft()
            self._heads.popleft()
            self._start = self._followings.popleft()
            self._headless = False
        if self.taken > self._start and self.end - self._start > self._capacity and not (self._ends and self._ends[0] <= self.taken):
            self._start = self.taken
            self._headless = True
        self._release()

    def _longer_than_needed(self) -> bool:
        """Whether the first packet, which has been taken, can be released."""
        if self.taken - self._followings[0] >= self._unread or self._read - self._start > self._history:
            return True
        return self.end - self._start > self._capacity + self._unread

    def answered(self, offset: int) -> None:
        """Note that the client has sent something after it had taken everything up to `offset`.

        So it has read that.
        """
        self.take(offset)
        if offset > self._read:
            self._read = min(offset, self.end)
            self.take(offset)

    def give_back(self, offset: int | None = None) -> None:
        """Note that what was taken from `offset` on may not have been read, as far as it is kept.

        Args:
            offset: None: what the client has read for certain.
        """
        self.taken = max(self._start, min(self.taken, self._read if offset is None else offset))

    def rewind(self, offset: int) -> None:
        """Note that a client has come that is sent everything from `offset` on.

        It has taken nothing of that, whatever the last one had.
        """
        self.taken = min(self.taken, offset)

    def _release(self) -> None:
        while self._chunk_ends and self._chunk_ends[0] <= self._start:
            self._chunk_ends.popleft()
            self._chunks.popleft()

    def left(self) -> None:
        """Handle that the client has gone.

        A packet of which it has taken a part will be sent again whole; if its beginning is no
        longer kept, a note replaces it.
        """
        if self.state is LogState.DROPPING:
            self.state = LogState.KEEPING if self._between else LogState.RESYNCHRONISING
        elif self._headless and not (self._ends and self._ends[0] <= self.taken):
            self._replace_headless()

    def _replace_headless(self) -> None:
        self._headless = False
        note = encode_packet(packet("TextPacket", _CUT.format(self._capacity)))
        if self._ends:
            # The packet's end has been logged already: the note goes in front of what follows it.
            behind = self._pieces(self._followings[0], self.end)
            later = list(zip(self._ends, self._followings, self._heads, strict=True))[1:]
            shift = self._start + len(note) - self._followings[0]
            self._clear(self._start)
            self._keep(note)
            self._ends.append(self.end)
            self._followings.append(self.end)
            self._heads.append("")
            for piece in behind:
                self._keep(piece)
            for end, following, head in later:
                self._ends.append(end + shift)
                self._followings.append(following + shift)
                self._heads.append(head)
        else:
            self._clear(self._start)
            self.append_packet(note)
            self.state = LogState.KEEPING if self._between else LogState.RESYNCHRONISING
        self.taken, self._read = self._start, min(self._read, self._start)

    def drop(self) -> None:
        """Count everything as taken, and drop the kernel's output until :meth:`keep`.

        An unfinished packet at the end of the log is removed.
        """
        last = self._followings[-1] if self._followings else self._start
        if last < self.end:
            self._cut_out(last, self.end)
        # A packet that has lost its beginning may be kept because its end has been logged.
        self._headless = self._headless and bool(self._ends)
        self.state = LogState.DROPPING
        # It is stale from now on, whoever has read how much of it: it is never given back.
        self.taken, self._read = min(self.taken, self.end), self.end
        self.take(self.end)

    def _cut_out(self, begin: int, until: int) -> None:
        """Remove the bytes from `begin` to `until`; what follows takes their place."""
        pieces = self._pieces(self._start, begin) + self._pieces(until, self.end)
        self._chunks.clear()
        self._chunk_ends.clear()
        self.end = self._start
        for piece in pieces:
            self.end += len(piece)
            self._chunks.append(piece)
            self._chunk_ends.append(self.end)

    def forgo(self, sent: int) -> tuple[int, int]:
        """Drop what the kernel has said since it last answered, and no client has been sent.

        These are whole packets. The text of a message that has been sent stays.

        Args:
            sent: the offset up to which output has been sent, to whichever client.

        Returns:
            How many packets were dropped, and how many bytes.
        """
        first = len(self._ends)
        begin = self._followings[-1] if self._followings else self._start
        until = begin
        while first and self._heads[first - 1] in _SAID:
            before = self._followings[first - 2] if first > 1 else self._start
            if before < sent or (first == 1 and self._headless):
                break
            first, begin = first - 1, before
        if first < len(self._ends) and self._heads[first] == "TextPacket" and (not first or self._heads[first - 1] == "MessagePacket"):
            begin = self._followings[first]
            first += 1
        count, size = len(self._ends) - first, until - begin
        if count:
            self._cut_out(begin, until)
            for each in (self._ends, self._followings, self._heads):
                while len(each) > first:
                    each.pop()
            self.packets -= count
        return count, size

    def keep(self) -> None:
        """Keep the kernel's output from now on; the kernel must be between packets."""
        assert self._between
        self.state = LogState.KEEPING

    def _clear(self, at: int) -> None:
        self._chunks.clear()
        self._chunk_ends.clear()
        self._ends.clear()
        self._followings.clear()
        self._heads.clear()
        self._start = self.end = at

    # ------------------------------------------------------------------ sending again

    def missed(self) -> tuple[int, int]:
        """Return the offset and the number of the first packet that was not taken whole."""
        index = bisect_right(self._ends, self.taken)
        first = self.packets - len(self._ends)
        offset = self._followings[index - 1] if index else self._start
        return offset, first + index

    def resume(self, number: int) -> int:
        """Return the offset of packet `number`.

        Raises:
            ResumeError: the packet is no longer kept, or does not exist yet.
        """
        first = self.packets - len(self._ends)
        if number > self.packets:
            raise ResumeError("resume-point", f"resume point {number} is not there yet: the session has said {self.packets} packets")
        if number < first or (number == first and self._headless):
            text = f"resume point {number} is too old: what the session said before {first + self._headless} is no longer kept"
            raise ResumeError("resume-too-old", text)
        return self._followings[number - first - 1] if number > first else self._start

    def piece(self, offset: int) -> bytes | memoryview:
        """Return bytes from `offset` on, as many as are contiguous in memory; none at the end."""
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
        assert len(self._ends) == len(self._followings) == len(self._heads) <= self.packets
        assert len(self._chunks) == len(self._chunk_ends)
        if self._chunks:
            assert self._chunk_ends[-1] == self.end
            assert self._chunk_ends[0] > self._start >= self._chunk_ends[0] - len(self._chunks[0])
        else:
            assert self._start == self.end
        bounds = [bound for pair in zip(self._ends, self._followings, strict=True) for bound in pair]
        assert bounds == sorted(bounds) and all(self._start <= bound <= self.end for bound in bounds)

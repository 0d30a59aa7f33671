"""How much of a kernel's output its client has received.

This module does no I/O. The bytes written to a client's connection are the kernel's output, mixed
with answers of the server's own and, for some clients, written anew in another form. The client's
machine acknowledges bytes of the connection (TCP_INFO); a :class:`Delivery` converts them to bytes
of the output. The frontend gives the host credit for these bytes and no others, so that the host
knows what the client has if the frontend is killed; and it reports the result in the frame that
ends the channel.
"""

from __future__ import annotations

from bisect import bisect_right

__all__ = ["Delivery"]

_MANY = 256
#: How far behind what is acknowledged it matters what the client has read. No machine keeps more
#: unread, and no host keeps more of what was acknowledged.
_UNREAD = 2**23
#: The position of a piece whose bytes on the connection and in the output do not correspond.
_INEXACT = -(2**62)
#: Bytes of output up to which pieces are joined that the client's machine has acknowledged.
_JOINED = 2**16


class Delivery:
    """The delivery of one attachment's output.

    Attributes:
        written: bytes of the output that were written.
    """

    def __init__(self) -> None:
        self.written = 0
        # Pieces, in order: where each begins and ends on the connection, and in the output. The
        # sizes differ where the output was written anew. Pieces that adjoin on both sides are one.
        self._pieces: list[tuple[int, int, int]] = []
        self._ends: list[int] = []
        self._most = _MANY

    def wrote(self, position: int, size: int, output: int) -> None:
        """Record `output` bytes of the output, written as `size` bytes at `position`."""
        begin, self.written = self.written, self.written + output
        if self._pieces and size == output and self._ends[-1] == position:
            first, start, end = self._pieces[-1]
            if position - first == end - start:
                self._pieces[-1] = first, start, self.written
                self._ends[-1] = position + size
                return
        self._pieces.append((position, begin, self.written))
        self._ends.append(position + size)

    @property
    def many(self) -> bool:
        """Whether there are so many pieces that :meth:`forget` should be called."""
        return len(self._pieces) > self._most

    def forget(self, read: int, acknowledged: int) -> None:
        """Drop and join pieces of which it is known, or does not matter, who has them.

        Args:
            read: how many bytes of the connection the client has read.
            acknowledged: how many its machine has acknowledged.
        """
        whole = bisect_right(self._ends, max(read, acknowledged - _UNREAD))
        del self._pieces[:whole], self._ends[:whole]
        joined: list[tuple[int, int, int]] = []
        ends: list[int] = []
        for (position, begin, end), until in zip(self._pieces, self._ends, strict=True):
            if joined and until <= acknowledged and end - joined[-1][1] <= _JOINED:
                joined[-1], ends[-1] = (_INEXACT, joined[-1][1], end), until
            else:
                joined.append((position, begin, end))
                ends.append(until)
        self._pieces, self._ends = joined, ends
        self._most = max(_MANY, 2 * len(joined))

    def taken(self, acknowledged: int) -> int:
        """Return how many bytes of the output the client's machine has received.

        Args:
            acknowledged: how many bytes of the connection it has acknowledged.
        """
        whole = bisect_right(self._ends, acknowledged)
        if whole == len(self._pieces):
            return self.written
        position, begin, end = self._pieces[whole]
        if acknowledged > position and self._ends[whole] - position == end - begin:
            return begin + acknowledged - position
        return begin

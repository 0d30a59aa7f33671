"""How much of a kernel's output its client has received.

This module does no I/O. The bytes written to a client's connection are the kernel's output, mixed
with answers of the server's own and, for some clients, written anew in another form. The client's
machine acknowledges bytes of the connection (TCP_INFO); a :class:`Delivery` converts them to bytes
of the output. The frontend reports the result to the host in the frame that ends the channel.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Delivery"]

_MANY = 256


class Delivery:
    """The delivery of one attachment's output."""

    def __init__(self) -> None:
        #: Bytes of the output that were written.
        self.written = 0
        # Pieces that are not acknowledged yet: position on the connection, size there, and size in
        # the output. The sizes differ where the output was written anew.
        self._pieces: deque[tuple[int, int, int]] = deque()

    def wrote(self, position: int, size: int, output: int) -> None:
        """Record `output` bytes of the output, written as `size` bytes at `position`."""
        self.written += output
        self._pieces.append((position, size, output))

    @property
    def many(self) -> bool:
        """Whether there are so many pieces that :meth:`forget` should be called."""
        return len(self._pieces) > _MANY

    def forget(self, acknowledged: int) -> None:
        """Drop the pieces that lie within the first `acknowledged` bytes of the connection."""
        while self._pieces and self._pieces[0][0] + self._pieces[0][1] <= acknowledged:
            self._pieces.popleft()

    def taken(self, acknowledged: int) -> int:
        """Return how many bytes of the output the client's machine has received.

        Args:
            acknowledged: how many bytes of the connection it has acknowledged.
        """
        missing = 0
        for position, size, output in reversed(self._pieces):
            if position + size <= acknowledged:
                break
            if position >= acknowledged or size != output:
                missing += output
            else:
                missing += position + size - acknowledged
        return self.written - missing

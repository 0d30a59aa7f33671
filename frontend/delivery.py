"""How much of a kernel's output has reached its client.

Rules of this module: no I/O. What is written to a client's connection is the kernel's output,
between answers of the server's own, and for some clients in another form. Its machine acknowledges
bytes of the connection; this tells how many bytes of the output these are.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Delivery"]

_MANY = 256


class Delivery:
    """One attachment's."""

    def __init__(self) -> None:
        #: Bytes of the output that were written.
        self.written = 0
        # Pieces whose acknowledgement is not known: where each lies on the connection, how long it
        # is there, and how long it was in the output; the two differ where it was written anew.
        self._pieces: deque[tuple[int, int, int]] = deque()

    def wrote(self, position: int, size: int, output: int) -> None:
        """`output` bytes of the kernel's were written as `size` bytes, at `position` of the
        connection.
        """
        self.written += output
        self._pieces.append((position, size, output))

    @property
    def many(self) -> bool:
        """Whether :meth:`forget` should be called."""
        return len(self._pieces) > _MANY

    def forget(self, acknowledged: int) -> None:
        """Let go of what has been acknowledged."""
        while self._pieces and self._pieces[0][0] + self._pieces[0][1] <= acknowledged:
            self._pieces.popleft()

    def taken(self, acknowledged: int) -> int:
        """Give how many bytes of the output the client's machine has, when it has acknowledged so
        many of the connection.
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

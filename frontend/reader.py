"""How much of what a client's machine has received its program has read.

This module does no I/O and has no clock. TCP does not tell it, but a receiver's window shrinks by
what waits unread, and otherwise grows. So what waits is about the largest window seen less the
present one. The host sends a client at a pace (:mod:`kernelbus.bus.channel.pace`) that this number
sets: a receive buffer can hold many megabytes, and the answer to an abort would come behind them.

The number is a guess, and nothing depends on it but the pace. If it says for :data:`_BELIEVED`
seconds that something waits, and nothing moves, the present window is taken for the largest: a
system may have made its window smaller for good.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Reader"]

#: Bytes that are not worth a second look. Windows are announced in steps of some kilobytes.
_SMALL: Final = 64 * 1024
_BELIEVED: Final = 1.0


class Reader:
    """The reader of one connection."""

    def __init__(self) -> None:
        self._largest = 0
        self._read = 0
        self._since = 0.0

    def read(self, received: int, window: int | None, now: float) -> int:
        """Return how many bytes of the connection the program has read.

        Args:
            received: how many its machine has acknowledged.
            window: the window that it has announced last; None: it is not known.
            now: the time.
        """
        if window is None:
            return received
        self._largest = max(self._largest, window)
        waits = self._largest - window
        read = max(self._read, received - waits if waits > _SMALL else received)
        if read > self._read:
            self._read, self._since = read, now
        elif read < received and window and now - self._since > _BELIEVED:
            self._largest, self._since = window, now
            self._read = read = received
        return read

"""How much of what a client's machine has received its program has read.

This module does no I/O and has no clock. TCP does not tell it, but a receiver's window shrinks by
what waits unread, and otherwise grows. So what waits is about the largest window seen less the
present one. The host sends a client at a pace (:mod:`kernelbus.bus.channel.pace`) that this number
sets: a receive buffer can hold many megabytes, and the answer to an abort would come behind them.

The number is a guess, and nothing depends on it but the pace. A system may make its window smaller
for good. So the present window is taken for the largest when it has grown, and then not changed for
:data:`_SETTLED` seconds: the program has read all. If it has not even grown, the program may not
read at all; the number is then believed for :data:`_BELIEVED` seconds.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Reader"]

#: Bytes that are not worth a second look. Windows are announced in steps of some kilobytes.
_SMALL: Final = 64 * 1024
_SETTLED: Final = 0.03
_BELIEVED: Final = 1.0


class Reader:
    """The reader of one connection."""

    def __init__(self) -> None:
        self._largest = 0
        self._window = 0
        self._grew = False
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
        if window != self._window:
            self._grew, self._window, self._since = window > self._window, window, now
        waits = self._largest - window
        read = max(self._read, received - waits if waits > _SMALL else received)
        if read < received and window and now - self._since > (_SETTLED if self._grew else _BELIEVED):
            self._largest, self._grew = window, False
            read = received
        self._read = read
        return read

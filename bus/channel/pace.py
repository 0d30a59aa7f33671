"""How much output may be under way to a reader, so that the queue in front of it is short.

This module has no clock; time is an argument. What has been sent and not been consumed waits
somewhere between the sender and the reader. An abort's answer comes behind it. So a sender that
keeps a pace has at most as much under way as the reader takes in :data:`QUEUE` seconds, beside what
the way itself needs.

Both are measured together. When as much is under way as is allowed, the time is taken until all of
that has been consumed. The shortest such time stands for the way. A reader that could take more has
a queue shorter than :data:`QUEUE`, and so the allowance grows with each measurement. It begins
small, since the first measurement has its own queue in it.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LEAST", "QUEUE", "Pace"]

#: Seconds for which what is under way may wait for its reader.
QUEUE: Final = 0.1
#: Bytes that may always be under way.
LEAST: Final = 256 * 1024


class Pace:
    """The pace of one stream.

    Attributes:
        allowed: bytes that may be under way.
    """

    def __init__(self) -> None:
        self.allowed = LEAST
        self._way = 0.0  # the shortest time measured, seconds; 0: none
        self._begun = 0.0
        self._from = 0  # what had been consumed when the measurement began, and had been sent
        self._until = 0  # 0: nothing is being measured

    def note(self, sent: int, consumed: int, now: float) -> None:
        """Take note of how many bytes of the stream have been sent and consumed by `now`."""
        if self._until and consumed >= self._until:
            took = max(now - self._begun, 1e-6)
            self._way = min(self._way or took, took)
            speed = (self._until - self._from) / took
            self.allowed = max(LEAST, int(speed * (self._way + QUEUE)))
            self._until = 0
        if not self._until and sent - consumed >= self.allowed:
            self._begun, self._from, self._until = now, consumed, sent

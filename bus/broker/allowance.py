"""How much a console may be sent: one that asks and does not read costs no more than this.

No I/O and no clock. Nothing tells the broker what a console has read, and ZeroMQ keeps what it has
not. So a console that is no member of the bus has an allowance of bytes, which fills up again with
time. A console that reads nothing at all is disconnected by ZeroMQ's heartbeat, and what was kept
for it is dropped.
"""

from __future__ import annotations

__all__ = ["BURST", "RATE", "Allowance"]

#: The bytes that a console may be sent at once, and in each second.
BURST, RATE = 64 * 2**20, 8 * 2**20


class Allowance:
    """The allowance of one console.

    Args:
        now: the time, in seconds.
        burst, rate: see :data:`BURST` and :data:`RATE`.
    """

    def __init__(self, now: float, burst: int = BURST, rate: int = RATE) -> None:
        self._burst, self._rate = burst, rate
        self._left = float(burst)
        self._at = now

    def spend(self, count: int, now: float) -> bool:
        """Return whether `count` bytes may be sent, and take them off if so.

        One message is let through while anything is left, however large it is.
        """
        self._left = min(float(self._burst), self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left <= 0:
            return False
        self._left -= count
        return True

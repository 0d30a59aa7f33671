"""The abort ladder: what is tried, and when, so that an abort ends what a kernel does.

Rules of this module: no process, socket, clock or randomness; events come in with `now`, and
:meth:`AbortLadder.tick` says what to do.

| rung | meaning |
|---|---|
| IDLE | nothing is to be aborted |
| ASKED | message 3 has been sent; half of `Limits`/`AbortTimeout` is left to it |
| INTERRUPTED | SIGINT has been sent too; the other half is left to that |
| KILLED | neither helped; the kernel is killed, and its pool replaces it |

A kernel that answers anything that was asked of it has obeyed, and is IDLE again. One that cannot
speak, since nobody takes what it has said already, cannot answer either: its time stands still
meanwhile.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["ANSWERS", "AbortLadder", "Rung"]

#: The packets that say that a kernel has come to the end of something.
ANSWERS = frozenset(
    ("ReturnPacket", "ReturnTextPacket", "ReturnExpressionPacket", "InputNamePacket", "SyntaxPacket", "EndDialogPacket")
)


class Rung(Enum):
    """See the module's table."""

    IDLE = "idle"
    ASKED = "asked"
    INTERRUPTED = "interrupted"
    KILLED = "killed"


class AbortLadder:
    """One kernel's.

    Args:
        timeout: `Limits`/`AbortTimeout`, seconds.

    Attributes:
        rung: where it stands.
        interval: seconds between two calls of :meth:`tick`, while it is not IDLE.
    """

    def __init__(self, timeout: float) -> None:
        self.rung = Rung.IDLE
        self.interval = timeout / 16
        self._step = timeout / 2
        self._left = 0.0
        self._looked = 0.0

    @property
    def waiting(self) -> bool:
        """Whether a kernel is given time to obey, and :meth:`tick` is to be called."""
        return self.rung in (Rung.ASKED, Rung.INTERRUPTED)

    def asked(self, now: float) -> None:
        """An abort has been passed to the kernel while it was busy. To ask again neither hurries
        nor delays.
        """
        if self.rung is Rung.IDLE:
            self._climb(Rung.ASKED, now)

    def answered(self) -> None:
        """The kernel has answered something, or has nothing left to answer."""
        if self.rung is not Rung.KILLED:
            self.rung = Rung.IDLE

    def tick(self, now: float, held: bool) -> Rung | None:
        """Time has passed. Gives the rung that is reached now, whose means is to be used; None:
        there is nothing to do yet.

        Args:
            held: whether nobody takes what the kernel says at present.
        """
        if not self.waiting:
            return None
        # When we are late ourselves, so may be what the kernel has said.
        passed = min(now - self._looked, 2 * self.interval)
        self._looked = now
        if not held:
            self._left -= passed
        if self._left > 0:
            return None
        return self._climb(Rung.INTERRUPTED if self.rung is Rung.ASKED else Rung.KILLED, now)

    def _climb(self, rung: Rung, now: float) -> Rung:
        self.rung = rung
        self._looked, self._left = now, self._step
        return rung

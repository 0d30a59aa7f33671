"""The abort ladder: what is tried, and when, so that an abort ends what a kernel does.

Sans-IO: no process, socket, clock or randomness. Events come in with `now`, and
:meth:`AbortLadder.tick` says what to do.

| rung | meaning |
|---|---|
| IDLE | nothing is to be aborted |
| ASKED | message 3 has been sent; the kernel has half of `Limits`/`AbortTimeout` to obey it |
| INTERRUPTED | SIGINT has been sent to its process group; it has the other half to obey that |
| KILLED | neither helped; the kernel is killed with SIGKILL, and its pool replaces it |

A kernel that answers anything that was asked of it has obeyed, and is IDLE again. A kernel whose
output nobody takes at present cannot answer, so its time does not run meanwhile. The client of a
killed kernel is told by a MessagePacket why its link ends.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["ANSWERS", "AbortLadder", "Rung"]

#: The packets that show that a kernel has come to the end of something.
ANSWERS = frozenset(
    ("ReturnPacket", "ReturnTextPacket", "ReturnExpressionPacket", "InputNamePacket", "SyntaxPacket", "EndDialogPacket")
)


class Rung(Enum):
    """A rung of the ladder; see the module's table."""

    IDLE = "idle"
    ASKED = "asked"
    INTERRUPTED = "interrupted"
    KILLED = "killed"


class AbortLadder:
    """The abort ladder of one kernel.

    Args:
        timeout: `Limits`/`AbortTimeout`, seconds.

    Attributes:
        rung: the present rung.
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
        """Whether the kernel has time to obey, and :meth:`tick` is to be called."""
        return self.rung in (Rung.ASKED, Rung.INTERRUPTED)

    @property
    def remaining(self) -> float:
        """Seconds until KILLED, at the last :meth:`tick`, if the kernel does not obey; else 0."""
        if not self.waiting:
            return 0.0
        return max(0.0, self._left) + (self._step if self.rung is Rung.ASKED else 0.0)

    def asked(self, now: float) -> None:
        """Handle that an abort has been passed to the kernel while it was busy.

        Another abort while the first has not been obeyed changes nothing.
        """
        if self.rung is Rung.IDLE:
            self._climb(Rung.ASKED, now)

    def answered(self) -> None:
        """Handle that the kernel has answered something, or has nothing left to answer."""
        if self.rung is not Rung.KILLED:
            self.rung = Rung.IDLE

    def tick(self, now: float, held: bool) -> Rung | None:
        """Handle that time has passed; return the rung that is reached now, or None.

        Args:
            now: the time.
            held: whether nobody takes the kernel's output at present.

        Returns:
            INTERRUPTED or KILLED: the caller sends that signal now. None: there is nothing to do.
        """
        if not self.waiting:
            return None
        # When this call is late, the kernel's answer may be waiting unread for the same reason.
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

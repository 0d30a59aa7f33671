"""Keep a kernel below its memory limit: abort the evaluation that takes too much, keep the session.

The kernel's host tells it the resident size at which the host ends the process. Two mechanisms keep
the kernel below that, both with a limit of 7/8 of the host's:

* A timer of this process's processor time, which therefore never fires in an idle kernel, checks
  the resident size. If it is too large, the evaluation is aborted as by SIGINT.
* The system refuses a single allocation that is larger than what is left (RLIMIT_DATA), which
  raises ``MemoryError`` where it is made.

Either way the evaluation gives ``$Aborted`` after the message ``General::nomem``. The host's own
limit acts only if neither mechanism helps. Linux only; elsewhere nothing is limited here. No links,
no Mathics3.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

__all__ = ["NO_MEMORY", "Constraint", "MemoryGuard", "guard"]

#: The text of ``General::nomem``.
NO_MEMORY: Final = (
    "The current computation was aborted because there was insufficient memory available to complete it."
)

#: Processor time between two checks, seconds.
_INTERVAL: Final = 0.05
#: The part of the host's limit that an evaluation may take before it is aborted. The abort itself
#: needs memory too.
_SHARE: Final = 7 / 8
#: What an evaluation may take beyond its ``MemoryConstrained``: memory is taken in pieces, bytes.
_SLACK: Final = 1 << 20
#: What many small pieces may take between two looks. The system's refusal of a small piece is an
#: error anywhere, also in what deals with the limit; so it is for large pieces alone.
_BURST: Final = 64 << 20
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def _resident() -> int:
    """Return the resident size of this process, bytes."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE


def _data() -> int:
    """Return what counts for RLIMIT_DATA, bytes; 0 if it is not known."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


class Constraint:
    """Tell whether an evaluation has taken more memory than it may.

    Attributes:
        most: the resident size that it may reach, bytes.
        stop: aborts the evaluation.
        exceeded: whether it has taken more.
        timer, data: what :meth:`MemoryGuard.release` restores: the timer of processor time, and the
            limits of RLIMIT_DATA.
    """

    __slots__ = ("data", "exceeded", "most", "stop", "timer")

    def __init__(self, most: int, stop: Callable[[], None]) -> None:
        self.most = most
        self.stop = stop
        self.exceeded = False
        self.timer = (0.0, 0.0)
        self.data = (-1, -1)


class MemoryGuard:
    """Limit the memory of this process."""

    def __init__(self) -> None:
        self._limit = 0
        self._threshold = 0
        self._exceeded = False
        self._pressed = False
        self._constraints: list[Constraint] = []

    def start(self, limit: int) -> None:
        """Begin; call this on the main thread, once SIGINT aborts evaluations.

        Args:
            limit: the host's limit, bytes; 0 for none.
        """
        if not limit or sys.platform != "linux":
            return
        import resource

        self._limit = self._threshold = int(limit * _SHARE)
        # What is resident at the start is shared or is not data. Only growth from here on counts.
        most = _data() + max(self._limit - _resident(), 0)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)

    def left(self) -> int:
        """Return how much more memory this process may take, at least one byte; 0: no limit."""
        return max(self._limit - _resident(), 1) if self._limit else 0

    def take(self) -> bool:
        """Tell whether the evaluation that was just aborted had taken too much memory.

        True once for each such evaluation.
        """
        exceeded, self._exceeded = self._exceeded, False
        return exceeded

    def refused(self) -> None:
        """Record that the system has refused memory."""
        self._pressed = True

    def relieve(self) -> None:
        """Between two evaluations, give unneeded memory back if there was too much of it."""
        self._exceeded = False
        if not self._pressed:
            return
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        if not self._limit:
            self._pressed = False
            return
        # The rest belongs to the session. It must stay possible to evaluate Clear.
        self._pressed = _resident() > self._limit
        self._threshold = _resident() + self._limit // 16 if self._pressed else self._limit

    def constrain(self, size: int, stop: Callable[[], None]) -> Constraint:
        """Begin to limit what is evaluated from now on, until :meth:`release`. Main thread only.

        A single allocation that is too large raises ``MemoryError`` where it is made.

        Args:
            size: how much it may take beyond what is resident now, bytes.
            stop: called once when it has taken more.
        """
        if sys.platform != "linux":
            return Constraint(0, stop)
        import resource

        constraint = Constraint(_resident() + size + _SLACK, stop)
        constraint.timer = signal.getitimer(signal.ITIMER_PROF)
        constraint.data = resource.getrlimit(resource.RLIMIT_DATA)
        soft, hard = constraint.data
        most = _data() + size + _SLACK + _BURST
        self._constraints.append(constraint)
        if soft == resource.RLIM_INFINITY or most < soft:
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)
        return constraint

    def release(self, constraint: Constraint) -> None:
        """End a limit. May be called again, in case an exception has cut the first call short."""
        if sys.platform != "linux":
            return
        import resource

        signal.setitimer(signal.ITIMER_PROF, *constraint.timer)
        resource.setrlimit(resource.RLIMIT_DATA, constraint.data)
        self._constraints = [each for each in self._constraints if each is not constraint]

    def _look(self, number: int, frame: FrameType | None) -> None:
        resident = _resident()
        if self._threshold and resident > self._threshold:
            self._exceeded = self._pressed = True
            signal.raise_signal(signal.SIGINT)
            return
        for constraint in self._constraints:
            if resident > constraint.most and not constraint.exceeded:
                constraint.exceeded = self._pressed = True
                constraint.stop()
                return


#: The guard of this process.
guard: Final = MemoryGuard()

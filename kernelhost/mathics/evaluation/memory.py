"""Keep a kernel within its memory: abort the evaluation that takes too much, so that the session
outlives it.

Two things see to it, both with a limit that is somewhat below the one at which the kernel's host
ends the process:

* A timer that counts the processor time of this process, so that an idle kernel has none of it,
  looks at what is resident. Where that is too much, what is evaluated is aborted as by SIGINT.
* The system refuses a single allocation that is larger than what is left (RLIMIT_DATA), which is a
  ``MemoryError`` where it is made.

Either way the evaluation gives ``$Aborted`` after the message ``General::nomem``. Linux only;
elsewhere nothing is limited here. No links, no Mathics3.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Final

__all__ = ["NO_MEMORY", "MemoryGuard", "guard"]

#: The text of ``General::nomem``.
NO_MEMORY: Final = (
    "The current computation was aborted because there was insufficient memory available to complete it."
)

#: Seconds of processor time between two looks.
_INTERVAL: Final = 0.05
#: The part of the host's limit that an evaluation may take before it is aborted: what the abort
#: itself takes must fit too.
_SHARE: Final = 7 / 8
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def _resident() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE


def _data() -> int:
    """Return what counts for RLIMIT_DATA, bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


class MemoryGuard:
    """Guard the memory of this process."""

    def __init__(self) -> None:
        self._limit = 0
        self._threshold = 0
        self._exceeded = False
        self._pressed = False

    def start(self, limit: int) -> None:
        """Begin, on the main thread, once SIGINT is taken for an abort; ``limit`` is the host's,
        bytes, 0 for none.
        """
        if not limit or sys.platform != "linux":
            return
        import resource

        self._limit = self._threshold = int(limit * _SHARE)
        # What is resident at the start is shared, or not data at all: what matters is what comes on
        # top.
        most = _data() + max(self._limit - _resident(), 0)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)

    def take(self) -> bool:
        """Tell whether the evaluation that has just been aborted was so for its memory; true once
        for each.
        """
        exceeded, self._exceeded = self._exceeded, False
        return exceeded

    def refused(self) -> None:
        """Say that the system has refused memory."""
        self._pressed = True

    def relieve(self) -> None:
        """Give back what is not needed any more, between two evaluations, if there has been too
        much of it.
        """
        self._exceeded = False
        if not self._pressed:
            return
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        # What is left is the session's own; it must be possible to say Clear all the same.
        self._pressed = _resident() > self._limit
        self._threshold = _resident() + self._limit // 16 if self._pressed else self._limit

    def _look(self, number: int, frame: FrameType | None) -> None:
        if _resident() > self._threshold:
            self._exceeded = self._pressed = True
            signal.raise_signal(signal.SIGINT)


#: This process's.
guard: Final = MemoryGuard()

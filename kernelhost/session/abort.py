"""Carries out what the abort ladder (:mod:`kernelbus.kernelhost.session.ladder`) decides.

This is the I/O around the ladder: the timer, the signals to the kernel, and the log.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from kernelbus.bus.settings.logs import EventLogger
from kernelbus.kernelhost.session.ladder import ANSWERS, AbortLadder, Rung

__all__ = ["AbortWatch", "Abortable"]


class Abortable(Protocol):
    """What the ladder needs of a kernel. The log shows the kernel as `str` gives it."""

    log: EventLogger

    @property
    def busy(self) -> bool:
        """Whether it has been asked for something that it has not answered."""

    @property
    def held(self) -> bool:
        """Whether its output is not read, because nobody takes it at present."""

    def interrupt(self) -> None:
        """Send SIGINT to its process group."""

    def destroy(self, tag: str, why: str) -> None:
        """Kill its process, and tell its client why."""


class AbortWatch:
    """Enforces aborts on one kernel.

    Args:
        kernel: the kernel.
        timeout: `Limits`/`AbortTimeout`, seconds.
    """

    def __init__(self, kernel: Abortable, timeout: float) -> None:
        self._kernel = kernel
        self._timeout = timeout
        self._ladder = AbortLadder(timeout)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def asked(self) -> None:
        """Handle that message 3 (abort) has been written to the kernel."""
        if self._kernel.busy:
            self._ladder.asked(self._loop.time())
            self._arm()

    def answered(self, head: str | None) -> None:
        """Handle that the kernel has sent a whole packet with this head."""
        if self._ladder.waiting and (head in ANSWERS or not self._kernel.busy):
            if self._ladder.rung is Rung.INTERRUPTED:
                self._kernel.log.info("%s has obeyed the abort, after SIGINT", self._kernel)
            self._ladder.answered()
            self.stop()

    @property
    def left(self) -> float:
        """Seconds until the kernel is killed unless it obeys; 0: no abort is being enforced."""
        return self._ladder.remaining

    def withdraw(self) -> bool:
        """Let the kernel go on without enforcing the abort; return whether one was enforced."""
        waited = self._ladder.waiting
        self._ladder.answered()
        self.stop()
        return waited

    def stop(self) -> None:
        """Stop the timer: the kernel has obeyed, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._ladder.waiting:
            self._timer = self._loop.call_later(self._ladder.interval, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if not self._kernel.busy:
            self._ladder.answered()
        half = f"{self._timeout / 2:g} s"
        match self._ladder.tick(self._loop.time(), self._kernel.held):
            case Rung.INTERRUPTED:
                self._kernel.log.warning("%s has not obeyed an abort (message 3) in %s: it is sent SIGINT", self._kernel, half)
                self._kernel.interrupt()
            case Rung.KILLED:
                text = "%s has not obeyed an abort, neither message 3 nor SIGINT, each for %s: it is killed"
                self._kernel.log.error(text, self._kernel, half)
                why = f"did not obey an abort in {self._timeout:g} s (Limits/AbortTimeout), neither the message nor SIGINT, and was killed"
                self._kernel.destroy("abort", why)
        self._arm()

"""Stop a running evaluation: the only place that raises aborts and time limits in the main thread.

Evaluation runs on the main thread. The thread that reads the link calls :meth:`Interrupts.abort`,
which sends the process a signal of its own. Python runs the signal's handler on the main thread
between two instructions, and the handler raises :class:`KernelAbort` there. These rules make that
safe:

* It is raised only while :meth:`Interrupts.run` runs an evaluation, and not inside
  :attr:`Interrupts.masked`, so that an answer is never cut in two. What came during a mask is
  raised at its end.
* ``KernelAbort`` is no ``Exception``, so that the many ``except Exception`` of Mathics3 and SymPy
  do not catch it. If it is swallowed all the same (in a finalizer, by a bare ``except``), a timer
  raises it again until the evaluation ends or ``CheckAbort`` catches it.
* It waits for the end of an import, because it would leave half a module behind.
* It is not raised again while it is being unwound, so that ``finally`` blocks run to their end.

A SIGINT from outside is an abort while something runs, and nothing otherwise. Time limits
(``TimeConstrained``) use the same timer, instead of Mathics3's own, which can raise after the
time-limited expression has ended. No links here.

An evaluation that asks the client something is *suspended* (:meth:`Interrupts.suspended`): nothing
is raised in it, and other evaluations can run. What came for it meanwhile is raised when it goes
on. An interrupt (:meth:`Interrupts.interrupt`) does not unwind the evaluation: the handler calls
:attr:`Interrupts.on_interrupt`, which may suspend the evaluation for as long as it likes.
``AbortProtect`` holds back aborts and time limits, and nothing else.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final, TypeVar

__all__ = ["Deadline", "Interrupts", "KernelAbort", "Suspension", "TimeLimit"]

_T = TypeVar("_T")

#: How long after an abort was raised it is raised again if the evaluation still runs, seconds.
_AGAIN: Final = 0.1

#: How long to wait before checking again whether an import has ended, seconds.
_AFTER_IMPORT: Final = 0.01

#: The signal by which threads of this process wake its main thread. SIGINT is for other processes.
_WAKE: Final = signal.SIGUSR1


class KernelAbort(BaseException):
    """Unwind a running evaluation because of an abort."""


class Deadline:
    """Hold the moment at which one time-limited expression must have ended."""

    __slots__ = ("active", "protection", "when")

    def __init__(self, when: float, protection: int) -> None:
        self.when = when
        #: How many ``AbortProtect`` are around it: these do not hold it back, those inside it do.
        self.protection = protection
        self.active = False


class TimeLimit(BaseException):
    """Unwind a time-limited expression; ``deadline`` tells which one, if several are nested."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(deadline)
        self.deadline = deadline


class _Mask:
    """Hold interrupts back while the body runs, and raise at its end what came."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def __enter__(self) -> None:
        self._interrupts._masks += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interrupts._masks -= 1
        if error is None:
            self._interrupts.check()


class Suspension:
    """Tell what has come for a suspended evaluation."""

    def __init__(self, interrupts: Interrupts, deadlines: list[Deadline]) -> None:
        self._interrupts = interrupts
        self._deadlines = deadlines

    @property
    def over(self) -> bool:
        """Tell whether something is to be raised in the evaluation, which must go on now."""
        return self._interrupts._wanted or self.remaining == 0

    @property
    def remaining(self) -> float | None:
        """Return the seconds until the first of its time limits; None for no limit."""
        pending = [d.when for d in self._deadlines if d.active]
        return max(min(pending) - time.monotonic(), 0.0) if pending else None


class Interrupts:
    """Raise aborts and time limits in the evaluations of one process."""

    def __init__(self) -> None:
        self._active = False
        self._wanted = False
        self._masks = 0
        self._asked = False
        self._protection = 0
        self._deadlines: list[Deadline] = []
        self._main = 0
        #: Called on the main thread in the middle of an evaluation when an interrupt came for it.
        self.on_interrupt: Callable[[], None] = lambda: None
        #: ``with interrupts.masked:`` holds aborts, time limits and interrupts back. Masks nest.
        self.masked = _Mask(self)

    def install(self) -> None:
        """Take over SIGINT, SIGALRM and SIGUSR1; call this once, on the main thread."""
        self._main = threading.get_ident()
        for number in (signal.SIGINT, signal.SIGALRM, _WAKE):
            signal.signal(number, self._on_signal)

    def abort(self) -> None:
        """Abort the evaluation that runs, or the next one that begins before :meth:`forget`.

        May be called from any thread.
        """
        self._wanted = True
        if self._main:
            signal.pthread_kill(self._main, _WAKE)

    def interrupt(self) -> None:
        """Have :attr:`on_interrupt` called in the evaluation that runs, or in the next one.

        May be called from any thread.
        """
        self._asked = True
        if self._main:
            signal.pthread_kill(self._main, _WAKE)

    def forget(self) -> None:
        """Cancel requests: what they were for is over, and they must not hit what follows."""
        self._wanted = self._asked = False

    def run(self, work: Callable[[], _T], *, aborted: bool = False) -> _T:
        """Return what ``work()`` returns; aborts and time limits reach it. Main thread only.

        Args:
            work: the evaluation.
            aborted: whether the evaluation was aborted before it began.

        Raises:
            KernelAbort: the evaluation was aborted. Nothing is raised after it has ended.
        """
        # A late signal may raise in the inner ``finally``; the outer one still does the work then.
        try:
            try:
                self._active = True
                self._protection = 0
                self._wanted = self._wanted or aborted
                self.check()
                result = work()
                # An abort that was swallowed in the last instructions counts too.
                self.check()
            finally:
                self._active = False
        except KernelAbort:
            self._wanted = False
            raise
        finally:
            self._active = False
            self._deadlines.clear()
            signal.setitimer(signal.ITIMER_REAL, 0)
        return result

    @contextmanager
    def suspended(self, *, stop_clock: bool = False) -> Iterator[Suspension]:
        """Suspend the running evaluation while the body runs. Main thread only.

        Args:
            stop_clock: whether the evaluation's time limits wait too.

        Raises:
            KernelAbort, TimeLimit: what came for the evaluation, at the end of the body.
        """
        # Read the clock first: until the evaluation is inactive a signal may be handled anywhere.
        began = time.monotonic()
        active, self._active = self._active, False
        deadlines, self._deadlines = self._deadlines, []
        protection, self._protection = self._protection, 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            yield Suspension(self, [] if stop_clock else deadlines)
        finally:
            if stop_clock:
                for deadline in deadlines:
                    deadline.when += time.monotonic() - began
            self._deadlines, self._protection = deadlines, protection
            self._active = active
            self._arm()
        self.check()

    def protect(self, work: Callable[[], _T]) -> _T:
        """Return what ``work()`` returns, and raise aborts and time limits only after it.

        Call this within :meth:`run`.
        """
        self._protection += 1
        try:
            result = work()
        finally:
            self._protection -= 1
        self.check()
        return result

    def exposed(self, work: Callable[[], _T]) -> _T:
        """Return what ``work()`` returns; aborts reach it even inside :meth:`protect`.

        ``CheckAbort`` uses this.
        """
        protection = self._protection
        # As in run(), an abort may be raised in the inner ``finally``.
        try:
            try:
                self._protection = 0
                self.check()
                return work()
            finally:
                self._protection = protection
        finally:
            self._protection = protection

    def abort_here(self) -> bool:
        """Record an ``Abort[]``, and tell whether it must wait for the end of :meth:`protect`."""
        if self._protection:
            self._wanted = True
        return bool(self._protection)

    def acknowledge(self) -> None:
        """Record that ``CheckAbort`` has caught an abort and the evaluation goes on."""
        self._wanted = False
        self._arm()

    def limited(self, work: Callable[[], _T], seconds: float, late: _T) -> _T:
        """Return what ``work()`` returns, or ``late`` if it takes longer than ``seconds``.

        Call this within :meth:`run`.
        """
        deadline = Deadline(time.monotonic() + seconds, self._protection)
        self._deadlines.append(deadline)
        try:
            deadline.active = True
            self._arm()
            result = work()
            deadline.active = False
        except TimeLimit as limit:
            if limit.deadline is not deadline:
                raise
            return late
        finally:
            deadline.active = False
            if deadline in self._deadlines:
                self._deadlines.remove(deadline)
            self._arm()
        return result

    def check(self) -> None:
        """Raise what is due unless it must wait. Main thread only.

        If an interrupt is due, call :attr:`on_interrupt`.
        """
        if not self._active or self._masks:
            return
        due: BaseException | None = None
        if self._wanted:
            due = None if self._protection else KernelAbort()
        elif self._deadlines:
            now = time.monotonic()
            late = next((d for d in self._deadlines if d.active and d.when <= now and d.protection >= self._protection), None)
            if late is not None:
                due = TimeLimit(late)
        if due is None and not self._asked:
            self._arm()
            return
        if _importing():
            signal.setitimer(signal.ITIMER_REAL, _AFTER_IMPORT)
            return
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        if _in_flight():
            return
        if due is not None:
            raise due
        self._asked = False
        self.on_interrupt()
        self._arm()

    def _arm(self) -> None:
        """Set the timer to the next moment at which something is due."""
        if self._active and (self._asked or (self._wanted and not self._protection)):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
            return
        pending = [d.when for d in self._deadlines if d.active and d.protection >= self._protection]
        if not pending:
            signal.setitimer(signal.ITIMER_REAL, 0)
            return
        signal.setitimer(signal.ITIMER_REAL, max(min(pending) - time.monotonic(), 0.001))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._active:
            self._wanted = True
        self.check()


def _importing() -> bool:
    """Tell whether a module is being imported. SymPy imports modules at any time."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _in_flight() -> bool:
    """Tell whether one of our exceptions is being unwound.

    Then a ``finally`` or ``except`` block runs because of it.
    """
    error: BaseException | None = sys.exc_info()[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, (KernelAbort, TimeLimit)):
            return True
        seen.add(id(error))
        error = error.__context__
    return False

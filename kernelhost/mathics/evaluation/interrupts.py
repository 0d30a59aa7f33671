"""Stop a running evaluation: aborts and time limits, the one place that raises exceptions in the
main thread.

Evaluation runs on the main thread. Whoever wants it stopped (the thread that reads the link) calls
:meth:`Interrupts.abort`, which sends the process a signal of its own; Python runs the signal's
handler on the main thread between two instructions, and the handler raises :class:`KernelAbort`
there. These rules make that safe:

* It raises only while :meth:`Interrupts.run` runs an evaluation, and not inside
  :attr:`Interrupts.masked`, so that an answer is never cut in two: what came in the meantime is
  raised at the end of the mask.
* ``KernelAbort`` is no ``Exception``: the many ``except Exception`` of Mathics3 and SymPy let it
  pass. Where it is swallowed all the same (in a finalizer, by a bare ``except``), a timer raises it
  again until the evaluation ends or ``CheckAbort`` takes it.
* It waits for the end of an import, which would leave half a module behind.
* It is not raised again while it is on its way out, so that ``finally`` blocks run to their end.

SIGINT from outside is an abort too while something runs, and nothing otherwise. Time limits
(``TimeConstrained``) use the same timer, in place of Mathics3's own, which can raise after the
time-limited expression has ended. No links here.

An evaluation that asks the client something is *suspended* (:meth:`Interrupts.suspended`): nothing
is raised in it meanwhile, other evaluations can be run, and what came for it is raised when it goes
on. An interrupt (:meth:`Interrupts.interrupt`) does not unwind: the handler calls
:attr:`Interrupts.on_interrupt`, which suspends what runs for as long as it likes. ``AbortProtect``
holds back what would unwind it, and nothing else.
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

#: How long a raised abort may go unheeded before it is raised again, seconds.
_AGAIN: Final = 0.1

#: How long to wait for the end of an import, seconds.
_AFTER_IMPORT: Final = 0.01

#: The signal by which threads of this process wake its main thread; SIGINT is left to others.
_WAKE: Final = signal.SIGUSR1


class KernelAbort(BaseException):
    """Unwind a running evaluation because somebody asked for it."""


class Deadline:
    """Mark the moment at which one time-limited expression must have ended."""

    __slots__ = ("active", "protection", "when")

    def __init__(self, when: float, protection: int) -> None:
        self.when = when
        #: Within how many ``AbortProtect`` it lies: those that lie in it do not hold it back.
        self.protection = protection
        self.active = False


class TimeLimit(BaseException):
    """Unwind a time-limited expression; ``deadline`` says which of those that are nested."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(deadline)
        self.deadline = deadline


class _Mask:
    """Hold back interrupts while the body runs, and raise what came at its end."""

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
    """Know what has come for an evaluation that is suspended."""

    def __init__(self, interrupts: Interrupts, deadlines: list[Deadline]) -> None:
        self._interrupts = interrupts
        self._deadlines = deadlines

    @property
    def over(self) -> bool:
        """Tell whether something is to be raised in it: whoever suspended it must let it go on now.
        """
        return self._interrupts._wanted or self.remaining == 0

    @property
    def remaining(self) -> float | None:
        """Return how many seconds are left until one of its time limits, None when it has none."""
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
        #: Called on the main thread, in the middle of an evaluation, when an interrupt has come for
        #: it.
        self.on_interrupt: Callable[[], None] = lambda: None
        #: ``with interrupts.masked:`` holds interrupts back; masks nest.
        self.masked = _Mask(self)

    def install(self) -> None:
        """Take over SIGINT, SIGALRM and SIGUSR1; call once, on the main thread."""
        self._main = threading.get_ident()
        for number in (signal.SIGINT, signal.SIGALRM, _WAKE):
            signal.signal(number, self._on_signal)

    def abort(self) -> None:
        """Abort what is being evaluated, or will be before :meth:`forget` is called; from any
        thread.
        """
        self._wanted = True
        if self._main:
            signal.pthread_kill(self._main, _WAKE)

    def interrupt(self) -> None:
        """Have :attr:`on_interrupt` called in what is being evaluated, or will be; from any thread.
        """
        self._asked = True
        if self._main:
            signal.pthread_kill(self._main, _WAKE)

    def forget(self) -> None:
        """Say that whatever was to be aborted is over: an abort that has come to nothing must not
        hit what follows.
        """
        self._wanted = self._asked = False

    def run(self, work: Callable[[], _T], *, aborted: bool = False) -> _T:
        """Return what ``work()`` returns, on the main thread; aborts and time limits reach it.

        Args:
            work: the evaluation.
            aborted: whether it was aborted before it began.

        Raises:
            KernelAbort: it was aborted. Nothing is raised after it has ended.
        """
        # The inner «finally» may be where a late signal raises; the outer one then still does the
        # work.
        try:
            try:
                self._active = True
                self._protection = 0
                self._wanted = self._wanted or aborted
                self.check()
                result = work()
                # One that was swallowed on its last instructions counts too.
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
        """Suspend the evaluation that is running while the body runs, on the main thread.

        Args:
            stop_clock: whether its time limits wait too.

        Raises:
            KernelAbort, TimeLimit: at the end, what came for it.
        """
        # The clock is read first: a signal may be handled anywhere before the evaluation is no
        # longer active.
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
        """Return what ``work()`` returns; aborts and time limits that came meanwhile are raised
        after it; within :meth:`run`.
        """
        self._protection += 1
        try:
            result = work()
        finally:
            self._protection -= 1
        self.check()
        return result

    def exposed(self, work: Callable[[], _T]) -> _T:
        """Return what ``work()`` returns; aborts reach it even inside :meth:`protect`
        (``CheckAbort``).
        """
        protection = self._protection
        # As in run(): the inner «finally» may be where an abort is raised.
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
        """Take note of an ``Abort[]`` and tell whether it must wait, because it was evaluated
        inside :meth:`protect`.
        """
        if self._protection:
            self._wanted = True
        return bool(self._protection)

    def acknowledge(self) -> None:
        """Say that an abort has been dealt with inside the evaluation (``CheckAbort``), which goes
        on.
        """
        self._wanted = False
        self._arm()

    def limited(self, work: Callable[[], _T], seconds: float, late: _T) -> _T:
        """Return what ``work()`` returns, or ``late`` if it takes longer than ``seconds``; within
        :meth:`run`.
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
        """Raise what is due, unless it must wait; the main thread only."""
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
    """Tell whether a module is being imported: SymPy does that all along, and half a module would
    be left.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _in_flight() -> bool:
    """Tell whether one of our exceptions is being unwound: a «finally» or «except» block is running
    because of it.
    """
    error: BaseException | None = sys.exc_info()[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, (KernelAbort, TimeLimit)):
            return True
        seen.add(id(error))
        error = error.__context__
    return False

"""Keep a broker's journal, whatever becomes of the file: go on without it, and try again.

A journal that cannot be opened or written stops nothing. :class:`Attempts` decides when it is tried
again; the text of what is wrong goes into the broker's status meanwhile. When the file can be used
again, all sessions are written to it anew, so nothing has to be remembered until then.
"""

from __future__ import annotations

import logging
from pathlib import Path

from kernelbus.bus.broker.journal import Journal, JournalError
from kernelbus.bus.broker.sessions import SessionRecord, SessionTable

__all__ = ["Attempts", "Keeper"]

_log = logging.getLogger("kernelbus.broker")

#: Seconds between two attempts: the first, and the longest. Each is twice the last one.
_FIRST, _LONGEST = 1.0, 60.0


class Attempts:
    """When to try again what has failed. Times are seconds on a clock of the caller's.

    Attributes:
        problem: what is wrong; empty: nothing.
    """

    def __init__(self) -> None:
        self.problem = ""
        self._pause = 0.0
        self._next = 0.0

    def due(self, now: float) -> bool:
        """Whether to try at `now`."""
        return now >= self._next

    def failed(self, problem: str, now: float) -> bool:
        """Enter that an attempt has failed; return whether that is news."""
        news = problem != self.problem
        self.problem = problem
        self._pause = min(max(_FIRST, 2 * self._pause), _LONGEST)
        self._next = now + self._pause
        return news

    def succeeded(self) -> bool:
        """Enter that an attempt has succeeded; return whether that is news."""
        news = bool(self.problem)
        self.problem, self._pause, self._next = "", 0.0, 0.0
        return news


class Keeper:
    """The journal of a broker that runs.

    Args:
        path: where the journal is; None: the broker has none.
        now: the time on the caller's clock.
        wall: the wall-clock time.

    Attributes:
        records: the sessions that were in the journal at the start.
    """

    def __init__(self, path: Path | None, now: float, wall: float) -> None:
        self.records: list[SessionRecord] = []
        self._path = path
        self._attempts = Attempts()
        self._journal: Journal | None = None
        self._read = False
        self._complete = False
        if path is not None:
            self.records = self._open(path, now, wall)
            self._complete = self._journal is not None

    @property
    def problem(self) -> str:
        """Why sessions are not journaled at present; empty: they are, or are not to be."""
        return self._attempts.problem

    def _open(self, path: Path, now: float, wall: float) -> list[SessionRecord]:
        """Open the journal if it can be; return what is in it and was not read before."""
        found: list[SessionRecord] | None
        try:
            self._journal = Journal(path, wall)
        except JournalError as error:
            found = error.records
            self._failed(str(error), now)
        else:
            found = self._journal.records
            for note in self._journal.notes:
                _log.warning("%s", note)
        records = found if found is not None and not self._read else []
        self._read = self._read or found is not None
        return records

    def _failed(self, problem: str, now: float) -> None:
        if self._attempts.failed(problem, now):
            _log.error("%s; until then the broker keeps sessions without a journal", problem)

    def write(self, sessions: SessionTable, now: float, wall: float) -> None:
        """Write what has changed in `sessions`, or everything after a failure."""
        # Taken in any case: what is not written now is written with everything else.
        changes = sessions.changes()
        if self._path is None or (self._journal is None and not self._attempts.due(now)):
            return
        if self._journal is None:
            sessions.restore(self._open(self._path, now, wall), wall)
        if self._journal is None:
            return
        try:
            if not self._complete:
                self._journal.rewrite(sessions.records(wall))
                self._complete = True
            elif changes:
                self._journal.write(changes)
        except JournalError as error:
            self._lost(str(error), now)
            return
        if self._attempts.succeeded():
            _log.warning("the journal %s can be used again: all sessions are written to it", self._path)

    def check(self, now: float) -> None:
        """Look whether the file is still there; call it from time to time."""
        if self._journal is not None and not self._journal.in_place:
            self._lost(f"the journal {self._path} was taken away", now)

    def _lost(self, problem: str, now: float) -> None:
        assert self._journal is not None
        self._journal.close()
        self._journal, self._complete = None, False
        self._failed(problem, now)

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

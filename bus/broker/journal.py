"""Keep the broker's sessions in SQLite, so that a broker that starts knows what the last one knew.

What a broker that starts can learn from hosts and frontends when they register, it does not need
from here; what it cannot learn from them are the sessions whose hosts have not come back and those
that are over.

What is written is small and rare (a session's record when its state changes, its counters at most
once a second). So the broker's own thread writes it, in one transaction for each turn of the loop
in which something changed, with WAL and without waiting for the disk. What a power cut takes away,
the hosts report again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO

from kernelbus.bus.broker.sessions import SessionRecord
from kernelbus.bus.errors import BusError

__all__ = ["Journal", "JournalError"]

#: The version of the layout. A journal of another layout is refused, not interpreted.
_VERSION = 1
_FIELDS = [field.name for field in dataclasses.fields(SessionRecord)]


class JournalError(BusError):
    """A journal cannot be used; the text names the file and says what to do."""


class Journal:
    """One broker's journal.

    Args:
        path: the file; folders are made as needed. Another broker cannot use it at the same time.

    Raises:
        JournalError: the file cannot be opened, is damaged, has another layout, or is in use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[bytes] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Whoever knows a kernel's id can attach to the kernel, and the ids are in this file.
            self._lock = open(os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600), "rb")  # noqa: SIM115
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._unlock()
            raise JournalError(f"the journal {path} is another broker's, which is running: name another file as Bus/Journal") from None
        except OSError as error:
            self._unlock()
            raise JournalError(f"the journal {path} cannot be had ({error.strerror}): name another file as Bus/Journal") from None
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._database = self._open()
        except (sqlite3.Error, OSError) as error:
            self._unlock()
            raise JournalError(f"the journal {path} cannot be read ({error}): move it away, or name another file as Bus/Journal") from None

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            database.close()
            raise sqlite3.DatabaseError(f"it is of layout {version}, and this program writes layout {_VERSION}")
        columns = ", ".join(f"{name} PRIMARY KEY" if name == "kernel" else name for name in _FIELDS)
        database.execute(f"CREATE TABLE IF NOT EXISTS sessions ({columns}) WITHOUT ROWID")
        database.execute(f"PRAGMA user_version={_VERSION}")
        return database

    def sessions(self) -> list[SessionRecord]:
        """Return the journaled records.

        Raises:
            JournalError: the file is damaged.
        """
        try:
            rows = self._database.execute(f"SELECT {', '.join(_FIELDS)} FROM sessions").fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"the journal {self.path} cannot be read ({error}): move it away") from None
        return [SessionRecord(*row) for row in rows]

    def write(self, changes: dict[str, SessionRecord | None]) -> None:
        """Write what :meth:`kernelbus.bus.broker.sessions.SessionTable.changes` has returned.

        None instead of a record deletes the session from the journal.

        Raises:
            JournalError: the disk is full or gone.
        """
        marks = ", ".join("?" * len(_FIELDS))
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for kernel, record in changes.items():
                if record is None:
                    self._database.execute("DELETE FROM sessions WHERE kernel = ?", (kernel,))
                else:
                    self._database.execute(f"INSERT OR REPLACE INTO sessions VALUES ({marks})", dataclasses.astuple(record))
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise JournalError(f"the journal {self.path} cannot be written ({error})") from None

    def close(self) -> None:
        """Close the file and release its lock."""
        self._database.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

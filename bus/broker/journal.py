"""Keep the broker's sessions in SQLite, so that a broker that starts knows what the last one knew.

What a broker that starts can learn from hosts and frontends when they register, it does not need
from here; what it cannot learn from them are the sessions whose hosts have not come back and those
that are over.

What is written is small and rare (a session's record when its state changes, its counters at most
once a second). So the broker's own thread writes it, in one transaction for each turn of the loop
in which something changed, with WAL and without waiting for the disk. What a power cut takes away,
the hosts report again.

A file that is damaged is no reason not to start. Its rows are read one by one
(:mod:`kernelbus.bus.broker.salvage`), the file is put aside under a name that says when, and a new
one is made of what was read. The same is done with a journal of another layout. What is no file of
this user's is left alone. :mod:`kernelbus.bus.broker.keeper` goes on without it, and tries again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from kernelbus.bus.broker.rows import COLUMNS, record_of, row_of
from kernelbus.bus.broker.salvage import rows
from kernelbus.bus.broker.sessions import SessionRecord
from kernelbus.bus.errors import BusError

__all__ = ["Journal", "JournalError"]

#: The version of the layout, and what marks the file as a journal of a broker ("kbus").
_VERSION = 2
_APPLICATION = 0x6B627573

#: How many files that were put aside are kept; the oldest goes first.
_ASIDE = 5

#: More than this is not read of a damaged file.
_LARGEST = 256 << 20

#: What SQLite says of the disk, and of who may use the file. Whatever else it says is damage.
_UNUSABLE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_AUTH,
    }
)
#: Except these: the disk cannot read the file, or the file is too short.
_UNREADABLE = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})


class JournalError(BusError):
    """A journal cannot be used now; the text names the file and says what to do.

    Attributes:
        records: what could be read of it all the same; None: it was not read.
    """

    def __init__(self, text: str, records: list[SessionRecord] | None = None) -> None:
        super().__init__(text)
        self.records = records


class Journal:
    """One broker's journal.

    Args:
        path: the file; folders are made as needed. Another broker cannot use it at the same time.
        now: the wall-clock time, for the name of a file that is put aside.

    Attributes:
        records: the sessions that were in the file when it was opened.
        notes: lines for the log: what was found damaged, and what became of it.

    Raises:
        JournalError: the file cannot be used now: it is in use, no regular file, of another owner,
            another program's, or the disk is full, read-only or gone.
    """

    def __init__(self, path: Path, now: float) -> None:
        self.path = path
        self.records: list[SessionRecord] = []
        self.notes: list[str] = []
        self._lock: IO[bytes] | None = None
        self._database: sqlite3.Connection | None = None
        self._log = b""
        _check_file(path)
        try:
            self._take_lock()
            # SQLite removes a log that it cannot use.
            self._log = _content(Path(f"{path}-wal"))
            self._database = self._open(now)
            self._log = b""
            self._inode = path.stat().st_ino
        except BaseException:
            self.close()
            raise

    def _take_lock(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Whoever knows a kernel's id can attach to the kernel, and the ids are in this file.
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
            self._lock = open(lock, "rb")  # noqa: SIM115
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            with contextlib.closing(open(file, "rb")):
                os.fchmod(file, 0o600)
        except BlockingIOError:
            raise JournalError(f"the journal {self.path} is another broker's, which is running: name another file as Bus/Journal") from None
        except OSError as error:
            raise JournalError(self._useless(error, error.strerror), self._found()) from None

    def _open(self, now: float) -> sqlite3.Connection:
        """Open the file, read it into :attr:`records`, and bring it into this layout."""
        try:
            database, version = self._connect(), 0
            try:
                version, self.records, dropped = self._read(database)
            except sqlite3.Error as error:
                database.close()
                if not _damage(error):
                    raise
                return self._anew(now, "damaged", str(error))
            if dropped:
                database.close()
                return self._anew(now, "damaged", f"{dropped} rows are damaged")
            if version not in (0, 1, _VERSION):
                database.close()
                return self._anew(now, f"layout-{version}", f"layout {version}, and this program writes layout {_VERSION}")
            if version != _VERSION:
                self._write_all(database, self.records)
            return database
        except (sqlite3.Error, OSError) as error:
            raise JournalError(self._useless(error, str(error)), self.records or self._found()) from None

    def _useless(self, error: sqlite3.Error | OSError, why: str | None) -> str:
        """Say that the file cannot be used, and what to do."""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) if isinstance(error, OSError) else "full" in str(error)
        mend = "make room for it" if full else "let it be written"
        return f"the journal {self.path} cannot be used ({why}): {mend}, or name another file as Bus/Journal"

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=1.0, isolation_level=None)
        # Whether the file is damaged is found out by reading it.
        with contextlib.suppress(sqlite3.Error):
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            # What is deleted must not come back when rows are read one by one.
            database.execute("PRAGMA secure_delete=ON")
        return database

    def _read(self, database: sqlite3.Connection) -> tuple[int, list[SessionRecord], int]:
        """Return the layout's version, the records, and how many rows are damaged.

        Raises:
            JournalError: the file is another program's.
            sqlite3.Error: it cannot be read.
        """
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (application,) = database.execute("PRAGMA application_id").fetchone()
        faults = database.execute("PRAGMA integrity_check(1)").fetchone()
        if faults != ("ok",):
            raise _damaged(str(faults[0]).splitlines()[-1])
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        if not tables and version == 0:
            return 0, [], 0
        if "sessions" not in tables or application not in (0, _APPLICATION):
            if application == _APPLICATION:
                raise _damaged("the table of sessions is missing")
            raise JournalError(f"{self.path} is a database of another program and is left alone: name another file as Bus/Journal", [])
        found = [record_of(row) for row in database.execute("SELECT * FROM sessions").fetchall()]
        records = [record for record in found if record is not None]
        return version, records, len(found) - len(records)

    def _anew(self, now: float, kind: str, why: str) -> sqlite3.Connection:
        """Put the file aside and begin a new one with what can be read of it."""
        self.records, lost = self._salvage()
        aside = self._put_aside(now, kind)
        what = f"{len(self.records)} sessions were read from it" + (f", {lost} are dropped" if lost else "")
        more = "; the hosts report what is missing" if kind == "damaged" else ""
        self.notes.append(f"the journal {self.path} cannot be used as it is ({why}): {what}{more}; the file is kept as {aside}")
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        database = self._connect()
        try:
            self._write_all(database, self.records)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _salvage(self) -> tuple[list[SessionRecord], int]:
        """Read the file's rows one by one; return the records and how many rows are damaged."""
        found: dict[str, SessionRecord] = {}
        damaged = 0
        for row in rows(_content(self.path), self._log or _content(Path(f"{self.path}-wal"))):
            record = record_of(row) if row is not None else None
            if record is None:
                # Rows of the database's own tables are none of the journal's.
                damaged += row is None or len(row) >= len(COLUMNS) - 1
            elif record.kernel not in found or found[record.kernel].changed <= record.changed:
                found[record.kernel] = record
        return list(found.values()), damaged

    def _found(self) -> list[SessionRecord]:
        with contextlib.suppress(OSError):
            return self._salvage()[0]
        return []

    def _put_aside(self, now: float, kind: str) -> Path:
        """Rename the file and its log; of the files that were put aside the last are kept."""
        stamp = f"{self.path.name}.{kind}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
        taken = 1
        aside = self.path.with_name(stamp)
        while aside.exists():
            taken += 1
            aside = self.path.with_name(f"{stamp}-{taken}")
        try:
            os.rename(self.path, aside)
            for ending in ("-wal", "-shm"):
                Path(f"{self.path}{ending}").unlink(missing_ok=True)
            if self._log:
                with open(os.open(f"{aside}-wal", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as log:
                    log.write(self._log)
            others = [
                (file.stat().st_mtime, file)
                for file in self.path.parent.iterdir()
                if file.name.startswith((f"{self.path.name}.damaged-", f"{self.path.name}.layout-")) and not file.name.endswith("-wal")
            ]
            for _, file in sorted(other for other in others if other[1] != aside)[: -(_ASIDE - 1)]:
                file.unlink(missing_ok=True)
                Path(f"{file}-wal").unlink(missing_ok=True)
        except OSError as error:
            text = f"the journal {self.path} is damaged and cannot be put aside ({error.strerror}): move it away"
            raise JournalError(text, self.records) from None
        return aside

    def _write_all(self, database: sqlite3.Connection, records: Iterable[SessionRecord]) -> None:
        kernel, *rest = COLUMNS
        database.execute("BEGIN IMMEDIATE")
        database.execute("DROP TABLE IF EXISTS sessions")
        database.execute(f"CREATE TABLE sessions ({kernel} PRIMARY KEY, {', '.join(rest)}) WITHOUT ROWID")
        marks = ", ".join("?" * len(COLUMNS))
        database.executemany(f"INSERT OR REPLACE INTO sessions VALUES ({marks})", map(row_of, records))
        database.execute(f"PRAGMA user_version={_VERSION}")
        database.execute(f"PRAGMA application_id={_APPLICATION}")
        database.execute("COMMIT")

    def rewrite(self, records: Iterable[SessionRecord]) -> None:
        """Replace all that is in the journal by `records`.

        Raises:
            JournalError: the disk is full or gone, or the file is damaged.
        """
        with self._writing() as database:
            self._write_all(database, records)

    def write(self, changes: dict[str, SessionRecord | None]) -> None:
        """Write what :meth:`kernelbus.bus.broker.sessions.SessionTable.changes` has returned.

        None instead of a record deletes the session from the journal.

        Raises:
            JournalError: the disk is full or gone, or the file is damaged or was taken away.
        """
        marks = ", ".join("?" * len(COLUMNS))
        with self._writing() as database:
            database.execute("BEGIN IMMEDIATE")
            for kernel, record in changes.items():
                if record is None:
                    database.execute("DELETE FROM sessions WHERE kernel = ?", (kernel,))
                else:
                    database.execute(f"INSERT OR REPLACE INTO sessions VALUES ({marks})", row_of(record))
            database.execute("COMMIT")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        assert self._database is not None, "the journal is closed"
        try:
            yield self._database
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise JournalError(f"the journal {self.path} cannot be written ({error})") from None

    @property
    def in_place(self) -> bool:
        """Whether the file that is written is still the one at its path."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Close the file and release its lock."""
        if self._database is not None:
            # What cannot be written at the end is in the log, or was said to be lost.
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _check_file(path: Path) -> None:
    """Refuse what is there in the place of a journal and is not this user's file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be used ({error.strerror}): name another file as Bus/Journal") from None
    for kind, is_kind in (("a folder", stat.S_ISDIR), ("a pipe", stat.S_ISFIFO), ("a socket", stat.S_ISSOCK)):
        if is_kind(status.st_mode):
            raise JournalError(f"the journal {path} is {kind}: name a file as Bus/Journal")
    if not stat.S_ISREG(status.st_mode):
        raise JournalError(f"the journal {path} is a device: name a file as Bus/Journal")
    if status.st_uid != os.geteuid():
        raise JournalError(f"the journal {path} is another user's (uid {status.st_uid}): name a file of your own as Bus/Journal")


def _content(path: Path) -> bytes:
    """Return the bytes of a file; pages that the disk cannot read are empty."""
    try:
        with open(path, "rb", buffering=0) as file:
            size = min(os.fstat(file.fileno()).st_size, _LARGEST)
            parts = []
            for at in range(0, size, 4096):
                try:
                    parts.append(os.pread(file.fileno(), 4096, at).ljust(4096, b"\0"))
                except OSError:
                    parts.append(bytes(4096))
            return b"".join(parts)
    except FileNotFoundError:
        return b""


def _damaged(text: str) -> sqlite3.Error:
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _damage(error: sqlite3.Error) -> bool:
    """Whether it says that the file is damaged, and not that it cannot be used now."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF not in _UNUSABLE or code in _UNREADABLE

"""The journal: what is written comes back, and what cannot be used is refused."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from kernelbus.bus.broker.journal import Journal, JournalError
from kernelbus.bus.broker.sessions import SessionRecord


def record(kernel: str, **more: str) -> SessionRecord:
    return SessionRecord(kernel, "P", "host", "h", "attached", 0.0, 1.5, **more)  # type: ignore[arg-type]


def test_a_journal_keeps_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "journal.sqlite"
    session = record("k", prompt="In[3]:= ", client="é", profile="p")
    journal = Journal(path)
    journal.write({"k": session, "gone": record("gone")})
    journal.write({"gone": None})
    journal.close()
    journal = Journal(path)
    assert journal.sessions() == [session]
    journal.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "kernel ids are in it"


def test_a_journal_survives_a_writer_that_is_killed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.write({"k": record("k")})
    # What a killed process leaves: the file, its log, and no lock.
    for name in ("j", "j-wal", "j-shm"):
        (tmp_path / ("copy" + name)).write_bytes((tmp_path / name).read_bytes())
    other = Journal(tmp_path / "copyj")
    assert [known.kernel for known in other.sessions()] == ["k"]
    other.close()
    journal.close()


def test_a_journal_that_cannot_be_had_says_which(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(JournalError, match=r"j is another broker's, which is running: name another file as Bus/Journal"):
        Journal(tmp_path / "j")
    journal.close()
    (tmp_path / "damaged").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(JournalError, match="damaged cannot be read"):
        Journal(tmp_path / "damaged")
    with pytest.raises(JournalError, match="cannot be had"):
        Journal(tmp_path / "damaged" / "below")
    database = sqlite3.connect(tmp_path / "later")
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(JournalError, match="layout 99"):
        Journal(tmp_path / "later")

"""The journal: what is written comes back, and a file that is not as it should be is put aside."""

from __future__ import annotations

import os
import random
import socket
import sqlite3
import stat
from pathlib import Path

import pytest
from journals import damaged, many_records, record, written

from kernelbus.bus.broker.journal import Journal, JournalError
from kernelbus.bus.broker.rows import row_of
from kernelbus.bus.broker.sessions import SessionRecord


def opened(path: Path, now: float = 0.0) -> tuple[list[SessionRecord], list[str]]:
    """Open a journal and close it; return its records and its notes."""
    journal = Journal(path, now)
    journal.close()
    return journal.records, journal.notes


def aside(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir() if file.name not in (path.name, f"{path.name}.lock"))


def test_a_journal_keeps_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "journal.sqlite"
    session = record("k", prompt="In[3]:= ", client="é", profile="p")
    journal = Journal(path, 0.0)
    journal.write({"k": session, "gone": record("gone")})
    journal.write({"gone": None})
    assert journal.in_place
    journal.close()
    assert opened(path) == ([session], [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "kernel ids are in it"
    path.chmod(0o644)
    opened(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_journal_survives_a_writer_that_is_killed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", 0.0)
    journal.write({"k": record("k")})
    # What a killed process leaves: the file, its log, and no lock.
    for name in ("j", "j-wal", "j-shm"):
        (tmp_path / ("copy" + name)).write_bytes((tmp_path / name).read_bytes())
    assert [known.kernel for known in opened(tmp_path / "copyj")[0]] == ["k"]
    journal.close()


def test_random_damage(tmp_path: Path) -> None:
    records = many_records(120)
    whole = written(tmp_path / "whole", records).read_bytes()
    read = []
    for seed in range(100):
        path = tmp_path / f"{seed}" / "j"
        path.parent.mkdir()
        data = damaged(whole, random.Random(seed))
        path.write_bytes(data)
        found, notes = opened(path)
        assert set(found) <= set(records), f"seed {seed}"
        assert set(found) == set(records) or notes or not data, f"seed {seed}: rows are missing, and nothing is said"
        if notes:
            assert (path.parent / aside(path)[0]).read_bytes() == data, f"seed {seed}: the damaged file is kept"
        assert sorted(opened(path)[0], key=str) == sorted(found, key=str), f"seed {seed}: what was read is in the new file"
        read.append(len(found))
    assert sum(read) / len(read) > 80


def test_a_damaged_journal_is_put_aside_and_its_log_with_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "first", 0.0)
    journal.write({each.kernel: each for each in many_records(20)})
    path = tmp_path / "new" / "j"
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 100)
    log = bytearray((tmp_path / "first-wal").read_bytes())
    log[32 + 16] ^= 1  # the checksum of the first page
    (path.parent / "j-wal").write_bytes(log)
    journal.close()
    found, (note,) = opened(path, 1e9)
    assert aside(path) == ["j.damaged-20010909T014640Z", "j.damaged-20010909T014640Z-wal"]
    assert len(found) == 20, "all of it was in the log"
    assert note == (
        f"the journal {path} cannot be used as it is (file is not a database): 20 sessions were read from it; "
        f"the hosts report what is missing; the file is kept as {path}.damaged-20010909T014640Z"
    )


def test_a_changed_row_is_dropped_though_the_database_is_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "j", many_records(3))
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("UPDATE sessions SET host_id = 'x' WHERE kernel LIKE '%1'")
    database.close()
    found, (note,) = opened(path)
    assert [each.kernel[-1] for each in found] == ["0", "2"]
    assert "1 rows are damaged" in note
    assert ", 1 are dropped" in note


def test_only_the_last_damaged_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "j"
    path.parent.mkdir()
    for now in range(8):
        path.write_bytes(b"\0" * 100)
        os.utime(path, (now, now))
        opened(path, 0.0 if now < 2 else float(now))
    assert len(aside(path)) == 5
    assert aside(path)[-1] == "j.damaged-19700101T000007Z"


def test_a_journal_of_a_later_layout_is_kept_and_read(tmp_path: Path) -> None:
    path = written(tmp_path / "j", many_records(3))
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA user_version=99")
    database.close()
    found, (note,) = opened(path)
    assert len(found) == 3
    assert "layout 99, and this program writes layout 2" in note
    assert aside(path)[0].startswith("j.layout-99-")


def test_a_journal_of_the_first_layout_is_taken_over(tmp_path: Path) -> None:
    path, session = tmp_path / "j", record("k")
    row = row_of(session)
    database = sqlite3.connect(path, isolation_level=None)
    names = "pool, host, host_id, state, created, changed, text, prompt, client, profile, evaluations, attachments, bytes_in, bytes_out"
    database.execute(f"CREATE TABLE sessions (kernel PRIMARY KEY, {names}) WITHOUT ROWID")
    database.execute(f"INSERT INTO sessions VALUES ({', '.join('?' * 15)})", (row[0], *row[2:]))
    database.execute("PRAGMA user_version=1")
    database.close()
    assert opened(path) == opened(path) == ([session], [])
    assert aside(path) == []


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", 0.0)
    with pytest.raises(JournalError, match=r"j is another broker's, which is running: name another file as Bus/Journal"):
        Journal(tmp_path / "j", 0.0)
    journal.close()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "there").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    other = sqlite3.connect(tmp_path / "other", isolation_level=None)
    other.execute("CREATE TABLE cookies (name)")
    other.close()
    (tmp_path / "link").symlink_to("/dev/zero")
    for name, why in (
        ("pipe", "is a pipe"),
        ("there", "is a folder"),
        ("socket", "is a socket"),
        ("link", "is a device"),
        ("other", "is a database of another program"),
        ("other/below", "Not a directory"),
    ):
        before = (tmp_path / name).lstat() if "/" not in name else None
        with pytest.raises(JournalError, match=why):
            Journal(tmp_path / name, 0.0)
        assert before is None or (tmp_path / name).lstat() == before or name == "other"
    assert (tmp_path / "other").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_journal_of_another_user_is_not_believed(tmp_path: Path) -> None:
    path = written(tmp_path / "j", many_records(2))
    os.chown(path, 12345, -1)
    with pytest.raises(JournalError, match=r"is another user's \(uid 12345\)") as raised:
        Journal(path, 0.0)
    assert raised.value.records is None

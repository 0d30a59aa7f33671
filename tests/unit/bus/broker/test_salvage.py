"""Rows are read out of damaged files: those that are whole, and none that are not."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from journals import damaged, many_records, record, written

from kernelbus.bus.broker.journal import Journal
from kernelbus.bus.broker.rows import record_of
from kernelbus.bus.broker.salvage import rows
from kernelbus.bus.broker.sessions import SessionRecord

RECORDS = many_records(200)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("journal") / "j", RECORDS).read_bytes()


def salvaged(data: bytes, log: bytes = b"") -> list[SessionRecord]:
    found = (record_of(row) for row in rows(data, log) if row is not None)
    return [each for each in found if each is not None]


def check(whole: bytes, seeds: Iterator[int]) -> float:
    """Damage the journal again and again; return which share of its records was read."""
    every = set(RECORDS)
    shares = []
    for seed in seeds:
        found = set(salvaged(damaged(whole, random.Random(seed))))
        assert found <= every, f"seed {seed}: rows that were never written"
        shares.append(len(found) / len(every))
    return sum(shares) / len(shares)


def test_all_rows_of_a_whole_file_are_read(whole: bytes) -> None:
    assert sorted(salvaged(whole), key=lambda each: each.kernel) == RECORDS
    assert salvaged(b"") == salvaged(bytes(10_000)) == []


def test_rows_of_the_log_are_newer(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", 0.0)
    journal.write({"k": record("k"), "gone": record("gone")})
    journal.write({"k": record("k", prompt="In[2]:= "), "gone": None})
    read = salvaged((tmp_path / "j").read_bytes(), (tmp_path / "j-wal").read_bytes())
    journal.close()
    assert read == [record("k", prompt="In[2]:= ")]


def test_damage_costs_the_rows_that_it_is_in(whole: bytes) -> None:
    for page in range(len(whole) // 4096):
        for size in (1, 4096):
            at = 4096 * page
            read = salvaged(whole[:at] + bytes(size) + whole[at + size :])
            # A page has up to some 40 rows; SQLite reads nothing at all without its first page.
            assert len(read) >= len(RECORDS) - 50, f"page {page}, {size} bytes"


def test_random_damage(whole: bytes) -> None:
    assert check(whole, iter(range(300))) > 0.6


@pytest.mark.fuzz
def test_more_random_damage(whole: bytes) -> None:
    until = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "60"))
    start = random.randrange(1 << 32)

    def seeds() -> Iterator[int]:
        seed = start
        while time.monotonic() < until:
            yield seed
            seed += 1

    check(whole, seeds())


def test_other_page_sizes_and_kinds_of_values(tmp_path: Path) -> None:
    values = (0, 1, -1, 127, 300, 70_000, 2**30, 2**40, -(2**60), 1.5, None, b"\0\xff", "text", "")
    database = sqlite3.connect(tmp_path / "d", isolation_level=None)
    database.execute("PRAGMA page_size=512")
    database.execute("CREATE TABLE t (a PRIMARY KEY, b, c) WITHOUT ROWID")
    for index, value in enumerate(values):
        database.execute("INSERT INTO t VALUES (?, ?, ?)", (index, value, "filler" * index * 10))
    database.close()
    read = [row for row in rows((tmp_path / "d").read_bytes()) if row is not None]
    assert sorted(row[0] for row in read) == list(range(len(values)))  # type: ignore[type-var]
    assert all(row[1:] == [values[row[0]], "filler" * row[0] * 10] for row in read)  # type: ignore[index, operator, call-overload]

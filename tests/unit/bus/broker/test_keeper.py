"""A broker goes on without its journal, says so, and tries again."""

from __future__ import annotations

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from journals import many_records, record, written

from kernelbus.bus.broker.journal import Journal
from kernelbus.bus.broker.keeper import Attempts, Keeper
from kernelbus.bus.broker.sessions import SessionTable
from kernelbus.bus.protocol.messages import KernelReport


@dataclass
class Host:
    id: str = "h"
    name: str = "host"


def report(sessions: SessionTable, kernel: str, text: str = "") -> None:
    sessions.report(Host(), KernelReport(kernel, "P", "attached", 1, channel=5, prompt=text, attachments=1), 100.0)


def journaled(path: Path) -> set[str]:
    journal = Journal(path, 0.0)
    kernels = {each.kernel for each in journal.records}
    journal.close()
    return kernels


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file become larger than `size`."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_attempts_are_made_less_and_less_often() -> None:
    attempts = Attempts()
    assert attempts.due(0.0)
    assert attempts.failed("full", 10.0)
    assert (attempts.due(10.9), attempts.due(11.0)) == (False, True)
    assert not attempts.failed("full", 11.0), "the same again is no news"
    assert (attempts.due(12.9), attempts.due(13.0)) == (False, True)
    for _ in range(10):
        attempts.failed("gone", 20.0)
    assert (attempts.problem, attempts.due(79.9), attempts.due(80.0)) == ("gone", False, True)
    assert attempts.succeeded()
    assert (attempts.problem, attempts.due(0.0)) == ("", True)
    assert not attempts.succeeded()


def test_a_broker_without_a_journal_keeps_nothing() -> None:
    keeper, sessions = Keeper(None, 0.0, 0.0), SessionTable()
    report(sessions, "k")
    keeper.write(sessions, 0.0, 100.0)
    assert (keeper.problem, keeper.records, sessions.changes()) == ("", [], {})
    keeper.close()


def test_a_disk_that_is_full_while_it_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, sessions = tmp_path / "j", SessionTable()
    keeper = Keeper(path, 0.0, 100.0)
    report(sessions, "first")
    keeper.write(sessions, 0.0, 100.0)
    with full_disk(path.stat().st_size + 20_000):
        for index in range(20):
            report(sessions, f"more{index}", "x" * 2000)
            keeper.write(sessions, 1.0, 101.0)
    assert "cannot be written" in keeper.problem
    assert caplog.text.count("cannot be written") == 1
    keeper.write(sessions, 1.5, 101.5)
    assert keeper.problem, "it is not tried at once"
    sessions.gone("first", "it ended", 102.0)
    keeper.write(sessions, 2.0, 102.0)
    assert keeper.problem == ""
    assert "can be used again" in caplog.text
    keeper.close()
    assert journaled(path) == {"first", *(f"more{index}" for index in range(20))}


def test_a_disk_that_is_full_at_the_start(tmp_path: Path) -> None:
    path = written(tmp_path / "j", [record("old", attachments=1)])
    data = path.read_bytes()
    with full_disk(0):
        keeper = Keeper(path, 0.0, 100.0)
        assert [each.kernel for each in keeper.records] == ["old"], "what is there can be read"
        sessions = SessionTable()
        sessions.restore(keeper.records, 100.0)
        keeper.write(sessions, 0.0, 100.0)
        assert keeper.problem
    assert path.read_bytes() == data
    report(sessions, "new")
    keeper.write(sessions, 5.0, 105.0)
    keeper.close()
    assert journaled(path) == {"old", "new"}


def test_a_journal_that_comes_late_is_read_then(tmp_path: Path) -> None:
    path = tmp_path / "mounted" / "j"
    path.parent.mkdir()
    written(path, [record("old"), record("k", profile="stale")])
    hidden = path.parent.rename(tmp_path / "hidden")
    path.parent.write_text("in the way")
    keeper, sessions = Keeper(path, 0.0, 100.0), SessionTable()
    assert "name another file as Bus/Journal" in keeper.problem
    report(sessions, "k")
    path.parent.unlink()
    hidden.rename(path.parent)
    keeper.write(sessions, 5.0, 105.0)
    assert (list(sessions.awaited), list(sessions.live), keeper.problem) == (["old"], ["k"], "")
    keeper.close()


def test_a_journal_that_is_damaged_or_taken_away_while_it_runs_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    path, sessions = tmp_path / "j", SessionTable()
    keeper = Keeper(path, 0.0, 100.0)
    for each in many_records(50):
        report(sessions, each.kernel)
    keeper.write(sessions, 0.0, 100.0)
    path.unlink()
    keeper.check(1.0)
    assert "was taken away" in keeper.problem
    keeper.write(sessions, 2.0, 102.0)
    assert keeper.problem == ""
    with open(path, "r+b") as file:
        file.write(bytes(100))
    keeper.write(sessions, 3.0, 103.0)  # nothing has changed, and nothing is noticed
    keeper.close()
    assert len(journaled(path)) == 50


def test_another_broker_may_be_about_to_end(tmp_path: Path) -> None:
    path = written(tmp_path / "j", [record("old")])
    other = Journal(path, 0.0)
    keeper, sessions = Keeper(path, 0.0, 100.0), SessionTable()
    assert "another broker's, which is running" in keeper.problem
    assert keeper.records == []
    other.close()
    keeper.write(sessions, 1.0, 101.0)
    assert (keeper.problem, list(sessions.awaited)) == ("", ["old"])
    keeper.close()


def test_a_journal_that_cannot_be_written_needs_no_room(tmp_path: Path) -> None:
    (tmp_path / "j").symlink_to(tmp_path / "nowhere" / "j")
    keeper = Keeper(tmp_path / "j", 0.0, 100.0)
    assert "cannot be used (No such file or directory): let it be written, or name another file as Bus/Journal" in keeper.problem
    keeper.close()

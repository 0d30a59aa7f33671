"""The history of notebooks: kernelbus.shell.jupyter.history."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from kernelbus.shell.jupyter.history import History


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "kernelbus"


def test_it_is_kept(state: Path) -> None:
    first = History()
    first.add(1, "a = 1", "1")
    first.add(2, "b = 2")
    first.close()
    second = History()
    second.add(1, "a + 1", "2")
    assert [cell[2] for cell in second.tail(2)] == ["b = 2", "a + 1"]
    assert second.tail(9)[0] == (first.session, 1, "a = 1", "1")
    assert second.range(-1, 1, 2) == second.range(first.session, 1, 2) == [(first.session, 1, "a = 1", "1")]
    assert [cell[1] for cell in second.range(0, 0, None)] == [1]
    second.close()
    assert stat.S_IMODE((state / "notebooks.sqlite").stat().st_mode) == 0o600


def test_search() -> None:
    history = History()
    for number, text in enumerate(["x = 1", "y = 1", "x = 1", "[1]"], 1):
        history.add(number, text)
    assert [cell[1] for cell in history.search("x*", None, unique=False)] == [1, 3]
    assert [cell[1] for cell in history.search("x*", None, unique=True)] == [3]
    assert [cell[1] for cell in history.search("* = ?", 2, unique=False)] == [2, 3]
    history.close()


def test_numbers_that_begin_anew_overwrite_nothing() -> None:
    history = History()
    for number in (5, 1, 2):
        history.add(number, f"cell {number}")
    assert [(cell[1], cell[2]) for cell in history.tail(9)] == [(5, "cell 5"), (6, "cell 1"), (7, "cell 2")]
    history.close()


def test_a_file_that_is_no_database(state: Path) -> None:
    state.mkdir()
    (state / "notebooks.sqlite").write_text("nonsense" * 1000)
    history = History()
    assert "is not kept: file is not a database" in history.fault
    history.add(1, "a")
    assert [cell[2] for cell in history.tail(1)] == ["a"]
    history.close()

"""Where a user's state is kept, and who can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelbus.shell.state import private_file, state_directory


def test_the_directory_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "kernelbus"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # The XDG specification: a relative path is to be ignored.
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", ignored)
        assert state_directory() == tmp_path / "home" / ".local" / "state" / "kernelbus"


def test_a_user_without_a_home_has_a_directory_that_only_root_can_make(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    assert state_directory() == Path("/.local/state/kernelbus")


def test_a_private_file_is_its_users_alone_and_keeps_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = private_file("history")
    assert file == tmp_path / "state" / "kernelbus" / "history"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.write_text("typed\n")
    assert private_file("history").read_text() == "typed\n"


def test_a_file_that_cannot_be_made_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernelbus").write_text("a file in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(OSError, match="kernelbus"):
        private_file("history")

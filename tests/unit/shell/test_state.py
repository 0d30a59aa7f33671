"""Where a user's state is kept, and who can read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kernelbus.shell.state import private_file, state_directory


@pytest.mark.parametrize("given", ["", "relative/path"])
def test_without_an_absolute_path_it_is_in_the_home(given: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_directory() == tmp_path / ".local" / "state" / "kernelbus"


def test_a_private_file_is_its_users_alone_and_keeps_what_is_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    umask = os.umask(0)
    try:
        path = private_file("history")
    finally:
        os.umask(umask)
    assert path == tmp_path / "state" / "kernelbus" / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.write_text("2+2\n")
    assert private_file("history").read_text() == "2+2\n"


def test_a_folder_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        private_file("history")

"""Profiles: what is written can be read, and errors name the file in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kernelbus.shell.address import Address
from kernelbus.shell.clients.profile import CellNote, Profile, ProfileError, ProfileFile


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.parametrize("place", ["work", "PATH/work.json"])
def test_round_trip(place: str, tmp_path: Path) -> None:
    file = ProfileFile(place.replace("PATH", str(tmp_path)))
    written = file.write(Profile(Address("::1", 4000), "id-1", "Main", True, 17))
    assert file.read() == written
    assert written.created and written.used
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert list(file.path.parent.glob(".*")) == []
    assert "Cell" not in file.path.read_text() and "Notebook" not in file.path.read_text(), "older versions do not know them"
    of_notebook = replace(written, notebook="/a/Wärme.ipynb", asks=CellNote(7, 31, "c-1", "Plot[Sin[x]]", 2))
    assert file.write(of_notebook) == file.read()
    assert file.read().asks == of_notebook.asks


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("[" * 60_000, "is not JSON"),
        ("{}" + " " * 70_000, "cannot be read: it has more than"),
        ('{"Version": 2}', "is of version 2, which a later kernelbus wrote"),
        ('{"Version": 1, "Server": "h", "Kernel": "k", "Pol": 1}', "has an unknown key 'Pol'"),
        ('{"Version": 1, "Server": "h"}', "has a wrong 'Kernel'"),
        ('{"Version": 1, "Server": "h", "Kernel": "k", "ResumePoint": -1}', "has a wrong 'ResumePoint'"),
        ('{"Version": 1, "Server": "h", "Kernel": "k", "Cell": {"Input": 1}}', "has a wrong 'Cell'"),
        ('{"Version": 1, "Server": "http://h", "Kernel": "k"}', "has a wrong 'Server'"),
    ],
)
def test_what_is_wrong(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(ProfileError) as error:
        ProfileFile(str(path)).read()
    assert str(error.value).startswith(f"profile {path} {told}")
    assert path.read_text() == content


def test_a_missing_file_and_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"there is no profile .*: --start-profile work makes it"):
        ProfileFile("work").read()
    with pytest.raises(ProfileError, match="there is no directory"):
        ProfileFile(str(tmp_path / "no" / "p.json")).check_writable()

"""`kernelbus profiles` on files whose server is not there; tests/e2e/test_clients.py has a server.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernelbus.shell.address import Address
from kernelbus.shell.clients.profile import Profile, ProfileFile
from kernelbus.shell.clients.profiles import run_profiles


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProfileFile:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = ProfileFile("work")
    made.write(Profile(Address("127.0.0.1", 1), "AbCdEfGhIjKlMnOpQrStUv", pool="Main"))
    return made


def test_profiles_are_shown_with_the_beginning_of_the_id(file: ProfileFile, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_profiles("list", [], as_json=True) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["profile"], row["server"], row["pool"], row["kernel"]) == ("work", "1@127.0.0.1", "Main", "AbCdEfGh")
    assert run_profiles("check", ["work"]) == 1
    assert "cannot connect to 1@127.0.0.1" in capsys.readouterr().out
    file.path.write_text("{")
    assert run_profiles("list", []) == 2
    assert "is not JSON" in capsys.readouterr().out


def test_a_profile_is_removed_but_not_while_its_kernel_cannot_be_ended(
    file: ProfileFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_profiles("remove", ["work"], close_kernel=True) == 2
    assert file.exists()
    assert run_profiles("remove", ["work", "other"]) == 2
    assert not file.exists()
    assert "there is no profile" in capsys.readouterr().err
    assert run_profiles("remove", []) == 2

"""`kernelbus access`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernelbus.shell.main import main


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def test_the_token_is_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["access"]) == 2
    assert capsys.readouterr().err.endswith(
        "access-token: there is no token yet: a server makes it when it starts, as does kernelbus access new\n"
    )
    assert main(["access", "new", "-q"]) == 0
    token = capsys.readouterr().out.strip()
    assert main(["access", "-q"]) == 0
    assert capsys.readouterr().out.strip() == token
    assert main(["access"]) == 0
    assert capsys.readouterr().out.startswith(f"The token is {token}\nIt is in {tmp_path}/state/kernelbus/access-token. ")
    assert main(["access", "new"]) == 0
    assert token not in capsys.readouterr().out


def test_the_file_of_a_configuration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text(json.dumps({"Access": {"Token": "here"}}))
    assert main(["access", "-c", "a.conf", "new", "-q"]) == 0
    assert (tmp_path / "here").read_text() == capsys.readouterr().out
    (tmp_path / "here").chmod(0o644)
    assert main(["access", "-c", "a.conf"]) == 2
    assert "chmod 600" in capsys.readouterr().err

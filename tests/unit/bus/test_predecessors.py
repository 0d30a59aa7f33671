"""A part that starts knows which parts of its machine are gone."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from kernelbus.bus import predecessors
from kernelbus.bus.predecessors import Predecessors

_HOLD = """
import sys
from pathlib import Path
from kernelbus.bus.predecessors import Predecessors
kept = Predecessors(Path(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
"""


def part(folder: Path) -> tuple[str, Predecessors]:
    identity = secrets.token_hex(16)
    return identity, Predecessors(folder, identity)


def test_who_was_killed_is_gone_and_who_is_there_or_has_left_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    identity = secrets.token_hex(16)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.Popen(
        [sys.executable, "-c", _HOLD, folder, identity], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    with killed:
        assert killed.stdout is not None
        killed.stdout.readline()
        alive, there = part(folder)
        assert there.gone == []
        killed.kill()
        killed.wait(20)
    for _ in range(2):
        # It is reported by each that comes: the broker may have been away when the first one did.
        _, other = part(folder)
        assert other.gone == [identity]
        other.close()
    assert sorted(file.name for file in folder.iterdir()) == sorted([identity, alive])
    assert (folder.stat().st_mode & 0o777, (folder / alive).stat().st_mode & 0o777) == (0o700, 0o600)
    there.close()
    there.close()


def test_records_of_other_machines_and_what_is_none_are_passed_over(tmp_path: Path) -> None:
    names = [secrets.token_hex(16) for _ in range(4)]
    (tmp_path / names[0]).write_text(json.dumps({"machine": "another", "boot": "another"}))
    (tmp_path / names[1]).write_text("nonsense")
    os.mkfifo(tmp_path / names[2])
    (tmp_path / names[3]).mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    _, kept = part(tmp_path)
    assert kept.gone == []
    kept.close()
    assert len(list(tmp_path.iterdir())) == 5


def test_a_machine_without_a_name_has_no_predecessors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predecessors, "_content", lambda path: "")
    (tmp_path / secrets.token_hex(16)).write_text(json.dumps({"machine": "", "boot": ""}))
    _, kept = part(tmp_path)
    assert kept.gone == []
    kept.close()


def test_only_the_last_are_kept(tmp_path: Path) -> None:
    record = json.dumps(predecessors._machine())
    for number in range(60):
        file = tmp_path / f"{number:032x}"
        file.write_text(record)
        os.utime(file, (number, number))
    _, kept = part(tmp_path)
    assert kept.gone == [f"{number:032x}" for number in range(59, 9, -1)]
    kept.close()
    assert len(list(tmp_path.iterdir())) == 50


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (None, tmp_path / "file", tmp_path / "file" / "below"):
        kept = Predecessors(folder, secrets.token_hex(16))
        assert kept.gone == []
        kept.close()

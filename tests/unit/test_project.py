"""The project's own files agree with each other."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = {
    canonicalize_name(requirement.name): requirement
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if line and not line.startswith("#")
    for requirement in [Requirement(line)]
}
NEEDED = [
    *PROJECT["project"]["dependencies"],
    *(need for extra in PROJECT["project"]["optional-dependencies"].values() for need in extra),
    *PROJECT["build-system"]["requires"],
]


@pytest.mark.parametrize("need", [need for need in NEEDED if not need.startswith("kernelbus")])
def test_the_lock_has_what_is_needed(need: str) -> None:
    wanted = Requirement(need)
    (pin,) = LOCK[canonicalize_name(wanted.name)].specifier
    assert pin.operator == "=="
    assert wanted.specifier.contains(pin.version)
    assert str(wanted.marker) == str(LOCK[canonicalize_name(wanted.name)].marker)


def test_everything_in_the_lock_is_pinned() -> None:
    assert {
        name for name, locked in LOCK.items() if [pin.operator for pin in locked.specifier] != ["=="]
    } == set()


def test_the_changelog_begins_with_this_version() -> None:
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == PROJECT["project"]["version"]


def test_make_says_which_python_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text(
        '#!/bin/sh\nexec python3 -c "import sys; sys.version_info = (3, 9, 1); exec(sys.argv[1])" "$2"\n'
    )
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    made = subprocess.run(
        ["make", "install", f"PYTHON={old}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode != 0
    assert (
        f"kernelbus needs Python 3.11 or later, {old} is 3.9: say make PYTHON=/path/to/python3.11"
        in made.stderr
    )
    assert not (tmp_path / ".venv").exists()

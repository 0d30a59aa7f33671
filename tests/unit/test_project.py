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
OPTIONAL = PROJECT["project"]["optional-dependencies"]
SERVER = ("wstp", "embedded", "admin", "discovery", "metrics")
TOOLS = ("test", "docs", "dev")


def lock(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """Give what a lock file pins: requirement and hashes, by name."""
    entries = re.findall(
        r"^([A-Za-z0-9].*?)\s*\\\n((?: {4}--hash=.*\n?)+)", (ROOT / name).read_text(), re.MULTILINE
    )
    return {
        canonicalize_name(Requirement(pin).name): (Requirement(pin), re.findall(r"--hash=(\S+)", hashes))
        for pin, hashes in entries
    }


LOCKS = {name: lock(name) for name in ("requirements.lock", "requirements-dev.lock")}


def needs(*extras: str) -> list[str]:
    return [
        *PROJECT["project"]["dependencies"],
        *PROJECT["build-system"]["requires"],
        *(need for extra in extras for need in OPTIONAL[extra] if not need.startswith("kernelbus")),
    ]


@pytest.mark.parametrize(
    ("name", "need"),
    [
        *(("requirements.lock", need) for need in needs(*SERVER)),
        *(("requirements-dev.lock", need) for need in needs(*SERVER, *TOOLS)),
    ],
)
def test_a_lock_has_what_is_needed(name: str, need: str) -> None:
    wanted = Requirement(need)
    locked, _ = LOCKS[name][canonicalize_name(wanted.name)]
    (pin,) = locked.specifier
    assert pin.operator == "=="
    assert wanted.specifier.contains(pin.version)
    for python in ("CPython", "PyPy"):
        for system in ("linux", "win32"):
            there = {"platform_python_implementation": python, "sys_platform": system}
            assert wanted.marker is None or wanted.marker.evaluate(there) == (
                locked.marker is None or locked.marker.evaluate(there)
            )


@pytest.mark.parametrize("name", LOCKS)
def test_everything_in_a_lock_is_pinned_and_has_hashes(name: str) -> None:
    words = re.findall(r"^[A-Za-z0-9].*", (ROOT / name).read_text(), re.MULTILINE)
    assert len(words) == len(LOCKS[name])
    for requirement, hashes in LOCKS[name].values():
        assert [pin.operator for pin in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes), requirement


def test_the_locks_agree() -> None:
    server, everything = LOCKS["requirements.lock"], LOCKS["requirements-dev.lock"]
    for name, (requirement, hashes) in server.items():
        also, its_hashes = everything[name]
        assert (also.specifier, its_hashes) == (requirement.specifier, hashes)


def test_a_server_needs_no_tool() -> None:
    tools = {canonicalize_name(Requirement(need).name) for extra in TOOLS for need in OPTIONAL[extra]}
    needed = {canonicalize_name(Requirement(need).name) for need in needs(*SERVER)}
    # Mathics3 needs PyYAML, too, ipykernel psutil, and its IPython pexpect.
    assert (tools - needed) & set(LOCKS["requirements.lock"]) == {"pyyaml", "psutil", "pexpect"}


@pytest.mark.parametrize("base", re.findall(r"^FROM (\S+)", (ROOT / "configs/Dockerfile").read_text(), re.MULTILINE))
def test_the_image_is_built_on_one_that_cannot_change(base: str) -> None:
    assert re.fullmatch(r"python:[0-9.]+-slim@sha256:[0-9a-f]{64}", base)


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
    for name in ("Makefile", "pyproject.toml", "requirements-dev.lock"):
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

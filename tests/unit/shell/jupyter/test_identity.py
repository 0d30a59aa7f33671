"""Whether a file is the notebook that a session is of: kernelbus.shell.jupyter.identity."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kernelbus.shell.address import Address
from kernelbus.shell.clients.profile import Profile, ProfileFile
from kernelbus.shell.jupyter.identity import (
    Found,
    Identity,
    Trail,
    identity_of,
    is_of,
    left_over,
    look,
    move,
    read_notebook,
    write_identity,
)

FILE, OTHER = (1, 20), (1, 21)


@pytest.mark.parametrize(
    ("identity", "found", "same"),
    [
        (Identity("a", FILE, ("x", "y")), Found(FILE, frozenset({"y"}), False), True),
        # It was written anew, as git does, or is a copy.
        (Identity("a", FILE, ("x", "y")), Found(OTHER, frozenset({"x", "z"}), False), True),
        (Identity("a", FILE, ("x",)), Found(OTHER, frozenset({"z"}), False), False),
        # The cells that were run were not saved; or the file was removed, and its inode given away.
        (Identity("a", FILE, ("x",)), Found(FILE, frozenset({"z"}), False), None),
        (Identity("a", FILE, ("x",)), Found(OTHER, frozenset(), True), False),
        (Identity("a", FILE, ("x",)), Found(FILE, frozenset(), True), None),
        # Cells of older formats have no ids.
        (Identity("a", FILE), Found(FILE, frozenset(), False), None),
        (Identity("a", FILE, ("x",)), Found(FILE, frozenset(), False), None),
        (Identity("a", FILE), Found(OTHER, frozenset({"z"}), False), None),
        (Identity("a", None, ("x",)), Found(OTHER, frozenset(), False), None),
    ],
)
def test_what_tells_notebooks_apart(identity: Identity, found: Found, same: bool | None) -> None:
    assert is_of(identity, found) is same


def test_a_file_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    assert look(str(path)) is None
    path.write_text(json.dumps({"cells": [{"id": "x"}, {"source": ""}, 5]}))
    found = look(str(path))
    assert found is not None and (found.cells, found.empty) == (frozenset({"x"}), False)
    path.write_text("# A text")
    assert read_notebook(str(path)) is None
    found = look(str(path))
    assert found is not None and (found.cells, found.empty) == (frozenset(), False)


def test_the_newest_cells_are_known() -> None:
    many = Identity("a").with_cells(f"c{number}" for number in range(400)).with_cells(["", "c399", "new"])
    assert len(many.cells) == 300 and many.cells[-2:] == ("c399", "new")


def test_sessions_of_notebooks_that_are_elsewhere_are_left_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    server = Address.parse("5@host")
    here = tmp_path / "here.ipynb"
    here.write_text("{}")
    for name, kernel, path, adrift in (
        ("here", "k1", here, False),
        ("gone", "k2", tmp_path / "gone.ipynb", False),
        ("replaced", "k3", here, True),
        ("twice", "k1", tmp_path / "twice.ipynb", False),
    ):
        file = ProfileFile(name)
        file.write(Profile(server, kernel))
        write_identity(file, Identity(str(path), FILE, ("x",), adrift))
    ProfileFile("terminal").write(Profile(server, "k4"))
    (tmp_path / "state" / "kernelbus" / "profiles" / "wrong.json").write_text("[")
    assert {each.file.label: each.identity.cells for each in left_over()} == {"gone": ("x",), "replaced": ("x",)}
    move(ProfileFile("gone"), ProfileFile("found"))
    assert identity_of(ProfileFile("gone")) is None and ProfileFile("found").read().kernel == "k2"
    assert identity_of(ProfileFile("found")) == Identity(str(tmp_path / "gone.ipynb"), FILE, ("x",))


@pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="this system does not say what an open file is called")
def test_a_file_that_is_held_is_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "a.ipynb", tmp_path / "b.ipynb"
    trail = Trail(str(path))
    assert trail.leads_to() == ""
    path.write_text("1")
    assert trail.leads_to() == "", "it is held from now on"
    path.rename(other)
    assert trail.leads_to() == str(other)
    path.write_text("2")
    assert trail.leads_to() == str(other), "another file has the old name"
    trail.stay()
    assert trail.leads_to() == ""
    written = tmp_path / "written"
    written.write_text("3")
    written.replace(path)
    assert trail.leads_to() == "", "the file was replaced, as some editors save it"
    path.rename(other)
    assert trail.leads_to() == str(other)
    other.unlink()
    assert trail.leads_to() == ""
    trail.close()

"""Which notebook a session is of, when the notebook is renamed, copied, or replaced by another.

A session is named by its notebook's path. Beside it, an identity is kept: the notebook's file (its
device and inode), and the ids of its cells, which travel with it. :func:`is_of` tells by these
whether a file is the notebook. A session whose notebook is not at its path any more is
*left over* (:func:`left_over`): a renamed notebook finds its session among these.

While a kernel runs, :class:`Trail` knows where the file has gone: it holds the file open, and Linux
says what the open file is called now.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelbus.bus.settings.files import read_file
from kernelbus.shell.clients.profile import Profile, ProfileError, ProfileFile, profile_files
from kernelbus.shell.state import private_file, replace_file, state_directory

__all__ = ["Found", "Identity", "LeftOver", "Trail", "identity_of", "is_of", "left_over", "look", "move", "read_notebook", "write_identity"]

#: The largest file of a notebook that is read, in bytes.
_LARGEST_FILE = 1 << 26
_LARGEST = 1 << 20
#: How many ids of cells an identity has, the newest.
_CELLS = 300
_FOLDER = "notebooks"


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a notebook from others.

    Attributes:
        path: where it was last.
        file: the device and inode of its file; None: there was none.
        cells: the ids of its cells, the newest last.
        adrift: whether another notebook is at the path now.
    """

    path: str
    file: tuple[int, int] | None = None
    cells: tuple[str, ...] = ()
    adrift: bool = False

    def with_cells(self, cells: Iterable[str]) -> Identity:
        """Return it with these cells as well."""
        known = [*dict.fromkeys([*self.cells, *(cell for cell in cells if cell)])]
        return Identity(self.path, self.file, tuple(known[-_CELLS:]), self.adrift)


@dataclass(frozen=True, slots=True)
class Found:
    """A notebook's file as it is.

    Attributes:
        file: its device and inode.
        cells: the ids of its cells; empty also where they have none.
        empty: whether it has no cells.
    """

    file: tuple[int, int]
    cells: frozenset[str]
    empty: bool


def is_of(identity: Identity, found: Found) -> bool | None:
    """Tell whether a file is the notebook that has this identity; None: nothing tells.

    An inode alone shows nothing: that of a file that was removed is given to the next new one.
    Another inode shows something where no cell is the same.
    """
    same = identity.file == found.file
    if identity.cells and found.cells:
        if found.cells.intersection(identity.cells):
            return True
        # Cells that have never been saved are not in the file.
        return None if same else False
    return False if found.empty and identity.cells and not same else None


def look(path: str) -> Found | None:
    """Look at a notebook's file; None: there is none here."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    content = read_notebook(path)
    if content is None:
        # A text that a front end shows as a notebook, or one that is not to be read.
        return Found((stat.st_dev, stat.st_ino), frozenset(), False)
    cells = [cell for cell in content["cells"] if isinstance(cell, dict)]
    ids = frozenset(cell["id"] for cell in cells if isinstance(cell.get("id"), str))
    return Found((stat.st_dev, stat.st_ino), ids, not cells)


def read_notebook(path: str) -> Mapping[str, Any] | None:
    """Return the content of a notebook's file; None: it cannot be read here, or is too large."""
    try:
        content = json.loads(read_file(path, _LARGEST_FILE))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("cells"), list) else None


# ---- on disk -------------------------------------------------------------------------------------


def _place(file: ProfileFile) -> Path:
    return state_directory() / _FOLDER / f"{file.label}.json"


def identity_of(file: ProfileFile) -> Identity | None:
    """Return the identity of the notebook that has a profile; None: none is known."""
    try:
        content = json.loads(read_file(_place(file), _LARGEST))
        where = content["File"]
        return Identity(
            str(content["Notebook"]),
            (int(where[0]), int(where[1])) if where else None,
            tuple(map(str, content["Cells"])),
            bool(content.get("Adrift")),
        )
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def write_identity(file: ProfileFile, identity: Identity) -> None:
    """Keep the identity of the notebook that has a profile.

    It is of use and no more: where it cannot be written, the session is found by its path alone.
    """
    content = {"Notebook": identity.path, "File": identity.file, "Cells": identity.cells, "Adrift": identity.adrift}
    with contextlib.suppress(OSError):
        replace_file(private_file(f"{_FOLDER}/{file.label}.json"), json.dumps(content))


def move(old: ProfileFile, new: ProfileFile) -> None:
    """Give a profile and the identity that goes with it another name.

    Raises:
        ProfileError: it cannot be done.
    """
    try:
        if old.exists():
            os.replace(old.path, new.path)
        with contextlib.suppress(FileNotFoundError):
            os.replace(_place(old), _place(new))
    except OSError as error:
        raise ProfileError(f"profile {old} cannot be renamed: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class LeftOver:
    """A session whose notebook is not at its path any more."""

    file: ProfileFile
    profile: Profile
    identity: Identity


def left_over() -> list[LeftOver]:
    """Return the sessions of this user whose notebooks are not at their paths, the last used first.

    One whose kernel another profile has, too, is not among them.
    """
    found, kernels = [], []
    for path in profile_files():
        file = ProfileFile(str(path))
        try:
            profile = file.read()
        except ProfileError:
            continue
        identity = identity_of(file)
        if identity is None and profile.notebook:
            identity = Identity(profile.notebook)
        if identity is not None and (identity.adrift or not os.path.exists(identity.path)):
            found.append(LeftOver(file, profile, identity))
        else:
            kernels.append(profile.kernel)
    return sorted((each for each in found if each.profile.kernel not in kernels), key=lambda each: each.profile.used, reverse=True)


class Trail:
    """Follows a file to where it is moved, as long as it is held."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._handle: int | None = None
        self._hold()

    def _hold(self) -> None:
        self.close()
        flags = getattr(os, "O_PATH", None)
        if flags is not None:
            with contextlib.suppress(OSError):
                self._handle = os.open(self._path, flags | os.O_CLOEXEC)

    def leads_to(self) -> str:
        """Return where the file is now; "": where it was, or nobody knows."""
        if self._handle is None:
            self._hold()  # it was not saved before
            return ""
        try:
            if os.fstat(self._handle).st_nlink:
                now = os.readlink(f"/proc/self/fd/{self._handle}")
                return now if now != self._path and os.path.samestat(os.fstat(self._handle), os.stat(now)) else ""
        except OSError:
            return ""
        # It was removed, or another file has been put in its place.
        self._hold()
        return ""

    def stay(self) -> None:
        """Take what is at the path now for the file."""
        self._hold()

    def close(self) -> None:
        """Let the file go."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

"""Which session a notebook has, and what says so: its profile, which one kernel at a time has.

The profile of a notebook is in the user's state directory, under the name that
:func:`~kernelbus.shell.jupyter.naming.profile_name` gives. One kernel has it: it holds a lock,
which ends with its process however that ends. A second kernel of the same notebook, or one whose
session another client has, gets a session of its own that has no name. Nobody's session is taken.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kernelbus.bus.settings.files import read_file
from kernelbus.shell.address import Address
from kernelbus.shell.clients.choice import Choice
from kernelbus.shell.clients.presence import find_kernel
from kernelbus.shell.clients.profile import Profile, ProfileError, ProfileFile, profile_files
from kernelbus.shell.clients.session import SessionError
from kernelbus.shell.jupyter.naming import notebook_path, profile_name
from kernelbus.shell.operations.tables import duration
from kernelbus.shell.state import private_file
from kernelbus.shell.token import TokenError, find_token

__all__ = ["Binding", "Occupied", "read_notebook"]

#: The largest file of a notebook that is read, in bytes.
_LARGEST_FILE = 1 << 26


class Occupied(Exception):
    """Somebody else has the session; the text says who."""


class Binding:
    """Which session the notebook of this kernel has.

    Attributes:
        wanted: the kernel of which server and pool is wanted.
        cell: the id of the cell that is run, which may say which notebook it is in.
        path: the notebook's path; "": none is known.
        aside: whether this kernel has no part in the notebook's session, since another has it.
    """

    def __init__(self, wanted: Choice, environment: Mapping[str, str], folder: str) -> None:
        self.wanted = wanted
        self.cell = ""
        self.path = ""
        self.aside = False
        self._environment = environment
        self._folder = folder
        self._file: ProfileFile | None = wanted.file
        self._own: ProfileFile | None = wanted.file
        self._locks: dict[str, int] = {}
        self._before = self._file, self.aside
        self._going: Choice | None = None

    @property
    def file(self) -> ProfileFile | None:
        """The profile of the session; None: it has no name."""
        return None if self.aside else self._file

    @property
    def notebook(self) -> str:
        """What people call the session: the notebook's name, or the session's; "": neither."""
        if self.file is not None and self.file is not self._own:
            return self.file.label
        return os.path.basename(self.path) or (self.file.label if self.file is not None else "")

    # ------------------------------------------------------------------ called in a thread

    def choose(self, taken: bool) -> tuple[Choice, str]:
        """Return the kernel that is wanted now, and a line that says why it is not the notebook's.

        `taken`: whether another client has what was wanted last.

        Raises:
            ProfileError: the profile cannot be used.
        """
        if taken and self._file is not None:
            who = self._who_has(self._file)
            return self._step_aside(who)
        if self._going is not None:
            going, self._going = self._going, None
            return going, ""
        self._name()
        if self.file is None:
            return self._nameless(), ""
        try:
            self._take(self.file)
        except Occupied as why:
            return self._step_aside(str(why))
        return replace(self.wanted, file=self.file, resume=True, start=True, kernel="", lenient=True), ""

    def _step_aside(self, why: str) -> tuple[Choice, str]:
        told = f"the session of {self.notebook or self._file} is in use: {why}. This kernel has one of its own, without a name;"
        self.aside = True
        self.release()
        return self._nameless(), f"{told} %kernel attach goes to the notebook's when it is free"

    def _name(self) -> None:
        if self._own is not None:
            return
        path = notebook_path(self._environment, self.cell, self._folder)
        if path is None:
            return
        self.path = os.path.realpath(path)
        server = str(self.wanted.address or "") if self.wanted.discover is None else f"discover {self.wanted.discover}"
        self._own = self._file = ProfileFile(profile_name(self.path, server, self.wanted.pool))

    def _nameless(self) -> Choice:
        return replace(self.wanted, file=None, resume=False, start=True)

    def _take(self, file: ProfileFile) -> None:
        """Take hold of a session for this kernel.

        Raises:
            Occupied: somebody else has it.
            ProfileError: the profile cannot be used.
        """
        if file.name in self._locks:
            return
        try:
            path = private_file(f"notebooks/{file.label}.lock")
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise ProfileError(f"profile {file} cannot be locked: {error.strerror}") from None
        try:
            self._hold(lock)
        except BaseException:
            os.close(lock)
            raise
        self._locks[file.name] = lock

    def _hold(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                return  # a file system without locks: the server alone says who has it
            holder = os.pread(lock, 100, 0).decode(errors="replace").strip()
            raise Occupied(f"another kernel of this notebook has it{f' (process {holder})' if holder else ''}") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def _who_has(self, file: ProfileFile) -> str:
        """Ask the server who has a profile's session, in words."""
        try:
            profile = file.read()
            token = find_token(profile.server.host, self.wanted.token_file, known=profile.token)
            found = find_kernel(profile.server, profile.kernel, token)
        except (ProfileError, SessionError, TokenError):
            found = None  # it has refused just now, and says no more
        if found is None or not found.client:
            return "another client has it"
        return f"client {found.client} has had it for {duration(found.since)}"

    def release(self, but: str = "") -> None:
        """Let the locks go, of all profiles but one."""
        for name in [name for name in self._locks if name != but]:
            os.close(self._locks.pop(name))

    def expected(self) -> Profile | None:
        """Return the profile of the session that is gone back to next; None: there is none."""
        self._name()
        return _read(self.file.path) if self.file is not None else None

    def forget(self) -> None:
        """Remove the profile: its session is ended."""
        if self.file is not None:
            self.file.path.unlink(missing_ok=True)

    # ------------------------------------------------------------------ what %kernel changes

    def to_own(self) -> None:
        """Go back to the notebook's own session.

        Raises:
            Occupied: somebody else has it, or the kernel has no notebook.
            ProfileError: the profile cannot be used.
        """
        self._name()
        if self._own is None:
            raise Occupied("this kernel is of no notebook that is known: say which session, as in %kernel attach ID")
        self._turn_to(self._own)

    def to_name(self, name: str) -> None:
        """Have the session of a name.

        Raises:
            Occupied: somebody else has it.
            ProfileError: it is no name, or the profile cannot be used.
        """
        self._turn_to(ProfileFile(name))

    def _turn_to(self, file: ProfileFile) -> None:
        before = self._file, self.aside
        if self._file is None or self.aside or self._file.name != file.name:
            self._take(file)
            self._file, self.aside = file, False
        self._before = before

    def to_kernel(self, kernel: str, address: Address | None) -> None:
        """Have the kernel of an id, next: of a server, or of that of a profile of this user.

        `kernel`: the id, or the beginning of one that a profile of this user has.
        """
        known = [profile for profile in map(_read, profile_files()) if profile is not None and profile.kernel.startswith(kernel)]
        if len({profile.kernel for profile in known}) == 1:
            kernel, address = known[0].kernel, known[0].server
        place = address or self.wanted.address
        self._before = self._file, self.aside
        self._going = replace(self._nameless(), kernel=kernel, address=place, pool="", discover=None, file=self.file, confirm=_leaves)

    def to_pool(self, pool: str) -> None:
        """Have a fresh kernel of a pool, next."""
        self._before = self._file, self.aside
        self._going = replace(self._nameless(), pool=pool, file=self.file, confirm=_leaves)

    def went(self) -> None:
        """Note that what was to be had is had."""
        self._before = self._file, self.aside
        self.release(but=self.file.name if self.file is not None else "")

    def stay(self) -> None:
        """Forget what was to be had next, since it cannot be had."""
        self._going = None
        self._file, self.aside = self._before
        self.release(but=self.file.name if self.file is not None else "")


def _leaves(question: str) -> bool:
    """Answer that a profile's session may be left: the caller sees to it."""
    return True


def _read(path: os.PathLike[str]) -> Profile | None:
    try:
        return ProfileFile(os.fspath(path)).read()
    except ProfileError:
        return None


def read_notebook(path: str) -> Mapping[str, Any] | None:
    """Return the content of a notebook's file; None: it cannot be read here, or is too large."""
    try:
        content = json.loads(read_file(path, _LARGEST_FILE))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("cells"), list) else None

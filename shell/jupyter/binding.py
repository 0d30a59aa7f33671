"""Which session a notebook has, and what says so: its profile, which one kernel at a time has.

The profile of a notebook is in the user's state directory, under the name that
:func:`~kernelbus.shell.jupyter.naming.profile_name` gives. One kernel has it: it holds a lock,
which ends with its process however that ends. A second kernel of the same notebook, or one whose
session another client has, gets a session of its own that has no name. Nobody's session is taken.

A notebook that is renamed keeps its session: :meth:`Binding.follow` notices while the kernel runs,
and :meth:`Binding.choose` finds it among those that are left over. By what a notebook is known is
told in :mod:`kernelbus.shell.jupyter.identity`.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Mapping
from dataclasses import replace

from kernelbus.bus.settings.files import read_file
from kernelbus.shell.address import Address
from kernelbus.shell.clients.choice import Choice
from kernelbus.shell.clients.presence import find_kernel
from kernelbus.shell.clients.profile import Profile, ProfileError, ProfileFile, profile_files
from kernelbus.shell.clients.session import SessionError
from kernelbus.shell.jupyter.identity import (
    Found,
    Identity,
    LeftOver,
    Trail,
    identity_of,
    is_of,
    left_over,
    look,
    move,
    write_identity,
)
from kernelbus.shell.jupyter.naming import notebook_path, profile_name
from kernelbus.shell.operations.tables import duration
from kernelbus.shell.state import private_file, state_directory
from kernelbus.shell.token import TokenError, find_token

__all__ = ["Binding", "Occupied"]

_SHORT = 8
#: How many sessions that are left over are told at most.
_TOLD = 3
_LONGEST_PATH = 1 << 13


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

    def __init__(self, wanted: Choice, environment: Mapping[str, str], folder: str, process: str = "") -> None:
        """Begin.

        Args:
            wanted: the kernel of which server and pool is wanted.
            environment: this process's, without what is not of its own.
            folder: this process's.
            process: what this process and the one that takes its place at a restart are called, and
                no other: the name of the connection file.
        """
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
        self._process = process
        self._trail: Trail | None = None
        self._identity: Identity | None = None
        self._recognised = False  # whether it has been found out whose session the path has

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
        told = self._recognise() if self.file is self._own else ""
        return replace(self.wanted, file=self.file, resume=True, start=True, kernel="", lenient=True), told

    def _step_aside(self, why: str) -> tuple[Choice, str]:
        told = f"the session of {self.notebook or self._file} is in use: {why}. This kernel has one of its own, without a name;"
        self.aside = True
        self.release()
        return self._nameless(), f"{told} %kernel attach goes to the notebook's when it is free"

    def _name(self) -> None:
        if self._own is not None:
            return
        # A restarted kernel has the environment of the first one, and with it the old path.
        path = self._moved_to() or notebook_path(self._environment, self.cell, self._folder)
        if path is not None:
            self._call(os.path.realpath(path))
            self._file = self._own

    def _call(self, path: str) -> None:
        self.path = path
        self._own = ProfileFile(self._profile_of(path))
        if self._trail is not None:
            self._trail.close()
        self._trail = Trail(path)

    def _profile_of(self, path: str) -> str:
        server = str(self.wanted.address or "") if self.wanted.discover is None else f"discover {self.wanted.discover}"
        return profile_name(path, server, self.wanted.pool)

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
        if self.file is None:
            return None
        profile = _read(self.file.path)
        if profile is None and self.file is self._own and not self._recognised:
            before = self._same(look(self.path))
            return before.profile if before is not None else None
        return profile

    def forget(self) -> None:
        """Remove the profile: its session is ended, and none that is left over is to follow."""
        self._recognised = True
        if self.file is not None:
            self.file.path.unlink(missing_ok=True)

    # ------------------------------------------------------------------ renamed notebooks

    def _recognise(self) -> str:
        """Find out whether the session of the path is this notebook's; return a line to say."""
        assert self._own is not None
        if self._recognised:
            return ""
        self._recognised = True
        own, found, told = self._own, look(self.path), ""
        known = identity_of(own)
        if known is not None and found is not None and own.exists() and is_of(known, found) is False:
            told = self._put_aside(own, known)
            known = None
        if not own.exists() and known is None and found is not None:
            told = self._taken_over(found) or told
            known = identity_of(own) if own.exists() else None
        known = known or Identity(self.path)
        self._identify(replace(known, path=self.path, file=found.file if found is not None else known.file, adrift=False), found)
        return told

    def _identify(self, identity: Identity, found: Found | None = None) -> None:
        assert self._own is not None
        self._identity = identity.with_cells(found.cells if found is not None else ())
        write_identity(self._own, self._identity)

    def ran(self, cell: str) -> None:
        """Note that a cell of the notebook has been run, unless its id is a place (VS Code)."""
        if self._identity is None or self._own is None or not cell or ":" in cell or cell in self._identity.cells:
            return
        found = self._identity.file
        if found is None:
            try:
                stat = os.stat(self.path)
                found = stat.st_dev, stat.st_ino
            except OSError:
                pass  # it has not been saved yet
        self._identify(replace(self._identity, file=found).with_cells([cell]))

    def _put_aside(self, file: ProfileFile, known: Identity) -> str:
        """Keep the session of a notebook that is not at its path any more; return what to say."""
        profile = _read(file.path)
        if profile is None:
            return ""
        kernel = profile.kernel[:_SHORT]
        aside = ProfileFile(f"{file.label}+{kernel}")
        move(file, aside)
        write_identity(aside, replace(known, adrift=True))
        name = os.path.basename(known.path)
        return f"{name} is another notebook than the one that has session {kernel}, which is kept: %kernel attach {kernel} goes to it"

    def _left_over(self) -> list[LeftOver]:
        """Return the sessions that this notebook may have had by another name."""
        return [each for each in left_over() if each.file.label.partition("+")[0] == self._profile_of(each.identity.path)]

    def _same(self, found: Found | None) -> LeftOver | None:
        """Return the session that this notebook had by another name; None: none is known for one.
        """
        same = [each for each in self._left_over() if found is not None and is_of(each.identity, found)]
        return same[0] if len(same) == 1 else None

    def _taken_over(self, found: Found) -> str:
        """Take over what this notebook had by another name, or say what it may have had."""
        assert self._own is not None
        before = self._same(found)
        if before is not None:
            try:
                self._take(before.file)
            except Occupied:
                return ""  # its kernel runs, and will notice
            move(before.file, self._own)
            self._drop(before.file)
            return f"this notebook was {before.identity.path} before, and has its session"
        folder = os.path.dirname(self.path)
        # One that never had a file here is of a notebook on another machine.
        near = [each for each in self._left_over() if os.path.dirname(each.identity.path) == folder and each.identity.file is not None]
        told = [each for each in near if is_of(each.identity, found) is not False]
        return "; ".join(
            f"{os.path.basename(each.identity.path)} is not there any more, and its session is kept: "
            f"%kernel attach {each.profile.kernel[:_SHORT]} goes to it"
            for each in told[:_TOLD]
            if self._lives(each)
        )

    def _lives(self, left: LeftOver) -> bool:
        """Tell whether a kernel is there still; forget its session if its server does not have it.
        """
        profile = left.profile
        try:
            token = find_token(profile.server.host, self.wanted.token_file, known=profile.token)
            if find_kernel(profile.server, profile.kernel, token) is not None:
                return True
        except (SessionError, TokenError):
            return False
        left.file.path.unlink(missing_ok=True)
        return False

    def _drop(self, file: ProfileFile) -> None:
        lock = self._locks.pop(file.name, None)
        if lock is not None:
            os.close(lock)

    def follow(self) -> tuple[ProfileFile, ProfileFile, str] | None:
        """Notice that the notebook has been renamed or moved while this kernel runs.

        Returns:
            The profile that the session had, the one that it has now, and a line to say; None:
            nothing is changed.

        Raises:
            ProfileError: the profile cannot be renamed.
        """
        now = self._now()
        if not now or self._own is None:
            return None
        old, new = self._own, ProfileFile(self._profile_of(now))
        mine, told = self.file is old, ""
        if mine:
            try:
                self._take(new)
            except Occupied:
                return None
            if (displaced := _read(new.path)) is not None and displaced.kernel:
                told = self._put_aside(new, identity_of(new) or Identity(now))
            move(old, new)
            self._drop(old)
        self._call(now)
        if self._file is old:
            self._file = self._own
        if self._identity is not None:
            self._identify(replace(self._identity, path=now))
        self._note_move()
        return (old, new, told) if mine else None

    def _now(self) -> str:
        """Return where the notebook is now; "": where it was, as far as is known."""
        if self._own is None or self._trail is None:
            return ""
        told = notebook_path({}, self.cell, self._folder)
        now = os.path.realpath(told) if told is not None else self._trail.leads_to()
        if not now or now == self.path or os.path.splitext(now)[1] != os.path.splitext(self.path)[1]:
            return ""
        if told is None and self._identity is not None and (found := look(self.path)) is not None and is_of(self._identity, found):
            # An editor has kept the old file by another name.
            self._trail.stay()
            return ""
        return now

    @property
    def _note(self) -> str:
        return f"notebooks/{os.path.basename(self._process)}.moved"

    def _moved_to(self) -> str | None:
        try:
            path = os.fsdecode(read_file(state_directory() / self._note, _LONGEST_PATH)).strip()
        except (OSError, ValueError):
            return None
        return path if self._process and os.path.exists(path) else None

    def _note_move(self) -> None:
        """Note where the notebook is, for the process that takes this one's place."""
        if self._process:
            try:
                private_file(self._note).write_bytes(os.fsencode(self.path))
            except OSError:
                pass  # after a restart it has the session of its old path

    def close(self) -> None:
        """Forget what was noted for the process that would take this one's place."""
        if self._process:
            (state_directory() / self._note).unlink(missing_ok=True)

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

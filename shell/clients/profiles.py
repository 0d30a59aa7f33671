"""`kernelbus profiles`: list the profiles of this user, check that their kernels are there, remove.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from kernelbus.shell.clients.choice import Choice
from kernelbus.shell.clients.connect import run_connect
from kernelbus.shell.clients.presence import Presence, find_kernel, find_moved
from kernelbus.shell.clients.profile import Profile, ProfileError, ProfileFile, profile_files
from kernelbus.shell.clients.session import SessionError
from kernelbus.shell.exits import FAILED, UNUSABLE
from kernelbus.shell.token import TokenError, find_token

__all__ = ["run_profiles"]

_SHORT = 8


def run_profiles(action: str, names: Sequence[str], *, as_json: bool = False, close_kernel: bool = False) -> int:
    """List, check or remove profiles.

    Args:
        action: `list`, `check` or `remove`.
        names: the profiles, by name or path; none: all in the user's state directory (not for
            `remove`).
        as_json: print JSON instead of a table.
        close_kernel: with `remove`, end the kernels too.

    Returns:
        The exit status: 0; 1: a kernel is gone, or a server cannot be asked; 2: a profile cannot be
        used.
    """
    try:
        files = [ProfileFile(name) for name in names] or [ProfileFile(str(path)) for path in profile_files()]
    except ProfileError as error:
        return _complain(str(error))
    if action == "remove":
        return _remove(files, close_kernel)
    rows, status = [], 0
    for file in files:
        row, outcome = _row(file, check=action == "check")
        rows.append(row)
        status = max(status, outcome)
    if as_json:
        print(json.dumps(rows, indent=1))
    elif rows:
        _print(rows)
    elif sys.stdout.isatty():
        print("There are no profiles: --start-profile NAME makes one.")
    return status


def _row(file: ProfileFile, *, check: bool) -> tuple[dict[str, str], int]:
    """Return what is known of a profile, and the exit status for that."""
    row = {"profile": file.label, "server": "", "pool": "", "kernel": "", "used": ""}
    try:
        profile = file.read()
    except ProfileError as error:
        return row | {"state": str(error)}, UNUSABLE
    row |= {"server": profile.server.place, "pool": profile.pool, "kernel": profile.kernel[:_SHORT], "used": profile.used}
    if not check:
        return row, 0
    state, status = _state(profile)
    return row | {"state": state}, status


def _find(profile: Profile) -> Presence | None:
    token = find_token(profile.server.host, known=profile.token)
    try:
        found, failure = find_kernel(profile.server, profile.kernel, token), None
    except SessionError as error:
        found, failure = None, error
    if found is None and (moved := find_moved(profile.service, profile.server, profile.kernel, token)) is not None:
        return find_kernel(moved, profile.kernel, token)
    if failure is not None:
        raise failure
    return found


def _state(profile: Profile) -> tuple[str, int]:
    try:
        found = _find(profile)
    except (SessionError, TokenError) as error:
        return str(error), FAILED
    return ("its kernel is gone", FAILED) if found is None else (str(found), 0)


def _print(rows: Sequence[dict[str, str]]) -> None:
    headings = list(dict.fromkeys(key for row in rows for key in row))
    widths = {key: max(len(key), *(len(row.get(key, "")) for row in rows)) for key in headings}
    print("  ".join(key.upper().ljust(widths[key]) for key in headings).rstrip())
    for row in rows:
        print("  ".join(row.get(key, "").ljust(widths[key]) for key in headings).rstrip())


def _remove(files: Sequence[ProfileFile], close_kernel: bool) -> int:
    if not files:
        return _complain("remove: say which profile")
    status = 0
    for file in files:
        if not file.exists():
            status = _complain(f"there is no profile {file}")
        elif not close_kernel or _close(file):
            try:
                file.path.unlink()
            except OSError as error:
                status = _complain(f"profile {file} cannot be removed: {error.strerror}")
        else:
            status = UNUSABLE
    return status


def _close(file: ProfileFile) -> bool:
    """End a profile's kernel; return whether it is not there any more."""
    try:
        profile = file.read()
        if _find(profile) is None:
            return True
    except (ProfileError, SessionError, TokenError) as error:
        _complain(str(error))
        return False
    return run_connect(Choice.of(continue_profile=file.name), quiet=True, close_kernel=True) == 0


def _complain(text: str) -> int:
    print(f"kernelbus profiles: {' '.join(text.split())}", file=sys.stderr)
    return UNUSABLE

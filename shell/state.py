"""Where a user's state is kept between runs: profiles, and the history of what was typed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from pathlib import Path

__all__ = ["check_owner", "private_file", "private_folder", "replace_file", "socket_folder", "state_directory"]

#: The longest path of the folder of sockets, in bytes: a name is to fit behind it.
_DEEPEST = 90


def state_directory() -> Path:
    """Return `kernelbus` in `$XDG_STATE_HOME`, or in `~/.local/state`.

    For a user without a home it is below the root folder, where only root can write.
    """
    given = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    if os.path.isabs(given):
        return Path(given) / "kernelbus"
    try:
        home = Path.home()
    except RuntimeError:
        home = Path("/")
    return home / ".local" / "state" / "kernelbus"


def socket_folder() -> Path:
    """Return the folder of sockets: the state directory, or one below /tmp where that is too deep.

    The path of a socket may have only some 100 bytes.
    """
    folder = state_directory()
    if len(os.fsencode(folder)) <= _DEEPEST:
        return folder
    digest = hashlib.blake2s(os.fsencode(folder), digest_size=6).hexdigest()
    return Path(f"/tmp/kernelbus-{os.geteuid()}-{digest}")


def private_folder() -> Path:
    """Make the folder of sockets, for its user alone.

    Raises:
        OSError: it cannot be made, or is another's.
    """
    folder = socket_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_owner(folder)
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)
    return folder


def check_owner(folder: Path) -> None:
    """Check that the folder of sockets, if it is below /tmp and there, is this user's.

    Raises:
        PermissionError: it is another's, who may have put something there.
    """
    if folder == state_directory():
        return
    with contextlib.suppress(FileNotFoundError):
        there = folder.lstat()
        if there.st_uid != os.geteuid() or not stat.S_ISDIR(there.st_mode):
            raise PermissionError(errno.EPERM, f"{folder} is another user's")


def replace_file(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a file that only its user can read, at once or not at all.

    Args:
        path: the file.
        text: what is to be in it.
        durable: whether it must survive a power cut.

    Raises:
        OSError: it cannot be written.
    """
    # mkstemp makes it with mode 0600.
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def private_file(name: str) -> Path:
    """Make a file in the state directory that only its user can read, unless it exists.

    Raises:
        OSError: it cannot be made or written to.
    """
    path = state_directory() / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    return path

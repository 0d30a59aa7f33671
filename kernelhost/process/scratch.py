"""The private folders that kernels run in, and that are gone when their kernel is.

A host has one folder for those of all its kernels, in the folder for temporary files. It holds a
lock on a file in it as long as it lives, so that the next host can tell, and removes what a host
has left that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["Scratch"]

_log = logging.getLogger("kernelbus.host")

_PREFIX = "kernelbus-kernels-"
_LOCK = ".lock"


class Scratch:
    """The folders of one host's kernels.

    Args:
        parent: the folder in which they are made; None: the one for temporary files.

    Raises:
        OSError: no folder can be made there.
    """

    def __init__(self, parent: str | None = None) -> None:
        base = Path(parent or tempfile.gettempdir())
        for left in base.glob(f"{_PREFIX}*"):
            _remove_left(left)
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        self._lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Kernels of other users have to pass; they cannot see what else is there.
        self._folder.chmod(0o711)

    def make(self, owner: tuple[int, int] | None) -> str:
        """Make a folder for a kernel, and return its path.

        Args:
            owner: the ids of the user and group that it belongs to; None: to this process's.
        """
        folder = tempfile.mkdtemp(dir=self._folder)
        if owner is not None:
            os.chown(folder, *owner)
        return folder

    def remove(self, folder: str) -> None:
        """Remove a kernel's folder with all that is in it; blocking."""
        shutil.rmtree(folder, onerror=_tell)

    def close(self) -> None:
        """Remove what is left; a second call does nothing."""
        if self._lock < 0:
            return
        shutil.rmtree(self._folder, onerror=_tell)
        os.close(self._lock)
        self._lock = -1


def _tell(function: object, path: str, error: tuple[type[BaseException], BaseException, object]) -> None:
    if not isinstance(error[1], FileNotFoundError):
        _log.warning("%s, which a kernel has left, cannot be removed: %s", path, error[1])


def _remove_left(folder: Path) -> None:
    """Remove the folder of a host that has ended without removing it."""
    with contextlib.suppress(OSError):
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, onerror=_tell)
        finally:
            os.close(lock)

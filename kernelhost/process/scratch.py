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
        self._base = Path(parent or tempfile.gettempdir())
        for left in self._base.glob(f"{_PREFIX}*"):
            _remove_left(left)
        self._locks: list[int] = []
        self._prepare()

    def _prepare(self) -> None:
        """Make the folder of all kernels' folders, and lock it."""
        self._unlock()
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._base))
        # systemd-tmpfiles removes nothing, however old, in a folder that is locked itself.
        for path, flags in ((self._folder / _LOCK, os.O_RDWR | os.O_CREAT), (self._folder, os.O_RDONLY | os.O_DIRECTORY)):
            self._locks.append(os.open(path, flags | os.O_CLOEXEC, 0o600))
            fcntl.flock(self._locks[-1], fcntl.LOCK_EX)
        # Kernels of other users have to pass; they cannot see what else is there.
        self._folder.chmod(0o711)

    def _unlock(self) -> None:
        while self._locks:
            os.close(self._locks.pop())

    def make(self, owner: tuple[int, int] | None) -> str:
        """Make a folder for a kernel, and return its path.

        Args:
            owner: the ids of the user and group that it belongs to; None: to this process's.

        Raises:
            OSError: it cannot be made; the text says where.
        """
        try:
            if not self._folder.is_dir():
                _log.warning("%s, with the folders of kernels, was removed by another program: it is made anew", self._folder)
                self._prepare()
            folder = tempfile.mkdtemp(dir=self._folder)
        except OSError as error:
            text = f"its folder cannot be made in {self._base}: {error.strerror}; TMPDIR can name another place"
            raise OSError(error.errno, text) from None
        if owner is not None:
            os.chown(folder, *owner)
        return folder

    def remove(self, folder: str) -> None:
        """Remove a kernel's folder with all that is in it; blocking."""
        shutil.rmtree(folder, onerror=_tell)

    def close(self) -> None:
        """Remove what is left; a second call does nothing."""
        if self._locks:
            shutil.rmtree(self._folder, onerror=_tell)
            self._unlock()


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

"""Read a small file that is there, and nothing else: no pipe that never ends, no device.

A FIFO would have its reader wait for ever, and ``/dev/zero`` has no end.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["NotAFile", "read_file"]


class NotAFile(OSError):
    """What is there cannot be read as a file; `strerror` says what it is."""


def read_file(path: str | Path, most: int) -> bytes:
    """Return what a file has.

    Args:
        path: the file.
        most: how many bytes it may have.

    Raises:
        NotAFile: it is a pipe, a device, a folder or a socket, or larger than `most`.
        OSError: it cannot be read.
    """
    # O_NONBLOCK: to open a FIFO does not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotAFile(0, f"this is {_kind(mode)}, not a file")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(data) > most:
        raise NotAFile(0, f"it has more than {most} bytes")
    return data


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")

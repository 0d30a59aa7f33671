"""What a process calls itself in ``ps``: a kernel by its id and pool, not by a file of ours.

A forked kernel has the command line of its parent otherwise. The text is written over the memory of
the command line, so it is cut to that length. No library is needed for that.
"""

from __future__ import annotations

import ctypes
import sys

__all__ = ["set_title"]

_PR_SET_NAME = 15
#: Where the command line begins and ends, counted from the third field of ``/proc/self/stat`` on.
_START, _END = 48 - 3, 49 - 3


def set_title(text: str) -> None:
    """Show ``kernelbus: text`` as this process's command, and the beginning of `text` as its name.

    Do nothing where the system is not Linux, or does not tell where the command line is.
    """
    if sys.platform != "linux":
        return
    # The kernel of the system cuts the name to 15 bytes.
    ctypes.CDLL(None).prctl(_PR_SET_NAME, text.encode())
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return
    start, size = int(fields[_START]), int(fields[_END]) - int(fields[_START])
    if start and size > 0:
        shown = f"kernelbus: {text}".encode()[: size - 1].decode(errors="ignore").encode()
        ctypes.memmove(start, shown.ljust(size, b"\0"), size)

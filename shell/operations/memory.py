"""Give memory that a process has freed back to the operating system.

The C library keeps what is freed behind something that is still used. A server under load frees
large buffers in any order, and would keep the memory of its busiest moment for ever. Python in turn
frees circles of objects only when there are many. So when a part has grown by :data:`FREE`, it
collects circles and has the C library (glibc) give back what is free. Other C libraries are left
alone.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import resource
from typing import Final

__all__ = ["FREE", "Heap", "keep_small"]

_log = logging.getLogger("kernelbus.memory")

#: Bytes by which a process may grow before it is looked at what can be given back, and bytes that
#: may be free and kept.
FREE: Final = 2**25
#: Seconds between two looks.
_INTERVAL: Final = 5.0


class _Mallinfo(ctypes.Structure):
    """What mallinfo2(3) returns."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )


class Heap:
    """The memory of this process that the C library manages.

    Raises:
        LookupError: the C library is not glibc, or is older than 2.33.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        try:
            self._mallinfo, self._trim = library.mallinfo2, library.malloc_trim
        except AttributeError as error:
            raise LookupError(str(error)) from None
        self._mallinfo.restype = _Mallinfo
        self._trim.argtypes = (ctypes.c_size_t,)

    @property
    def free(self) -> int:
        """How many bytes are free. What was given back still counts."""
        return int(self._mallinfo().fordblks)

    @property
    def resident(self) -> int:
        """The size of the process in memory, in bytes."""
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def give_back(self) -> None:
        """Give free pages back to the operating system."""
        self._trim(0)


async def keep_small(interval: float = _INTERVAL) -> None:
    """Give free memory back whenever the process has grown and much is free, until cancelled."""
    try:
        heap = Heap()
    except LookupError:
        _log.debug("free memory is not given back: the C library is not glibc")
        await asyncio.Event().wait()
        return
    least = heap.resident
    while True:
        await asyncio.sleep(interval)
        resident = heap.resident
        if resident - least > FREE:
            # Large objects may be in circles of few objects, which Python does not look for soon.
            gc.collect()
            if heap.free > FREE:
                heap.give_back()
            # What is still there is needed now.
            least = heap.resident
            _log.debug("free memory is given back: %d bytes", resident - least)
        else:
            least = min(least, resident)

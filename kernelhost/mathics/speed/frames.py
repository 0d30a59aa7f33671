"""Keep Python's stack of frames in one piece while an evaluation runs.

CPython 3.11 and later keep the frames of Python functions in chunks of 16 KiB, and free a chunk as
soon as no frame is in it. A loop whose calls begin at the end of a chunk allocates and frees one at
each turn: up to four fifths of an evaluation's time was the system's. A function with a large frame
makes the next chunk large, so that everything it calls is in that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["roomy"]

_T = TypeVar("_T")

#: Slots of 8 bytes in the large frame. A chunk is the next power of two; this leaves half of 8 MiB.
_SLOTS = 500_000


def roomy(work: Callable[[], _T]) -> _T:
    """Return ``work()``, whose frames are in one chunk of memory.

    What is not used of the chunk takes no memory.
    """
    return work()


roomy.__code__ = roomy.__code__.replace(co_stacksize=_SLOTS)

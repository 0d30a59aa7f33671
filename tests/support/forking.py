"""What happens in a copy of the test's process."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["raised_after_fork"]


def raised_after_fork(action: Callable[[], object], kind: type[Exception]) -> str:
    """Do something in a forked child, and return the text of the error of this kind that it raises.

    It is "" if nothing is raised, or something else.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            action()
        except kind as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text

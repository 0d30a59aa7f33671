"""Lines of standard input, read while something else goes on: answers to what a kernel asks."""

from __future__ import annotations

import os
import select
import sys

__all__ = ["InputLines"]

_CHUNK = 65536


class InputLines:
    """Standard input, line by line, without waiting longer than told."""

    def __init__(self) -> None:
        self._read = bytearray()
        self._ended = False

    @property
    def interactive(self) -> bool:
        """Whether a person types."""
        return sys.stdin is not None and sys.stdin.isatty()

    def line(self, seconds: float) -> str | None:
        """Return the next line without its end; None: it has not come in time.

        Raises:
            EOFError: there are no more lines.
        """
        if sys.stdin is None:
            raise EOFError
        try:
            file = sys.stdin.fileno()
        except (OSError, ValueError):
            # A stream of Python alone, which never waits.
            text = sys.stdin.readline()
            if not text:
                raise EOFError from None
            return text.rstrip("\n")
        if b"\n" not in self._read and not self._ended and select.select([file], [], [], seconds)[0]:
            try:
                data = os.read(file, _CHUNK)
            except OSError:
                data = b""
            self._ended = not data
            self._read += data
        if b"\n" in self._read or (self._ended and self._read):
            line, _, self._read = self._read.partition(b"\n")
            return line.decode("utf-8", "replace").removesuffix("\r")
        if self._ended:
            raise EOFError
        return None

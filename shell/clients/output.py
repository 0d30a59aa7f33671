"""Streams for a kernel's output."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from kernelbus.shell.streams import write_text

__all__ = ["Output"]


class Output:
    """A stream that begins a new line only where the last one is not ended.

    The stream is looked up at each write, since it is another one while a person types.
    """

    def __init__(self, stream: Callable[[], TextIO]) -> None:
        self._stream = stream
        self._fresh = True

    def write(self, text: str) -> None:
        """Write `text` as it is, as far as the stream has its characters.

        See :func:`kernelbus.shell.streams.write_text`.
        """
        if text:
            write_text(self._stream(), text)
            self._fresh = text.endswith("\n")

    def line(self, text: str) -> None:
        """Write `text` on a line, or lines, of its own."""
        self.write(("" if self._fresh else "\n") + text.rstrip("\n") + "\n")

    def raw(self, data: bytes) -> None:
        """Write bytes as they are, whatever the stream's encoding."""
        stream = self._stream()
        stream.flush()
        buffer = getattr(stream, "buffer", None)
        if buffer is None:
            stream.write(data.decode("latin-1"))
        else:
            buffer.write(data)
        stream.flush()
        self._fresh = True

    def typed(self) -> None:
        """Note that the person has ended a line."""
        self._fresh = True

"""Write what a kernel said to a stream of this process, whatever characters are in it."""

from __future__ import annotations

from typing import TextIO

from kernelbus.shell.terminal import for_stream

__all__ = ["write_text"]


def write_text(stream: TextIO, text: str) -> None:
    """Write a text and flush the stream.

    A character that the stream's encoding does not have, such as a surrogate without its other
    half, is shown with a backslash: `\\ud83d`. So is what a terminal would obey.
    """
    text = for_stream(text, stream)
    try:
        stream.write(text)
    except UnicodeEncodeError as error:
        stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
    stream.flush()

"""Write what a kernel said to a stream of this process, whatever characters are in it."""

from __future__ import annotations

from typing import TextIO

from kernelbus.shell.terminal import for_stream

__all__ = ["write_text"]


def write_text(stream: TextIO, text: str) -> None:
    """Write a text and flush the stream.

    A character that the stream's encoding does not have, such as a surrogate without its other
    half, is shown as the language writes it in ASCII: `\\:d83d`, `\\|01f600`. What a terminal would
    obey is shown with a backslash.
    """
    text = for_stream(text, stream)
    try:
        stream.write(text)
    except UnicodeEncodeError as error:
        stream.write("".join(_written(character, error.encoding) for character in text))
    stream.flush()


def _written(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        code = ord(character)
        return f"\\:{code:04x}" if code < 0x10000 else f"\\|{code:06x}"
    return character

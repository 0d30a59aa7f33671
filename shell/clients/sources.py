"""Read the code of `kernelbus eval` and `kernelbus script` from files and standard input."""

from __future__ import annotations

import os
import sys

from kernelbus.shell.clients.statements import Source

__all__ = ["STANDARD_INPUT", "SourceError", "read_file", "read_input"]

#: What messages call standard input.
STANDARD_INPUT = "standard input"

#: The characters of one file of code, at most: a device may have no end.
_LONGEST = 2**26


class SourceError(Exception):
    """Code cannot be read; the text names the file, the line where that is known, and why."""


def read_file(name: str) -> Source:
    """Read a file of code; `-` is standard input.

    Raises:
        SourceError: it cannot be read.
    """
    if name == "-":
        return read_input()
    try:
        with open(name, "rb") as file:
            data = file.read(4 * _LONGEST + 1)
    except OSError as error:
        raise SourceError(f"{name}: {error.strerror or error}") from None
    return Source(_decoded(name, data), name, os.path.abspath(name))


def read_input() -> Source:
    """Read all of standard input as code.

    Raises:
        SourceError: it cannot be read.
    """
    if sys.stdin is None:
        raise SourceError(f"{STANDARD_INPUT} is closed")
    buffer = getattr(sys.stdin, "buffer", None)
    try:
        text = sys.stdin.read(_LONGEST + 1) if buffer is None else _decoded(STANDARD_INPUT, buffer.read(4 * _LONGEST + 1))
    except OSError as error:
        raise SourceError(f"{STANDARD_INPUT}: {error.strerror or error}") from None
    return Source(text, STANDARD_INPUT)


def _decoded(name: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{name}:{line}: the byte 0x{data[error.start]:02x} is not UTF-8") from None
    if len(text) > _LONGEST:
        raise SourceError(f"{name} has more than {_LONGEST} characters")
    return text

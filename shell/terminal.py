"""What is printed for people: texts of others are made plain (:mod:`kernelbus.bus.plaintext`)."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, TextIO

from kernelbus.bus.plaintext import plain

__all__ = ["complain", "for_stream", "json_text"]


def complain(who: str, what: object) -> None:
    """Write one line to standard error: who has what to say."""
    print(f"{who}: {plain(str(what))}", file=sys.stderr)


def for_stream(text: str, stream: TextIO) -> str:
    """Return `text` as it is for a file or a pipe, and plain, line by line, for a terminal."""
    return plain(text, keep="\n\t") if stream.isatty() else text


def json_text(value: Any, indent: int = 1) -> str:
    """Return JSON that is readable and steers no terminal: what is not shown is an escape."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if plain(text, keep="\n") == text:
        return text
    return re.sub(r"[^\n]", lambda found: found[0] if plain(found[0]) == found[0] else json.dumps(found[0])[1:-1], text)

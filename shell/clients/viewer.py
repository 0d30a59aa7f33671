"""Show a picture in this terminal, or save it in a file."""

from __future__ import annotations

import os
import select
import sys
import tempfile
import time
from pathlib import Path

from kernelbus.shell.clients.output import Output
from kernelbus.shell.clients.pictures import known_way, packed, says_sixel

__all__ = ["Viewer"]

#: Seconds that a terminal has to say what it can.
_ASK_SECONDS = 0.5


class Viewer:
    """Shows pictures; the terminal is asked at the first."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._way: str | None = None
        self._folder: Path | None = None

    def show(self, png: bytes, name: str) -> None:
        """Show a picture, or save it as `name`.png and print where it is.

        Raises:
            OSError: it cannot be saved.
        """
        if self._way is None:
            self._way = _way()
        if self._way:
            try:
                shown = packed(png, self._way)
            except (ImportError, OSError):
                self._way = ""
            else:
                self._out.raw(shown + b"\n")
                return
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="kernelbus-"))
        file = self._folder / f"{name}.png"
        file.write_bytes(png)
        self._out.line(f"The picture is in {file}")


def _way() -> str:
    known = known_way(os.environ)
    if known is not None:
        return known
    return "sixel" if says_sixel(_attributes()) else ""


def _attributes() -> bytes:
    """Ask the terminal for its attributes (DA1), and return what it says; b"" if it is silent."""
    try:
        import termios
        import tty

        terminal, before = sys.stdin.fileno(), termios.tcgetattr(sys.stdin.fileno())
    except (ImportError, OSError, ValueError):
        return b""
    answer = b""
    deadline = time.monotonic() + _ASK_SECONDS
    try:
        tty.setcbreak(terminal)
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), b"\x1b[c")
        while not answer.endswith(b"c") and select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
            answer += os.read(terminal, 1)
    except (OSError, ValueError):
        return b""
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    return answer

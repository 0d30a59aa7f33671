"""What the parts say about themselves: WSTPServer's three levels, one line an event.

A line is ``YYYY-MM-DD HH:MM:SS.mmm [LEVEL] part: text``, in local time, on standard error or in a file. Level 1 (error) shows
errors and warnings, among them every kernel's death; level 2 (debug) also what happens in an orderly way; level 3 (trace) every
packet's passing. Parts log to ``logging.getLogger("kernelbus.<part>")``; traces go through ``logger.log(TRACE, ...)``. Of other
libraries only warnings are shown, at every level: their details say nothing about links and kernels.
"""

from __future__ import annotations

import logging
import logging.handlers
import re
import sys
from pathlib import Path
from typing import Final

from bus.config import ConfigError

__all__ = ["LEVELS", "TRACE", "LineFormatter", "parse_level", "setup"]

#: Below DEBUG: what passes, packet by packet.
TRACE: Final = 5

#: The names and numbers of the levels on the command line, and the least severity that each shows.
LEVELS: Final = {
    "error": logging.WARNING,
    "debug": logging.DEBUG,
    "trace": TRACE,
    "1": logging.WARNING,
    "2": logging.DEBUG,
    "3": TRACE,
}

_FAMILY: Final = "kernelbus"

# A client's text may be part of a line; it must not be able to forge another, or to steer a terminal.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class LineFormatter(logging.Formatter):
    """Formats a record as one line; what follows in it (a traceback) is indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d [%(levelname)s] %(part)s: %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Give the record's text, control characters made visible."""
        record.part = record.name.removeprefix(_FAMILY + ".")
        text = _CONTROL.sub(lambda found: ascii(found.group())[1:-1], super().format(record))
        return text.rstrip("\n").replace("\n", "\n    ")


def parse_level(text: str) -> int:
    """Give the least severity that the level called `text` (error, debug, trace, 1, 2 or 3) shows.

    Raises:
        ConfigError: there is no such level.
    """
    try:
        return LEVELS[text.strip().lower()]
    except KeyError:
        raise ConfigError(f'"{text}" is not a log level: say error, debug or trace, or 1, 2 or 3') from None


def setup(level: int | str = "error", file: str | Path | None = None) -> None:
    """Send every part's lines of at least `level` to `file` (appended; opened again after a log rotation), or to standard error.

    Called again, it replaces what it set up before.

    Raises:
        ConfigError: there is no such level, or the file cannot be written.
    """
    severity = parse_level(level) if isinstance(level, str) else level
    logging.addLevelName(TRACE, "TRACE")
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        try:
            handler = logging.handlers.WatchedFileHandler(file, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{file}: cannot write this log file: {error.strerror}") from None
    handler.setFormatter(LineFormatter())
    handler.set_name(_FAMILY)
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.get_name() == _FAMILY]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(_FAMILY).setLevel(severity)
    logging.captureWarnings(True)

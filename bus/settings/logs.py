"""Logging: WSTPServer's three levels, one line for each event, as text for people or as JSON.

A line of text is ``YYYY-MM-DD HH:MM:SS.mmm [LEVEL] part: text``, in local time, on standard error
or in a file. Level 1 (error) shows errors and warnings, among them every kernel's death. Level 2
(debug) also shows orderly events. Level 3 (trace) also shows every packet that passes. Of other
libraries only warnings are shown, at every level: their details say nothing about links and
kernels.

Parts log to ``logging.getLogger("kernelbus.<part>")``; traces use ``logger.log(TRACE, ...)``. The
subject of an event is given beside its text as *fields*. JSON shows them, text does not. An
:class:`EventLogger` has the fields of one thing (a kernel, a link) and looks them up when an event
is logged; ``extra=fields(pool=name)`` gives the fields of one event. The names of fields:

| field | meaning |
|---|---|
| `kernel` | the whole id (text has its first 8 characters) |
| `session` | the same, for a kernel that has had a client |
| `pool` | the pool's name |
| `client` | the client's address, as `address:port` |
| `host`, `frontend` | the part's name |
| `channel` | the attachment's number, in hexadecimal |
| `broker` | the broker's endpoint |
| `machine`, `key`, `address` | of a machine that connects with keys: name, public key, address |
| `direction`, `head`, `bytes`, `contents` | of a packet; contents only where the log shows them |
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from kernelbus.bus.settings.config import ConfigError

__all__ = [
    "FORMATS",
    "LEVELS",
    "TRACE",
    "EventLogger",
    "JsonFormatter",
    "LineFormatter",
    "contents_shown",
    "current_level",
    "fields",
    "parse_level",
    "set_level",
    "setup",
]

#: Below DEBUG: each packet that passes.
TRACE: Final = 5

#: The names and numbers of the levels on the command line, and the least severity each shows.
LEVELS: Final = {
    "error": logging.WARNING,
    "debug": logging.DEBUG,
    "trace": TRACE,
    "1": logging.WARNING,
    "2": logging.DEBUG,
    "3": TRACE,
}

_FAMILY: Final = "kernelbus"

_contents = False

# A client's text may be part of a line; it must not be able to forge a line or control a terminal.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class LineFormatter(logging.Formatter):
    """Formats a record as one line; the lines of a traceback follow, indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d [%(levelname)s] %(part)s: %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text, with control characters made visible."""
        record.part = _part(record)
        text = _CONTROL.sub(lambda found: ascii(found.group())[1:-1], super().format(record))
        return text.rstrip("\n").replace("\n", "\n    ")


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object on one line of ASCII.

    Its members: `time` (ISO 8601 with the offset from UTC, to the millisecond), `level` (error,
    warning, info, debug or trace), `part`, `message`, then the event's fields (the module's table),
    and `exception`, a traceback, if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": _part(record),
            "message": record.getMessage(),
        }
        for name, value in getattr(record, "fields", {}).items():
            if value is not None and value != "":
                entry.setdefault(name, value)
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


#: The formats on the command line.
FORMATS: Final[Mapping[str, Callable[[], logging.Formatter]]] = {"text": LineFormatter, "json": JsonFormatter}


def _part(record: logging.LogRecord) -> str:
    return record.name.removeprefix(_FAMILY + ".")


def fields(**values: object) -> dict[str, object]:
    """Return the `extra` argument of a logging call, with the fields of the event.

    Fields that are None or empty do not appear in the line.
    """
    return {"fields": values}


class EventLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose events carry the fields of one thing.

    Args:
        logger: the part's logger.
        about: returns the fields; called for each event that is shown, so that they are those of
            that moment.
    """

    def __init__(self, logger: logging.Logger, about: Callable[[], Mapping[str, object]]) -> None:
        super().__init__(logger, None)
        self._about = about

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the thing's fields to the event; fields of the call take precedence."""
        extra = dict(kwargs.get("extra") or {})
        extra["fields"] = {**self._about(), **extra.get("fields", {})}
        kwargs["extra"] = extra
        return msg, kwargs


def parse_level(text: str) -> int:
    """Return the least severity that the level `text` shows (error, debug, trace, 1, 2 or 3).

    Raises:
        ConfigError: there is no such level.
    """
    try:
        return LEVELS[text.strip().lower()]
    except KeyError:
        raise ConfigError(f'"{text}" is not a log level: say error, debug or trace, or 1, 2 or 3') from None


def set_level(level: int | str) -> None:
    """Show events of at least `level` from now on, in this process.

    Raises:
        ConfigError: there is no such level.
    """
    logging.getLogger(_FAMILY).setLevel(parse_level(level) if isinstance(level, str) else level)


def current_level() -> str:
    """Return the name of the current level: error, debug or trace."""
    severity = logging.getLogger(_FAMILY).getEffectiveLevel()
    return "trace" if severity <= TRACE else "debug" if severity <= logging.INFO else "error"


def contents_shown() -> bool:
    """Whether the log shows the contents of packets, at trace level; only if asked to."""
    return _contents


def setup(level: int | str = "error", file: str | Path | None = None, format: str = "text", contents: bool = False) -> None:
    """Send every part's lines of at least `level` to `file`, or to standard error.

    The file is appended to, and opened again after a log rotation. A second call replaces what the
    first set up.

    Args:
        format: `text` or `json`.
        contents: whether the contents of packets are shown too, at trace level.

    Raises:
        ConfigError: there is no such level or format, or the file cannot be written.
    """
    global _contents
    severity = parse_level(level) if isinstance(level, str) else level
    if format not in FORMATS:
        raise ConfigError(f'"{format}" is not a log format: say {" or ".join(FORMATS)}')
    logging.addLevelName(TRACE, "TRACE")
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        try:
            handler = logging.handlers.WatchedFileHandler(file, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{file}: cannot write this log file: {error.strerror}") from None
    handler.setFormatter(FORMATS[format]())
    handler.set_name(_FAMILY)
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.get_name() == _FAMILY]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    set_level(severity)
    _contents = contents
    logging.captureWarnings(True)

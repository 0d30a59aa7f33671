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

import atexit
import copy
import itertools
import json
import logging
import logging.handlers
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from kernelbus.bus.plaintext import plain
from kernelbus.bus.settings.config import ConfigError
from kernelbus.bus.settings.repeats import Repeats

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

#: The kinds of lines whose last is kept, to be written with the number of the others.
_KINDS: Final = 4096

# What may be a whole id: 22 characters of base64. Whether it is one, its letters show.
_ID: Final = re.compile(r"(?<![\w-])[\w-]{22}(?![\w-])", re.ASCII)
_SHOWN: Final = 8
# An address with a port, as links and connections are named.
_ADDRESS: Final = re.compile(r"\[?([0-9A-Fa-f:.]+(?:%\w+)?)\]?:\d{1,5}")
# What differs between lines of one kind: what is quoted, and numbers.
_VARIES: Final = re.compile(r"""\"[^"]*\"|'[^']*'|\d+""")


class LineFormatter(logging.Formatter):
    """Formats a record as one line; the lines of a traceback follow, indented.

    What others have said can neither forge a line nor control a terminal
    (:mod:`kernelbus.bus.plaintext`). Of ids there are the first 8 characters.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d [%(levelname)s] %(part)s: %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text, with control characters made visible."""
        # A copy: another handler's formatter keeps its own text of a traceback in the record.
        record = copy.copy(record)
        record.part, record.exc_text = _part(record), None
        return super().format(record).rstrip("\n").replace("\n", "\n    ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the record's line; its message has no line ends of its own."""
        record.message = plain(_shortened(record.message, getattr(record, "fields", {})))
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Return a traceback, whose line ends are kept."""
        return plain(_shortened(super().formatException(ei), {}), keep="\n")


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


def _shortened(text: str, about: Mapping[str, object]) -> str:
    """Return `text` with 8 characters of each whole id of a kernel."""
    for name in ("kernel", "session"):
        identity = about.get(name)
        if isinstance(identity, str) and len(identity) > _SHOWN:
            text = text.replace(identity, identity[:_SHOWN])
    return _ID.sub(lambda found: found[0][:_SHOWN] if _random(found[0]) else found[0], text)


def _random(word: str) -> bool:
    """Whether a word looks as if chosen at random: cases and digits change all the time."""
    kinds = ["0" if not letter.isalpha() else "a" if letter.islower() else "A" for letter in word]
    changes = sum(one != other for one, other in itertools.pairwise(kinds))
    # Names of words put together have no digits, and at most two changes for each word.
    return changes >= (5 if len(set(kinds)) == 3 else 10)


class FloodFilter(logging.Filter):
    """Leaves out repeated warnings and errors, and says how many (see `Repeats`).

    Args:
        write: writes a record.
        clock: returns the time in seconds.
        later: has a callable called after some seconds.
    """

    def __init__(
        self,
        write: Callable[[logging.LogRecord], object],
        clock: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], None] | None = None,
    ) -> None:
        super().__init__()
        self._write = write
        self._clock = clock
        self._later = later or _later
        self._repeats = Repeats()
        self._last: dict[tuple[object, str], logging.LogRecord] = {}
        self._lock = threading.RLock()
        self._expected = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written."""
        if record.levelno < logging.WARNING or getattr(record, "summary", False):
            return True
        text = record.getMessage()
        address = _address(record, text)
        kind = (record.name, _VARIES.sub("#", text)[:200])
        with self._lock:
            if self._repeats.admit(kind, address, self._clock()):
                return True
            if len(self._last) < _KINDS or (kind, address) in self._last:
                self._last[kind, address] = record
            if not self._expected:
                self._expected = True
                self._later(self._repeats.interval, self._say)
        return False

    def flush(self) -> None:
        """Say what was left out so far, since the log ends."""
        self._say(everything=True)

    def _say(self, everything: bool = False) -> None:
        with self._lock:
            self._expected = False
            said, last = self._repeats.due(self._clock(), everything), self._last
            self._last = {}
            if self._repeats.waits and not everything:
                self._expected = True
                self._later(self._repeats.interval, self._say)
        for kind, address, count in said:
            about = f" about {address}" if address else ""
            record = last.get((kind, address))
            text = f"{record.getMessage()} (" if record is not None else "("
            more = "more like it" if record is not None else "more lines"
            name, level = (record.name, record.levelno) if record is not None else (f"{_FAMILY}.log", logging.WARNING)
            told = logging.LogRecord(name, level, "", 0, f"{text}{count} {more}{about})", None, None)
            told.summary = True
            if record is not None and hasattr(record, "fields"):
                told.fields = record.fields
            self._write(told)


def _later(seconds: float, callback: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, callback)
    timer.daemon = True
    timer.start()


def _address(record: logging.LogRecord, text: str) -> str:
    """Return the address that a record is about, without its port, or ""."""
    about = getattr(record, "fields", {})
    for name in ("client", "address", "machine"):
        value = about.get(name)
        if isinstance(value, str) and value:
            found = _ADDRESS.fullmatch(value)
            return found[1] if found is not None else value
    found = _ADDRESS.search(text)
    return found[1] if found is not None else ""


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


class _LogFile(logging.handlers.WatchedFileHandler):
    """A log file, which nobody else reads: it tells who uses a server, and for what.

    A file that is there already keeps its permissions.
    """

    def __init__(self, file: str | Path) -> None:
        super().__init__(file, encoding="utf-8")

    def _open(self) -> Any:
        return open(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=_privately)


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _end(handler: logging.Handler) -> None:
    for own in handler.filters:
        if isinstance(own, FloodFilter):
            own.flush()


def _end_all() -> None:
    for handler in logging.getLogger().handlers:
        _end(handler)


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
            handler = _LogFile(file)
        except OSError as error:
            raise ConfigError(f"{file}: cannot write this log file: {error.strerror}") from None
    handler.setFormatter(FORMATS[format]())
    handler.addFilter(FloodFilter(handler.handle))
    handler.set_name(_FAMILY)
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.get_name() == _FAMILY]:
        root.removeHandler(old)
        _end(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    set_level(severity)
    _contents = contents
    atexit.unregister(_end_all)
    atexit.register(_end_all)
    logging.captureWarnings(True)

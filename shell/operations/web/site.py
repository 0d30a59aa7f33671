"""Answers requests of the web page: a WSGI application whose threads ask the :class:`Desk`.

docs/web.md lists the addresses. What cannot be shown is one line: on a page where a page was asked
for, as plain text otherwise.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from kernelbus.bus.broker.console import NoAnswer
from kernelbus.bus.broker.status import HEALTHY
from kernelbus.bus.client import OrderRefused
from kernelbus.bus.protocol.reports import KernelStatus, Status
from kernelbus.bus.protocol.schema import dump
from kernelbus.shell.operations.httpserver import HERE, Loop, LoopBusy
from kernelbus.shell.operations.tables import SHORT_ID, printable
from kernelbus.shell.operations.web.desk import Desk, Packets, TooManyTraces
from kernelbus.shell.operations.web.guard import Guard, request_of
from kernelbus.shell.operations.web.pages import error_page, server_page, session_page
from kernelbus.shell.operations.web.selection import ROWS, content, find

__all__ = ["Site"]

#: What a page may load and do: files of this server, and nothing that stands in the page itself.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
]

_FILES = {
    "/style.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}
_ALIASES = {"/favicon.ico": "/icon.svg", "/index.html": "/"}

_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"

#: The most rows of a table that can be asked for, and characters of a filter.
_MOST_ROWS = 100_000
_LONGEST_FILTER = 200

#: The packets of a trace that a page has which is not kept up to date.
_SHOWN_PACKETS = 100

_ID = re.compile(r"[0-9A-Za-z_-]{3,64}")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    kind: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class _Trouble(Exception):
    """Why there is no answer: its status and its text."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


class Site:
    """The web page of a server; make it on the event loop.

    Args:
        desk: asks the broker.
        guard: decides who may look.
    """

    def __init__(self, desk: Desk, guard: Guard) -> None:
        self._desk = desk
        self._guard = guard
        self._guarding = threading.Lock()
        self._loop = Loop()
        folder = files(__package__) / "static"
        self._files = {name: (folder / name[1:]).read_bytes() for name in _FILES}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, in a thread of its own."""
        path = str(environ.get("PATH_INFO", "")) or "/"
        path = _ALIASES.get(path, path)
        answer = self._guarded(environ, path)
        length = ("Content-Length", str(len(answer.body)))
        start_response(answer.status, [("Content-Type", answer.kind), length, *answer.headers, *_HEADERS])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [answer.body]

    def _guarded(self, environ: dict[str, Any], path: str) -> _Answer:
        page = path == "/" or path.startswith("/session/")
        with self._guarding:
            refusal = self._guard.refuse(request_of(environ, bool(environ.get(HERE))), time.monotonic())
        if refusal is not None:
            # Nothing but a line: a page would ask for its style, and be refused that, too.
            return _Answer(refusal.status, _TEXT, f"{refusal.text}\n".encode(), refusal.headers)
        try:
            return self._answer(path, _Query(str(environ.get("QUERY_STRING", ""))))
        except _Trouble as trouble:
            status, text = trouble.status, str(trouble)
        except (LoopBusy, NoAnswer) as error:
            status, text = "503 Service Unavailable", str(error)
        except TooManyTraces as error:
            status, text = "429 Too Many Requests", str(error)
        except OrderRefused as error:
            unknown = error.answer.code.startswith(("unknown-", "ambiguous-"))
            status, text = "404 Not Found" if unknown else "403 Forbidden", str(error)
        text = printable(text)
        if page:
            return _Answer(status, _HTML, _encoded(error_page(status, text, "../" if path != "/" else "")))
        return _Answer(status, _TEXT, _encoded(f"{text}\n"))

    def _answer(self, path: str, query: _Query) -> _Answer:
        if path in self._files:
            return _Answer("200 OK", _FILES[path], self._files[path])
        match path[1:].split("/"):
            case [""] if path == "/":
                return self._server(query)
            case ["health"]:
                return self._health()
            case ["session", kernel]:
                return self._session(_id(kernel), query)
            case ["api", "v1", "status"]:
                over, words, limit = query.flag("over"), query.text("match"), query.number("limit", _MOST_ROWS)
                return _json(content(self._status(over), words, limit))
            case ["api", "v1", "history"]:
                after = query.moment("after")
                return _json(self._loop.fetch(lambda: _soon(lambda: self._desk.history.content(after))))
            case ["api", "v1", "kernels", kernel]:
                return self._kernel(_id(kernel))
            case ["api", "v1", "kernels", kernel, "trace"]:
                return self._trace(_id(kernel), query)
        raise _Trouble("404 Not Found", f"there is nothing at {path[:200]}")

    # ------------------------------------------------------------------ what is shown

    def _status(self, over: bool = False) -> Status:
        return self._loop.fetch(lambda: self._desk.status(over=over), 2 * self._desk.patience)

    def _server(self, query: _Query) -> _Answer:
        over, words = query.flag("over"), query.text("match")
        status = self._status(over)
        page = self._loop.fetch(lambda: _soon(lambda: self._desk.history.copy()))
        return _Answer("200 OK", _HTML, _encoded(server_page(status, page, words=words, over=over, limit=ROWS)))

    def _health(self) -> _Answer:
        status = self._status()
        text = "\n".join([status.health, *map(printable, status.problems)])
        code = "200 OK" if status.health == HEALTHY else "503 Service Unavailable"
        return _Answer(code, _TEXT, _encoded(f"{text}\n"))

    def _session(self, kernel: str, query: _Query) -> _Answer:
        status = self._status()
        story = self._loop.fetch(lambda: self._desk.story(kernel))
        packets, trouble = None, ""
        if query.flag("trace"):
            try:
                traced = self._packets(kernel, 0)
                packets = [event for _, event in traced.events[-_SHOWN_PACKETS:]]
                trouble = f"{traced.missed} more are not shown" if traced.missed else "" if packets else "Nothing has passed yet."
            except (OrderRefused, NoAnswer, TooManyTraces) as error:
                packets, trouble = [], str(error)
        page = session_page(status, kernel, self._row(status, kernel), story, packets, printable(trouble))
        return _Answer("200 OK", _HTML, _encoded(page))

    def _kernel(self, kernel: str) -> _Answer:
        row = self._row(self._status(), kernel)
        story = self._loop.fetch(lambda: self._desk.story(kernel))
        return _json({"kernel": dump(row) if row is not None else None, "story": [dump(event) for event in story]})

    def _row(self, status: Status, kernel: str) -> KernelStatus | None:
        return find(status, kernel) or find(self._status(True), kernel)

    def _trace(self, kernel: str, query: _Query) -> _Answer:
        traced = self._packets(kernel, query.number("after", 2**53) or 0)
        events = [{"number": number, **dump(event)} for number, event in traced.events]
        return _json({"kernel": kernel, "events": events, "missed": traced.missed})

    def _packets(self, kernel: str, after: int) -> Packets:
        return self._loop.fetch(lambda: self._desk.packets(kernel, after), self._desk.patience)


class _Query:
    """The query of an address."""

    def __init__(self, text: str) -> None:
        self._values = parse_qs(text, keep_blank_values=True, max_num_fields=20) if text.count("&") < 20 else {}

    def text(self, name: str) -> str:
        return self._values.get(name, [""])[-1][:_LONGEST_FILTER]

    def flag(self, name: str) -> bool:
        return self.text(name) not in ("", "0", "false")

    def number(self, name: str, most: int) -> int | None:
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 17):
            raise _Trouble("400 Bad Request", f"{name} is not a number: {printable(text)}")
        return min(int(text), most)

    def moment(self, name: str) -> float:
        text = self.text(name)
        try:
            return float(text) if text else 0.0
        except ValueError:
            raise _Trouble("400 Bad Request", f"{name} is not a number: {printable(text)}") from None


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise _Trouble("404 Not Found", f"{printable(text[:80])} is no id of a kernel: it has at least 3 letters and digits")
    return text[:SHORT_ID]


async def _soon(ask: Callable[[], Any]) -> Any:
    return ask()


def _json(value: Any) -> _Answer:
    # In ASCII, since a text may hold half a surrogate pair.
    return _Answer("200 OK", _JSON, json.dumps(value, separators=(",", ":")).encode())


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")

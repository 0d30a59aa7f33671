"""The web page's addresses: what each gives, its headers, and its errors."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from statuses import ATTACHED, STATUS

from kernelbus.bus.broker.console import NoAnswer
from kernelbus.bus.client import OrderRefused
from kernelbus.bus.protocol.orders import Answer, TraceEvent
from kernelbus.bus.protocol.reports import Status, StoryEvent
from kernelbus.bus.settings.config import AccessConfig
from kernelbus.shell.operations.httpserver import HERE
from kernelbus.shell.operations.web.desk import Packets, TooManyTraces
from kernelbus.shell.operations.web.guard import Guard
from kernelbus.shell.operations.web.history import History
from kernelbus.shell.operations.web.site import Site

SHORT = ATTACHED.kernel[:8]


class Desk:
    """Answers what the site asks on the loop."""

    def __init__(self) -> None:
        self.history = History()
        self.patience = 1.0
        self.error: Exception | None = None
        self.asked: list[tuple[str, object]] = []

    async def status(self, *, over: bool = False) -> Status:
        self.asked.append(("status", over))
        if isinstance(self.error, NoAnswer):
            raise self.error
        return STATUS

    async def story(self, kernel: str) -> list[StoryEvent]:
        self.asked.append(("story", kernel))
        if self.error is not None:
            raise self.error
        return [StoryEvent(1.0, "is there")]

    async def packets(self, kernel: str, after: int = 0) -> Packets:
        self.asked.append(("packets", (kernel, after)))
        if self.error is not None:
            raise self.error
        return Packets([(8, TraceEvent(2.0, "from", "ReturnPacket", 57))], 3)


def ask(desk: Desk, path: str, query: str = "", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Ask a site in a thread, as the server does."""
    told: list[Any] = []

    async def main() -> bytes:
        desk.history.add(STATUS, [], 100.0)
        site = Site(desk, Guard([], AccessConfig, lambda: [], lambda: "", lambda *_: False))  # type: ignore[arg-type]
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "REMOTE_ADDR": "127.0.0.1", HERE: True,
            "HTTP_HOST": "localhost", **headers,
        }  # fmt: skip
        return b"".join(await asyncio.to_thread(lambda: list(site(environ, lambda *args: told.extend(args)))))

    body = asyncio.run(main())
    status, sent = told
    return int(status.split()[0]), dict(sent), body.decode()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"), ("/index.html", "text/html"), (f"/session/{SHORT}", "text/html"), ("/style.css", "text/css"),
        ("/page.js", "text/javascript"), ("/icon.svg", "image/svg+xml"), ("/favicon.ico", "image/svg+xml"), ("/health", "text/plain"),
        ("/api/v1/status", "application/json"), ("/api/v1/history", "application/json"), (f"/api/v1/kernels/{SHORT}", "application/json"),
        (f"/api/v1/kernels/{SHORT}/trace", "application/json"), ("", "text/html"),
    ],
)  # fmt: skip
def test_what_there_is(path: str, kind: str) -> None:
    code, headers, body = ask(Desk(), path)
    assert code == 200 and body
    assert headers["Content-Type"].startswith(kind)
    assert headers["Content-Length"] == str(len(body.encode()))
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"] and "unsafe" not in headers["Content-Security-Policy"]
    assert ATTACHED.kernel[:9] not in body
    again = ask(Desk(), path, method="HEAD")
    assert (again[0], again[1]["Content-Length"], again[2]) == (200, headers["Content-Length"], "")
    assert ask(Desk(), path, method="POST")[0] == 405


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/api", "/api/v1", "/api/v1/status/x", "/session", "/session/", "/session/a b", "/session/../../etc", "/static/page.js",
     "/session/<script>", "/api/v1/kernels/ab", "//", "/%2e%2e/", "/../site.py"],
)  # fmt: skip
def test_what_there_is_not(path: str) -> None:
    code, _, body = ask(Desk(), path)
    assert code == 404 and "<script>" not in body.replace('<script src="../page.js" defer></script>', "")


def test_a_status_is_filtered_and_limited() -> None:
    desk = Desk()
    shown = json.loads(ask(desk, "/api/v1/status", "limit=1&match=nightly&over=1")[2])
    assert [row["profile"] for row in shown["kernels"]] == ["nightly"]
    assert desk.asked == [("status", True)]
    assert ask(desk, "/api/v1/status", "limit=many")[0] == 400
    assert ask(desk, "/api/v1/status", "limit=-1")[0] == 400
    assert ask(desk, "/api/v1/history", "after=now")[0] == 400
    assert json.loads(ask(desk, "/api/v1/history", "after=100")[2])["at"] == []
    assert "nightly" in ask(desk, "/", "match=night%6Cy")[2]


def test_a_kernel_is_asked_for_by_the_beginning_of_its_id() -> None:
    desk = Desk()
    told = json.loads(ask(desk, f"/api/v1/kernels/{ATTACHED.kernel}")[2])
    assert (told["kernel"]["kernel"], told["story"]) == (SHORT, [{"at": 1.0, "text": "is there"}])
    traced = json.loads(ask(desk, f"/api/v1/kernels/{ATTACHED.kernel}/trace", "after=7")[2])
    assert traced == {
        "kernel": SHORT,
        "events": [{"number": 8, "at": 2.0, "direction": "from", "head": "ReturnPacket", "size": 57}],
        "missed": 3,
    }
    assert ("story", SHORT) in desk.asked and ("packets", (SHORT, 7)) in desk.asked
    page = ask(desk, f"/session/{SHORT}", "trace=1")[2]
    assert "ReturnPacket" in page and "3 more are not shown" in page
    assert json.loads(ask(desk, "/api/v1/kernels/gone1234")[2])["kernel"] is None


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NoAnswer("the broker has not answered in 1 s"), 503, "the broker has not answered in 1 s"),
        (TooManyTraces("too many"), 429, "too many"),
        (OrderRefused(Answer(1, False, "unknown-kernel", ["there is no kernel x"])), 404, "there is no kernel x"),
        (OrderRefused(Answer(1, False, "ambiguous-kernel", ["2 kernels\x1b begin so"])), 404, "2 kernels\ufffd begin so"),
        (OrderRefused(Answer(1, False, "not-an-administrator", ["you may look"])), 403, "you may look"),
    ],
)
def test_what_cannot_be_shown_is_one_line(error: Exception, code: int, text: str) -> None:
    desk = Desk()
    desk.error = error
    assert ask(desk, f"/api/v1/kernels/{SHORT}/trace")[::2] == (code, f"{text}\n")
    status, headers, body = ask(desk, f"/session/{SHORT}")
    assert (status, headers["Content-Type"]) == (code, "text/html; charset=utf-8")
    assert text in body
    assert ('http-equiv="refresh"' in body) == (code == 503)
    if not isinstance(error, NoAnswer):
        desk.story = Desk().story  # type: ignore[method-assign]
        assert text in ask(desk, f"/session/{SHORT}", "trace=1")[2], "the rest of the page is shown"


def test_health_is_for_programs() -> None:
    desk = Desk()

    async def ill(*, over: bool = False) -> Status:
        return replace(STATUS, health="degraded", problems=["host beta is gone"])

    assert ask(desk, "/health")[::2] == (200, "healthy\n")
    desk.status = ill  # type: ignore[method-assign]
    assert ask(desk, "/health")[::2] == (503, "degraded\nhost beta is gone\n")

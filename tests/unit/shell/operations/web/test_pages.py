"""The pages as HTML: all that the tables show, nothing that a client's name could make of them."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from statuses import ATTACHED, DETACHED, HOST, POOL, STATUS

from kernelbus.bus.protocol.orders import TraceEvent
from kernelbus.bus.protocol.reports import StoryEvent
from kernelbus.shell.operations.tables import COLUMNS
from kernelbus.shell.operations.web.history import History
from kernelbus.shell.operations.web.pages import error_page, kind_of, server_page, session_page, spark

VOID = {"meta", "link", "img", "input"}


class Reader(HTMLParser):
    """Reads a page, and checks that every element is closed and does nothing by itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = dict(attrs)
        assert not any(name.startswith("on") or name == "style" for name in found), f"{tag} {found}"
        assert tag != "script" or found.get("src"), "no script stands in the page"
        self.tags.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def said(self) -> str:
        return " ".join(self.text)


def history() -> History:
    made = History()
    for at in (10.0, 12.0):
        made.add(STATUS, [], at)
    return made


def test_the_page_has_what_the_tables_have() -> None:
    read = Reader(server_page(replace(STATUS, problems=["host beta is gone"]), history(), limit=100))
    for text in ("healthy", "host beta is gone", "Main", "10.0.0.5:53211", "nightly", "abcxyz00", "84aceb4b", "1 link", "0 requests"):
        assert text in read.said() or text in ("1 link", "0 requests"), text
    assert not any(kernel.kernel[:9] in str(read.tags) + read.said() for kernel in STATUS.kernels)
    links = {found["href"] for tag, found in read.tags if tag == "a" and found.get("href")}
    assert {f"session/{kernel.kernel[:8]}" for kernel in STATUS.kernels} <= links
    assert all(not link or not re.match(r"(\w+:)?//", link) for tag, found in read.tags for link in (found.get("href"), found.get("src")))
    assert [found["data-part"] for tag, found in read.tags if tag == "table"] == [
        "pools", "sessions", "kernels", "links", "hosts", "frontends",
    ]  # fmt: skip


def test_thousands_of_sessions_are_counted_and_the_newest_shown() -> None:
    many = replace(STATUS, kernels=[replace(ATTACHED, kernel=f"k{number:05}xx", created=float(number)) for number in range(3000)])
    read = Reader(server_page(many, history(), words="k0", limit=10))
    assert "3000; the newest 10 are shown" in read.said()
    assert sum(1 for tag, found in read.tags if tag == "tr" and str(found.get("data-key")).startswith("k0")) == 20
    assert any(found.get("value") == "k0" for tag, found in read.tags if tag == "input")
    assert "1 of 3000 match" in Reader(server_page(many, history(), words="k01234", limit=10)).said()


def test_names_are_texts_whatever_they_are() -> None:
    bad = '"><script src=x onerror=alert(1)>\x1b[2J\n'
    status = replace(
        STATUS, broker=bad, problems=[bad], pools=[replace(POOL, pool=bad)], hosts=[replace(HOST, name=bad, id=bad)],
        kernels=[replace(DETACHED, profile=bad, client=bad, pool=bad)],
    )  # fmt: skip
    made = History()
    made.add(status, [], 1.0)
    pages = [
        server_page(status, made, words=bad, limit=10),
        session_page(status, "abc", status.kernels[0], [StoryEvent(1.0, bad)], [TraceEvent(1.0, "to", bad, 5)], bad),
        error_page("404 Not Found", bad, ""),
    ]
    for page in pages:
        assert [found.get("src") for tag, found in Reader(page).tags if tag == "script"] in (["page.js"], ["../page.js"])
        assert "\x1b" not in Reader(page).said()


def test_an_empty_server_has_a_page() -> None:
    empty = replace(STATUS, hosts=[], frontends=[], pools=[], kernels=[], links=[])
    read = Reader(server_page(empty, History(), limit=10))
    assert read.said().count("None.") == 6
    assert "no host" in read.said()


def test_a_session_has_its_facts_its_story_and_its_trace() -> None:
    events = [StoryEvent(0.0, "is there"), StoryEvent(5.0, "detached")]
    read = Reader(session_page(STATUS, "detached", DETACHED, events, None))
    assert "nightly" in read.said() and "is there" in read.said()
    assert any(found.get("href") == "?trace=1#trace" for tag, found in read.tags)
    read = Reader(session_page(STATUS, "detached", DETACHED, [], [TraceEvent(1.0, "to", "EvaluatePacket", 57)], "2 more are not shown"))
    assert "EvaluatePacket" in read.said() and "57" in read.said() and "2 more are not shown" in read.said()
    assert "Session gone1234" in Reader(session_page(STATUS, "gone1234", None, events, None)).said()


def test_a_sparkline_has_gaps_and_its_ends() -> None:
    drawn = spark([0.0, 30.0, 60.0, 90.0, 120.0], [0.0, 2.0, None, 1.0, 4.0], 1.0, "a <label>", (120, 22))
    assert 'd="M0.0 21.0L30.0 11.0M90.0 16.0L120.0 1.0"' in drawn
    assert 'aria-label="a &lt;label&gt;"' in drawn
    assert 'd=""' in spark([], [], 1.0, "none")
    assert 'd="M240.0 43.0"' in spark([5.0], [0.0], 1.0, "one")


@pytest.mark.parametrize("part", sorted(COLUMNS))
def test_the_script_writes_every_kind_of_value(part: str) -> None:
    script = (files("kernelbus.shell.operations.web") / "static" / "page.js").read_text(encoding="utf-8")
    table = script[script.index("const SHOW = {") :]
    known = set(re.findall(r"^  (\w+)[:,]", table[: table.index("};")], re.MULTILINE))
    assert {kind_of(column) for column in COLUMNS[part]} <= known

"""The web page in a real browser: it shows what is, and goes on when its server does."""

from __future__ import annotations

import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import connect, value
from serving import Part, stand_in_pool, wait_until, write_config
from statuses import ATTACHED, STATUS

from kernelbus.shell.operations.web.selection import content


class Server:
    """A server with a web page, which can be started again on the same ports."""

    def __init__(self, folder: Path) -> None:
        pool = stand_in_pool(folder, KeepAlive=False)
        pools = {"Default": {**pool, "MinimumKernelNumber": 2, "MaximumKernelNumber": 6}, "Pictures": pool}
        self.config = write_config(folder / "k.conf", Pools=pools, Bus={"Name": "alpha"})
        self.port = self.web = 0
        self.start()

    def start(self) -> None:
        self.part = Part("serve", "-p", str(self.port), "-c", self.config, "--web-port", str(self.web)).__enter__()
        ((_, web),) = re.findall(r"The web page is at (http://127\.0\.0\.1:(\d+)/)", "\n".join(self.part.output))
        self.port, self.web = self.part.port, int(web)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web}/"

    def stop(self) -> None:
        self.part.__exit__(None, None, None)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("web"))
    yield made
    made.stop()


def rows(page: Any, part: str) -> list[list[str]]:
    """Return the texts of a table's visible cells, all at one moment."""
    told = """lines => lines.map(line => [...line.cells].filter(
        cell => cell.offsetParent && !cell.classList.contains("chart")).map(cell => cell.innerText.trim()))"""
    found: list[list[str]] = page.locator(f'table[data-part="{part}"] tbody tr').evaluate_all(told)
    return found


def refuse(code: int, text: str) -> Callable[[Any], None]:
    """Return what answers a request with a line."""
    return lambda route: route.fulfill(status=code, body=text)


def timeless(page: Any, part: str) -> list[list[str]]:
    """Return the texts of a table's visible cells without what changes by itself."""
    return [[re.sub(r"[\d.]+ (s|min|KiB|MiB|GiB|B)|^\d+\.\d\d$", "", cell) for cell in row] for row in rows(page, part)]


def wait_for(page: Any, condition: Callable[[], Any], what: str) -> Any:
    """Wait until the page shows something."""

    def look() -> Any:
        page.wait_for_timeout(100)
        return condition()

    return wait_until(look, what, 60.0)


def test_a_session_appears_is_looked_at_and_goes(server: Server, pages: Any) -> None:
    page = pages.open(server.url)
    assert page.title() == "alpha · kernelbus"
    wait_for(page, lambda: [row[1] for row in rows(page, "pools")] == ["serving", "serving"], "the pools")
    wait_for(page, lambda: len(rows(page, "kernels")) == 3, "the kernels that are ready")
    assert page.locator("#sessions .none").is_visible()
    line = page.locator("#tile-evaluations .line")
    before = line.get_attribute("d")
    with connect(server.part) as link:
        for number in range(20):
            assert value(link, number) == number
        (session,) = wait_for(page, lambda: rows(page, "sessions"), "the session")
        assert "attached" in session
        wait_for(page, lambda: "1 session, 1 with a client; 1 link" in page.locator("#totals").inner_text(), "its totals")
        wait_for(page, lambda: "20 in all" in page.locator("#tile-evaluations .told").inner_text(), "its evaluations")
        wait_for(page, lambda: len(set(re.findall(r" (\d+\.\d)", line.get_attribute("d")))) > 1, "the line's going up")
        assert line.get_attribute("d") != before
        # What the script has written is what the server writes.
        plain = pages.open(server.url, java_script_enabled=False)
        parts = ("pools", "sessions", "kernels", "links", "hosts")
        seen: list[list[list[list[str]]]] = []

        def same() -> bool:
            plain.reload()
            seen[:] = [[timeless(each, part) for part in parts] for each in (page, plain)]
            return seen[0] == seen[1]

        try:
            wait_for(page, same, "the same with and without the script")
        except AssertionError:
            assert seen[0] == seen[1]
            raise
        # With the keyboard alone: to the session, and its trace.
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.locator("#sessions td a").focus()
        page.wait_for_timeout(2500)
        assert page.evaluate("document.activeElement.textContent") == session[0], "what is brought up to date keeps the focus"
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/session/{session[0]}")
        assert "attached to 127.0.0.1" in page.locator("#story").inner_text()
        page.get_by_text("Show what passes to and from it").press("Enter")
        page.wait_for_url("**?trace=1#trace")
        wait_for(page, lambda: "Nothing has passed yet." in page.locator("#trace-told").inner_text(), "the trace")
        assert value(link, 20) == 20
        wait_for(page, lambda: "ReturnPacket" in page.locator("#packets").inner_text(), "its packets")
        assert "EvaluatePacket" in page.locator("#packets").inner_text()
        page.get_by_text("Stop", exact=True).click()
        page.get_by_text("All of the server").click()
    wait_for(page, lambda: not rows(page, "sessions"), "its leaving")
    page.locator("input[name=over]").check()
    wait_for(page, lambda: [row[3] for row in rows(page, "sessions")] == ["ended"], "the session that is over")
    assert page.url.endswith("?over=1")


def test_the_server_goes_and_comes_again(server: Server, pages: Any) -> None:
    page = pages.open(server.url)
    wait_for(page, lambda: rows(page, "kernels"), "the kernels")
    notice = page.locator("#notice")
    assert not notice.is_visible()
    with pages.allowing("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "status of 503"):
        server.stop()
        wait_for(page, lambda: notice.is_visible(), "the notice")
        assert re.match(r"No answer since \d\d:\d\d:\d\d: .*Trying again\.", notice.inner_text())
        assert rows(page, "kernels"), "what was known is there"
        page.evaluate("window.notLoadedAgain = true")
        server.start()
        wait_for(page, lambda: "The server was started again at" in notice.inner_text(), "the server's being there again")
    assert page.evaluate("window.notLoadedAgain")
    wait_for(page, lambda: len(rows(page, "kernels")) == 3, "the new kernels")
    # It stands still, as a process does that cannot be scheduled, and goes on.
    server.part.process.send_signal(signal.SIGSTOP)
    try:
        wait_for(page, lambda: "the server does not answer" in notice.inner_text(), "the notice")
    finally:
        server.part.process.send_signal(signal.SIGCONT)
    wait_for(page, lambda: "No answer" not in notice.inner_text(), "its going on")


def test_a_broker_that_is_busy_and_one_of_another_version(server: Server, pages: Any) -> None:
    page = pages.open(server.url)
    notice = page.locator("#notice")
    with pages.allowing("status of 503", "status of 401"):
        for code, text in ((503, "the broker has not answered in 5 s"), (401, "give the server's token")):
            page.route("**/api/v1/status*", refuse(code, text))
            wait_for(page, lambda text=text: text in notice.inner_text(), "the notice")
            page.unroute("**/api/v1/status*")
            wait_for(page, lambda: not notice.is_visible(), "its end")
    other = {**content(replace(STATUS, version="0.2.0", problems=["<b>host beta</b> is gone"]), "", 100), "health": "degraded", "up": 1e6}
    page.route("**/api/v1/status*", lambda route: route.fulfill(json=other))
    wait_for(page, lambda: "It is version 0.2.0 now: reload the page." in notice.inner_text(), "the notice")
    wait_for(page, lambda: page.locator("#problems").inner_text() == "<b>host beta</b> is gone", "the problem, as it is written")
    assert page.title().startswith("(!) ")


def test_thousands_of_sessions_are_counted_and_filtered(server: Server, pages: Any) -> None:
    many = replace(
        STATUS,
        kernels=[replace(ATTACHED, kernel=f"k{number:05}xxSECRET", created=float(number), busy=number % 3 == 0) for number in range(5000)],
    )

    def answer(route: Any) -> None:
        words = re.search(r"match=(\w+)", route.request.url)
        route.fulfill(json=content(many, words[1] if words else "", 100))

    page = pages.open(server.url)
    page.route("**/api/v1/status*", answer)
    count = page.locator("#sessions .count")
    wait_for(page, lambda: count.inner_text() == "5000; the newest 100 are shown", "the count")
    assert len(page.locator('table[data-part="sessions"] tbody tr').all()) == 100
    page.get_by_label("Filter").fill("k00007xx")
    wait_for(page, lambda: count.inner_text() == "1 of 5000 match", "the filter")
    assert [row[0] for row in rows(page, "sessions")] == ["k00007xx"]
    assert page.url.endswith("?match=k00007xx")
    assert "SECRET" not in page.content()


def test_it_can_be_read_in_a_narrow_window_and_in_the_dark(server: Server, pages: Any) -> None:
    narrow = pages.open(server.url, viewport={"width": 390, "height": 800}, color_scheme="dark")
    wait_for(narrow, lambda: rows(narrow, "kernels"), "the kernels")
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 390, "only tables scroll to the side"
    ground = narrow.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", ground)[:3])) < 150


def test_another_name_leads_nowhere(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.web), timeout=30) as peer:
        peer.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: rebound.example\r\n\r\n")
        assert peer.recv(65536).startswith(b"HTTP/1.0 421 ")


def test_a_picture_for_the_page(server: Server, pages: Any, picture: Callable[..., Path]) -> None:
    page = pages.open(server.url, viewport={"width": 1180, "height": 700})
    over = threading.Event()

    def work(busy: float) -> None:
        with connect(server.part) as link:
            while not over.is_set():
                for number in range(5):
                    value(link, number)
                over.wait(busy)

    threads = [threading.Thread(target=work, args=(busy,)) for busy in (0.5, 1.7, 3.1)]
    for thread in threads:
        thread.start()
    try:
        page.wait_for_timeout(30_000)
        wait_for(page, lambda: len(rows(page, "sessions")) == 3, "three sessions")
        taken = picture(page, "web.png")
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    assert 10_000 < taken.stat().st_size < 150_000

"""A real browser: Chromium as the machine has it, driven by Playwright. Nothing is downloaded.

`make browser` runs these tests. KERNELBUS_CHROMIUM names another program than the first Chromium
that is found. Where there is none, each test is skipped, with one line. What a page says on its
console as an error, and what it asks of another server, fails the test that opened it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import sync_playwright
from serving import ROOT

#: Milliseconds that a page may take; the machine may be busy.
PATIENCE = 60_000

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: it is run by `make browser` alone."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _chromium() -> str | None:
    names = [os.environ.get("KERNELBUS_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Run the browser."""
    program = _chromium()
    if program is None:
        pytest.skip("there is no browser: install the distribution's chromium, or name one as KERNELBUS_CHROMIUM")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as driver:
        # Chromium's own sandbox refuses to run as root.
        launched = driver.chromium.launch(executable_path=program, args=["--no-sandbox"] if root else [])
        yield launched
        launched.close()


class Pages:
    """Opens pages, and knows what has gone wrong in them.

    Attributes:
        faults: what the pages have said as errors, and asked of other servers.
        forgiven: texts of faults that are meant to be.
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.faults: list[str] = []
        self.forgiven: list[str] = []

    def open(self, url: str, *, errors: bool = True, **options: Any) -> Any:
        """Open a page in a context of its own.

        Args:
            errors: whether errors on its console are faults; those of others' programs are not.
            options: the context's.
        """
        context = self._browser.new_context(**{"viewport": {"width": 1280, "height": 860}, "reduced_motion": "reduce", **options})
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        origin = urlsplit(url).netloc
        if errors:
            page.on("console", self._said)
            page.on("pageerror", lambda error: self._fault(f"error: {error}"))
        page.on("request", lambda request: self._asked(request.url, origin))
        page.on("websocket", lambda channel: self._asked(channel.url, origin))
        page.goto(url)
        return page

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self._fault(f"console: {message.text} ({message.location})")

    def _asked(self, url: str, origin: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc != origin:
            self._fault(f"a request to {url}")

    def _fault(self, text: str) -> None:
        self.faults.append(text)

    @contextmanager
    def allowing(self, *texts: str) -> Iterator[None]:
        """Forgive faults with one of these texts, from now on."""
        self.forgiven += texts
        yield

    def end(self) -> list[str]:
        """Close all pages, and return the faults that are not forgiven."""
        for context in self._contexts:
            context.close()
        return [fault for fault in self.faults if not any(text in fault for text in self.forgiven)]


@pytest.fixture
def pages(browser: Any) -> Iterator[Pages]:
    """Pages without errors and without requests to other servers."""
    made = Pages(browser)
    yield made
    assert made.end() == []


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., Path]:
    """Take a picture of a page: into docs/ where KERNELBUS_PICTURES says so, else into tmp_path."""

    def take(page: Any, name: str, **options: Any) -> Path:
        folder = ROOT / "docs" if os.environ.get("KERNELBUS_PICTURES") else tmp_path
        path = folder / name
        page.screenshot(path=path, animations="disabled", caret="hide", **options)
        with Image.open(path) as taken:
            small = taken.convert("RGB").quantize(128)
        small.save(path, optimize=True)
        return path

    return take

"""What is not to be had, and what the web gives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from mathics_values import Recorder, evaluate, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.knowledge import NO_DATA, NO_SERVICE


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Type", "application/json" if self.path == "/j" else "text/plain")
        self.end_headers()
        self.wfile.write(b'{"a": 1}' if self.path == "/j" else b"hello")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def messages(loaded: Loaded, code: str) -> list[str]:
    heard = Recorder()
    evaluator = Evaluator(loaded, heard)
    evaluator.read(code, False, lambda query, _: bool(evaluator.evaluate(lambda: query)))
    return heard.lines


@pytest.mark.parametrize(("names", "tag", "value"), [(NO_DATA, "nodata", 'Missing["NotAvailable"]'), (NO_SERVICE, "noservice", "$Failed")])
def test_what_is_not_to_be_had(loaded: Loaded, names: tuple[str, ...], tag: str, value: str) -> None:
    for name in (names[0], names[-1]):
        assert messages(loaded, f'{name}["x"]') == [f"{name}::{tag}"]
        assert text_of(loaded, f'{name}["x"]') == value


def test_pages(loaded: Loaded, page: str, tmp_path: Path) -> None:
    assert text_of(loaded, f'{{URLFetch["{page}/"], URLExecute["{page}/j"], URLRead["{page}/gone", "StatusCode"]}}') == (
        '{"hello", <|"a" -> 1|>, 404}'
    )
    assert text_of(loaded, f'Head[URLRead[HTTPRequest["{page}/"]]]') == "HTTPResponse"
    evaluate(loaded, f'URLDownload["{page}/", "{tmp_path}/saved"]')
    assert (tmp_path / "saved").read_text() == "hello"


def test_what_cannot_be_reached(loaded: Loaded) -> None:
    assert messages(loaded, 'URLRead["http://127.0.0.1:1/"]') == ["URLRead::conn"]
    assert messages(loaded, 'URLFetch["file:///etc/passwd"]') == ["URLFetch::conn"]

"""The HTTP server of metrics and the web page: its answers, its limits, and a loop that is busy."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import pytest

from kernelbus.shell.operations import httpserver
from kernelbus.shell.operations.httpserver import HERE, HttpError, HttpServer, Loop, LoopBusy


def get(url: str, path: str = "/", method: str = "GET") -> tuple[int, str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['PATH_INFO']} {environ[HERE]}".encode()]


def serve(application: httpserver.Application, act: Callable[[str], None], interface: str = "127.0.0.1") -> None:
    """Serve an application while `act` runs in a thread with its address."""

    async def main() -> None:
        server = HttpServer(application, "a test")
        url = await server.listen(interface, 0)
        task = asyncio.create_task(server.run())
        try:
            await asyncio.to_thread(act, url)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(get, url)

    asyncio.run(main())


@pytest.mark.parametrize("interface", ["127.0.0.1", "::1", "0.0.0.0"])
def test_an_application_is_asked_and_told_who_asks(interface: str) -> None:
    def act(url: str) -> None:
        assert get(url.replace("0.0.0.0", "127.0.0.1"), "/a") == (200, "/a True")

    serve(hello, act, interface)


def test_a_request_that_is_none_and_a_client_that_keeps_silent(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(httpserver._Handler, "timeout", 0.1)

    def act(url: str) -> None:
        address = urlsplit(url).hostname, urlsplit(url).port
        for sent, told in ((b"nonsense\r\n\r\n", b"400"), (b"GET /" + b"a" * 9000 + b" HTTP/1.0\r\n\r\n", b"414"), (b"GET", b"")):
            with socket.create_connection(address, timeout=10) as peer:
                peer.sendall(sent)
                assert told in peer.recv(4096)
        with socket.create_connection(address, timeout=10) as peer:
            peer.sendall(b"POST / HTTP/1.0\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60000)
            assert peer.recv(4096).startswith(b"HTTP/1.0 200 OK")
        assert get(url) == (200, "/ True")

    serve(hello, act)
    assert capfd.readouterr() == ("", "")


def test_no_more_requests_are_answered_at_once_than_there_are_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpserver, "_MOST", 1)

    def act(url: str) -> None:
        with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10) as first:
            first.sendall(b"GET / HTTP/1.0\r\n")
            with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10) as second:
                assert b"503" in second.recv(4096)
            first.sendall(b"\r\n")
            assert b"200 OK" in first.recv(4096)
        deadline = threading.Event()
        for _ in range(100):
            if get(url)[0] == 200:
                break
            deadline.wait(0.05)
        assert get(url)[0] in (200, 503)

    serve(hello, act)


def test_an_application_that_fails_is_an_error_and_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    def broken(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise ValueError("secret")

    def act(url: str) -> None:
        code, text = get(url)
        assert code == 500 and "secret" not in text

    serve(broken, act)
    assert "a request over HTTP has failed: ValueError('secret')" in caplog.text


def test_a_port_that_is_taken_or_an_address_that_is_another_machines() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(HttpError, match=rf"cannot serve metrics on port {port} of 127\.0\.0\.1: Address already in use"):
                await HttpServer(hello, "metrics").listen("127.0.0.1", port)
        with pytest.raises(HttpError, match=r"cannot serve metrics on port 0 of 192\.0\.2\.1: "):
            await HttpServer(hello, "metrics").listen("192.0.2.1", 0)

    asyncio.run(main())


def test_what_a_thread_has_the_loop_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpserver, "PATIENCE", 0.05)
    asked_in: list[threading.Thread] = []

    async def ask() -> int:
        asked_in.append(threading.current_thread())
        return 7

    async def fail() -> int:
        raise ValueError("no")

    async def main() -> Loop:
        loop = Loop()
        assert await asyncio.to_thread(loop.fetch, ask) == 7
        with pytest.raises(ValueError, match="no"):
            await asyncio.to_thread(loop.fetch, fail)
        with pytest.raises(LoopBusy):
            await asyncio.to_thread(loop.fetch, lambda: asyncio.sleep(9))
        await asyncio.to_thread(loop.fetch, lambda: asyncio.sleep(0.1), 30)
        told: list[str] = []

        def asking() -> None:
            with pytest.raises(LoopBusy) as caught:
                loop.fetch(ask)
            told.append(str(caught.value))

        thread = threading.Thread(target=asking)
        thread.start()
        thread.join(10)  # on the loop's own thread, which so does nothing else
        assert told == ["the broker has not answered in 0.05 s"]
        return loop

    loop = asyncio.run(main())
    assert asked_in == [threading.main_thread()]
    with pytest.raises(LoopBusy):
        loop.fetch(ask)

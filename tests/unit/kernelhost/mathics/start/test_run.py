"""One kernel's process, from its arguments to its exit status."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import wstp
from kernelbus.kernelhost.mathics.evaluation import loading
from kernelbus.kernelhost.mathics.evaluation.loading import LoadError
from kernelbus.kernelhost.mathics.start import server
from kernelbus.kernelhost.mathics.start.run import run

WAIT = 60.0
LINK = ["-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "no link: give -linkmode"),
        (["-wstp", "-linkname"], "nothing after -linkname"),
        ([*LINK, "nonsense"], "nonsense"),
        (["-linkdescriptors", "7777,7778"], "Bad file descriptor"),
    ],
)
def test_wrong_options_are_logged(argv: list[str], said: str, caplog: pytest.LogCaptureFixture) -> None:
    assert run(argv, None) == 2
    (record,) = caplog.records
    assert record.name == "kernelhost.mathics"
    assert said in record.getMessage()


class Peer:
    """Listen for one kernel."""

    def __enter__(self) -> list[str]:
        self._listener = wstp.listen(0, mode="default")
        self._thread = threading.Thread(target=lambda: self._listener.accept(WAIT).close())
        self._thread.start()
        return [*LINK, f"{self._listener.port}@127.0.0.1"]

    def __exit__(self, *error: object) -> None:
        self._thread.join()
        self._listener.close()


def test_what_a_parent_has_loaded_is_served(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    served: list[Any] = []
    monkeypatch.setattr(loading, "load", lambda: pytest.fail("it is loaded already"))
    monkeypatch.setattr(server, "serve", lambda loaded, link, options: served.append((loaded, options.unknown)) or link.close() or 7)
    preloaded: Any = object()
    with Peer() as link:
        assert run(["-mystery", *link], preloaded) == 7
    assert served == [(preloaded, ("-mystery",))]
    assert [record.getMessage() for record in caplog.records] == ["the unknown option -mystery is ignored"]


def test_failures_have_a_status(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*arguments: Any) -> Any:
        raise LoadError("the embedded kernel needs something")

    monkeypatch.setattr(loading, "load", fail)
    with Peer() as link:
        assert run(link, None) == 1
    monkeypatch.setattr(server, "serve", lambda loaded, link, options: link.close() or fail())
    preloaded: Any = object()
    with Peer() as link:
        assert run(link, preloaded) == 1
    assert [record.getMessage() for record in caplog.records] == ["the embedded kernel needs something", "the kernel failed"]

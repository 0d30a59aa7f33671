"""A frontend in a process of its own: its ready line, and ports that are taken."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kernelbus.bus.settings.config import Config
from kernelbus.shell.operations.frontend import listening_lines, local_link_name, run_frontend


def test_the_lines_that_programs_read() -> None:
    frontend = SimpleNamespace(port=4, opened="open to this machine, without a token")
    for interface, more in ((None, ""), ("0.0.0.0", " and interface 0.0.0.0")):
        lines = listening_lines(cast("Any", frontend), interface)
        assert lines == f"Listening for new connections on port 4{more}\nOpen to this machine, without a token"


@pytest.mark.parametrize(
    ("addresses", "name"),
    [(("0.0.0.0", "::"), "4@127.0.0.1"), (("127.0.0.1",), "4@127.0.0.1"), (("10.0.0.1",), "4@10.0.0.1"), (("::1",), "4@::1")],
)
def test_the_name_for_programs_of_this_machine(addresses: tuple[str, ...], name: str) -> None:
    assert local_link_name(cast("Any", SimpleNamespace(port=4, addresses=addresses))) == name


def test_a_port_that_is_taken(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_frontend(Config(), endpoint="tcp://127.0.0.1:1", port=port, interface=None) == 2
    assert str(port) in caplog.text
    assert capsys.readouterr().out == ""

"""A frontend in a process of its own: its ready line, and ports that are taken."""

from __future__ import annotations

import socket

import pytest

from kernelbus.bus.settings.config import Config
from kernelbus.shell.operations.frontend import listening_line, run_frontend


def test_the_line_that_programs_read() -> None:
    assert listening_line(31415, None) == "Listening for new connections on port 31415"
    assert listening_line(4, "0.0.0.0") == "Listening for new connections on port 4 and interface 0.0.0.0"


def test_a_port_that_is_taken(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_frontend(Config(), endpoint="tcp://127.0.0.1:1", port=port, interface=None) == 2
    assert str(port) in caplog.text
    assert capsys.readouterr().out == ""

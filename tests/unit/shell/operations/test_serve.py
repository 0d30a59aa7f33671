"""All parts in one process: ports that are taken (tests/e2e/test_serve.py tests what it serves)."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from kernelbus.bus.settings.config import Config, load
from kernelbus.shell.operations.serve import run_serve
from kernelbus.shell.operations.shown import Shown


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A pool that starts no kernel unasked."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "k.conf"
    file.write_text(json.dumps({"Pools": {"A": {"KernelPath": sys.executable, "MinimumKernelNumber": 0}}}))
    return load(file)


def test_a_port_that_is_taken(config: Config, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_serve(config, port=port, interface=None, bus_endpoint=None) == 2
    assert str(port) in caplog.text
    assert capsys.readouterr().out == ""


def test_a_bus_endpoint_that_was_asked_for_and_cannot_be_had(config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = f"ipc://{tmp_path}/nowhere/bus"
    assert run_serve(config, port=0, interface=None, bus_endpoint=endpoint) == 2
    assert f"{tmp_path}/nowhere/bus" in caplog.text


def test_a_metrics_port_that_is_taken(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_serve(config, port=0, interface=None, bus_endpoint=None, shown=Shown(metrics=("127.0.0.1", port))) == 2
    assert f"cannot serve metrics on port {port}" in caplog.text

"""Where operators' commands look for the broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelbus.bus.settings.config import ConfigError
from kernelbus.shell.operations.adminclient import admin_client


@pytest.mark.parametrize(
    ("typed", "configured", "endpoint"),
    [
        (None, None, "ipc:///state/kernelbus/bus-31415"),
        ("4000", None, "ipc:///state/kernelbus/bus-4000"),
        ("4000", "tcp://127.0.0.1:5", "ipc:///state/kernelbus/bus-4000"),
        (None, "tcp://127.0.0.1:5", "tcp://127.0.0.1:5"),
        (None, "tcp://0.0.0.0:5", "tcp://127.0.0.1:5"),
        (None, "ipc:///run/bus", "ipc:///run/bus"),
        ("tcp://127.0.0.1:7", "tcp://127.0.0.1:5", "tcp://127.0.0.1:7"),
        ("tcp://localhost:7", None, "tcp://127.0.0.1:7"),
    ],
)
def test_where_the_broker_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str | None, configured: str | None, endpoint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    if configured is not None:
        (tmp_path / "wstpserver.conf").write_text(f'{{"Bus": {{"Endpoint": "{configured}"}}}}')
    with admin_client(typed, None) as client:
        assert client.endpoint == endpoint


def test_mistakes(tmp_path: Path) -> None:
    for bus, file in (("nonsense", None), (None, str(tmp_path / "none"))):
        with pytest.raises(ConfigError):
            admin_client(bus, file)

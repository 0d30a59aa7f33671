"""A broker in a process of its own: its journal, and its line for the service manager."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from kernelbus.bus.settings.config import Config
from kernelbus.shell.operations.broker import broker_status, make_broker, run_broker
from kernelbus.shell.operations.parts import parts, run_part


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "kernelbus"


def made(config: Config, name: str | None) -> str:
    """Make a broker, and return its line for the service manager."""
    said = []

    async def main() -> None:
        async with parts(config) as process:
            said.append(broker_status(make_broker(process, config, name)))

    assert run_part(main()) == 0
    return said[0]


def test_a_new_broker_knows_nobody() -> None:
    assert made(Config(), None) == "0 frontends, 0 hosts; 0 kernels, 0 with a client"


def test_the_journal_is_named_for_the_endpoint(state: Path) -> None:
    made(Config(), "broker-tcp://127.0.0.1:5")
    assert [file.name for file in state.glob("*.sqlite")] == ["broker-tcp-127.0.0.1-5.sqlite"]


def test_a_configured_journal_is_the_one(state: Path, tmp_path: Path) -> None:
    bus = Config().bus
    made(replace(Config(), bus=replace(bus, journal=str(tmp_path / "mine.sqlite"))), "other")
    assert (tmp_path / "mine.sqlite").exists()
    made(replace(Config(), bus=replace(bus, journal="")), "other")
    assert not state.exists()


def test_without_a_default_journal_it_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "kernelbus").write_text("a file in the way")
    made(Config(), "any")
    assert "the broker keeps sessions without a journal" in caplog.text


@pytest.mark.parametrize("damage", ["pipe", "zero", "noise"])
def test_a_broker_always_starts(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "j"
    if damage == "pipe":
        os.mkfifo(path)
    elif damage == "zero":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"noise" * 5000)
    made(replace(Config(), bus=replace(Config().bus, journal=str(path))), None)
    assert str(path) in caplog.text


def test_an_endpoint_that_cannot_be_bound(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    assert run_broker(Config(), endpoint=f"ipc://{tmp_path}/nowhere/bus") == 2
    assert f"{tmp_path}/nowhere/bus" in caplog.text

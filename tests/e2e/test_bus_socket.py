"""The bus of a server is its user's: where it is by default, and who reaches it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from serving import ROOT, Part, stand_in_pool, write_config


def run(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "kernelbus.shell.main", *words]
    return subprocess.run(command, env=environment, cwd=state, capture_output=True, text=True, timeout=60)


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


def test_the_default_is_a_socket_for_the_user_alone(state: Path) -> None:
    config = write_config(state / "c.conf", Pools={"P": stand_in_pool(state)})
    with Part("serve", "-p", "0", "-c", config, "-l", "debug", environment={"XDG_STATE_HOME": str(state)}) as part:
        path = state / "kernelbus" / f"bus-{part.port}"
        assert part.endpoint == f"ipc://{path}"
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        for bus in (str(part.port), f"ipc://{path}"):
            assert run(state, "status", "pools", "--bus", bus).stdout.startswith("POOL")
        if os.geteuid() == 0:
            # Another user of the machine.
            done = subprocess.run(["test", "-e", path], user=65534, group=65534, extra_groups=[], timeout=20)
            assert done.returncode == 1
    assert not path.exists()


def test_parts_and_consoles_agree_on_it(state: Path) -> None:
    config = write_config(state / "c.conf", Pools={"P": stand_in_pool(state)})
    environment = {"XDG_STATE_HOME": str(state)}
    none = run(state, "status")
    assert none.returncode == 2 and f"no broker at ipc://{state}/kernelbus/bus-31415" in none.stderr
    with Part("broker", ready="Broker listening", environment=environment) as broker:
        assert broker.endpoint == f"ipc://{state}/kernelbus/bus-31415"
        again = run(state, "broker")
        assert again.returncode == 2 and "is another broker's, which is running" in again.stderr
        with Part("host", "-c", config, ready="Kernel host has joined", environment=environment):
            assert "up" in run(state, "status", "hosts").stdout
            assert "P " in run(state, "shell", "-c", "pools").stdout
        # One that was killed leaves its socket behind.
        broker.terminate(signal.SIGKILL)
    assert (state / "kernelbus" / "bus-31415").exists()
    with Part("broker", ready="Broker listening", environment=environment):
        assert run(state, "status").returncode == 1


def test_a_state_folder_that_is_too_deep_for_a_socket(state: Path) -> None:
    deep = state / ("d" * 100)
    deep.mkdir()
    config = write_config(state / "c.conf", Pools={"P": stand_in_pool(state)})
    with Part("serve", "-p", "0", "-c", config, "-l", "debug", environment={"XDG_STATE_HOME": str(deep)}) as part:
        folder = Path(part.endpoint.removeprefix("ipc://")).parent
        try:
            assert folder.parent == Path("/tmp") and folder.stat().st_mode & 0o777 == 0o700
            assert run(deep, "status", "pools", "--bus", str(part.port)).stdout.startswith("POOL")
        finally:
            part.terminate()
            folder.rmdir()
    if os.geteuid() == 0:
        # Another user was there first.
        folder.mkdir()
        try:
            os.chown(folder, 65534, 65534)
            for words in (("broker",), ("status",), ("host",)):
                done = run(deep, *words)
                assert done.returncode == 2 and f"{folder} is another user's" in done.stderr
        finally:
            folder.rmdir()
    long = f"ipc://{deep}/bus"
    for words in (("broker",), ("status",), ("host",), ("frontend", "-p", "0")):
        done = run(state, *words, "--bus", long)
        assert done.returncode == 2
        assert "bytes, and a socket's at most 107: name another path with --bus or Bus/Endpoint" in done.stderr


def test_an_older_configuration_goes_on(state: Path) -> None:
    config = write_config(state / "wstpserver.conf", Pools={"P": stand_in_pool(state)}, Bus={"Endpoint": "tcp://127.0.0.1:0"})
    with Part("broker", "-c", config, ready="Broker listening", environment={"XDG_STATE_HOME": str(state)}) as broker:
        assert broker.endpoint.startswith("tcp://127.0.0.1:")
        assert run(state, "status", "--bus", broker.endpoint).stdout.startswith("Broker")


def test_orders_are_for_administrators_and_looking_is_for_all(state: Path) -> None:
    """At a socket the system says who asks; at loopback without keys nobody knows."""
    reloads = ("shell", "-c", "reload", "--bus")
    for endpoint, may in ((f"ipc://{state}/administered", True), ("tcp://127.0.0.1:0", False)):
        config = write_config(state / "c.conf", Bus={"Endpoint": endpoint, "Administrators": ["desk"]})
        with Part("broker", "-c", config, ready="Broker listening", environment={"XDG_STATE_HOME": str(state)}) as broker:
            assert run(state, "status", "--bus", broker.endpoint).stdout.startswith("Broker")
            ordered = run(state, *reloads, broker.endpoint)
            assert (ordered.returncode == 0) is may, ordered
            if not may:
                assert ordered.stderr.startswith("Bus/Administrators says who may give orders here, and who asks shows")
                assert len(ordered.stderr.splitlines()) == 1
                assert broker.logged(r"\[WARNING\] broker: .*: refused: Bus/Administrators says who")
            assert broker.logged(r"\[WARNING\] broker: Bus/Administrators: .*no key is named \"desk\"")

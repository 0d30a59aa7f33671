"""Servers as a service manager runs them: what they tell it, with real processes and its kind of socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import connect, value
from serving import Part, stand_in_pool, wait_until, write_config


class Manager:
    """A service manager's end of NOTIFY_SOCKET: everything it has been told."""

    def __init__(self, path: Path) -> None:
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "500000"}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while data := self._socket.recv(4096):
            self.told.append(data.decode())

    def wait_for(self, line: str, since: int = 0) -> int:
        """Wait until it has been told `line`, after it was told `since` lines; gives where."""
        wait_until(lambda: line in self.told[since:], f"{line} in {self.told[-5:]}")
        return self.told.index(line, since)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    try:
        yield made
    finally:
        made.close()


def test_a_server_tells_when_it_is_ready_how_it_fares_and_that_it_ends(manager: Manager, tmp_path: Path) -> None:
    pool = stand_in_pool(tmp_path, MinimumKernelNumber=0)
    config = write_config(tmp_path / "k.conf", Pools={"StandIn": pool})
    with Part("serve", "-p", "0", "-c", config, environment=manager.environment) as part:
        manager.wait_for("READY=1")
        idle = manager.wait_for("STATUS=1 frontends, 1 hosts; 0 kernels, 0 with a client")
        with connect(part) as link:
            assert value(link, 1) == 1
            manager.wait_for("STATUS=1 frontends, 1 hosts; 1 kernels, 1 with a client", idle)
        manager.wait_for("STATUS=1 frontends, 1 hosts; 1 kernels, 0 with a client", idle)
        alive = manager.told.count("WATCHDOG=1")
        wait_until(lambda: manager.told.count("WATCHDOG=1") > alive + 1, "signs of life")
        assert "STOPPING=1" not in manager.told
        assert part.terminate() == 0
    manager.wait_for("STOPPING=1")
    assert manager.told.count("READY=1") == 1


def test_a_host_is_ready_when_it_has_joined_and_says_when_the_broker_is_lost(manager: Manager, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "k.conf",
        Pools={"StandIn": stand_in_pool(tmp_path, MinimumKernelNumber=0)},
        Bus={"HeartbeatInterval": 0.2, "HeartbeatTimeout": 1, "Journal": ""},
    )
    with Part("broker", "--bus", "tcp://127.0.0.1:0", "-c", config, ready="Broker listening") as broker:
        endpoint = broker.endpoint
    # It is gone again: its port is where the host looks for it.
    host = Part("host", "--bus", endpoint, "-c", config, ready="Kernel host has joined", environment=manager.environment)
    try:
        away = manager.wait_for(f"STATUS=0 kernels, 0 with a client; looking for the broker at {endpoint}")
        assert "READY=1" not in manager.told
        with Part("broker", "--bus", endpoint, "-c", config, ready="Broker listening"):
            manager.wait_for("READY=1")
            joined = manager.wait_for(f"STATUS=0 kernels, 0 with a client; joined to the broker at {endpoint}", away)
        manager.wait_for(f"STATUS=0 kernels, 0 with a client; looking for the broker at {endpoint}", joined)
        assert host.terminate() == 0
    finally:
        host.kill()

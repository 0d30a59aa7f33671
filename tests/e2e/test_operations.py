"""Servers under a service manager, and the two-machine set of configs/, with real processes.

Tests kernelbus.shell.operations.broker, kernelbus.shell.operations.frontend and
kernelbus.shell.operations.host.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import connect, value
from people import client_environment, run
from serving import ROOT, Part, stand_in_pool, wait_until, write_config

from kernelbus.shell.main import main


class Manager:
    """A service manager's end of NOTIFY_SOCKET, with everything it has received."""

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
        """Wait until `line` has come after the first `since` lines; return its position."""
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
        assert manager.told.count("READY=1") == 1
        part.process.send_signal(signal.SIGHUP)
        wait_until(lambda: manager.told.count("READY=1") == 2, "ready again")
        ready, again = (number for number, line in enumerate(manager.told) if line == "READY=1")
        assert [line for line in manager.told[ready:again] if line.startswith("RELOADING=1\nMONOTONIC_USEC=")]
        assert part.terminate() == 0
    manager.wait_for("STOPPING=1")


def test_a_host_is_ready_when_it_has_joined_and_says_when_the_broker_is_lost(manager: Manager, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "k.conf",
        Pools={"StandIn": stand_in_pool(tmp_path, MinimumKernelNumber=0)},
        Bus={"HeartbeatInterval": 0.2, "HeartbeatTimeout": 1, "Journal": ""},
    )
    with Part("broker", "--bus", "tcp://127.0.0.1:0", "-c", config, ready="Broker listening") as broker:
        endpoint = broker.endpoint
    # It has ended; the host will look for the broker at its port.
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


def test_the_two_machine_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The set as in configs/, but with addresses of this machine, and a folder for each of the two.
    """

    def here(name: str, **replaced: str) -> Path:
        text = (ROOT / "configs" / "two-machines" / name).read_text()
        folder = tmp_path / name.removesuffix(".conf")
        folder.mkdir(exist_ok=True)
        for before, after in {"/var/lib/kernelbus": str(folder), **replaced}.items():
            assert before in text
            text = text.replace(before, after)
        (folder / name).write_text(text)
        return folder / name

    def trust(on: Path, other: Path, name: str) -> None:
        assert main(["keys", "new", "-q", "-c", str(other)]) == 0
        key = capsys.readouterr().out.strip()
        assert main(["keys", "allow", "-c", str(on), key, name]) == 0
        assert capsys.readouterr().out == f"{name} is allowed\n"

    trust(here("broker.conf"), here("host.conf"), "lab1")
    trust(here("host.conf"), here("broker.conf"), "front")
    broker_file = here("broker.conf", **{"tcp://0.0.0.0:31416": "tcp://127.0.0.1:0"})
    with Part("broker", "-c", broker_file, ready="Broker listening") as broker:
        host_file = here("host.conf", **{"tcp://192.0.2.10:31416": broker.endpoint})
        with (
            Part("frontend", "-c", broker_file, "--bus", broker.endpoint, "-p", "0") as frontend,
            Part("host", "-c", host_file, ready="Kernel host has joined"),
        ):
            status, out, errors = run(client_environment(tmp_path), "eval", "--server", frontend.server, "2+2")
            assert (status, out, errors) == (0, "4\n", "")
    assert (tmp_path / "broker" / "journal.sqlite").is_file()

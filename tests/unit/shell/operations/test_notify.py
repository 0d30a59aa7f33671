"""Datagrams to the service manager, over a socket such as it has."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbus.shell.operations.notify import Notifier


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, name: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(10)
        self.environment = {"NOTIFY_SOCKET": name}

    def next(self) -> str:
        return self.socket.recv(4096).decode()

    def waiting(self) -> list[str]:
        self.socket.setblocking(False)
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self.next())
        self.socket.settimeout(10)
        return found


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    path = str(tmp_path / "notify")
    # Abstract names belong to the machine, not to a folder.
    made = Manager(path if request.param == "a path" else f"@kernelbus-test-{os.getpid()}-{time.monotonic_ns()}")
    with made.socket:
        yield made


def test_a_parts_life(manager: Manager) -> None:
    notifier = Notifier(manager.environment)
    assert notifier.listens
    notifier.reloading()
    notifier.reloaded()
    assert manager.waiting() == [], "who is not ready yet is not so for having read its configuration"
    notifier.ready()
    notifier.status("2 kernels\nREADY=0")
    notifier.status("2 kernels\nREADY=0")
    notifier.status("3 kernels")
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    notifier.reloaded()
    notifier.stopping()
    ready, status, changed, reloading, again, stopping = manager.waiting()
    assert (ready, again, stopping) == ("READY=1", "READY=1", "STOPPING=1")
    assert (status, changed) == ("STATUS=2 kernels READY=0", "STATUS=3 kernels")
    first, second = reloading.splitlines()
    assert first == "RELOADING=1"
    name, when = second.split("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(when) <= time.monotonic_ns() // 1000


def test_what_is_for_this_process_alone_is_not_for_those_it_starts(manager: Manager) -> None:
    environment = {**manager.environment, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/root"}
    assert Notifier(environment).watchdog == 3.0
    assert environment == {"HOME": "/root"}


@pytest.mark.parametrize("watched", [{"WATCHDOG_PID": "1", "WATCHDOG_USEC": "1000000"}, {"WATCHDOG_USEC": "soon"}, {}])
def test_no_watchdog_of_ours(watched: dict[str, str], manager: Manager) -> None:
    assert Notifier({**manager.environment, **watched}).watchdog == 0.0


def test_signs_of_life_and_changes(manager: Manager) -> None:
    notifier = Notifier({**manager.environment, "WATCHDOG_USEC": "40000"})
    told = iter(["one", "one", "two"])

    async def main() -> None:
        task = asyncio.create_task(notifier.run(lambda: next(told, "two")))
        try:
            while "STATUS=two" not in seen or seen.count("WATCHDOG=1") < 4:
                seen.append(await asyncio.to_thread(manager.next))
        finally:
            task.cancel()

    seen: list[str] = []
    asyncio.run(main())
    assert [line for line in seen if line.startswith("STATUS")] == ["STATUS=one", "STATUS=two"]


def test_without_a_service_manager_nothing_happens() -> None:
    notifier = Notifier({"WATCHDOG_USEC": "1000000"})
    assert (notifier.listens, notifier.watchdog) == (False, 0.0)
    notifier.ready()
    asyncio.run(notifier.run(lambda: pytest.fail("nobody asks")))


def test_a_service_manager_that_is_gone_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")})
    notifier.ready()
    notifier.status("one")
    assert [record.getMessage() for record in caplog.records] == [
        f"the service manager at {tmp_path}/none cannot be told: No such file or directory"
    ]

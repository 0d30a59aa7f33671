"""Links between `wstp` and a C library: its processes, and every way to connect the two."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import psutil
from cdriver import CDriver, DriverError

import wstp

__all__ = ["KINDS", "TIMEOUT", "Drivers", "Pair", "in_thread", "make_pair"]

TIMEOUT = 30.0

# How the two can be connected: (name, whether the library listens, mode, whether the link name
# gives both ports).
KINDS = {
    "C connects, UUID mode": (False, "uuid", False),
    "C connects, default mode": (False, "default", False),
    "C connects, default mode, message port known": (False, "default", True),
    "C listens, UUID mode": (True, "uuid", False),
    "C listens, default mode": (True, "default", False),
    "C listens, default mode, message port known": (True, "default", True),
}


class Drivers:
    """Child processes of the library, kept from test to test while they live."""

    def __init__(self, library: str) -> None:
        self._library = library
        self._driver: CDriver | None = None
        self._others: list[CDriver] = []

    def get(self) -> CDriver:
        """Return the common child; start a new one when the last has died, or cannot be used.

        A library of 2015 never closes the message connection of a link whose other end closed first
        (its own library as the other end: the same). The thread in which it reads messages then
        turns without rest, and the messages of later links are heard minutes later or never.
        """
        if self._driver is not None and self._driver.alive and _keeps_ended_connections(self._driver.pid):
            self._driver.__exit__(None, None, None)
        if self._driver is None or not self._driver.alive:
            self._driver = self.new()
        return self._driver

    def new(self, environment_id: str | None = None) -> CDriver:
        """Return a child of the caller's own, to be killed or to announce an id."""
        driver = CDriver(self._library, environment_id)
        self._others.append(driver)
        return driver

    def end(self) -> None:
        for driver in self._others:
            driver.__exit__(None, None, None)


def _keeps_ended_connections(pid: int) -> bool:
    """Tell whether the process has connections open that their other end has ended."""
    with contextlib.suppress(psutil.Error):
        return any(one.status == psutil.CONN_CLOSE_WAIT for one in psutil.Process(pid).net_connections("tcp"))
    return False


@dataclass
class Pair:
    """A `wstp` link and the C library's end of it; use it with `with`, which closes both."""

    link: wstp.Link
    driver: CDriver
    number: int
    kind: str
    server: int | None = None

    def c(self, operation: str, timeout: float = TIMEOUT, **arguments: Any) -> Any:
        """Command the C end and return its answer."""
        return self.driver(operation, timeout, link=self.number, **arguments)

    def post(self, operation: str, **arguments: Any) -> None:
        """Command the C end and do not wait; `result()` returns its answer."""
        self.driver.post(operation, link=self.number, **arguments)

    def result(self, timeout: float = TIMEOUT) -> Any:
        """Return the answer to the command that was posted."""
        return self.driver.result(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The C end first, which the test may have closed: ours would wait for it. A link server of
        # the library uses time as long as it is there.
        if self.driver.alive and not self.driver.waits:
            with contextlib.suppress(DriverError):
                self.c("close")
            if self.server is not None:
                with contextlib.suppress(DriverError):
                    self.driver("close_server", server=self.server)
        self.link.close(linger=0.0)


def in_thread(action: Callable[[], Any]) -> Callable[[], Any]:
    """Run `action` in a thread; return a function that waits for its result and returns it."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(action())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait() -> Any:
        thread.join(TIMEOUT)
        assert outcome, f"not in {TIMEOUT} s: {action}"
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    return wait


def make_pair(driver: CDriver, kind: str) -> Pair:
    """Connect `wstp` and the C library in one of the `KINDS`."""
    c_listens, mode, both_ports = KINDS[kind]
    tcpip = ["-linkprotocol", "TCPIP"]
    if not c_listens:
        with wstp.listen(0, mode="uuid" if mode == "uuid" else "default") as listener:
            name = listener.link_name if both_ports else f"{listener.port}@127.0.0.1"
            options = ["-linkoptions", "4"] if mode == "uuid" else []
            arguments = ["-linkmode", "connect", *tcpip, "-linkname", name, *options]
            accepted = in_thread(lambda: listener.accept(timeout=TIMEOUT))
            number, _ = driver("open", arguments=arguments)
            driver.post("call", link=number, name="Activate")
            link = accepted()
        driver.result(TIMEOUT)
        return Pair(link, driver, number, kind)
    server: int | None = None
    if mode == "uuid":
        server, port = driver("server", port=0, interface="127.0.0.1")
        connected = in_thread(lambda: wstp.connect(f"{port}@127.0.0.1", mode="uuid", timeout=TIMEOUT))
        number = driver("accept", server=server)
        driver.post("call", link=number, name="Activate")
    else:
        number, name = driver("open", arguments=["-linkmode", "listen", *tcpip, "-linkhost", "127.0.0.1"])
        name = name if both_ports else name.partition(",")[0]
        driver.post("call", link=number, name="Activate")
        connected = in_thread(lambda: wstp.connect(name, mode="default", timeout=TIMEOUT))
    link = connected()
    driver.result(TIMEOUT)
    return Pair(link, driver, number, kind, server)

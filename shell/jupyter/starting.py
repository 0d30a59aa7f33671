"""Start a server for this user where there is none, in the background."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from kernelbus.shell.address import Address
from kernelbus.shell.state import private_file

__all__ = ["StartError", "is_here", "is_listening", "start_server"]

_SECONDS = 60.0
_PAUSE = 0.1


class StartError(Exception):
    """The server does not start; the text says why, or where its log is."""


def is_here(address: Address) -> bool:
    """Tell whether an address is this machine's loopback, where a server may be started."""
    if address.tls:
        return False
    if address.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return False


def is_listening(address: Address) -> bool:
    """Tell whether anything takes connections at an address of this machine."""
    try:
        with socket.create_connection((address.host, address.port), timeout=2):
            return True
    except TimeoutError:
        return True
    except OSError as error:
        return error.errno != errno.ECONNREFUSED


def start_server(address: Address) -> str:
    """Start `kernelbus serve` at an address of this machine, and wait until it takes connections.

    It goes on when this program ends. Where two programs start one at the same time, one of the two
    servers gets the port, and both programs use it.

    Returns:
        The path of its log.

    Raises:
        StartError: it does not take connections.
    """
    name = f"serve-{address.port}.log"
    try:
        log = private_file(name)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "kernelbus.shell.main", "serve", "--port", str(address.port), "--interface", address.host],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        raise StartError(f"no server can be started: {error}") from None
    for _ in _tries():
        ended = process.poll() is not None
        if is_listening(address):
            return str(log)
        if ended:
            said = _last_line(str(log))
            raise StartError(f"the server that was started ended at once{f': {said}' if said else ''}; its log is {log}")
    raise StartError(f"the server that was started takes no connections after {_SECONDS:g} s; its log is {log}")


def _tries() -> Iterator[None]:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        yield
        time.sleep(_PAUSE)


def _last_line(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
        return lines[-1] if lines else ""
    return ""

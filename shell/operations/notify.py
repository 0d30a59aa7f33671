"""The service manager, told by datagrams (sd_notify(3)), for systemd units of `Type=notify`.

It is told when the part is ready (when the ready line is printed), once a second, if it has
changed, a line about the part's state, and, from the same timer of the event loop, that the loop
still runs. Without a service manager (``NOTIFY_SOCKET`` is not in the environment) nothing is sent,
and nothing else changes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, MutableMapping

__all__ = ["Notifier"]

_log = logging.getLogger("kernelbus.server")

#: Seconds that a datagram may wait for room in the service manager's queue.
_PATIENCE = 1.0
#: Seconds between two reports.
_INTERVAL = 1.0


class Notifier:
    """Tells the service manager.

    Args:
        environment: of the process. Variables for this process alone are removed from it, so that
            kernels do not report in its name.

    Attributes:
        watchdog: seconds within which the service manager wants a sign of life; 0: it does not
            watch.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        period = environment.pop("WATCHDOG_USEC", "")
        process = environment.pop("WATCHDOG_PID", "")
        watched = period.isdigit() and process in ("", str(os.getpid()))
        self.watchdog = int(period) / 1e6 if watched and self._address else 0.0
        self._ready = False
        self._status = ""
        self._failed = False

    @property
    def listens(self) -> bool:
        """Whether there is a service manager."""
        return bool(self._address)

    def ready(self) -> None:
        """Report that the part can be used."""
        self._ready = True
        self._send("READY=1")

    def reloading(self) -> None:
        """Report that the configuration is being read again; :meth:`reloaded` follows."""
        if self._ready:
            # systemd wants the time on its own clock, to tell this from what was sent before it
            # asked.
            self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def reloaded(self) -> None:
        """Report that it has been read, well or badly; a part that was not ready reports nothing.
        """
        if self._ready:
            self._send("READY=1")

    def stopping(self) -> None:
        """Report that the part is ending."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Report a line for `systemctl status`, if it has changed."""
        if text != self._status:
            self._status = text
            self._send("STATUS=" + " ".join(text.split()))

    async def run(self, describe: Callable[[], str]) -> None:
        """Report what `describe` returns, and that this loop still runs, until cancelled."""
        if not self._address:
            return
        interval = min(_INTERVAL, self.watchdog / 2) if self.watchdog else _INTERVAL
        while True:
            if self.watchdog:
                self._send("WATCHDOG=1")
            self.status(describe())
            await asyncio.sleep(interval)

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # An @ stands for the zero byte that begins the name of an abstract socket.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_PATIENCE)
                sender.sendto(text.encode(), address)
        except OSError as error:
            if not self._failed:
                _log.warning("the service manager at %s cannot be told: %s", self._address, error.strerror or error)
            self._failed = True
        else:
            self._failed = False

"""Names and ids for Tab, from the live server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from cmd2 import Choices, CompletionError, CompletionItem

from kernelbus.bus.client import AdminClient
from kernelbus.bus.errors import BusError
from kernelbus.bus.protocol.reports import KernelStatus, Status
from kernelbus.shell.operations.status import rows_of
from kernelbus.shell.operations.tables import SHORT_ID, printable

__all__ = ["Names"]

#: Seconds for which a status serves several presses of the key.
_FRESH = 1.0


class Names:
    """What things are called at present. Asked from the thread in which cmd2 completes, so it has a
    client of its own.
    """

    def __init__(self, client: AdminClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._with_links = False
        self._asked = 0.0

    def status(self, links: bool = False) -> Status:
        """Give how everything stands, or stood a moment ago; `links`: with the clients' links.

        Raises:
            CompletionError: there is no answer; its text is shown above the prompt.
        """
        with self._lock:
            if self._status is None or links > self._with_links or time.monotonic() - self._asked > _FRESH:
                try:
                    self._status = self._client.status(links=links)
                except BusError as error:
                    raise CompletionError(printable(error)) from None
                self._with_links, self._asked = links, time.monotonic()
            return self._status

    def forget(self) -> None:
        """Ask anew the next time, since something has been changed."""
        with self._lock:
            self._status = None

    def kernels(self) -> Choices:
        """Give the kernels there are."""
        return _ids(rows_of(self.status(), "kernels"))

    def sessions(self) -> Choices:
        """Give the sessions there are."""
        return _ids(rows_of(self.status(), "sessions"))

    def pools(self) -> Choices:
        """Give the pools."""
        told = [(pool.pool, f"{pool.state}, {pool.ready} ready, {pool.attached} attached") for pool in self.status().pools]
        return _choices(told)

    def hosts(self) -> Choices:
        """Give the hosts."""
        return _choices((host.name, f"{host.state}, {host.kernels} kernels") for host in self.status().hosts)

    def everything(self) -> Choices:
        """Give all that `show` shows."""
        status = self.status(links=True)
        parts = [(part.name, "frontend") for part in status.frontends] + [(link.client, "link") for link in status.links]
        items = [*_ids(status.kernels), *self.pools(), *self.hosts(), *_choices(parts)]
        return Choices(items=tuple({item.text: item for item in items}.values()))


def _ids(kernels: Iterable[object]) -> Choices:
    listed = [kernel for kernel in kernels if isinstance(kernel, KernelStatus)]
    items = []
    for kernel in listed:
        others = [other.kernel for other in listed if other is not kernel]
        length = SHORT_ID
        while any(other.startswith(kernel.kernel[:length]) for other in others) and length < len(kernel.kernel):
            length += 1
        about = ", ".join(filter(None, (kernel.pool, kernel.state, kernel.client, kernel.profile)))
        items.append((kernel.kernel[:length], about))
    return _choices(items)


def _choices(items: Iterable[tuple[str, str]]) -> Choices:
    return Choices(items=tuple(CompletionItem(value=text, display_meta=printable(about)) for text, about in items))

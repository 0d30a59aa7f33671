"""Names and ids that Tab completes, from the live server."""

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

#: Seconds for which one status answers repeated presses of Tab.
_FRESH = 1.0


class Names:
    """The present names of kernels, pools, hosts, links and frontends.

    cmd2 completes in a thread of its own, so this has a client of its own.

    Args:
        client: asks the broker; used by nothing else.
    """

    def __init__(self, client: AdminClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._with_links = False
        self._asked = 0.0

    def status(self, links: bool = False) -> Status:
        """Return the status, which may be up to a second old.

        Args:
            links: whether the clients' links are needed.

        Raises:
            CompletionError: the broker does not answer; cmd2 shows the text above the prompt.
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
        """Ask the broker again the next time, since something has been changed."""
        with self._lock:
            self._status = None

    def kernels(self) -> Choices:
        """Return the ids of the kernels, shortened."""
        return _ids(rows_of(self.status(), "kernels"))

    def sessions(self) -> Choices:
        """Return the ids of the sessions, shortened."""
        return _ids(rows_of(self.status(), "sessions"))

    def pools(self) -> Choices:
        """Return the names of the pools."""
        told = [(pool.pool, f"{pool.state}, {pool.ready} ready, {pool.attached} attached") for pool in self.status().pools]
        return _choices(told)

    def hosts(self) -> Choices:
        """Return the names of the hosts."""
        return _choices((host.name, f"{host.state}, {host.kernels} kernels") for host in self.status().hosts)

    def everything(self) -> Choices:
        """Return the name of everything that `show` can show."""
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

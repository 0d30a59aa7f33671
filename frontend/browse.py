"""Finds what is advertised by multicast DNS, and resolves it; connects nowhere.

Loopback and the other interfaces are listened to apart, because a record does not say which way it came: what is heard on loopback
counts only when its sender is this machine, and only then may it name loopback addresses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, cast

from zeroconf import DNSQuestionType, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from frontend.advertise import adapters
from frontend.found import Record
from frontend.services import LOOPBACK, is_loopback

__all__ = ["BrowseError", "Finder"]

_RESOLVE_MS = 3000


class BrowseError(Exception):
    """There is no way to look; the text is one line."""


class _OwnOnly(asyncio.DatagramProtocol):
    """Lets through to the library what this machine itself has sent."""

    def __init__(self, inner: Any, own: frozenset[str]) -> None:
        self._inner = inner
        self._own = own

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        sender = str(address[0])
        if sender in self._own or is_loopback(sender):
            self._inner.datagram_received(data, address)

    def error_received(self, error: Exception) -> None:
        self._inner.error_received(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._inner.connection_lost(error)


class Finder:
    """Looks for instances of `types` while it is used as a context.

    Args:
        types: each ends with `._tcp.local.`.
        interface: an address of the interface to look on; None: all of them.

    Raises:
        BrowseError: on entering: there is no such interface, or multicast DNS cannot be had.
    """

    def __init__(self, types: Sequence[str], interface: str | None = None) -> None:
        self._types = list(types)
        self._interface = interface
        self._records: dict[tuple[bool, str], Record] = {}
        self._changed = asyncio.Event()
        self._scopes: list[tuple[AsyncZeroconf, AsyncServiceBrowser]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def records(self) -> list[Record]:
        """What is known at present."""
        return list(self._records.values())

    async def changed(self, timeout: float) -> bool:
        """Wait until something is found, changed or gone since this was asked last; False: nothing in `timeout` seconds."""
        try:
            await asyncio.wait_for(self._changed.wait(), max(timeout, 0))
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    async def __aenter__(self) -> Finder:
        known = adapters()
        own = frozenset(address for adapter in known for address in adapter.addresses)
        outside = [
            next((address for address in adapter.addresses if "." in address), adapter.addresses[0])
            for adapter in known
            if not any(map(is_loopback, adapter.addresses))
        ]
        wanted = [(True, [LOOPBACK]), (False, outside)]
        if self._interface is not None:
            if is_loopback(self._interface):
                wanted = wanted[:1]
            elif self._interface in own:
                wanted = [(False, [self._interface])]
            else:
                raise BrowseError(f"{self._interface} is no address of this machine: these are {', '.join(sorted(own))}")
        try:
            for local, addresses in wanted:
                if addresses:
                    await self._listen(local, addresses, own)
        except OSError as error:
            await self._close()
            raise BrowseError(f"cannot look for servers: multicast DNS cannot be had: {error.strerror or error}") from None
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _listen(self, local: bool, addresses: list[str], own: frozenset[str]) -> None:
        version = IPVersion.V4Only if any("." in address for address in addresses) else IPVersion.V6Only
        zeroconf = AsyncZeroconf(interfaces=addresses, ip_version=version)
        await zeroconf.zeroconf.async_wait_for_start()
        if local:
            for reader in zeroconf.zeroconf.engine.readers:
                transport = cast(Any, reader.transport)
                transport.set_protocol(_OwnOnly(transport.get_protocol(), own))

        def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
            self._note(local, zeroconf, service_type, name, state_change)

        # Answered by multicast: an answer by unicast reaches any one of the programs at this machine's mDNS port.
        browser = AsyncServiceBrowser(zeroconf.zeroconf, self._types, handlers=[changed], question_type=DNSQuestionType.QM)
        self._scopes.append((zeroconf, browser))

    def _note(self, local: bool, zeroconf: Zeroconf, type_: str, name: str, change: ServiceStateChange) -> None:
        if change is ServiceStateChange.Removed:
            if self._records.pop((local, name.lower()), None) is not None:
                self._changed.set()
            return
        task = asyncio.get_running_loop().create_task(self._resolve(local, zeroconf, type_, name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resolve(self, local: bool, zeroconf: Zeroconf, type_: str, name: str) -> None:
        info = AsyncServiceInfo(type_, name)
        await info.async_request(zeroconf, _RESOLVE_MS, question_type=DNSQuestionType.QM)
        if info.port is None or not info.text:
            return
        label = name[: -len(type_) - 1]
        found = Record(type_, label, info.server or "", info.port, tuple(info.parsed_addresses()), info.text, local)
        if self._records.get((local, name.lower())) != found:
            self._records[local, name.lower()] = found
            self._changed.set()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for zeroconf, browser in self._scopes:
            await browser.async_cancel()
            await zeroconf.async_close()
        self._scopes.clear()

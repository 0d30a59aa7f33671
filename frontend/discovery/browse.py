"""Finding services that are advertised by multicast DNS, and resolving them; nothing is connected.

A record does not tell on which interface it came. So loopback and the other interfaces are listened
to separately. What is heard on loopback counts only if its sender is this machine, and only then
may it name loopback addresses: what another machine says of loopback addresses is never taken for
this machine's.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, cast

from zeroconf import (
    DNSQuestionType,
    RecordUpdate,
    RecordUpdateListener,
    ServiceStateChange,
    Zeroconf,
    current_time_millis,
)
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from kernelbus.frontend.discovery.adapters import adapters
from kernelbus.frontend.discovery.found import Record
from kernelbus.frontend.discovery.multicast import open_multicast
from kernelbus.frontend.discovery.services import LOOPBACK, is_loopback, speakers

__all__ = ["BrowseError", "Finder"]

_RESOLVE_MS = 3000

# Seconds after which a replaced record is gone for good.
_REPLACED = 1.1

# Codes of DNS (RFC 1035, section 3.2; RFC 3596; RFC 2782).
_CLASS_IN = 1
_TYPE_A, _TYPE_TXT, _TYPE_AAAA, _TYPE_SRV = 1, 16, 28, 33


class BrowseError(Exception):
    """Looking for services is not possible; the text is one line."""


class _OwnOnly(asyncio.DatagramProtocol):
    """Passes to the library only what this machine itself has sent."""

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


class _Refreshed(RecordUpdateListener):
    """Reports each SRV and TXT record that comes, by its name in small letters.

    A browser does not report a record that it has had before.
    """

    def __init__(self, come: Callable[[str], None]) -> None:
        self._come = come
        self._names: set[str] = set()

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        self._names.update(update.new.key for update in records if update.new.type in (_TYPE_SRV, _TYPE_TXT))

    def async_update_records_complete(self) -> None:
        names, self._names = self._names, set()
        for name in names:
            self._come(name)


class Finder:
    """Looks for instances of `types` while it is used as a context.

    Args:
        types: each ends with `._tcp.local.`.
        interface: an address of the interface to look on; None: all of them.

    Raises:
        BrowseError: on entering: there is no such interface, or multicast DNS cannot be used.
    """

    def __init__(self, types: Sequence[str], interface: str | None = None) -> None:
        self._types = list(types)
        self._interface = interface
        self._records: dict[tuple[bool, str], Record] = {}
        self._changed = asyncio.Event()
        self._scopes: list[tuple[AsyncZeroconf, AsyncServiceBrowser]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[dict[str, asyncio.TimerHandle]] = []

    @property
    def records(self) -> list[Record]:
        """The records known at present."""
        return list(self._records.values())

    async def changed(self, timeout: float) -> bool:
        """Wait until a record is found, changed or gone since the last call.

        Returns:
            False if nothing changed in `timeout` seconds.
        """
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
            address
            for adapter in known
            if not any(map(is_loopback, adapter.addresses))
            for address in speakers(adapter.addresses)
        ]
        wanted = [(True, [LOOPBACK]), (False, outside)]
        if self._interface is not None:
            if is_loopback(self._interface):
                wanted = wanted[:1]
            elif self._interface in own:
                named = next(adapter for adapter in known if self._interface in adapter.addresses)
                wanted = [(False, speakers([self._interface, *named.addresses]))]
            else:
                raise BrowseError(f"{self._interface} is no address of this machine: these are {', '.join(sorted(own))}")
        try:
            for local, addresses in wanted:
                if addresses:
                    await self._listen(local, addresses, own)
        except OSError as error:
            await self._close()
            raise BrowseError(f"cannot look for servers: multicast DNS cannot be used: {error.strerror or error}") from None
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _listen(self, local: bool, addresses: list[str], own: frozenset[str]) -> None:
        zeroconf = await open_multicast(addresses)
        if local:
            for reader in zeroconf.zeroconf.engine.readers:
                transport = cast(Any, reader.transport)
                transport.set_protocol(_OwnOnly(transport.get_protocol(), own))

        known: dict[str, tuple[str, str]] = {}
        loop = asyncio.get_running_loop()
        later: dict[str, asyncio.TimerHandle] = {}
        self._timers.append(later)

        def noted(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
            if state_change is ServiceStateChange.Removed:
                known.pop(name.lower(), None)
                if self._records.pop((local, name.lower()), None) is not None:
                    self._changed.set()
            else:
                known[name.lower()] = service_type, name
                resolve(name.lower())

        def resolve(name: str) -> None:
            if name in known:
                task = loop.create_task(self._resolve(local, zeroconf.zeroconf, *known[name]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        def come(name: str) -> None:
            if name in known:
                resolve(name)
                # A replaced record counts for another second (RFC 6762, section 10.2).
                if name in later:
                    later[name].cancel()
                later[name] = loop.call_later(_REPLACED, resolve, name)

        # Ask for answers by multicast: an answer by unicast reaches any one of the programs on this
        # machine's mDNS port.
        browser = AsyncServiceBrowser(zeroconf.zeroconf, self._types, handlers=[noted], question_type=DNSQuestionType.QM)
        zeroconf.zeroconf.async_add_listener(_Refreshed(come), None)
        self._scopes.append((zeroconf, browser))

    async def _resolve(self, local: bool, zeroconf: Zeroconf, type_: str, name: str) -> None:
        info = AsyncServiceInfo(type_, name)
        await info.async_request(zeroconf, _RESOLVE_MS, question_type=DNSQuestionType.QM)
        # Do not use the library's result: of several records it takes a replaced one if another has
        # come back since.
        services, texts = _fresh(zeroconf, name, _TYPE_SRV), _fresh(zeroconf, name, _TYPE_TXT)
        if not (services and texts):
            return
        service = services[0]
        addresses = [
            socket.inet_ntop(family, record.address)
            for kind, family in ((_TYPE_A, socket.AF_INET), (_TYPE_AAAA, socket.AF_INET6))
            for record in _fresh(zeroconf, service.server, kind)
        ]
        label = name[: -len(type_) - 1]
        found = Record(type_, label, service.server, service.port, tuple(addresses), texts[0].text, local)
        if self._records.get((local, name.lower())) != found:
            self._records[local, name.lower()] = found
            self._changed.set()

    async def _close(self) -> None:
        for timers in self._timers:
            for timer in timers.values():
                timer.cancel()
        for task in self._tasks:
            task.cancel()
        for zeroconf, browser in self._scopes:
            await browser.async_cancel()
            await zeroconf.async_close()
        self._scopes.clear()


def _fresh(zeroconf: Zeroconf, name: str, kind: int) -> list[Any]:
    """Return the records that came last, the very last first.

    Records a second or more older have been replaced by them.
    """
    now = current_time_millis()
    records: list[Any] = [record for record in zeroconf.cache.get_all_by_details(name, kind, _CLASS_IN) if not record.is_expired(now)]
    newest = max((record.created for record in records), default=0.0)
    return sorted((record for record in records if newest - record.created < 1000), key=lambda record: -record.created)

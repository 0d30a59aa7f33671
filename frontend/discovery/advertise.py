"""Advertising by multicast DNS while a server runs: register, follow changes, withdraw at the end.

:mod:`kernelbus.frontend.discovery.services` decides what is announced. This module compares it
every :data:`INTERVAL` seconds with what has been announced: the pools' numbers come from the
broker's status, the addresses from the machine's interfaces.

Importing this module imports zeroconf, so only a process that advertises imports it, and only once
it has been asked to. Kernels are forked from other processes.

A name is looked up before it is used, and changed as python-zeroconf does it, with -2, -3 ... at
the end. The library's probes ask for answers by unicast, and on a machine with several programs on
the mDNS port such an answer reaches any one of them. So a browser that asks for answers by
multicast runs too, and records that come later are watched: of two programs that have one name, the
younger drops it. It does so in silence, because to withdraw the name would withdraw both.

A change is announced twice, because an answer that was already under way may arrive after the first
announcement. The last record that arrives counts.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zeroconf import (  # type: ignore[attr-defined]  # DNSService is there, and in none of the library's lists
    DNSQuestionType,
    DNSService,
    Error,
    RecordUpdate,
    RecordUpdateListener,
    Zeroconf,
)
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from kernelbus.frontend.discovery.adapters import adapters
from kernelbus.frontend.discovery.multicast import mute, open_multicast, use_interfaces
from kernelbus.frontend.discovery.services import Adapter, Reach, Service, is_loopback, keeps_name, target

__all__ = ["INTERVAL", "Advertiser"]

_log = logging.getLogger("kernelbus.discovery")

#: Seconds between two looks at what to announce and at which addresses.
INTERVAL = 2.0

# Seconds; longer than the time in which python-zeroconf ignores a packet that it has had already.
_CALM = 1.0

# Seconds; longer than an answer may be delayed (RFC 6762, section 6). A delayed answer may arrive
# after a change with the data from before.
_AGAIN = 1.5


@dataclass(slots=True)
class _Told:
    """A service that has been announced, and the announcements of it that are still to come."""

    service: Service
    info: AsyncServiceInfo
    announcing: set[asyncio.Future[Any]] = field(default_factory=set)
    again: float = 0.0  #: when to announce it once more, on the loop's clock; 0: not again

    @property
    def label(self) -> str:
        return self.info.name[: -len(self.service.type) - 1]

    def announce(self, announcement: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(announcement)
        self.announcing.add(task)
        task.add_done_callback(self.announcing.discard)

    def hush(self) -> None:
        """Cancel further announcements: a withdrawn service must not be announced again."""
        for task in self.announcing:
            task.cancel()


class _Watch(RecordUpdateListener):
    """Reports each SRV record heard: the instance's name and the host, in small letters."""

    def __init__(self, heard: Callable[[str, str], None]) -> None:
        self._heard = heard

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        for update in records:
            if isinstance(update.new, DNSService) and not update.new.is_expired(now):
                self._heard(update.new.key, update.new.server_key)


class Advertiser:
    """Announces what `describe` returns, where `reach` says, while :meth:`run` runs.

    Args:
        reach: returns for this machine's interfaces where to announce which addresses.
        describe: returns the services to announce at these addresses; it receives the names under
            which services (by their keys) are announced.
        machine: this machine's name.
        alone: says, where only this machine can see what is announced, why that was hardly meant;
            "": it was meant. None: it always was.
        interval: seconds between two looks.
    """

    def __init__(
        self,
        reach: Callable[[Sequence[Adapter]], Reach],
        describe: Callable[[Reach, Mapping[str, str]], Awaitable[Sequence[Service]]],
        *,
        machine: str,
        alone: Callable[[], str] | None = None,
        interval: float = INTERVAL,
    ) -> None:
        self._alone = alone
        self._reach = reach
        self._describe = describe
        self._target = target(machine, int(time.time() * 1000), random.getrandbits(16))
        self._interval = interval
        self._zeroconf: AsyncZeroconf | None = None
        self._browsers: dict[str, AsyncServiceBrowser] = {}
        self._where = Reach()
        self._mute: list[str] = []
        self._told: dict[str, _Told] = {}
        self._lost: set[str] = set()  # keys of services whose names belong to an older program
        self._defend = False
        self._calm: asyncio.TimerHandle | None = None
        self._soon = asyncio.Event()
        self._complaint = ""

    @property
    def names(self) -> dict[str, str]:
        """The names under which services are announced, by their keys."""
        return {key: told.label for key, told in self._told.items()}

    async def run(self) -> None:
        """Advertise until cancelled; then withdraw everything, which takes about 250 ms."""
        try:
            while True:
                self._soon.clear()
                try:
                    await self._turn()
                    self._complaint = ""
                except (OSError, RuntimeError, Error) as error:
                    if self._complaint != str(error):
                        why = error or type(error).__name__
                        _log.error("the server cannot be advertised: %s; it works all the same, and tries again", why)
                    self._complaint = str(error)
                try:
                    await asyncio.wait_for(self._soon.wait(), self._interval)
                except TimeoutError:
                    pass
        finally:
            await self._close()

    # ------------------------------------------------------------------ one look

    async def _turn(self) -> None:
        if self._lost:
            self._give_way()
        where = self._reach(adapters())
        if where.addresses:
            zeroconf = await self._speak(where)
        elif self._zeroconf is None:
            self._where = where
            return
        else:
            zeroconf = self._zeroconf
        if where != self._where:
            self._say_where(where)
            self._where = where
        if self._defend:
            self._defend = False
            for told in self._told.values():
                told.announce(await zeroconf.async_update_service(told.info))
        for told in self._told.values():
            if told.again and asyncio.get_running_loop().time() >= told.again:
                told.again = 0.0
                told.announce(await zeroconf.async_update_service(told.info))
        # A name that was just registered may allow more services to be announced.
        while await self._reconcile(zeroconf, where):
            pass

    def _say_where(self, where: Reach) -> None:
        if not where.addresses:
            _log.warning("there is no address at which to advertise; waiting for one")
        elif all(map(is_loopback, where.addresses)):
            why = self._alone() if self._alone is not None else ""
            if why:
                _log.warning("advertised on this machine alone: %s", why)
            else:
                _log.info("advertising on loopback alone: other machines are not served")
        else:
            _log.info("advertising at %s", ", ".join(where.addresses))

    async def _speak(self, where: Reach) -> AsyncZeroconf:
        if self._zeroconf is None:
            self._zeroconf = await open_multicast(where.interfaces)
            self._zeroconf.zeroconf.async_add_listener(_Watch(self._heard), None)
        elif where.interfaces != self._where.interfaces or self._mute:
            await use_interfaces(self._zeroconf, where.interfaces)
        silent = mute(self._zeroconf, where.interfaces)
        if silent != self._mute:
            self._mute = silent
            if silent:
                text = "nothing is advertised on the network of %s, where multicast DNS cannot be used; trying again"
                _log.warning(text, ", ".join(silent))
        return self._zeroconf

    async def _reconcile(self, zeroconf: AsyncZeroconf, where: Reach) -> bool:
        """Announce what is new or changed and withdraw what is gone.

        Returns:
            Whether a name was registered.
        """
        services = await self._describe(where, self.names) if where.addresses else ()
        wanted = {service.key: service for service in services}
        for key, told in list(self._told.items()):
            new = wanted.get(key)
            if new is None or (new.type, new.label) != (told.service.type, told.service.label):
                del self._told[key]
                told.hush()
                await zeroconf.async_unregister_service(told.info)
        named = False
        for service in wanted.values():
            known = self._told.get(service.key)
            if known is None:
                named |= await self._register(zeroconf, service)
            elif service != known.service:
                known.service, known.info = service, self._info(service, known.label)
                known.announce(await zeroconf.async_update_service(known.info))
                known.again = asyncio.get_running_loop().time() + _AGAIN
        return named

    async def _register(self, zeroconf: AsyncZeroconf, service: Service) -> bool:
        if service.unique and service.type not in self._browsers:
            self._browsers[service.type] = AsyncServiceBrowser(
                zeroconf.zeroconf, service.type, handlers=[_unheeded], question_type=DNSQuestionType.QM
            )
        info = self._info(service, service.label)
        announcement = await zeroconf.async_register_service(
            info, allow_name_change=True, cooperating_responders=not service.unique
        )
        told = self._told[service.key] = _Told(service, info)
        told.announce(announcement)
        if told.label != service.label:
            _log.warning("advertised as %s, since %s is there already", told.label, service.label)
        elif service.unique:
            _log.info("advertised as %s, %s", told.label, service.type.removesuffix(".local."))
        else:
            _log.debug("advertised: %s, %s", told.label, service.type.removesuffix(".local."))
        return service.unique

    def _info(self, service: Service, label: str) -> AsyncServiceInfo:
        return AsyncServiceInfo(
            service.type,
            f"{label}.{service.type}",
            port=service.port,
            properties=service.text,
            server=self._target,
            # The library announces the last address first.
            parsed_addresses=list(reversed(service.addresses)),
        )

    # ------------------------------------------------------------------ two of one name

    def _heard(self, name: str, host: str) -> None:
        if host == self._target.lower():
            return
        for key, told in self._told.items():
            if told.service.unique and told.info.key == name:
                if keeps_name(self._target, host):
                    self._stand_by_names()
                    if self._calm is not None:
                        self._calm.cancel()
                    # Announce once more when the other has dropped the name: the library ignores a
                    # packet that is repeated within a short time.
                    self._calm = asyncio.get_running_loop().call_later(_CALM, self._stand_by_names)
                else:
                    self._lost.add(key)
                    self._soon.set()

    def _stand_by_names(self) -> None:
        self._defend = True
        self._soon.set()

    def _give_way(self) -> None:
        """Drop names that others have, in silence: to withdraw them would withdraw the other's.

        Other services are named after these, so all are announced anew.
        """
        assert self._zeroconf is not None
        for key in self._lost & self._told.keys():
            _log.info("%s is the name of an older program", self._told[key].label)
        for told in self._told.values():
            told.hush()
        self._zeroconf.zeroconf.registry.async_remove([told.info for told in self._told.values()])
        self._told.clear()
        self._lost.clear()

    # ------------------------------------------------------------------ the end

    async def _close(self) -> None:
        if self._calm is not None:
            self._calm.cancel()
        for told in self._told.values():
            told.hush()
        self._told.clear()
        for browser in self._browsers.values():
            await browser.async_cancel()
        if self._zeroconf is not None:
            await self._zeroconf.async_close()


def _unheeded(**_: object) -> None:
    """Ignore an event: browsing only serves to fill the library's table of names."""

"""`--bus discover`: a host or frontend finds its broker by DNS-SD, and again when it has moved; and
a broker lets itself be found.

An advertisement is believed in one thing only, where to connect. Whose key is not among those that
this machine trusts is passed over, and whose is has to prove it: CURVE's handshake is made with the
key from our list, and fails with anyone who merely says so. A broker without keys counts only on
this machine's own loopback, where one that is named needs none either.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import zmq

from kernelbus.bus.errors import BusError
from kernelbus.bus.membership import Membership, MembershipState
from kernelbus.bus.security.curve import Introduction, is_local, key_store, own_name
from kernelbus.bus.security.keys import is_key
from kernelbus.bus.settings.config import Config
from kernelbus.bus.transport.interface import FrameHandler, Transport, TransportFactory
from kernelbus.bus.transport.zeromq import dealer_factory
from kernelbus.frontend.discovery.advertise import Advertiser
from kernelbus.frontend.discovery.browse import BrowseError, Finder
from kernelbus.frontend.discovery.found import Broker, listing
from kernelbus.frontend.discovery.services import BUS_TYPE, Adapter, Reach, Service, broker_service, reach

__all__ = ["Candidate", "DiscoveredBus", "advertise_broker", "candidates"]

_log = logging.getLogger("kernelbus.discovery")

# Seconds for one look, which are doubled while nothing is found; a look is begun anew because
# interfaces come and go.
_FIRST_LOOK = 5.0
_LONGEST_LOOK = 60.0

# When nothing more has come for so long, what there is has come.
_SETTLED = 0.5

# Seconds between two looks at whether the broker is there.
_WATCH = 2.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A broker that may be joined at `endpoint`. `key`: its public key, "" for one without; `name`:
    what it is called here.
    """

    endpoint: str
    key: str
    name: str


def candidates(brokers: Iterable[Broker], trusted: Mapping[str, str]) -> tuple[list[Candidate], list[str]]:
    """Say which of `brokers` may be joined, where, and for each other one, in a line, why not.

    Args:
        brokers: what was found.
        trusted: the names of the keys that may be a broker's.
    """
    good: list[Candidate] = []
    refused: list[str] = []
    for broker in brokers:
        where = f"{broker.instance} at {broker.endpoints[0]}"
        if not broker.key and broker.local:
            good += [Candidate(endpoint, "", broker.instance) for endpoint in broker.endpoints]
        elif not broker.key:
            refused.append(f"{where} is not joined: it has no key")
        elif broker.key in trusted and is_key(broker.key):
            good += [Candidate(endpoint, broker.key, trusted[broker.key]) for endpoint in broker.endpoints]
        else:
            refused.append(f"{where} is not joined: the key that it claims, {broker.key}, is not trusted here")
    return good, refused


class DiscoveredBus:
    """The broker that was found; :attr:`connect` leads to it wherever it is at the time.

    Args:
        config: says which keys are trusted, and where to look.
        context: the ZeroMQ context.
    """

    def __init__(self, config: Config, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._config = config
        self._context = context
        self._store = key_store(config)
        self._current: Candidate | None = None
        self._factory: TransportFactory | None = None
        self._said: set[str] = set()

    @property
    def endpoint(self) -> str:
        """Where the broker was found last."""
        assert self._current is not None
        return self._current.endpoint

    def connect(self, on_frame: FrameHandler) -> Transport:
        """Make a transport to where the broker is now (a TransportFactory)."""
        assert self._factory is not None
        return self._factory(on_frame)

    async def find(self) -> None:
        """Look until a broker is found that may be joined, for ever.

        Raises:
            KeysError: this machine's keys cannot be used.
        """
        _log.info("looking for a broker (--bus discover)")
        seconds = _FIRST_LOOK
        while not (found := await self._look(seconds)):
            self._say("no broker that this machine trusts is advertised; looking on")
            seconds = min(2 * seconds, _LONGEST_LOOK)
        self._take(found[0])

    async def follow(self, membership: Membership) -> None:
        """Look for the broker again whenever it is gone: its address may be another one then. Runs
        until cancelled.
        """
        joined = False
        while True:
            await asyncio.sleep(_WATCH)
            if _up(membership):
                joined = True
                continue
            try:
                found = await self._look(_FIRST_LOOK)
                if joined:
                    # What it knows of our kernels no other does.
                    found = [one for one in found if (one.key, one.key or one.name) == self._identity]
                if found and found != [self._current] and not _up(membership):
                    # One after the other, when a broker tells of several addresses and only some
                    # lead to it.
                    position = found.index(self._current) if self._current in found else -1
                    self._take(found[(position + 1) % len(found)])
                    membership.where = self.endpoint
            except BusError as error:
                self._say(str(error))

    @property
    def _identity(self) -> tuple[str, str]:
        assert self._current is not None
        return self._current.key, self._current.key or self._current.name

    def _take(self, candidate: Candidate) -> None:
        config = self._config
        if candidate.key:
            config = replace(config, bus=replace(config.bus, broker_key=candidate.key))
        factory = dealer_factory(self._context, candidate.endpoint, secrets.token_bytes, Introduction(candidate.endpoint, config))
        self._current, self._factory = candidate, factory
        self._said.clear()
        _log.info("the broker %s is at %s", candidate.name, candidate.endpoint)

    async def _look(self, seconds: float) -> list[Candidate]:
        """Look for so long, or until something is found and no more comes."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        try:
            async with Finder([BUS_TYPE], self._config.discovery.interface) as finder:
                while True:
                    # Keys may be allowed meanwhile.
                    found, refused = candidates(listing(finder.records, "").brokers, self._trusted())
                    left = deadline - loop.time()
                    if not await finder.changed(min(left, _SETTLED)):
                        for line in refused:
                            self._say(line)
                        if found or left <= _SETTLED:
                            return found
        except BrowseError as error:
            self._say(str(error))
            await asyncio.sleep(max(deadline - loop.time(), 0))
            return []

    def _trusted(self) -> dict[str, str]:
        pair = self._store.pair()
        if pair is None:
            return {}
        trusted = {pair.public: own_name(), **self._store.allowed()}
        wanted = self._config.bus.broker_key
        if wanted is None:
            return trusted
        return {key: name for key, name in trusted.items() if wanted in (key, name)}

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            _log.warning("%s", line)


async def advertise_broker(config: Config, bound: str, machine: str) -> None:
    """Advertise the broker of `machine` that is bound to the endpoint `bound`, until cancelled."""
    if not bound.startswith("tcp://"):
        _log.warning("the bus endpoint %s is a path of this machine: it is not advertised", bound)
        await asyncio.Event().wait()
    host, _, port = bound.removeprefix("tcp://").rpartition(":")
    host = host.strip("[]")
    pair = None if is_local(bound) else key_store(config).pair()

    def where(adapters: Sequence[Adapter]) -> Reach:
        own = [address for adapter in adapters if adapter.name == host for address in adapter.addresses]
        return reach(own or [host], adapters)

    async def describe(at: Reach, names: Mapping[str, str]) -> Sequence[Service]:
        return [broker_service(machine, int(port), at.addresses, pair.public if pair is not None else "")]

    await Advertiser(where, describe, machine=machine).run()


def _up(membership: Membership) -> bool:
    return membership.state is MembershipState.UP

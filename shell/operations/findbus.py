"""`--bus discover`: find the broker by DNS-SD, and again after it has moved; advertise a broker.

An advertisement is trusted in one thing only: where to connect. A broker whose key is not among
those that this machine trusts is passed over, and one whose key is must prove it: CURVE's handshake
is made with the key from our list, and fails with anyone who merely claims it. A broker without a
key counts only on this machine's own loopback, where a configured one needs no key either.
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

# Seconds of one look, doubled while nothing is found. Each look begins anew, since interfaces come
# and go.
_FIRST_LOOK = 5.0
_LONGEST_LOOK = 60.0

# Seconds without an answer after which all have come.
_SETTLED = 0.5

# Seconds between two checks whether the broker is there.
_WATCH = 2.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A broker that may be joined.

    Attributes:
        endpoint: where it is.
        key: its public key; "" for one without.
        name: what it is called here.
    """

    endpoint: str
    key: str
    name: str


def candidates(brokers: Iterable[Broker], trusted: Mapping[str, str]) -> tuple[list[Candidate], list[str]]:
    """Say which of `brokers` may be joined, and for each other one, in a line, why not.

    Those whose keys are trusted come before one of this machine that has none.

    Args:
        brokers: what was found.
        trusted: the names of the keys that may belong to a broker.
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
    return sorted(good, key=lambda candidate: not candidate.key), refused


class DiscoveredBus:
    """The broker that was found; :attr:`connect` leads to its present address.

    Args:
        config: says which keys are trusted, and where to look.
        context: the ZeroMQ context.

    Raises:
        KeysError: this machine's keys cannot be used.
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
        """Make a transport to the present address of the broker (a TransportFactory)."""
        assert self._factory is not None
        return self._factory(on_frame)

    async def find(self) -> None:
        """Look, without limit, until a broker is found that may be joined.

        Raises:
            KeysError: this machine's keys cannot be used.
        """
        _log.info("looking for a broker (--bus discover)")
        seconds = _FIRST_LOOK
        while not (found := await self._look(seconds)):
            self._say("no broker that this machine trusts is advertised; looking on")
            seconds = min(2 * seconds, _LONGEST_LOOK)
        others = dict.fromkeys(one.name for one in found if one.name != found[0].name)
        if others:
            told = f"{found[0].name} is taken, and not {', '.join(others)}"
            self._say(f"several brokers that this machine trusts are advertised: {told}; Bus/BrokerKey says which is meant")
        self._take(found[0])

    async def follow(self, membership: Membership) -> None:
        """Look for the broker whenever it is gone, since its address may have changed.

        Run until cancelled. A part that has been joined goes back only to the same broker.
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
                    # No other broker knows our kernels.
                    found = [one for one in found if (one.key, one.key or one.name) == self._identity]
                if found and found != [self._current] and not _up(membership):
                    # In turn: a broker may advertise several addresses, of which only some can be
                    # reached.
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
        """Look for `seconds`, or until something is found and no more comes."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        try:
            async with Finder([BUS_TYPE], self._config.discovery.interface) as finder:
                while True:
                    # Read the trusted keys each time, since more may be allowed meanwhile.
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
    """Advertise the broker of `machine` that is bound to `bound`, until cancelled."""
    if not bound.startswith("tcp://"):
        _log.warning("the bus endpoint %s is a path of this machine: it is not advertised", bound)
        await asyncio.Event().wait()
    host, _, port = bound.removeprefix("tcp://").rpartition(":")
    host = host.strip("[]")
    pair = None if is_local(bound) else key_store(config).pair()

    def where(adapters: Sequence[Adapter]) -> Reach:
        own = [address for adapter in adapters if adapter.name == host for address in adapter.addresses]
        return reach(own or _listens_at(host), adapters)

    async def describe(at: Reach, names: Mapping[str, str]) -> Sequence[Service]:
        return [broker_service(machine, int(port), at.addresses, pair.public if pair is not None else "")]

    await Advertiser(where, describe, machine=machine).run()


def _listens_at(host: str) -> list[str]:
    """Return the addresses at which a broker listens that is bound to `host`.

    ZeroMQ's socket for every IPv6 address takes IPv4 as well.
    """
    return ["0.0.0.0", "::"] if host == "::" else [host]


def _up(membership: Membership) -> bool:
    return membership.state is MembershipState.UP

"""`kernelbus discover`, which lists advertised servers, and `--discover`, which looks for one.

Anyone can advertise anything: an advertisement says where to connect, and nothing else in it is
trusted.

`--json` prints one object. Its keys stay as they are; others may be added:

`servers`: a list of objects
    | key | value |
    |---|---|
    | `instance` | its name |
    | `service` | what follows `WSTPServer-Instance-` in the name |
    | `addresses`, `port` | where it listens |
    | `link_name` | PORT@ADDRESS, for a WSTP program with `-linkoptions 4` |
    | `pools` | a list, the default pool first |

`pools` of a server: a list of objects
    | key | value |
    |---|---|
    | `pool` | its name |
    | `ready`, `attached`, `detached`, `maximum` | numbers of kernels, some seconds old |
    | `parallel`, `default`, `parallel_default` | which requests it serves |

`brokers`: a list of objects
    | key | value |
    |---|---|
    | `instance`, `endpoints` | its name, and where it is bound |
    | `key` | the public key that it claims; "" for none |
    | `local` | whether it is on the loopback of this machine alone |
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from kernelbus.bus.settings.config import ConfigError, load
from kernelbus.frontend.discovery.adapters import adapters
from kernelbus.frontend.discovery.browse import BrowseError, Finder
from kernelbus.frontend.discovery.found import Listing, Pool, Server, listing
from kernelbus.frontend.discovery.services import BUS_TYPE, POOL_TYPE, is_loopback, server_type
from kernelbus.shell.clients.session import SessionError
from kernelbus.shell.exits import FAILED, OK, UNUSABLE
from kernelbus.shell.terminal import complain, json_text

__all__ = ["TIMEOUT", "DiscoveryError", "Place", "candidates", "look", "run_discover"]

#: The address and the port of a server.
Place = tuple[str, int]

#: Seconds to look for servers, by default.
TIMEOUT = 3.0

# How much more often a server is taken that says that it has ready kernels.
_READY_WEIGHT = 4.0

# Seconds without an answer after which all have come: they are spread over some tenths of a second.
_SETTLED = 0.5


class DiscoveryError(SessionError):
    """No server can be picked; the text says why, and what to do."""


def run_discover(protocol: str, *, timeout: float = TIMEOUT, interface: str | None = None, as_json: bool = False) -> int:
    """List what is found in `timeout` seconds.

    Args:
        protocol: of the WSTP service.
        timeout: in seconds.
        interface: an address of the interface to look on; None: all.
        as_json: print an object instead of tables.

    Returns:
        The exit status: 0; 1: nothing was found; 2: this machine cannot look.
    """
    try:
        with _quiet():
            found = asyncio.run(_look(protocol, timeout, interface))
    except BrowseError as error:
        complain("kernelbus discover", error)
        return UNUSABLE
    if as_json:
        print(json_text(_as_json(found)))
    elif not (found.servers or found.brokers):
        print(f"kernelbus discover: nothing is advertised (kernelbus serve -a advertises); looked for {timeout:g} s", file=sys.stderr)
    else:
        print("\n\n".join(filter(None, [_server_table(found.servers), _broker_table(found)])))
    return OK if found.servers or found.brokers else FAILED


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the library's warnings, about unusable interfaces and such, from a person's terminal."""
    library = logging.getLogger("zeroconf")
    level = library.level
    library.setLevel(logging.ERROR)
    try:
        yield
    finally:
        library.setLevel(level)


async def _look(protocol: str, timeout: float, interface: str | None) -> Listing:
    async with Finder([server_type(protocol), POOL_TYPE, BUS_TYPE], interface) as finder:
        await asyncio.sleep(timeout)
        return listing(finder.records, protocol)


def look(name: str = "", pool: str = "", *, only: bool = False, known: Collection[Place] = (), thoroughly: bool = False) -> list[Server]:
    """Look for servers until some fit and no more come, for :data:`TIMEOUT` at most.

    A server may hold its answer back for a second if it has just given it (RFC 6762, section 6).

    Args:
        name, pool, only, known: as for :func:`candidates`.
        thoroughly: look for the whole time, whatever comes.

    Returns:
        Those that fit, in the order in which to try them.

    Raises:
        DiscoveryError: none can be used, or the configuration cannot be read.
    """
    try:
        discovery = load().discovery
        with _quiet():
            settled = TIMEOUT if thoroughly else _SETTLED
            return asyncio.run(_find(discovery.service_protocol, discovery.interface, name, pool, only, known, settled))
    except (ConfigError, BrowseError) as error:
        raise DiscoveryError(str(error)) from None


async def _find(
    protocol: str, interface: str | None, name: str, pool: str, only: bool, known: Collection[Place], settled: float
) -> list[Server]:
    deadline = time.monotonic() + TIMEOUT
    here = {address for adapter in adapters() for address in adapter.addresses}
    async with Finder([server_type(protocol), POOL_TYPE], interface) as finder:
        while True:
            left = deadline - time.monotonic()
            try:
                found = candidates(listing(finder.records, protocol).servers, name, pool, only=only, known=known, here=here)
            except DiscoveryError:
                if not await finder.changed(left):
                    raise
            else:
                if not await finder.changed(min(left, settled)):
                    return found


def candidates(
    servers: Sequence[Server],
    name: str = "",
    pool: str = "",
    *,
    only: bool = False,
    known: Collection[Place] = (),
    here: Collection[str] = (),
    random: Callable[[], float] = random.random,
) -> list[Server]:
    """Return those of `servers` that fit, in the order in which to try them.

    Servers that are known come first, then those of this machine. The others come in random order,
    so that clients spread over them, and each address has an equal share, however many servers it
    advertises. A server's numbers count only against it: one that says that it has no ready kernel
    in the pool gets a quarter of the share of one that says that it has some, and how many it says
    does not matter.

    Args:
        servers: what was found.
        name: of the instance, or what follows WSTPServer-Instance- in it; "" for any.
        pool: one that it must have; "" for any.
        only: fail if several fit, since only one of them has what is wanted.
        known: the addresses and ports of servers that were used before. Where several servers have
            the name, or with `only`, a single known one is taken.
        here: this machine's own addresses.
        random: returns numbers from 0 to 1.

    Raises:
        DiscoveryError: none fits, or it is not clear which is meant.
    """
    if not servers:
        raise DiscoveryError("no server is advertised here (kernelbus serve -a advertises): name one with --server PORT@HOST")
    fitting = list(servers)
    if name:
        fitting = [server for server in fitting if name.casefold() in (server.instance.casefold(), server.service.casefold())]
        if not fitting:
            raise DiscoveryError(f"no server called {name} is advertised here: there is {_listed(server.instance for server in servers)}")
    if pool:
        with_pool = [server for server in fitting if any(there.pool == pool for there in server.pools)]
        if not with_pool:
            pools = dict.fromkeys(there.pool for server in fitting for there in server.pools)
            there = f"there is {_listed(pools)}" if pools else "no pools are advertised"
            raise DiscoveryError(f"no server that is advertised here{f' as {name}' if name else ''} has a pool {pool}: {there}")
        fitting = with_pool
    familiar = [server for server in fitting if _known(server, known)]
    if len(fitting) > 1 and (name or only):
        if len(familiar) != 1:
            which = f"several servers are called {name}" if name else "the kernel may be on any of several servers"
            told = _listed(f"{server.instance} at {server.link_name}" for server in fitting)
            raise DiscoveryError(f"{which}: {told}; say which with --server PORT@HOST")
        fitting = familiar
    sharing = Counter(server.addresses[0] for server in fitting)
    drawn = {server: random() ** (sharing[server.addresses[0]] / _weight(server, pool)) for server in fitting}
    own = {server for server in fitting if all(address in here or is_loopback(address) for address in server.addresses)}
    ordered = sorted(fitting, key=lambda server: (server not in familiar, server not in own, -drawn[server]))
    return [_familiar_first(server, known) for server in ordered]


def _known(server: Server, known: Collection[Place]) -> bool:
    return any((address, server.port) in known for address in server.addresses)


def _familiar_first(server: Server, known: Collection[Place]) -> Server:
    """Return a server with the addresses first at which it was used before."""
    addresses = sorted(server.addresses, key=lambda address: (address, server.port) not in known)
    return dataclasses.replace(server, addresses=tuple(addresses))


def _weight(server: Server, pool: str) -> float:
    meant = [there for there in server.pools if (there.pool == pool if pool else there.default)]
    return 1.0 if meant and not any(there.ready for there in meant) else _READY_WEIGHT


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


# ---- showing -----------------------------------------------------------------------------------


def _as_json(found: Listing) -> dict[str, object]:
    servers = []
    for server in found.servers:
        about = dataclasses.asdict(server)
        pools = about.pop("pools")
        servers.append({**about, "link_name": server.link_name, "pools": pools})
    return {"servers": servers, "brokers": [dataclasses.asdict(broker) for broker in found.brokers]}


def _server_table(servers: Sequence[Server]) -> str:
    rows: list[tuple[str, ...]] = [("server", "link name", "pool", "ready", "attached", "detached", "maximum")]
    for server in servers:
        named = (server.instance, server.link_name)
        for pool in server.pools:
            counts = map(str, (pool.ready, pool.attached, pool.detached, pool.maximum))
            rows.append((*named, _pool_shown(pool), *counts))
            named = ("", "")
        if not server.pools:
            rows.append((*named, "", "", "", "", ""))
    return _table(rows) if servers else ""


def _pool_shown(pool: Pool) -> str:
    about = [word for word, true in (("default", pool.default), ("parallel", pool.parallel)) if true]
    return f"{pool.pool} ({', '.join(about)})" if about else pool.pool


def _broker_table(found: Listing) -> str:
    rows: list[tuple[str, ...]] = [("broker", "endpoint", "public key")]
    for broker in found.brokers:
        named = (broker.instance, broker.key or "none")
        for endpoint in broker.endpoints:
            rows.append((named[0], endpoint, named[1]))
            named = ("", "")
    return _table(rows) if found.brokers else ""


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows)

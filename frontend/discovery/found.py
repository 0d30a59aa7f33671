"""Reading what others announce by DNS-SD: servers, pools and brokers. No I/O.

The records are as :mod:`kernelbus.frontend.discovery.services` writes them and as WSTP's C library
does. Everything in them may be wrong: what is malformed, or cannot be reached from here, is left
out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kernelbus.frontend.discovery.services import (
    BUS_TYPE,
    INSTANCE,
    POOL_TYPE,
    is_loopback,
    parsed_address,
    server_type,
)

__all__ = ["Broker", "Listing", "Pool", "Record", "Server", "listing", "read_text"]



@dataclass(frozen=True, slots=True)
class Record:
    """One resolved instance; with `local` it was heard from this machine itself, on loopback."""

    type: str
    label: str
    host: str
    port: int
    addresses: tuple[str, ...]
    text: bytes
    local: bool


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool, as its server announced it last; `maximum` is the cap on its kernels."""

    pool: str
    ready: int
    attached: int
    detached: int
    maximum: int
    parallel: bool
    default: bool
    parallel_default: bool


@dataclass(frozen=True, slots=True)
class Server:
    """A link server.

    Attributes:
        service: what follows in its name; "" for none.
        addresses: where it may be reached, the preferred first.
    """

    instance: str
    service: str
    addresses: tuple[str, ...]
    port: int
    pools: tuple[Pool, ...] = ()

    @property
    def link_name(self) -> str:
        """The WSTP link name, PORT@ADDRESS."""
        return f"{self.port}@{self.addresses[0]}"

    @property
    def ready(self) -> int:
        """The number of ready kernels in all its pools."""
        return sum(pool.ready for pool in self.pools)


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker.

    Attributes:
        key: the public key that it claims; "" for none. Nothing relies on it: the key that counts
            comes from the list of allowed keys, and the handshake proves it.
        local: whether it is on this machine's loopback alone.
    """

    instance: str
    endpoints: tuple[str, ...]
    key: str
    local: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything found, in the order of names."""

    servers: tuple[Server, ...] = ()
    brokers: tuple[Broker, ...] = ()


def listing(records: Iterable[Record], protocol: str) -> Listing:
    """Return what can be used of `records`: unreachable and malformed things are left out.

    Args:
        protocol: of the WSTP service.
    """
    servers: dict[tuple[str, str], Server] = {}
    brokers: dict[tuple[str, str], Broker] = {}
    pools: list[tuple[str, str, Pool]] = []
    # What was heard on loopback comes first: of two records about one thing, it has more addresses.
    for record in sorted(records, key=lambda record: (record.label, not record.local, record.host)):
        about = read_text(record.text)
        key = (record.label, record.host.lower())
        if record.type.lower() == server_type(protocol).lower():
            server = _server(record, about)
            if server is not None:
                servers[key] = _joined(servers.get(key), server)
        elif record.type == POOL_TYPE:
            pool = _pool(about)
            if pool is not None:
                pools.append((about.get("server") or "", record.host.lower(), pool))
        elif record.type == BUS_TYPE and key not in brokers:
            broker = _broker(record, about)
            if broker is not None:
                brokers[key] = broker
    found = []
    for (label, host), server in servers.items():
        own = {pool.pool: pool for name, where, pool in pools if (name, where) == (label, host)}
        found.append(replace(server, pools=tuple(sorted(own.values(), key=lambda pool: (not pool.default, pool.pool)))))
    return Listing(tuple(found), tuple(brokers.values()))


def read_text(text: bytes) -> dict[str, str | None]:
    """Read a TXT record (RFC 6763, section 6).

    Keys are in small letters; of equal keys the first counts; malformed entries are left out.
    """
    about: dict[str, str | None] = {}
    position = 0
    while position < len(text):
        length = text[position]
        entry = text[position + 1 : position + 1 + length]
        position += 1 + length
        name, equals, value = entry.partition(b"=")
        try:
            key, told = name.decode("ascii").lower(), value.decode()
        except UnicodeDecodeError:
            continue
        if key and key.isprintable() and len(entry) == length and (told.isprintable() or not told):
            about.setdefault(key, told if equals else None)
    return about


def _server(record: Record, about: dict[str, str | None]) -> Server | None:
    if (about.get("protocol") or "TCPIP").upper() != "TCPIP":
        return None
    port, at, address = (about.get("linkname") or "").partition("@")
    known = list(record.addresses)
    number = record.port
    if at and re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536:
        # The C library uses this alone, and its own SRV records have the bytes of the port swapped.
        number = int(port)
        known.insert(0, address)
    addresses = _usable(known, record.local)
    if not addresses or not 0 < number < 65536:
        return None
    service = record.label.removeprefix(f"{INSTANCE}-") if record.label.startswith(f"{INSTANCE}-") else ""
    return Server(_readable(record.label), _readable(service), addresses, number)


def _joined(one: Server | None, other: Server) -> Server:
    return other if one is None else replace(one, addresses=tuple(dict.fromkeys(one.addresses + other.addresses)))


def _pool(about: dict[str, str | None]) -> Pool | None:
    name = about.get("pool")
    if not name:
        return None
    ready, attached, detached, maximum = (_count(about.get(key)) for key in ("ready", "attached", "detached", "maximum"))
    parallel, default, parallel_default = (about.get(key) == "1" for key in ("parallel", "default", "pdefault"))
    return Pool(name, ready, attached, detached, maximum, parallel, default, parallel_default)


def _broker(record: Record, about: dict[str, str | None]) -> Broker | None:
    addresses = _usable(record.addresses, record.local)
    if not addresses or not 0 < record.port < 65536:
        return None
    key = about.get("key") or ""
    if key and not re.fullmatch("[!-~]{40}", key):
        return None
    hosts = (f"[{address}]" if ":" in address else address for address in addresses)
    endpoints = tuple(f"tcp://{host}:{record.port}" for host in hosts)
    return Broker(_readable(record.label), endpoints, key, all(map(is_loopback, addresses)))


def _usable(addresses: Iterable[str], local: bool) -> tuple[str, ...]:
    """Return the addresses that are valid and can be reached from here.

    A loopback address is another machine's, unless the record is from this one.
    """
    usable = []
    for address in addresses:
        parsed = parsed_address(address)
        if parsed is None or parsed.is_unspecified or parsed.is_multicast or (parsed.version == 6 and parsed.is_link_local):
            continue
        if local or not (parsed.is_loopback or _maps_loopback(parsed)):
            usable.append(str(parsed))
    return tuple(dict.fromkeys(usable))


def _maps_loopback(parsed: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped is not None and mapped.is_loopback


def _readable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _count(text: str | None) -> int:
    return int(text) if text and re.fullmatch("[0-9]{1,9}", text) else 0

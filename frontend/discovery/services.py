"""The services that are announced by DNS-SD: names, addresses and TXT records.

The functions do no I/O; :mod:`kernelbus.frontend.discovery.found` reads what they write.

| type | instances |
|---|---|
| `_<service protocol>._tcp` | a server: `WSTPServer-Instance`, or with `-<service>` |
| `_kernelbus-pool._tcp` | a pool of a server: `<pool> of <server>` |
| `_kernelbus-bus._tcp` | a broker: `kernelbus on <machine>` |

The entries of the TXT records, in this order:

* server: `linkname=<port>@<ip>`, `protocol=TCPIP`, `interface=<ip>`, `options=260`, `startOfList`
  (without a value)
* pool: `pool`, `ready`, `attached`, `detached`, `maximum` (counts), `parallel`, `default`,
  `pdefault` (0 or 1; the last: for parallel kernels), `server`, `linkname`
* broker: `key` (its public key, Z85; left out when it has none)

The first type is what WSTP's C library registers and resolves. The library reads the TXT record and
ignores the SRV record's port; ours is right in both. The other types are our own. All counts are
some seconds old. The address of a broker is in SRV and address records only.

A server that serves this machine alone is announced on loopback alone. Each process has an SRV
target of its own, because two processes of one machine announce different addresses. The target
contains the time at which the process began: of two that have taken one name at the same moment the
older keeps it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kernelbus.bus.protocol.reports import PoolStatus

__all__ = [
    "BUS_TYPE",
    "INSTANCE",
    "LOOPBACK",
    "POOL_TYPE",
    "Adapter",
    "Reach",
    "Service",
    "broker_service",
    "is_loopback",
    "keeps_name",
    "parsed_address",
    "reach",
    "server_services",
    "server_type",
    "speakers",
    "target",
    "write_text",
]

#: The instance name that WSTPServer documents; `-<service>` may follow.
INSTANCE = "WSTPServer-Instance"

POOL_TYPE = "_kernelbus-pool._tcp.local."
BUS_TYPE = "_kernelbus-bus._tcp.local."

#: The address on which multicast DNS is used within a machine.
LOOPBACK = "127.0.0.1"

#: UUID mode (4), and no questions to a person (256): how a client of a link server opens its link.
_LINK_OPTIONS = 260

#: The most bytes of a label, and how many of them are kept for a suffix on a collision.
_LABEL = 63
_KEPT = 4

_MAXIMUM_STRING = 255


# ---- what there is to tell -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Service:
    """One instance to be announced.

    Attributes:
        key: our name for it, for as long as it is announced.
        type: ends with `._tcp.local.`.
        label: the wanted name of the instance.
        unique: whether others may use the name, so that it is looked up first and changed if in
            use.
        port: of the SRV record.
        text: of the TXT record.
        addresses: of the A and AAAA records, the preferred first.
    """

    key: str
    type: str
    label: str
    unique: bool
    port: int
    text: bytes
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adapter:
    """A network interface of this machine with its addresses.

    Link-local IPv6 addresses are left out: they need more than an address.
    """

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """The interfaces to use (an address of each, for each family) and what to announce there.

    The preferred address is first. Empty: nowhere.
    """

    interfaces: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def reach(bound: Iterable[str], adapters: Sequence[Adapter]) -> Reach:
    """Return where a listener can be reached.

    A listener on every interface announces loopback addresses only when there are no others; on
    loopback it is announced all the same.

    Args:
        bound: the addresses to which the listener is bound.
        adapters: this machine's interfaces, with the addresses at which clients may connect.
    """
    known = [address for adapter in adapters for address in adapter.addresses]
    addresses: list[str] = []
    for address in bound:
        parsed = parsed_address(address)
        if parsed is None:
            continue
        if parsed.is_unspecified:
            addresses += [other for other in known if _version(other) == parsed.version]
        elif parsed.is_loopback or str(parsed) in known:
            addresses.append(str(parsed))
    outside = [address for address in dict.fromkeys(addresses) if not is_loopback(address)]
    inside = [address for address in dict.fromkeys(addresses) if is_loopback(address)]
    told = outside or inside
    interfaces = [LOOPBACK] if inside else []
    for adapter in adapters:
        if any(address in outside for address in adapter.addresses):
            interfaces += speakers(adapter.addresses)
    return Reach(tuple(interfaces), tuple(sorted(told, key=lambda address: _version(address) or 0)))


def speakers(addresses: Iterable[str]) -> list[str]:
    """Return the addresses of an interface at which to speak: the first of each family, IPv4 first.

    The multicast group of a family is joined once on an interface, however many addresses it has.
    """
    first: dict[int, str] = {}
    for address in addresses:
        version = _version(address)
        if version is not None:
            first.setdefault(version, address)
    return [first[version] for version in sorted(first)]


def target(machine: str, milliseconds: int, number: int) -> str:
    """Return the host name for SRV records, which is this process's own.

    Two processes of one machine announce different addresses. The name contains the time at which
    the process began, by which two that want one name agree who keeps it.

    Args:
        milliseconds: when the process began, since the epoch.
        number: random, 0 to 65535.
    """
    label = re.sub("[^0-9A-Za-z-]+", "-", machine.partition(".")[0]).strip("-")[:32] or "host"
    return f"{label}-{milliseconds:012x}{number:04x}.local."


def keeps_name(own: str, other: str) -> bool:
    """Whether, of two that announce one name, the SRV target `own` keeps it: the older does.

    A target that does not contain a time is not ours, and will not give way.
    """
    began = re.compile(r"-([0-9a-f]{16})\.local\.$")
    mine, its = began.search(own.lower()), began.search(other.lower())
    return its is not None and (mine is None or mine[1] < its[1])


def server_type(protocol: str) -> str:
    """Return the type of the WSTP service `protocol`."""
    return f"_{protocol}._tcp.local."


def server_services(
    protocol: str, service: str, port: int, addresses: Sequence[str], pools: Iterable[PoolStatus], name: str = ""
) -> tuple[Service, ...]:
    """Return what a link server announces about itself and its pools.

    Args:
        protocol: of the WSTP service.
        service: "" for none.
        port: for clients.
        addresses: at least one.
        pools: the status of the pools, from the broker.
        name: the name under which the server is announced; pools are announced when it has one.
    """
    addresses = tuple(addresses)
    link_name = f"{port}@{addresses[0]}"
    about: dict[str, str | None] = {"linkname": link_name, "protocol": "TCPIP", "interface": addresses[0], "options": str(_LINK_OPTIONS)}
    text = write_text([*about.items(), ("startOfList", None)])
    label = _shortened(f"{INSTANCE}-{_label(service)}" if service else INSTANCE, _LABEL - _KEPT)
    services = [Service("server", server_type(protocol), label, True, port, text, addresses)]
    for pool in pools if name else ():
        about = {
            "pool": pool.pool,
            "ready": str(pool.ready),
            "attached": str(pool.attached),
            "detached": str(pool.detached),
            "maximum": str(pool.maximum),
            "parallel": str(int(pool.parallel)),
            "default": str(int(pool.default)),
            "pdefault": str(int(pool.parallel_default)),
            "server": name,
            "linkname": link_name,
        }
        try:
            text = write_text(about.items())
        except ValueError:
            continue  # too long a name (100 characters of four bytes); clients can still ask for it
        # No other server has this server's name, so the label is unique too; but the names of two
        # pools may look alike without their dots.
        label, number = _pool_label(pool.pool, name), 1
        while label in (service.label for service in services):
            number += 1
            label = _pool_label(pool.pool, name, f"-{number}")
        services.append(Service(f"pool {pool.pool}", POOL_TYPE, label, False, port, text, addresses))
    return tuple(services)


def _pool_label(pool: str, name: str, suffix: str = "") -> str:
    if len(name.encode()) > 40:
        # There must be room for the pool's name, and the server's must still be unique.
        name = f"{_shortened(name, 31)}-{hashlib.blake2s(name.encode(), digest_size=4).hexdigest()}"
    tail = f"{suffix} of {name}"
    return _shortened(_label(pool), _LABEL - len(tail.encode())) + tail


def broker_service(machine: str, port: int, addresses: Sequence[str], key: str = "") -> Service:
    """Return what a broker announces; `key` is its public key, "" if it has none."""
    label = _shortened(_label(f"kernelbus on {machine}"), _LABEL - _KEPT)
    return Service("broker", BUS_TYPE, label, True, port, write_text([("key", key)] if key else []), tuple(addresses))


def write_text(entries: Iterable[tuple[str, str | None]]) -> bytes:
    """Return a TXT record (RFC 6763, section 6); None stands for a key without a value.

    Raises:
        ValueError: an entry is longer than 255 bytes.
    """
    data = bytearray()
    for key, value in entries:
        entry = (key if value is None else f"{key}={value}").encode()
        if len(entry) > _MAXIMUM_STRING:
            raise ValueError(f"{key} is too long for a TXT record")
        data += bytes([len(entry)]) + entry
    return bytes(data) or b"\0"


def _label(text: str) -> str:
    # A dot would split the label in two.
    return "".join(character if character.isprintable() and character not in ".\\" else "-" for character in text)


def _shortened(text: str, most: int) -> str:
    return text.encode()[: max(most, 1)].decode(errors="ignore").rstrip()


def is_loopback(address: str) -> bool:
    """Whether `address` leads only to this machine itself."""
    parsed = parsed_address(address)
    return parsed is not None and parsed.is_loopback


def parsed_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the parsed address, without its zone; None if it is not one."""
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def _version(address: str) -> int | None:
    parsed = parsed_address(address)
    return parsed.version if parsed is not None else None

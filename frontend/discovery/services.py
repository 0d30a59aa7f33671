"""What is told by DNS-SD: names, addresses and TXT records, as plain functions. No I/O. Reading
them is :mod:`kernelbus.frontend.discovery.found`'s.

| type | instances | TXT, in this order |
|---|---|---|
| `_<service protocol>._tcp` | a server: `WSTPServer-Instance`, or with `-<service>` | `linkname=<port>@<ip>`, `protocol=TCPIP`,
| | | `interface=<ip>`, `options=260`, `startOfList` (without a value) |
| `_kernelbus-pool._tcp` | a pool of a server: `<pool> of <server>` | `pool`, `ready`, `attached`, `detached`, `maximum` (counts),
| | | `parallel`, `default`, `pdefault` (0 or 1; the last: for parallel kernels), `server`, `linkname` |
| `_kernelbus-bus._tcp` | a broker: `kernelbus on <machine>` | `key` (its public key, Z85; left out when it has none) |

The first is what WSTP's C library registers and resolves (it reads TXT and passes over the SRV
record's port; ours is right in both). The others are our own; all counts are as of some seconds
ago. Where a broker is, is said by SRV and address records alone.
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
    "target",
    "write_text",
]

#: The instance name that WSTPServer documents; `-<service>` may follow.
INSTANCE = "WSTPServer-Instance"

POOL_TYPE = "_kernelbus-pool._tcp.local."
BUS_TYPE = "_kernelbus-bus._tcp.local."

#: On which multicast DNS is spoken within a machine.
LOOPBACK = "127.0.0.1"

#: UUID mode (4), and not to ask a person anything (256): what a client of a link server opens its
#: link with.
_LINK_OPTIONS = 260

#: Bytes of a label; some of them are kept for what a name is given on collision.
_LABEL = 63
_KEPT = 4

_MAXIMUM_STRING = 255


# ---- what there is to tell -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Service:
    """One instance to be advertised.

    Attributes:
        key: what it is to us, for as long as it is advertised.
        type: ends with `._tcp.local.`.
        label: the instance's name that is wanted.
        unique: whether the name may be in use by others, so that it is looked for, and changed
            where it is.
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
    """A network interface of this machine with its addresses; link-local IPv6 ones, which need more
    than an address, left out.
    """

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """On which interfaces to speak (an address of each), and which addresses to tell there, the
    preferred first. Empty: nowhere.
    """

    interfaces: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def reach(bound: Iterable[str], adapters: Sequence[Adapter], *, local_only: bool = False) -> Reach:
    """Say where a listener can be reached that is bound to the addresses `bound` of a machine with
    these `adapters`.

    With `local_only` it serves programs of this machine, and nobody else needs to know. A listener
    on every interface tells of loopback only when there is nothing else; on loopback it is told of
    all the same.
    """
    if local_only:
        return Reach((LOOPBACK,), (LOOPBACK,))
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
            # A multicast group is joined once on an interface, whatever number of addresses it has.
            interfaces.append(next((other for other in adapter.addresses if _version(other) == 4), adapter.addresses[0]))
    return Reach(tuple(interfaces), tuple(sorted(told, key=lambda address: _version(address) or 0)))


def target(machine: str, milliseconds: int, number: int) -> str:
    """Give the host name of SRV records, a process's own: two of one machine tell different
    addresses of it.

    It says when the process began, by which two that want one name agree who keeps it. `number` (0
    to 65535) is random.
    """
    label = re.sub("[^0-9A-Za-z-]+", "-", machine.partition(".")[0]).strip("-")[:32] or "host"
    return f"{label}-{milliseconds:012x}{number:04x}.local."


def keeps_name(own: str, other: str) -> bool:
    """Say whether, of two that advertise one name, the one with the SRV target `own` keeps it: the
    older does.

    One that does not say when it began is not ours, and will not give way.
    """
    began = re.compile(r"-([0-9a-f]{16})\.local\.$")
    mine, its = began.search(own.lower()), began.search(other.lower())
    return its is not None and (mine is None or mine[1] < its[1])


def server_type(protocol: str) -> str:
    """Give the type of the WSTP service `protocol`."""
    return f"_{protocol}._tcp.local."


def server_services(
    protocol: str, service: str, port: int, addresses: Sequence[str], pools: Iterable[PoolStatus], name: str = ""
) -> tuple[Service, ...]:
    """Give what a link server tells of itself and its pools.

    Args:
        protocol: of the WSTP service.
        service: "" for none.
        port: clients'.
        addresses: at least one.
        pools: as the broker says.
        name: by which the server is advertised; pools are told of when it has one.
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
            continue  # a name of a hundred characters of four bytes: it can still be asked for, by who knows it
        # The server's name is nobody else's, so neither is this; but two pools' names may look
        # alike without their dots.
        label, number = _pool_label(pool.pool, name), 1
        while label in (service.label for service in services):
            number += 1
            label = _pool_label(pool.pool, name, f"-{number}")
        services.append(Service(f"pool {pool.pool}", POOL_TYPE, label, False, port, text, addresses))
    return tuple(services)


def _pool_label(pool: str, name: str, suffix: str = "") -> str:
    if len(name.encode()) > 40:
        # There must be room for the pool's, and it must still be nobody else's.
        name = f"{_shortened(name, 31)}-{hashlib.blake2s(name.encode(), digest_size=4).hexdigest()}"
    tail = f"{suffix} of {name}"
    return _shortened(_label(pool), _LABEL - len(tail.encode())) + tail


def broker_service(machine: str, port: int, addresses: Sequence[str], key: str = "") -> Service:
    """Give what a broker tells of itself; `key`: its public key, "" when it has none."""
    label = _shortened(_label(f"kernelbus on {machine}"), _LABEL - _KEPT)
    return Service("broker", BUS_TYPE, label, True, port, write_text([("key", key)] if key else []), tuple(addresses))


def write_text(entries: Iterable[tuple[str, str | None]]) -> bytes:
    """Write a TXT record (RFC 6763, 6); None: a key without a value.

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
    # A dot would part the label in two.
    return "".join(character if character.isprintable() and character not in ".\\" else "-" for character in text)


def _shortened(text: str, most: int) -> str:
    return text.encode()[: max(most, 1)].decode(errors="ignore").rstrip()


def is_loopback(address: str) -> bool:
    """Say whether `address` leads nowhere but to the machine itself."""
    parsed = parsed_address(address)
    return parsed is not None and parsed.is_loopback


def parsed_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address, without its zone; None: it is none."""
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def _version(address: str) -> int | None:
    parsed = parsed_address(address)
    return parsed.version if parsed is not None else None

"""Networks of addresses, as the section `Access` of the configuration names them. No I/O.

A list of networks has addresses (`192.0.2.7`), networks (`192.0.2.0/24`, `fd12:3456::/48`) and
words. Each word includes the ones before it:

| word | which programs |
|---|---|
| `loopback` | those of this machine, at whichever of its addresses |
| `attached` | those of the private networks to which this machine is attached directly |
| `private` | those of all private networks (RFC 1918, RFC 4193, and link-local addresses) |
| `all` | every program |

An IPv4 address that is mapped into IPv6 (`::ffff:192.0.2.7`) is that IPv4 address. The zone of a
link-local address (`%eth0`) does not count: it says which interface, and not which network.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["WORDS", "Address", "Network", "Networks", "address_of", "check_network", "is_private", "parse_address", "parse_network"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The words, from the narrowest to the widest.
WORDS: Final = ("loopback", "attached", "private", "all")

_PRIVATE: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


def parse_address(text: str) -> Address:
    """Return an address without its zone; a mapped one as the IPv4 address that it stands for.

    Raises:
        ValueError: it is none.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


@functools.lru_cache(4096)
def address_of(client: str) -> str:
    """Return what counts as the address of a client, given with its port: of IPv6 the /64.

    One machine has all the addresses of a /64.

    >>> address_of("10.0.0.1:5000"), address_of("[fe80::1%eth0]:5000"), address_of("[::1]:5000")
    ('10.0.0.1', 'fe80::/64', '::1')
    >>> address_of("a socket of this process")
    'a socket of this process'
    """
    text = (client.rpartition(":")[0] or client).removeprefix("[").removesuffix("]")
    try:
        address = parse_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


def parse_network(text: str) -> Network:
    """Return a network; an address is a network of one.

    Raises:
        ValueError: it is none; the text, which stands behind the network's name, says what to do.
    """
    if "%" in text:
        raise ValueError("has a zone, which does not count here: leave out what begins with %")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        hint = f"write an address, a network as 192.168.1.0/24, or one of {', '.join(WORDS)}"
        raise ValueError(f"is no network: {hint}") from None
    if "/" in text and str(network.network_address) != str(ipaddress.ip_address(text.partition("/")[0])):
        raise ValueError(f"is an address within a network: write {network} for the network, or the address without /{network.prefixlen}")
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        number = int(network.network_address) & 0xFFFFFFFF
        network = ipaddress.IPv4Network((number, network.prefixlen - _MAPPED.prefixlen))
    return network


def check_network(text: str) -> str:
    """Return an entry of a list of networks as it is compared and shown: a word, or a network.

    Raises:
        ValueError: it is neither; as :func:`parse_network`.
    """
    text = text.strip()
    if text in WORDS:
        return text
    network = parse_network(text)
    if network.network_address.is_unspecified and network.prefixlen == network.max_prefixlen:
        raise ValueError(f"is no program's address: write {network.network_address}/0 for every address of its family")
    return _shown(network)


def is_private(address: Address) -> bool:
    """Whether an address is of a private network, or link-local."""
    return any(address in network for network in _PRIVATE if network.version == address.version)


class Networks:
    """A list of networks, as the configuration has it.

    Args:
        entries: what :func:`check_network` returned.

    Attributes:
        entries: the same.
        word: the widest word among them; "" without one.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self.entries = tuple(entries)
        self.word = max((entry for entry in self.entries if entry in WORDS), key=WORDS.index, default="")
        self._networks = tuple(parse_network(entry) for entry in self.entries if entry not in WORDS)

    def has(self, address: Address, *, here: bool, attached: Sequence[Network] = ()) -> bool:
        """Whether the program at an address is of these networks.

        Args:
            address: of :func:`parse_address`.
            here: whether it is a program of this machine.
            attached: the networks of this machine's interfaces.
        """
        match self.word:
            case "all":
                return True
            case "private" if here or is_private(address):
                return True
            case "attached" if here or (is_private(address) and any(address in network for network in attached)):
                return True
            case "loopback" if here:
                return True
        return any(address in network for network in self._networks)

    def covered_by_word(self, entry: str) -> bool:
        """Whether an entry of :func:`check_network`, not a word, says no more than the word here.

        Which networks are attached is not known here: a private one may be.
        """
        if self.word == "all":
            return True
        network = parse_network(entry)
        if self.word and network.is_loopback:
            return True
        return self.word == "private" and any(_within(network, other) for other in _PRIVATE)

    def overlaps(self, network: Network) -> bool:
        """Whether some address of `network`, to which this machine is attached, is of these."""
        if self.word == "all":
            return True
        known = (*self._networks, *(_PRIVATE if self.word in ("attached", "private") else ()))
        return any(_overlap(network, other) for other in known)

    def covers(self, network: Network) -> bool:
        """Whether all addresses of `network`, to which this machine is attached, are of these."""
        if self.word == "all":
            return True
        known = (*self._networks, *(_PRIVATE if self.word in ("attached", "private") else ()))
        return any(_within(network, other) for other in known)


def _within(one: Network, other: Network) -> bool:
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _shown(network: Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)

"""A bounded number of places, shared out among addresses. No I/O and no clock.

Who enters a full table is let in at the expense of the *greediest* address, the one with the most
places, the newcomer's counted. Of that address the holder that has been *spare* longest goes (one
that says nothing, or does nothing), else the newest. So an address that takes many places loses its
own, and one that takes few is let in. All addresses of an IPv6 /64 count as one, since one machine
has them all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Places", "network"]

K = TypeVar("K", bound=Hashable)


def network(address: str) -> str:
    """Return the address that counts for `address`: an IPv6 address's /64, any other as it is.

    >>> network("10.0.0.1"), network("fe80::1:2%eth0"), network("::ffff:10.0.0.1"), network("?")
    ('10.0.0.1', 'fe80::/64', '10.0.0.1', '?')
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return "::1" if parsed.is_loopback else str(ipaddress.ip_network((parsed, 64), strict=False))


class Places(Generic[K]):
    """Who holds a place.

    Attributes:
        most: how many places there are.
        each: how many of them one address may have; 0: all.
    """

    def __init__(self, most: int, each: int = 0) -> None:
        self.most = most
        self.each = each
        # Of each network its holders in the order in which they came, and those that are spare in
        # the order in which they became so.
        self._holders: dict[str, dict[K, None]] = {}
        self._spare: dict[str, dict[K, None]] = {}
        self._networks: dict[K, str] = {}

    def __len__(self) -> int:
        return len(self._networks)

    def __contains__(self, key: K) -> bool:
        return key in self._networks

    def held(self, address: str) -> int:
        """Return how many places the network of `address` has."""
        return len(self._holders.get(network(address), ()))

    def enter(self, key: K, address: str, *, spare: bool = False) -> list[K]:
        """Give `key` a place, and return who has lost theirs: perhaps `key` itself.

        Args:
            key: who comes.
            address: its address.
            spare: see :meth:`set_spare`.
        """
        own = network(address)
        self._networks[key] = own
        self._holders.setdefault(own, {})[key] = None
        if spare:
            self.set_spare(key, True)
        gone: list[K] = []
        while self.each and len(self._holders.get(own, ())) > self.each:
            gone.append(self._turn_out(own))
        while len(self._networks) > self.most:
            gone.append(self._turn_out(self._greediest(own)))
        return gone

    def leave(self, key: K) -> None:
        """Free the place of `key`, if it has one."""
        own = self._networks.pop(key, None)
        if own is None:
            return
        for table in (self._holders, self._spare):
            if own in table:
                table[own].pop(key, None)
                if not table[own]:
                    del table[own]

    def set_spare(self, key: K, spare: bool) -> None:
        """Note whether `key` is the first to go when its address has too many places."""
        own = self._networks.get(key)
        if own is None:
            return
        if spare:
            self._spare.setdefault(own, {}).setdefault(key)
        elif own in self._spare:
            self._spare[own].pop(key, None)
            if not self._spare[own]:
                del self._spare[own]

    def _greediest(self, own: str) -> str:
        """Return the network with the most places; among equals the newcomer's `own`."""
        return max(self._holders, key=lambda name: (len(self._holders[name]), name == own))

    def _turn_out(self, name: str) -> K:
        spare = self._spare.get(name)
        key = next(iter(spare)) if spare else next(reversed(self._holders[name]))
        self.leave(key)
        return key

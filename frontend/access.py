"""Who may use a server: decisions about addresses, tokens and grants. No I/O, no clock.

A connection is judged by its address before a byte of it is read (:meth:`Access.decide`):

1. An address in `Access`/`Deny` is refused.
2. A program of this machine, and an address in `Access`/`Allow`, is accepted; every other is
   refused.
3. An accepted program in `Access`/`Anonymous`, or with a grant, may use the server at once. Every
   other has to give the token first.

A *grant* is an administrator's exception for a time: programs at some addresses need no token. It
goes no further than `Allow` and `Deny`.

Whoever gives a wrong token too often may try no more for a while. Those who share an address share
its attempts; of an IPv6 address its first 64 bits count, since the rest is the user's own choice.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from kernelbus.bus.settings.config import AccessConfig
from kernelbus.bus.settings.networks import WORDS, Address, Network, Networks, parse_address, parse_network

__all__ = ["Access", "Attempt", "Grant", "GrantRefused", "Standing", "opened"]

#: Wrong tokens that an address may give within a window, and the length of that in seconds.
TRIES: Final = 5
WINDOW: Final = 60.0

#: Addresses whose wrong tokens are remembered at once; beyond that the oldest is forgotten.
_REMEMBERED: Final = 10_000

#: The longest grant in seconds.
LONGEST_GRANT: Final = 366 * 86400.0


class Standing(Enum):
    """What a program at an address may do."""

    REFUSED = "may not connect"
    TOKEN = "may give the token, and nothing else before"
    OPEN = "may use the server"


class Attempt(Enum):
    """How an attempt to give the token ended."""

    RIGHT = "right"
    WRONG = "wrong"
    TOO_MANY = "not looked at: there were too many wrong ones before"


class GrantRefused(ValueError):
    """A grant is not possible; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Grant:
    """An exception for a time.

    Attributes:
        network: whose programs need no token.
        until: the time at which it ends.
        sender: who gave it.
    """

    network: Network
    until: float
    sender: str

    @property
    def name(self) -> str:
        """The network as people write it: an address alone without a prefix."""
        return named(self.network)


class Access:
    """Who may use one server. All times are on one clock, in seconds."""

    def __init__(self, config: AccessConfig) -> None:
        self._grants: dict[Network, Grant] = {}
        self._failures: dict[str, tuple[float, int]] = {}
        self.configure(config)

    def configure(self, config: AccessConfig) -> None:
        """Use another configuration. Grants and wrong tokens of before stay."""
        self._allow, self._deny, self._anonymous = Networks(config.allow), Networks(config.deny), Networks(config.anonymous)

    # ------------------------------------------------------------------ addresses

    def decide(self, address: str, *, here: bool, attached: Sequence[Network], now: float) -> Standing:
        """Decide about a connection.

        Args:
            address: the peer's, perhaps with a zone.
            here: whether the peer is a program of this machine.
            attached: the networks of this machine's interfaces.
        """
        try:
            peer = parse_address(address)
        except ValueError:
            return Standing.REFUSED
        if self._deny.has(peer, here=here, attached=attached):
            return Standing.REFUSED
        if not here and not self._allow.has(peer, here=here, attached=attached):
            return Standing.REFUSED
        if self._anonymous.has(peer, here=here, attached=attached) or self._granted(peer, now):
            return Standing.OPEN
        return Standing.TOKEN

    def reachable_from(self, network: Network) -> bool:
        """Whether some program of a network to which this machine is attached may connect."""
        return self._allow.overlaps(network) and not self._deny.covers(network)

    @property
    def local_only(self) -> bool:
        """Whether only programs of this machine may connect."""
        return self._allow.entries in ((), ("loopback",))

    # ------------------------------------------------------------------ the token

    def attempt(self, address: str, given: str, token: str, now: float) -> Attempt:
        """Judge a token that was given; `token` is the right one.

        The comparison takes as long for a wrong token as for the right one.
        """
        key = _attempter(address)
        since, failures = self._failures.get(key, (now, 0))
        if now - since >= WINDOW:
            since, failures = now, 0
        if failures >= TRIES:
            return Attempt.TOO_MANY
        if token and hmac.compare_digest(given.encode(), token.encode()):
            self._failures.pop(key, None)
            return Attempt.RIGHT
        self._failures.pop(key, None)
        if len(self._failures) >= _REMEMBERED:
            del self._failures[next(iter(self._failures))]
        self._failures[key] = since, failures + 1
        return Attempt.WRONG

    # ------------------------------------------------------------------ grants

    def grant(self, network: str, seconds: float, sender: str, now: float) -> Grant:
        """Let programs of a network in without a token for some time.

        Raises:
            GrantRefused: it is no network, the time is not usable, or nobody from there may
                connect at all.
        """
        parsed = self._parsed(network)
        if not 0 < seconds <= LONGEST_GRANT:
            raise GrantRefused(f"a grant cannot last {seconds:g} s: give a time above 0, and of at most a year")
        if self._deny.covers(parsed):
            raise GrantRefused(f"{network} is in Access/Deny: nobody from there may connect, with or without a grant")
        if not self._allow.overlaps(parsed) and not parsed.is_loopback:
            raise GrantRefused(f"{network} is not in Access/Allow, so that nobody from there may connect: write it there first")
        made = self._grants[parsed] = Grant(parsed, now + seconds, sender)
        return made

    def revoke(self, network: str, now: float) -> Grant | None:
        """Take a grant back and return it; None: there is none.

        Raises:
            GrantRefused: it is no network.
        """
        parsed = self._parsed(network)
        self._forget(now)
        return self._grants.pop(parsed, None)

    def grants(self, now: float) -> list[Grant]:
        """Return the grants that hold, the one that ends first at the beginning."""
        self._forget(now)
        return sorted(self._grants.values(), key=lambda grant: (grant.until, grant.name))

    def _granted(self, peer: Address, now: float) -> bool:
        return any(now < grant.until and peer in grant.network for grant in self._grants.values())

    def _forget(self, now: float) -> None:
        self._grants = {network: grant for network, grant in self._grants.items() if now < grant.until}

    def _parsed(self, network: str) -> Network:
        try:
            return parse_network(network.strip())
        except ValueError as error:
            raise GrantRefused(f"{network[:100]} {error}") from None


def named(network: Network) -> str:
    """Return a network as people write it: one of a single address as that address."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _attempter(address: str) -> str:
    try:
        peer = parse_address(address)
    except ValueError:
        return address
    if isinstance(peer, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(peer) >> 64 << 64, 64)))
    return str(peer)


# ---- in words ------------------------------------------------------------------------------------

#: What the programs of a word are called that those of the word before it are not.
_NAMES: Final = ("this machine", "attached private networks", "all private networks", "everybody")


def opened(config: AccessConfig, bound: Sequence[str]) -> str:
    """Say in one line who may use the server, and how.

    Args:
        config: the section.
        bound: the addresses at which the server listens.
    """
    local = bool(bound) and all(_is_loopback(address) for address in bound)
    allowed = Networks(("loopback",) if local else ("loopback", *config.allow))
    anonymous, denied = Networks(config.anonymous), Networks(config.deny)
    closed, may, need_none = _width(denied.word), _width(allowed.word), _width(anonymous.word)
    # Words are nested; so each part is what lies between two of them, and networks beside those.
    free = _between(closed, min(may, need_none))
    rest = _between(max(closed, min(may, need_none)), may)
    for entry in anonymous.entries if denied.word != "all" else ():
        if entry not in WORDS and not anonymous.covered_by_word(entry):
            network = parse_network(entry)
            if allowed.covers(network) or network.is_loopback:
                free.append(entry)
            elif allowed.overlaps(network):
                free.append(f"{entry} as far as it is allowed")
    for entry in allowed.entries if denied.word != "all" else ():
        if entry not in WORDS and not allowed.covered_by_word(entry):
            if anonymous.covered_by_word(entry):
                free.append(entry)
            elif not anonymous.covers(parse_network(entry)):
                rest.append(entry)
    free, rest = list(dict.fromkeys(free)), list(dict.fromkeys(rest))
    if not free and not rest:
        line = "open to nobody"
    elif not free:
        line = f"open to {_joined(rest)}, with the token"
    elif not rest:
        line = f"open to {_joined(free)}, without a token"
    else:
        line = f"open to {_joined(free)}, and with the token to {_joined(rest)}"
    shut = [*_between(0, closed), *(entry for entry in denied.entries if entry not in WORDS and denied.word != "all")]
    return f"{line}; closed to {_joined(shut)}" if shut else line


def _between(narrow: int, wide: int) -> list[str]:
    """Name the programs of the word of one width that are not those of another, narrower one."""
    if wide <= narrow:
        return []
    beyond = _NAMES[wide - 1 :][:1]
    return [*beyond] if wide in (1, len(_NAMES)) or narrow else [_NAMES[0], *beyond]


def _width(word: str) -> int:
    return WORDS.index(word) + 1 if word else 0


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def _is_loopback(address: str) -> bool:
    try:
        return parse_address(address).is_loopback
    except ValueError:
        return False

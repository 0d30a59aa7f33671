"""Decisions on addresses hold for any lists: what is denied is refused, in whatever form it comes.
"""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from kernelbus.bus.settings.config import AccessConfig
from kernelbus.bus.settings.networks import WORDS, Address, Network, Networks, check_network
from kernelbus.frontend.access import TRIES, WINDOW, Access, Attempt, Standing

# Few addresses, so that they meet: those of one small network and its neighbour, and special ones.
V4 = st.builds(lambda low: ipaddress.IPv4Address(0xC0A80700 + low), st.integers(0, 511)) | st.ip_addresses(v=4)
V6 = st.builds(lambda low: ipaddress.IPv6Address((0xFD << 120) + low), st.integers(0, 511)) | st.ip_addresses(v=6)
ADDRESSES = (V4 | V6).filter(lambda address: getattr(address, "ipv4_mapped", None) is None)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    address = draw(ADDRESSES)
    # The unspecified address alone is no network: nobody has it.
    longest = address.max_prefixlen - address.is_unspecified
    return ipaddress.ip_network((address, draw(st.integers(0, longest))), strict=False)


ENTRIES = st.lists(st.sampled_from(WORDS) | networks().map(lambda network: check_network(str(network))), max_size=4).map(tuple)
CONFIGS = st.builds(AccessConfig, allow=ENTRIES, deny=ENTRIES, anonymous=ENTRIES)
ATTACHED = st.lists(networks(), max_size=3).map(tuple)


def forms(address: Address) -> list[str]:
    """Return the forms in which a system may write an address."""
    if isinstance(address, ipaddress.IPv4Address):
        return [str(address), f"::ffff:{address}", str(ipaddress.IPv6Address(f"::ffff:{address}"))]
    return [str(address), address.exploded, f"{address}%eth0", f"{address}%7"]


@given(CONFIGS, ATTACHED, ADDRESSES, st.booleans())
def test_decisions(config: AccessConfig, attached: tuple[Network, ...], address: Address, here: bool) -> None:
    access = Access(config)
    standings = {access.decide(form, here=here, attached=attached, now=0.0) for form in forms(address)}
    assert len(standings) == 1, "the form of an address decides"
    (standing,) = standings
    plain = [network for network in config.deny if network not in WORDS]
    if any(address in ipaddress.ip_network(network) for network in plain) or "all" in config.deny:
        assert standing is Standing.REFUSED
    if standing is not Standing.REFUSED and not here:
        assert Networks(config.allow).has(address, here=False, attached=attached)
    if standing is Standing.OPEN:
        assert Networks(config.anonymous).has(address, here=here, attached=attached)


@given(CONFIGS, ATTACHED, ADDRESSES, st.booleans(), networks())
def test_more_denied_is_never_more_open(
    config: AccessConfig, attached: tuple[Network, ...], address: Address, here: bool, more: Network
) -> None:
    order = [Standing.REFUSED, Standing.TOKEN, Standing.OPEN]
    closed = AccessConfig(config.allow, (*config.deny, check_network(str(more))), config.anonymous)
    before, after = (
        order.index(Access(each).decide(str(address), here=here, attached=attached, now=0.0)) for each in (config, closed)
    )
    assert after <= before


@given(st.lists(st.tuples(st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1"]), st.booleans(), st.floats(0, 30)), max_size=60))
def test_attempts_within_a_window(tries: list[tuple[str, bool, float]]) -> None:
    """No address has more than so many wrong tokens looked at in one window."""
    access, now = Access(AccessConfig()), 0.0
    looked: dict[str, list[float]] = {}
    for address, right, later in tries:
        now += later
        attempt = access.attempt(address, "right" if right else "wrong", "right", now)
        if attempt is Attempt.RIGHT:
            assert right
            looked[address] = []
        elif attempt is Attempt.WRONG:
            assert not right
            looked.setdefault(address, []).append(now)
        # Two windows that touch may have the tries of both.
        assert len([at for at in looked.get(address, []) if now - at < WINDOW]) <= 2 * TRIES


@given(networks(), networks(), st.floats(1, 1e6), st.floats(0, 2e6))
def test_a_grant_opens_its_network_while_it_lasts(granted: Network, other: Network, seconds: float, later: float) -> None:
    access = Access(AccessConfig(allow=("all",), anonymous=()))
    access.grant(str(granted), seconds, "me@here", 0.0)
    address = other.network_address
    inside = granted.version == other.version and address in granted
    standing = access.decide(str(address), here=False, attached=(), now=later)
    assert standing is (Standing.OPEN if inside and later < seconds else Standing.TOKEN)

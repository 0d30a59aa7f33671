"""Networks as the configuration names them: words, prefixes, mapped and zoned addresses."""

from __future__ import annotations

import ipaddress

import pytest

from kernelbus.bus.settings.networks import (
    WORDS,
    Networks,
    address_of,
    check_network,
    is_private,
    parse_address,
    parse_network,
)

LAN = (ipaddress.ip_network("192.168.7.0/24"), ipaddress.ip_network("fd00:1::/64"), ipaddress.ip_network("203.0.113.0/24"))


def has(entries: str, address: str, *, here: bool = False) -> bool:
    return Networks(entries.split()).has(parse_address(address), here=here, attached=LAN)


@pytest.mark.parametrize(
    ("text", "checked"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        (" 192.0.2.0/24 ", "192.0.2.0/24"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("FD00:0::1", "fd00::1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        *((word, word) for word in WORDS),
    ],
)
def test_an_entry(text: str, checked: str) -> None:
    assert check_network(text) == checked


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("localhost", "is no network: write an address"),
        ("", "is no network"),
        ("192.0.2.0/33", "is no network"),
        ("192.0.2.7/24", "write 192.0.2.0/24 for the network, or the address without /24"),
        ("fe80::1%eth0", "has a zone"),
        ("Private", "is no network"),
        ("010.0.0.1", "is no network"),
    ],
)
def test_what_is_no_entry(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_network(text)


@pytest.mark.parametrize(
    ("entries", "address", "here", "expected"),
    [
        ("loopback", "127.0.0.1", True, True),
        ("loopback", "192.168.7.1", True, True),  # this machine at another of its addresses
        ("loopback", "192.168.7.1", False, False),
        ("attached", "192.168.7.9", False, True),
        ("attached", "::ffff:192.168.7.9", False, True),
        ("attached", "192.168.8.9", False, False),  # private, and elsewhere
        ("attached", "203.0.113.9", False, False),  # attached, and not private
        ("attached", "fd00:1::9", False, True),
        ("attached", "fd00:2::9", False, False),
        ("attached", "127.0.0.1", True, True),
        ("private", "192.168.8.9", False, True),
        ("private", "172.32.0.1", False, False),
        ("private", "fe80::1%eth0", False, True),
        ("private", "8.8.8.8", False, False),
        ("all", "8.8.8.8", False, True),
        ("all", "2001:db8::1", False, True),
        ("0.0.0.0/0", "8.8.8.8", False, True),
        ("0.0.0.0/0", "::ffff:8.8.8.8", False, True),
        ("0.0.0.0/0", "2001:db8::1", False, False),
        ("::/0", "8.8.8.8", False, False),
        ("fe80::/10", "fe80::1%3", False, True),
        ("fe80::1", "fe80::1%3", False, True),
        ("", "127.0.0.1", True, False),
    ],
)
def test_which_programs_are_of_a_list(entries: str, address: str, here: bool, expected: bool) -> None:
    assert has(entries, address, here=here) is expected


def test_of_several_words_the_widest_counts() -> None:
    assert Networks(["all", "loopback"]).word == "all"
    assert Networks(["10.0.0.0/8"]).word == ""


def test_what_a_network_shares_with_a_list() -> None:
    lan, wide, public = (parse_network(text) for text in ("192.168.7.0/24", "192.0.0.0/4", "203.0.113.0/24"))
    assert Networks(["attached"]).overlaps(lan)
    assert Networks(["attached"]).overlaps(wide)
    assert not Networks(["attached"]).overlaps(public)
    assert Networks(["203.0.113.7"]).overlaps(public)
    assert Networks(["private"]).covers(lan)
    assert not Networks(["private"]).covers(wide)
    assert Networks(["203.0.113.0/24"]).covers(public)
    assert Networks(["all"]).covers(public) and Networks(["all"]).overlaps(public)
    assert not Networks(["2001:db8::/32"]).overlaps(public)


def test_what_is_private() -> None:
    assert all(map(is_private, map(parse_address, ("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.1.1", "fd00::1", "fe80::1%x"))))
    assert not any(map(is_private, map(parse_address, ("127.0.0.1", "100.64.0.1", "11.0.0.1", "2001:db8::1", "::1"))))


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ("192.0.2.7:1", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:1", "192.0.2.7"),
        ("[2001:db8::1:2:3]:99", "2001:db8::/64"),
        ("[2001:db8::4:5:6]:1", "2001:db8::/64"),
        ("[fe80::1%eth0]:1", "fe80::/64"),
        ("[::1]:1", "::1"),
        ("a", "a"),
    ],
)
def test_the_address_of_a_client(client: str, address: str) -> None:
    assert address_of(client) == address

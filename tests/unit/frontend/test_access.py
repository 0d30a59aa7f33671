"""Who may use a server: addresses, tokens and grants, and the line that says it."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from kernelbus.bus.settings.config import AccessConfig
from kernelbus.frontend.access import TRIES, WINDOW, Access, Attempt, Grant, GrantRefused, Standing, opened

LAN = (ipaddress.ip_network("192.168.7.0/24"), ipaddress.ip_network("fe80::/64"))
TOKEN = "a token of sorts"
EVERYWHERE = ("0.0.0.0", "::")


def decide(access: Access, address: str, *, here: bool = False, now: float = 0.0) -> Standing:
    return access.decide(address, here=here, attached=LAN, now=now)


@pytest.mark.parametrize(
    ("address", "here", "standing"),
    [
        ("127.0.0.1", True, Standing.OPEN),
        ("192.168.7.1", True, Standing.OPEN),
        ("192.168.7.2", False, Standing.TOKEN),
        ("::ffff:192.168.7.2", False, Standing.TOKEN),
        ("fe80::2%eth0", False, Standing.TOKEN),
        ("192.168.8.2", False, Standing.REFUSED),
        ("203.0.113.2", False, Standing.REFUSED),
        ("2001:db8::2", False, Standing.REFUSED),
        ("not an address", True, Standing.REFUSED),
        ("", False, Standing.REFUSED),
    ],
)
def test_the_default(address: str, here: bool, standing: Standing) -> None:
    assert decide(Access(AccessConfig()), address, here=here) is standing


def test_deny_comes_before_all_others() -> None:
    access = Access(AccessConfig(allow=("private",), deny=("192.168.7.0/24", "loopback"), anonymous=("all",)))
    assert decide(access, "192.168.7.2") is Standing.REFUSED
    assert decide(access, "127.0.0.1", here=True) is Standing.REFUSED
    assert decide(access, "192.168.8.2") is Standing.OPEN


def test_anonymous_does_not_widen_allow() -> None:
    access = Access(AccessConfig(allow=(), anonymous=("all",)))
    assert decide(access, "192.168.7.2") is Standing.REFUSED
    assert decide(access, "127.0.0.1", here=True) is Standing.OPEN


def test_another_configuration() -> None:
    access = Access(AccessConfig())
    access.configure(AccessConfig(anonymous=("private",)))
    assert decide(access, "192.168.7.2") is Standing.OPEN


def test_what_is_reached_from_a_network() -> None:
    def reached(network: str, **lists: Any) -> bool:
        return Access(AccessConfig(**lists)).reachable_from(ipaddress.ip_network(network))

    assert reached("192.168.7.0/24")
    assert not reached("203.0.113.0/24")
    assert reached("203.0.113.0/24", allow=("203.0.113.9",))
    assert not reached("192.168.7.0/24", deny=("attached",))
    assert not reached("192.168.7.0/24", allow=("loopback",))


class TestTokens:
    def test_the_right_one(self) -> None:
        access = Access(AccessConfig())
        assert access.attempt("10.0.0.1", TOKEN, TOKEN, 0.0) is Attempt.RIGHT
        assert access.attempt("10.0.0.1", TOKEN + "x", TOKEN, 0.0) is Attempt.WRONG
        assert access.attempt("10.0.0.1", "ä", TOKEN, 0.0) is Attempt.WRONG

    def test_without_a_token_every_one_is_wrong(self) -> None:
        assert Access(AccessConfig()).attempt("10.0.0.1", "", "", 0.0) is Attempt.WRONG

    def test_too_many_wrong_ones(self) -> None:
        access = Access(AccessConfig())
        assert {access.attempt("10.0.0.1", "x", TOKEN, float(second)) for second in range(TRIES)} == {Attempt.WRONG}
        assert access.attempt("10.0.0.1", TOKEN, TOKEN, WINDOW - 1) is Attempt.TOO_MANY
        assert access.attempt("::ffff:10.0.0.1", TOKEN, TOKEN, WINDOW - 1) is Attempt.TOO_MANY
        assert access.attempt("10.0.0.2", TOKEN, TOKEN, WINDOW - 1) is Attempt.RIGHT
        assert access.attempt("10.0.0.1", TOKEN, TOKEN, WINDOW) is Attempt.RIGHT

    def test_a_right_one_forgets_the_wrong_ones(self) -> None:
        access = Access(AccessConfig())
        for _ in range(TRIES - 1):
            access.attempt("10.0.0.1", "x", TOKEN, 0.0)
        assert access.attempt("10.0.0.1", TOKEN, TOKEN, 0.0) is Attempt.RIGHT
        assert access.attempt("10.0.0.1", "x", TOKEN, 0.0) is Attempt.WRONG

    def test_a_network_of_ipv6_is_one_attempter(self) -> None:
        access = Access(AccessConfig())
        for number in range(TRIES):
            access.attempt(f"fd00::{number:x}", "x", TOKEN, 0.0)
        assert access.attempt("fd00::ffff:1", TOKEN, TOKEN, 1.0) is Attempt.TOO_MANY
        assert access.attempt("fd00:0:0:1::1", TOKEN, TOKEN, 1.0) is Attempt.RIGHT

    def test_only_so_many_addresses_are_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kernelbus.frontend.access._REMEMBERED", 3)
        access = Access(AccessConfig())
        for number in range(50):
            access.attempt(f"10.0.0.{number}", "x", TOKEN, 0.0)
        assert len(access._failures) == 3


class TestGrants:
    def test_it_opens_for_a_time(self) -> None:
        access = Access(AccessConfig())
        assert access.grant("192.168.7.2", 60.0, "me@here", 10.0) == Grant(ipaddress.IPv4Network("192.168.7.2/32"), 70.0, "me@here")
        assert decide(access, "192.168.7.2", now=69.0) is Standing.OPEN
        assert decide(access, "::ffff:192.168.7.2", now=69.0) is Standing.OPEN
        assert decide(access, "192.168.7.3", now=69.0) is Standing.TOKEN
        assert decide(access, "192.168.7.2", now=70.0) is Standing.TOKEN
        assert [grant.name for grant in access.grants(69.0)] == ["192.168.7.2"]
        assert access.grants(70.0) == []

    def test_it_is_taken_back(self) -> None:
        access = Access(AccessConfig())
        access.grant("192.168.7.0/25", 60.0, "me@here", 0.0)
        assert decide(access, "192.168.7.2", now=1.0) is Standing.OPEN
        assert access.revoke("192.168.7.0/25", 1.0) is not None
        assert access.revoke("192.168.7.0/25", 1.0) is None
        assert decide(access, "192.168.7.2", now=1.0) is Standing.TOKEN

    def test_the_last_one_holds(self) -> None:
        access = Access(AccessConfig())
        access.grant("192.168.7.2", 60.0, "me@here", 0.0)
        access.grant("192.168.7.2", 5.0, "you@here", 0.0)
        assert [(grant.until, grant.sender) for grant in access.grants(0.0)] == [(5.0, "you@here")]

    def test_this_machine_can_have_one(self) -> None:
        access = Access(AccessConfig(anonymous=()))
        access.grant("127.0.0.1", 60.0, "me@here", 0.0)
        assert decide(access, "127.0.0.1", here=True, now=1.0) is Standing.OPEN

    @pytest.mark.parametrize(
        ("network", "seconds", "told"),
        [
            ("lab1", 60.0, "lab1 is no network"),
            ("192.168.7.2", 0.0, "cannot last 0 s"),
            ("192.168.7.2", 1e9, "cannot last"),
            ("192.168.7.2", float("nan"), "cannot last"),
            ("203.0.113.2", 60.0, "not in Access/Allow"),
            ("192.168.9.2", 60.0, "in Access/Deny"),
        ],
    )
    def test_what_is_refused(self, network: str, seconds: float, told: str) -> None:
        access = Access(AccessConfig(deny=("192.168.9.0/24",)))
        with pytest.raises(GrantRefused, match=told):
            access.grant(network, seconds, "me@here", 0.0)
        assert access.grants(0.0) == []


@pytest.mark.parametrize(
    ("lists", "bound", "line"),
    [
        ({}, EVERYWHERE, "open to this machine, and with the token to attached private networks"),
        ({}, ("127.0.0.1",), "open to this machine, without a token"),
        ({"anonymous": ()}, EVERYWHERE, "open to this machine and attached private networks, with the token"),
        ({"anonymous": ("private",)}, EVERYWHERE, "open to this machine and attached private networks, without a token"),
        ({"allow": ("all",)}, EVERYWHERE, "open to this machine, and with the token to everybody"),
        ({"allow": ("all",), "anonymous": ("all",)}, EVERYWHERE, "open to everybody, without a token"),
        ({"allow": ()}, EVERYWHERE, "open to this machine, without a token"),
        (
            {"allow": ("attached", "203.0.113.0/24"), "deny": ("10.0.0.3",)},
            EVERYWHERE,
            "open to this machine, and with the token to attached private networks and 203.0.113.0/24; closed to 10.0.0.3",
        ),
        (
            {"allow": ("10.1.0.0/16",), "anonymous": ("10.1.2.3",)},
            ("10.1.0.1",),
            "open to 10.1.2.3, and with the token to this machine and 10.1.0.0/16",
        ),
        # Anonymous does not widen Allow.
        ({"anonymous": ("8.8.8.8",)}, EVERYWHERE, "open to this machine and attached private networks, with the token"),
        (
            {"anonymous": ("0.0.0.0/0",)},
            EVERYWHERE,
            "open to 0.0.0.0/0 as far as it is allowed, and with the token to this machine and attached private networks",
        ),
        (
            {"allow": ("attached", "10.0.0.0/8"), "anonymous": ("all",)},
            EVERYWHERE,
            "open to this machine, attached private networks and 10.0.0.0/8, without a token",
        ),
        (
            {"allow": ("private", "10.0.0.0/8", "::1"), "anonymous": ("127.0.0.2",)},
            EVERYWHERE,
            "open to 127.0.0.2, and with the token to this machine and all private networks",
        ),
        # Deny counts before both.
        (
            {"allow": ("all",), "deny": ("private",)},
            EVERYWHERE,
            "open to everybody, with the token; closed to this machine and all private networks",
        ),
        ({"deny": ("loopback",)}, EVERYWHERE, "open to attached private networks, with the token; closed to this machine"),
        ({"deny": ("attached",)}, EVERYWHERE, "open to nobody; closed to this machine and attached private networks"),
        ({"allow": ("10.0.0.0/8",), "deny": ("all", "10.0.0.1")}, EVERYWHERE, "open to nobody; closed to everybody"),
        (
            {"allow": ("10.213.0.0/16",), "deny": ("10.213.7.0/24",)},
            EVERYWHERE,
            "open to this machine, and with the token to 10.213.0.0/16; closed to 10.213.7.0/24",
        ),
    ],
)
def test_it_is_said_in_one_line(lists: dict[str, Any], bound: tuple[str, ...], line: str) -> None:
    assert opened(AccessConfig(**lists), bound) == line

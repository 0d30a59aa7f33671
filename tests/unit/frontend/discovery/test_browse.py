"""The finder: which interfaces it uses, what it waits for, and whose packets it accepts."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from kernelbus.frontend.discovery.browse import BrowseError, Finder, _OwnOnly
from kernelbus.frontend.discovery.services import POOL_TYPE, Adapter


@pytest.mark.asyncio
async def test_an_interface_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BrowseError, match=r"192\.0\.2\.254 is no address of this machine: these are 127\.0\.0\.1"):
        async with Finder([POOL_TYPE], "192.0.2.254"):
            pass


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("interface", "used"),
    [
        (None, [["127.0.0.1"], ["192.0.2.7", "fd00::7", "fd00::9"]]),
        ("::1", [["127.0.0.1"]]),
        ("192.0.2.7", [["192.0.2.7", "fd00::7"]]),
        ("192.0.2.8", [["192.0.2.8", "fd00::7"]]),
        ("fd00::9", [["fd00::9"]]),
    ],
)
async def test_both_families_of_an_interface_are_listened_to(
    interface: str | None, used: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = [
        Adapter("lo", ("127.0.0.1", "::1")),
        Adapter("eth0", ("192.0.2.7", "192.0.2.8", "fd00::7")),
        Adapter("eth1", ("fd00::9",)),
    ]
    listened: list[list[str]] = []

    async def listen(self: Finder, local: bool, addresses: list[str], own: frozenset[str]) -> None:
        listened.append(addresses)

    monkeypatch.setattr("kernelbus.frontend.discovery.browse.adapters", lambda: machine)
    monkeypatch.setattr(Finder, "_listen", listen)
    async with Finder([POOL_TYPE], interface):
        assert listened == used


@pytest.mark.asyncio
async def test_a_time_out_without_a_change_is_reported() -> None:
    async with Finder([f"_kb-{secrets.token_hex(5)}._tcp.local."], "127.0.0.1") as finder:
        assert not await finder.changed(0.05)
        assert finder.records == []
        finder._changed.set()
        assert await finder.changed(20)
        assert not await finder.changed(0.05), "a change is reported once"


class Inner(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        self.packets.append(data)


@pytest.mark.parametrize(
    ("sender", "passes"),
    [("127.0.0.1", True), ("127.0.0.9", True), ("192.0.2.7", True), ("192.0.2.8", False), ("::1", True)],
)
def test_on_loopback_only_packets_of_this_machine_count(sender: str, passes: bool) -> None:
    inner = Inner()
    _OwnOnly(inner, frozenset({"127.0.0.1", "192.0.2.7"})).datagram_received(b"packet", (sender, 5353))
    assert inner.packets == ([b"packet"] if passes else [])

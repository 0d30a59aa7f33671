"""Both families on the sockets of multicast DNS; tests/e2e/test_discovery.py has whole machines."""

from __future__ import annotations

import socket

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncZeroconf

from kernelbus.frontend.discovery import multicast
from kernelbus.frontend.discovery.multicast import mute, open_multicast, use_interfaces

pytestmark = pytest.mark.asyncio

needs_ipv6 = pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")


@needs_ipv6
async def test_both_families_are_used_where_both_are_there() -> None:
    zeroconf = await open_multicast(["127.0.0.1", "::1"])
    try:
        assert mute(zeroconf, ["127.0.0.1", "::1"]) == []
        assert mute(zeroconf, ["127.0.0.1", "127.0.0.9"]) == ["127.0.0.9"]
        await use_interfaces(zeroconf, ["127.0.0.1"])
        assert mute(zeroconf, ["127.0.0.1", "::1"]) == ["::1"]
        await use_interfaces(zeroconf, ["127.0.0.1", "::1"])
        assert mute(zeroconf, ["127.0.0.1", "::1"]) == []
    finally:
        await zeroconf.async_close()


async def test_where_sockets_serve_one_family_alone_ipv4_is_used_and_the_rest_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = AsyncZeroconf

    def refuse(interfaces: list[str], ip_version: IPVersion) -> object:
        if ip_version is IPVersion.All:
            raise OSError(97, "Address family not supported by protocol")
        return made(interfaces=interfaces, ip_version=ip_version)

    monkeypatch.setattr(multicast, "AsyncZeroconf", refuse)
    zeroconf = await open_multicast(["127.0.0.1", "::1"])
    try:
        assert mute(zeroconf, ["127.0.0.1", "::1"]) == ["::1"]
    finally:
        await zeroconf.async_close()
    monkeypatch.setattr(multicast, "AsyncZeroconf", lambda **_: (_ for _ in ()).throw(OSError(97, "Address family not supported")))
    with pytest.raises(OSError, match="not supported"):
        await open_multicast(["127.0.0.1"])

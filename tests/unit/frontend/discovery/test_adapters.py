"""The list of this machine's network interfaces."""

from __future__ import annotations

import ifaddr
import pytest

from kernelbus.frontend.discovery.adapters import adapters
from kernelbus.frontend.discovery.services import Adapter


def interface(name: str, *addresses: str) -> ifaddr.Adapter:
    ips = [ifaddr.IP((address, 0, 2) if ":" in address else address, 24, name) for address in addresses]
    return ifaddr.Adapter(name, name, ips, index=1)


def test_link_local_addresses_and_interfaces_without_others_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    known = [
        interface("lo", "127.0.0.1", "::1"),
        interface("eth0", "FE80::1", "192.0.2.7", "fd00::7"),
        interface("tun0", "fe80::2"),
        interface("down0"),
    ]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: known)
    assert adapters() == [Adapter("lo", ("127.0.0.1", "::1")), Adapter("eth0", ("192.0.2.7", "fd00::7"))]


def test_this_machine_has_loopback() -> None:
    assert any("127.0.0.1" in adapter.addresses for adapter in adapters())

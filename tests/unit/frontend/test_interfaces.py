"""The networks of this machine's interfaces."""

from __future__ import annotations

import ipaddress

import ifaddr
import pytest

from kernelbus.frontend.interfaces import attached_networks


def test_the_network_of_each_address(monkeypatch: pytest.MonkeyPatch) -> None:
    ips = [ifaddr.IP("192.168.7.3", 24, "eth0"), ifaddr.IP(("fe80::3%eth0", 0, 2), 64, "eth0"), ifaddr.IP("10.8.0.2", 32, "tun0")]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [ifaddr.Adapter("eth0", "eth0", ips, index=2)])
    assert attached_networks() == tuple(map(ipaddress.ip_network, ("192.168.7.0/24", "fe80::/64", "10.8.0.2/32")))


def test_this_machine_has_loopback() -> None:
    assert ipaddress.ip_network("127.0.0.0/8") in attached_networks()

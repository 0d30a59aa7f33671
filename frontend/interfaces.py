"""The networks to which this machine is attached, as its interfaces have them."""

from __future__ import annotations

import ipaddress

import ifaddr

from kernelbus.bus.settings.networks import Network

__all__ = ["attached_networks"]


def attached_networks() -> tuple[Network, ...]:
    """Return the network of each address of this machine's interfaces."""
    found: dict[Network, None] = {}
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = str(ip.ip if ip.is_IPv4 else ip.ip[0]).partition("%")[0]
            found[ipaddress.ip_network(f"{address}/{ip.network_prefix}", strict=False)] = None
    return tuple(found)

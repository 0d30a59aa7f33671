"""The network interfaces of this machine, as the library ifaddr lists them."""

from __future__ import annotations

import ifaddr

from kernelbus.frontend.discovery.services import Adapter

__all__ = ["adapters"]


def adapters() -> list[Adapter]:
    """Return this machine's network interfaces that have addresses.

    Link-local IPv6 addresses are left out: they cannot be used without the interface's name.
    """
    found = []
    for adapter in ifaddr.get_adapters():
        addresses = [str(ip.ip if ip.is_IPv4 else ip.ip[0]) for ip in adapter.ips]
        usable = tuple(address for address in addresses if not address.lower().startswith("fe80:"))
        if usable:
            found.append(Adapter(str(adapter.name), usable))
    return found

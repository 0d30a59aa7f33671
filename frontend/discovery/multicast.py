"""The sockets of multicast DNS: opened for both families of addresses, where a machine has both.

A machine with IPv6 alone is as much a machine as one with IPv4 alone. Where an interface has both,
both are used: of the machines around it, some may have only one of the two.

Importing this module imports zeroconf.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from zeroconf import IPVersion
from zeroconf.asyncio import AsyncZeroconf

from kernelbus.frontend.discovery.services import parsed_address

__all__ = ["mute", "open_multicast", "use_interfaces"]


async def open_multicast(interfaces: Sequence[str]) -> AsyncZeroconf:
    """Speak and listen on interfaces, and wait until that works.

    A machine whose sockets cannot serve both families uses IPv4 alone; :func:`mute` then names the
    rest.

    Args:
        interfaces: an address of each, for each family to be used there; not empty.

    Raises:
        OSError: multicast DNS cannot be used.
        RuntimeError: an address is not this machine's any more.
    """
    version = _version(interfaces)
    try:
        zeroconf = AsyncZeroconf(interfaces=list(interfaces), ip_version=version)
    except OSError:
        if version is not IPVersion.All:
            raise
        zeroconf = AsyncZeroconf(interfaces=[address for address in interfaces if not _is_v6(address)], ip_version=IPVersion.V4Only)
    try:
        await zeroconf.zeroconf.async_wait_for_start()
    except BaseException:
        await zeroconf.async_close()
        raise
    return zeroconf


async def use_interfaces(zeroconf: AsyncZeroconf, interfaces: Sequence[str]) -> None:
    """Speak and listen on these interfaces from now on, as far as that works (:func:`mute`).

    Raises:
        RuntimeError: an address is not this machine's any more.
    """
    with contextlib.suppress(OSError):
        await zeroconf.async_update_interfaces(list(interfaces), _version(interfaces))


def mute(zeroconf: AsyncZeroconf, interfaces: Sequence[str]) -> list[str]:
    """Return those of `interfaces` on which nothing is said, and so nobody hears of a service.

    An address that was given to the machine a moment ago cannot be used yet: try again later.
    """
    speaking = {parsed_address(str(sender.sock_name[0])) for sender in zeroconf.zeroconf.engine.senders}
    return [address for address in interfaces if parsed_address(address) not in speaking]


def _version(interfaces: Sequence[str]) -> IPVersion:
    sixes = [_is_v6(address) for address in interfaces]
    return IPVersion.V6Only if all(sixes) else IPVersion.All if any(sixes) else IPVersion.V4Only


def _is_v6(address: str) -> bool:
    return ":" in address

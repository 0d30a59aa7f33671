"""`kernelbus frontend`: a frontend in a process of its own; `kernelbus serve` shares its functions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kernelbus.bus.settings.config import Config
from kernelbus.bus.settings.networks import parse_address
from kernelbus.bus.transport.interface import TransportFactory
from kernelbus.frontend.server import Frontend
from kernelbus.shell.extras import require
from kernelbus.shell.operations.parts import (
    DISCOVER,
    Parts,
    broker_there,
    part_name,
    parts,
    reach_bus,
    records,
    run_part,
)
from kernelbus.shell.operations.version import version
from kernelbus.shell.token import server_token

__all__ = ["advertise_server", "listening_lines", "local_link_name", "make_frontend", "run_frontend", "start_frontend"]


_log = logging.getLogger("kernelbus.server")

#: Links may take this part of `Limits`/`ShutdownTimeout`, which is for everything, to close.
_LINKS_SHARE = 0.25


def run_frontend(config: Config, *, endpoint: str, port: int, interface: str | None, service: str | None = None) -> int:
    """Run a frontend until told to stop.

    Args:
        config: the configuration.
        endpoint: where the broker is; "discover": it is looked for.
        port: the port for clients; 0: any free one.
        interface: the address or name to listen on; None: all of this machine's.
        service: what the server is advertised as; "" for no name of its own; None: it is not
            advertised.

    Returns:
        The exit status: 0 after an orderly end; 2 after an error, which is logged.

    Raises:
        MissingExtra: a package is missing that discovery or advertising needs.
    """
    if endpoint == DISCOVER or service is not None:
        require("discovery")
    return run_part(_frontend(config, endpoint, port, interface, service))


async def _frontend(config: Config, endpoint: str, port: int, interface: str | None, service: str | None) -> None:
    async with parts(config) as process:
        bus = await reach_bus(process, config, endpoint)
        if bus is None:
            return
        connect, endpoint, found = bus
        frontend = make_frontend(process, config, connect, endpoint)
        process.reload_with(frontend.reloader)
        await frontend.listen(interface, port)
        start_frontend(process, config, frontend)
        if found is not None:
            process.start(found.follow(frontend.membership))
        if service is not None:
            process.start(advertise_server(frontend, service, interface))
        process.tell(lambda: f"{frontend.open_links} links; {broker_there(frontend.membership, endpoint)}")
        process.ready(listening_lines(frontend, interface))
        await process.wait_for_stop()


def make_frontend(process: Parts, config: Config, connect: TransportFactory, where: str, kernels: int = 0) -> Frontend:
    """Make the frontend of a process; `connect` leads to the broker, which is at `where`.

    Args:
        kernels: how many kernels the same process may start.
    """
    return Frontend(
        config,
        connect,
        name=part_name(config),
        version=version(),
        where=where,
        reread=process.reread,
        records=records(),
        descriptors=process.descriptors,
        kernels=kernels,
        token=server_token(config.access.token),
    )


def start_frontend(process: Parts, config: Config, frontend: Frontend) -> None:
    """Run a frontend that listens, and close its links when the process is told to stop."""
    process.start(frontend.run(), on_stop=lambda: frontend.close(config.limits.shutdown_timeout * _LINKS_SHARE))


def listening_lines(frontend: Frontend, interface: str | None) -> str:
    """Return the lines that say that clients can connect, and which; programs read the port."""
    first = f"Listening for new connections on port {frontend.port}" + (f" and interface {interface}" if interface else "")
    opened = frontend.opened
    return f"{first}\n{opened[:1].upper()}{opened[1:]}"


def local_link_name(frontend: Frontend) -> str:
    """Return the link name by which programs of this machine reach a frontend that listens."""
    addresses = frontend.addresses
    everywhere = any(parse_address(address).is_unspecified or address == "127.0.0.1" for address in addresses)
    return f"{frontend.port}@{'127.0.0.1' if everywhere or not addresses else addresses[0]}"


async def advertise_server(frontend: Frontend, service: str, interface: str | None) -> None:
    """Advertise a frontend's server and its pools by DNS-SD as `service`, until cancelled.

    Args:
        frontend: listens.
        service: the name; "" for none.
        interface: where it was told to listen; None: nowhere, so that it is for other machines.
    """
    # Only a server that advertises loads zeroconf.
    from kernelbus.frontend.discovery.adapters import adapters as own_adapters
    from kernelbus.frontend.discovery.advertise import Advertiser
    from kernelbus.frontend.discovery.services import (
        Adapter,
        Reach,
        Service,
        is_loopback,
        reach,
        server_services,
    )

    protocol = frontend.config.discovery.service_protocol

    async def describe(where: Reach, names: Mapping[str, str]) -> Sequence[Service]:
        status = await frontend.status() if "server" in names else None
        pools = status.pools if status is not None else []
        return server_services(protocol, service, frontend.port, where.addresses, pools, names.get("server", ""))

    def where(adapters: Sequence[Adapter]) -> Reach:
        # An address is announced if those who see it there may connect.
        seen = [replace(adapter, addresses=tuple(filter(frontend.reachable, adapter.addresses))) for adapter in adapters]
        return reach(frontend.addresses, [adapter for adapter in seen if adapter.addresses])

    def alone() -> str:
        if interface is not None:
            return ""
        if frontend.access.local_only:
            return "Access/Allow names no network, so that no other machine can reach the server"
        own = [address for adapter in own_adapters() for address in adapter.addresses if not is_loopback(address)]
        if not own:
            return "this machine has no address on a network"
        return f"no network of its addresses ({', '.join(own)}) is in Access/Allow, so that no other machine can reach the server"

    advertiser = Advertiser(where, describe, machine=part_name(frontend.config), alone=alone)
    await advertiser.run()

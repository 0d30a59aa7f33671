"""`kernelbus serve`: broker, frontend and kernel host in one process, on one event loop.

They are the same classes as apart, and send the same frames to the same broker; only the transport
between them differs.
"""

from __future__ import annotations

import asyncio
import logging
import secrets

from kernelbus.bus.broker.server import BrokerServer
from kernelbus.bus.errors import BusError, EndpointError
from kernelbus.bus.settings.config import Config
from kernelbus.bus.transport.interface import TransportFactory
from kernelbus.bus.transport.socketfile import path_of
from kernelbus.bus.transport.zeromq import dealer_factory
from kernelbus.kernelhost.host import Host
from kernelbus.shell.defaults import bus_endpoint
from kernelbus.shell.extras import require
from kernelbus.shell.operations.broker import (
    advertise_bus,
    bind_bus,
    broker_status,
    make_broker,
)
from kernelbus.shell.operations.frontend import (
    advertise_server,
    listening_lines,
    local_link_name,
    make_frontend,
    start_frontend,
)
from kernelbus.shell.operations.host import check_kernels, make_host
from kernelbus.shell.operations.parts import parts, run_part
from kernelbus.shell.operations.shown import NOTHING, Shown, serve_shown

__all__ = ["run_serve"]

_log = logging.getLogger("kernelbus.server")


def run_serve(
    config: Config,
    *,
    port: int,
    interface: str | None,
    bus_endpoint: str | None,
    service: str | None = None,
    shown: Shown = NOTHING,
) -> int:
    """Run broker, frontend and host in this process until told to stop.

    Args:
        config: the configuration.
        port: the port for clients; 0: any free one.
        interface: the address or name to listen on; None: all of this machine's.
        bus_endpoint: where the broker binds for other processes; None: as configured, or a socket
            named for the port in the user's state folder.
        service: what the server is advertised as; "" for no name of its own; None: it is not
            advertised.
        shown: what is served over HTTP.

    Returns:
        The exit status: 0 after an orderly end; 2 after an error, which is logged.

    Raises:
        MissingExtra: a package is missing that `service` or `shown` needs, or the kernels of
            every pool.
    """
    shown.check()
    if service is not None:
        require("discovery")
    check_kernels(config)
    return run_part(_serve(config, port, interface, bus_endpoint, service, shown))


async def _serve(
    config: Config,
    port: int,
    interface: str | None,
    bus_endpoint: str | None,
    service: str | None,
    shown: Shown,
) -> None:
    async with parts(config) as process:
        broker = make_broker(process, config, f"serve-{port}" if port else None)
        connect: TransportFactory = broker.connect
        if config.bus.local_transport == "inproc":
            local = broker.bind(f"inproc://kernelbus-{secrets.token_hex(8)}")
            connect = dealer_factory(process.context, local, secrets.token_bytes)
        kernels = sum(pool.maximum_kernel_number for pool in config.pools)
        frontend = make_frontend(process, config, connect, "this process", kernels)
        host = make_host(process, config, connect, "this process")
        process.reload_with(broker.reloader, host.reloader, frontend.reloader)
        port = await frontend.listen(interface, port)
        host.server = local_link_name(frontend)
        try:
            bound = _bind(broker, bus_endpoint or config.bus.endpoint, port)
            process.start(broker.run())
            await serve_shown(process, broker, config, shown)
        except BusError:
            # It listens, and nothing else ends it yet.
            await frontend.close(0.0)
            raise
        process.start(host.run(), on_stop=host.close)
        start_frontend(process, config, frontend)
        await frontend.membership.wait_until_up(config.bus.heartbeat_timeout)
        if service is not None:
            process.start(advertise_server(frontend, service, interface))
            if bound is not None and path_of(bound) is None:
                process.start(advertise_bus(config, bound))
        process.tell(lambda: broker_status(broker))
        process.ready(listening_lines(frontend, interface))
        telling = asyncio.create_task(_tell_ready(host))
        try:
            await process.wait_for_stop()
        finally:
            telling.cancel()


async def _tell_ready(host: Host) -> None:
    """Say once that each pool has the kernels that it keeps ready."""
    ready = await host.wait_until_ready()
    if ready:
        pools = ", ".join(f"{count} of pool {pool}" for pool, count in ready.items())
        print(f"Kernels are ready: {pools}", flush=True)


def _bind(broker: BrokerServer, endpoint: str | None, port: int) -> str | None:
    """Bind the broker for other processes; return its address, or None where the default is taken.

    Raises:
        EndpointError: `endpoint` was asked for and cannot be had.
    """
    try:
        bound = bind_bus(broker, endpoint or bus_endpoint(port))
    except EndpointError as error:
        if endpoint is not None:
            raise
        told = "%s; this server works, but other processes cannot join it: name another one as Bus/Endpoint, or a folder as XDG_STATE_HOME"
        _log.warning(told, error)
        return None
    _log.info("the bus is at %s", bound)
    return bound

"""`kernelbus broker`: a broker in a process of its own; `kernelbus serve` shares its functions."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from kernelbus.bus.broker.server import BrokerServer
from kernelbus.bus.broker.tables import BrokerOptions
from kernelbus.bus.errors import EndpointError
from kernelbus.bus.security.curve import key_store
from kernelbus.bus.settings.config import Config
from kernelbus.bus.transport.socketfile import path_of
from kernelbus.shell.extras import require
from kernelbus.shell.operations.parts import Parts, part_name, parts, run_part
from kernelbus.shell.operations.shown import NOTHING, Shown, serve_shown
from kernelbus.shell.operations.version import version
from kernelbus.shell.state import private_folder, socket_folder, state_directory

__all__ = ["advertise_bus", "bind_bus", "broker_status", "make_broker", "run_broker"]

_log = logging.getLogger("kernelbus.server")


def run_broker(config: Config, *, endpoint: str, shown: Shown = NOTHING, advertise: bool = False) -> int:
    """Run a broker until told to stop.

    Args:
        config: the configuration.
        endpoint: where to bind.
        shown: what is served over HTTP.
        advertise: whether the broker is advertised by DNS-SD.

    Returns:
        The exit status: 0 after an orderly end; 2 after an error, which is logged.

    Raises:
        MissingExtra: a package is missing that `shown` or `advertise` needs.
    """
    shown.check()
    if advertise:
        require("discovery")
    return run_part(_broker(config, endpoint, shown, advertise))


async def _broker(config: Config, endpoint: str, shown: Shown, advertise: bool) -> None:
    async with parts(config) as process:
        anywhere = endpoint.endswith((":0", ":*"))
        broker = make_broker(process, config, None if anywhere else f"broker-{endpoint}")
        process.reload_with(broker.reloader)
        bound = bind_bus(broker, endpoint)
        process.start(broker.run())
        await serve_shown(process, broker, config, shown)
        if advertise:
            process.start(advertise_bus(config, bound))
        process.tell(lambda: broker_status(broker))
        process.ready(f"Broker listening at {bound}")
        await process.wait_for_stop()


def bind_bus(broker: BrokerServer, endpoint: str) -> str:
    """Bind a broker, and return its address. A socket in the state folder is its user's alone.

    Raises:
        EndpointError, KeysError: it cannot be bound.
    """
    path = path_of(endpoint)
    if path is not None and path.parent == socket_folder():
        try:
            private_folder()
        except OSError as error:
            raise EndpointError(f"the bus endpoint {endpoint} cannot be bound: {path.parent}: {error.strerror}") from None
    return broker.bind(endpoint)


def make_broker(process: Parts, config: Config, journal: str | None) -> BrokerServer:
    """Make the broker of a process, which closes it at its end.

    Args:
        process: the tasks of the process.
        config: the configuration.
        journal: the name of the default journal; None: there is none unless one is configured.

    Raises:
        BusError: keys are needed, and missing.
    """
    options = BrokerOptions(name=part_name(config), version=version()).of(config)
    broker = BrokerServer(options, process.context, _journal(config, journal), config, process.reread, key_store(config))
    process.on_exit(broker.close)
    return broker


def _journal(config: Config, name: str | None) -> Path | None:
    given = config.bus.journal
    if given is not None:
        return Path(given) if given else None
    return state_directory() / f"{re.sub('[^0-9A-Za-z.]+', '-', name)}.sqlite" if name is not None else None


async def advertise_bus(config: Config, bound: str) -> None:
    """Advertise the broker that is bound to `bound` by DNS-SD, until cancelled."""
    # Only a server that advertises loads zeroconf.
    from kernelbus.shell.operations.findbus import advertise_broker

    await advertise_broker(config, bound, part_name(config))


def broker_status(server: BrokerServer) -> str:
    """Say, for the service manager, what the broker has."""
    broker = server.broker
    hosts, frontends = len(broker.peers_of("host")), len(broker.peers_of("frontend"))
    kernels = [session.report for session in broker.sessions.live.values()]
    attached = sum(1 for report in kernels if report.channel)
    return f"{frontends} frontends, {hosts} hosts; {len(kernels)} kernels, {attached} with a client"

"""`kernelbus host`: a kernel host in a process of its own; `kernelbus serve` shares its functions.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from kernelbus.bus.settings.config import WOXI, Config
from kernelbus.bus.transport.interface import TransportFactory
from kernelbus.kernelhost.host import Host
from kernelbus.kernelhost.process.starting import is_embedded
from kernelbus.shell.extras import missing, require
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

__all__ = ["check_kernels", "make_host", "run_host"]

_log = logging.getLogger("kernelbus.server")
#: The variable that says where the server of a host that runs by itself listens for programs.
_SERVER = "KERNELBUS_PARALLEL_SERVER"


def run_host(config: Config, *, endpoint: str) -> int:
    """Run a kernel host until told to stop.

    Args:
        config: the configuration.
        endpoint: where the broker is; "discover": it is looked for.

    Returns:
        The exit status: 0 after an orderly end; 2 after an error, which is logged.

    Raises:
        MissingExtra: a package is missing that discovery needs, or the kernels of every pool.
    """
    if endpoint == DISCOVER:
        require("discovery")
    check_kernels(config)
    return run_part(_host(config, endpoint))


def check_kernels(config: Config) -> None:
    """Check that the embedded kernel and Woxi can run where pools have them; log an error if not.

    That the embedded kernel has no second engine is a warning.

    Raises:
        MissingExtra: one cannot, and no pool has another kernel.
    """
    embedded = [pool.name for pool in config.pools if is_embedded(pool.kernel_path)]
    woxi = [pool.name for pool in config.pools if pool.kernel_path == WOXI]
    for extra, pools in (("embedded", embedded), ("engine", woxi)):
        error = missing(extra) if pools else None
        if error is None:
            continue
        if len(pools) == len(config.pools):
            raise error
        _log.error("no kernels can be started for %s: %s", ", ".join(pools), error)
    if embedded and missing("embedded") is None and (lacking := missing("engine")) is not None:
        _log.warning("functions that Mathics3 lacks stay unevaluated, for want of a second engine: %s", lacking)


async def _host(config: Config, endpoint: str) -> None:
    async with parts(config) as process:
        bus = await reach_bus(process, config, endpoint)
        if bus is None:
            return
        connect, endpoint, found = bus
        host = make_host(process, config, connect, endpoint, end=process.stop)
        host.server = os.environ.get(_SERVER, "")
        process.reload_with(host.reloader)
        process.start(host.run(), on_stop=host.close)
        if found is not None:
            process.start(found.follow(host.membership))
        process.tell(lambda: f"{host.kernels} kernels, {host.attached} with a client; {broker_there(host.membership, endpoint)}")
        process.start(_say_joined(process, host, endpoint))
        await process.wait_for_stop()


def make_host(
    process: Parts, config: Config, connect: TransportFactory, where: str, *, end: Callable[[str], None] | None = None
) -> Host:
    """Make the kernel host of a process.

    Args:
        process: the tasks of the process.
        config: the configuration.
        connect: makes transports to the broker.
        where: the broker's address, for the log.
        end: ends the process, for the reason given; None: the process is more than a host.
    """
    return Host(config, connect, name=part_name(config), version=version(), where=where, reread=process.reread, end=end, records=records())


async def _say_joined(process: Parts, host: Host, endpoint: str) -> None:
    while not await host.membership.wait_until_up(3600.0):
        pass
    process.ready(f"Kernel host has joined the broker at {endpoint}")
    await asyncio.Event().wait()

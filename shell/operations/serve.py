"""What `kernelbus serve`, `broker`, `frontend` and `host` do: put the parts together, say when they
are ready, and end them in order.

`serve` runs the three parts in one process, on one event loop. They are the same classes as apart,
and speak the same frames to the same broker; only the transport between them differs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq

from kernelbus.bus.broker.journal import Journal, JournalError
from kernelbus.bus.broker.server import BrokerServer
from kernelbus.bus.broker.status import describe
from kernelbus.bus.broker.tables import BrokerOptions
from kernelbus.bus.errors import BusError, EndpointError
from kernelbus.bus.membership import Membership, MembershipState
from kernelbus.bus.protocol.reports import StatusRequest
from kernelbus.bus.security.curve import Introduction, key_store
from kernelbus.bus.settings.config import Config, load
from kernelbus.bus.settings.reload import Reloader
from kernelbus.bus.transport.interface import TransportFactory
from kernelbus.bus.transport.zeromq import dealer_factory
from kernelbus.frontend.server import Frontend
from kernelbus.kernelhost.host import Host
from kernelbus.shell.operations.notify import Notifier
from kernelbus.shell.operations.version import version

if TYPE_CHECKING:
    from kernelbus.shell.operations.findbus import DiscoveredBus

__all__ = ["run_broker", "run_frontend", "run_host", "run_serve"]

_log = logging.getLogger("kernelbus.server")

#: Links are given this part of the time to close that `Limits`/`ShutdownTimeout` allows for
#: everything.
_LINKS_SHARE = 0.25


def run_serve(
    config: Config,
    *,
    port: int,
    interface: str | None,
    bus_endpoint: str | None,
    service: str | None = None,
    metrics: tuple[str, int] | None = None,
) -> int:
    """Run broker, frontend and host in this process until told to stop.

    Args:
        service: what the server is advertised as; "" for no name of its own; None: it is not
            advertised.
        metrics: the interface and port for Prometheus; None: metrics are not served.

    Returns:
        The exit status: 0 after an orderly end, 2 when a port could not be had.
    """
    return _run(_serve(config, port, interface, bus_endpoint, service, metrics))


def run_broker(config: Config, *, endpoint: str, metrics: tuple[str, int] | None = None, advertise: bool = False) -> int:
    """Run a broker until told to stop, with `metrics` as :func:`run_serve` has them, advertised or
    not; returns the exit status.
    """
    return _run(_broker(config, endpoint, metrics, advertise))


def run_frontend(config: Config, *, endpoint: str, port: int, interface: str | None, service: str | None = None) -> int:
    """Run a frontend until told to stop, advertised as `service`; returns the exit status."""
    return _run(_frontend(config, endpoint, port, interface, service))


def run_host(config: Config, *, endpoint: str) -> int:
    """Run a kernel host until told to stop; returns the exit status."""
    return _run(_host(config, endpoint))


def _run(main: Coroutine[Any, Any, None]) -> int:
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):  # uvloop is a matter of speed
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        try:
            runner.run(main)
        except BusError as error:
            _log.error("%s", error)
            return 2
    return 0


async def _serve(
    config: Config,
    port: int,
    interface: str | None,
    bus_endpoint: str | None,
    service: str | None,
    metrics: tuple[str, int] | None,
) -> None:
    async with _parts(config) as parts:
        journal = _journal(config, f"serve-{port}" if port else None)
        broker = BrokerServer(_broker_options(config), parts.context, journal, config, parts.reread, key_store(config))
        parts.on_exit(broker.close)
        connect: TransportFactory = broker.connect
        if config.bus.local_transport == "inproc":
            local = broker.bind(f"inproc://kernelbus-{secrets.token_hex(8)}")
            connect = dealer_factory(parts.context, local, secrets.token_bytes)
        frontend = Frontend(config, connect, name=part_name(config), version=version(), where="this process", reread=parts.reread)
        host = Host(config, connect, name=part_name(config), version=version(), where="this process", reread=parts.reread)
        parts.reload_with(broker.reloader, host.reloader, frontend.reloader)
        port = await frontend.listen(interface, port)
        bound = _bind(broker, bus_endpoint or config.bus.endpoint, port)
        parts.start(broker.run())
        await _serve_metrics(parts, broker, metrics)
        parts.start(host.run(), on_stop=host.close)
        parts.start(frontend.run(), on_stop=lambda: frontend.close(config.limits.shutdown_timeout * _LINKS_SHARE))
        await frontend.membership.wait_until_up(config.bus.heartbeat_timeout)
        if service is not None:
            parts.start(_advertise_server(frontend, service))
            if bound is not None:
                parts.start(_advertise_broker(config, bound))
        parts.tell(lambda: _broker_status(broker))
        parts.ready(_listening(port, interface))
        await parts.wait_for_stop()


def _bind(broker: BrokerServer, endpoint: str | None, port: int) -> str | None:
    try:
        bound = broker.bind(endpoint or f"tcp://127.0.0.1:{port + 1}")
    except EndpointError as error:
        if endpoint is not None:
            raise
        _log.warning("%s; this server works, but other processes cannot join it: name a free one as Bus/Endpoint", error)
        return None
    _log.info("the bus is at %s", bound)
    return bound


async def _broker(config: Config, endpoint: str, metrics: tuple[str, int] | None, advertise: bool) -> None:
    async with _parts(config) as parts:
        anywhere = endpoint.endswith((":0", ":*"))
        journal = _journal(config, None if anywhere else f"broker-{endpoint}")
        broker = BrokerServer(_broker_options(config), parts.context, journal, config, parts.reread, key_store(config))
        parts.reload_with(broker.reloader)
        parts.on_exit(broker.close)
        bound = broker.bind(endpoint)
        parts.start(broker.run())
        await _serve_metrics(parts, broker, metrics)
        if advertise:
            parts.start(_advertise_broker(config, bound))
        parts.tell(lambda: _broker_status(broker))
        parts.ready(f"Broker listening at {bound}")
        await parts.wait_for_stop()


async def _serve_metrics(parts: _Parts, server: BrokerServer, metrics: tuple[str, int] | None) -> None:
    if metrics is None:
        return
    # prometheus_client is for who is scraped, and for nobody else.
    from kernelbus.shell.operations.metrics import MetricsServer, Snapshot

    broker, now = server.broker, asyncio.get_running_loop().time
    answering = MetricsServer(lambda: Snapshot(describe(broker, StatusRequest(0), now()), broker.dropped, server.refused_handshakes))
    where = await answering.listen(*metrics)
    _log.info("metrics are at %s", where)
    if metrics[1] == 0:
        print(f"Metrics are at {where}", flush=True)
    parts.start(answering.run())


async def _frontend(config: Config, endpoint: str, port: int, interface: str | None, service: str | None) -> None:
    async with _parts(config) as parts:
        bus = await _reach_bus(parts, config, endpoint)
        if bus is None:
            return
        connect, endpoint, found = bus
        frontend = Frontend(config, connect, name=part_name(config), version=version(), where=endpoint, reread=parts.reread)
        parts.reload_with(frontend.reloader)
        port = await frontend.listen(interface, port)
        parts.start(frontend.run(), on_stop=lambda: frontend.close(config.limits.shutdown_timeout * _LINKS_SHARE))
        if found is not None:
            parts.start(found.follow(frontend.membership))
        if service is not None:
            parts.start(_advertise_server(frontend, service))
        parts.tell(lambda: f"{frontend.open_links} links; {_broker_there(frontend.membership, endpoint)}")
        parts.ready(_listening(port, interface))
        await parts.wait_for_stop()


async def _reach_bus(
    parts: _Parts, config: Config, endpoint: str
) -> tuple[TransportFactory, str, DiscoveredBus | None] | None:
    """Give the way to the broker and where it is, and what looks for it again if it had to be
    looked for. None: told to stop meanwhile.
    """
    if endpoint != "discover":
        introduction = Introduction(endpoint, config)
        return dealer_factory(parts.context, endpoint, secrets.token_bytes, introduction), endpoint, None
    from kernelbus.shell.operations.findbus import DiscoveredBus

    found = DiscoveredBus(config, parts.context)
    if not await parts.unless_stopped(found.find()):
        return None
    return found.connect, found.endpoint, found


async def _advertise_broker(config: Config, bound: str) -> None:
    from kernelbus.shell.operations.findbus import advertise_broker

    await advertise_broker(config, bound, part_name(config))


async def _advertise_server(frontend: Frontend, service: str) -> None:
    # zeroconf is for who advertises, and for nobody else.
    from kernelbus.frontend.discovery.advertise import Advertiser
    from kernelbus.frontend.discovery.services import Reach, Service, reach, server_services

    protocol = frontend.config.discovery.service_protocol

    async def describe(where: Reach, names: Mapping[str, str]) -> Sequence[Service]:
        status = await frontend.status() if "server" in names else None
        pools = status.pools if status is not None else []
        return server_services(protocol, service, frontend.port, where.addresses, pools, names.get("server", ""))

    advertiser = Advertiser(
        lambda adapters: reach(frontend.addresses, adapters, local_only=frontend.local_only), describe, machine=part_name(frontend.config)
    )
    await advertiser.run()


async def _host(config: Config, endpoint: str) -> None:
    async with _parts(config) as parts:
        bus = await _reach_bus(parts, config, endpoint)
        if bus is None:
            return
        connect, endpoint, found = bus
        host = Host(
            config, connect, name=part_name(config), version=version(), where=endpoint, reread=parts.reread, end=parts.stop
        )
        parts.reload_with(host.reloader)
        parts.start(host.run(), on_stop=host.close)
        if found is not None:
            parts.start(found.follow(host.membership))
        parts.tell(lambda: f"{host.kernels} kernels, {host.attached} with a client; {_broker_there(host.membership, endpoint)}")
        parts.start(_say_joined(parts, host, endpoint))
        await parts.wait_for_stop()


async def _say_joined(parts: _Parts, host: Host, endpoint: str) -> None:
    while not await host.membership.wait_until_up(3600.0):
        pass
    parts.ready(f"Kernel host has joined the broker at {endpoint}")
    await asyncio.Event().wait()


def part_name(config: Config) -> str:
    """Give what a part of this machine is called: by its configuration, else by the machine's name.
    """
    return config.bus.name or socket.gethostname()


def _broker_options(config: Config) -> BrokerOptions:
    return BrokerOptions(name=part_name(config), version=version()).of(config)


def _journal(config: Config, name: str | None) -> Journal | None:
    """Open the broker's journal; `name` is the default one's, and without it there is none unless
    the configuration names one.

    Raises:
        JournalError: the one that is configured cannot be had.
    """
    given = config.bus.journal
    if given is not None:
        return Journal(Path(given)) if given else None
    if name is None:
        return None
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    try:
        return Journal(state / "kernelbus" / f"{re.sub('[^0-9A-Za-z.]+', '-', name)}.sqlite")
    except JournalError as error:
        _log.warning("%s; sessions are kept without a journal", error)
        return None


def _listening(port: int, interface: str | None) -> str:
    return f"Listening for new connections on port {port}" + (f" and interface {interface}" if interface else "")


def _broker_status(server: BrokerServer) -> str:
    """What a broker says to the service manager."""
    broker = server.broker
    hosts, frontends = len(broker.peers_of("host")), len(broker.peers_of("frontend"))
    kernels = [session.report for session in broker.sessions.live.values()]
    attached = sum(1 for report in kernels if report.channel)
    return f"{frontends} frontends, {hosts} hosts; {len(kernels)} kernels, {attached} with a client"


def _broker_there(membership: Membership, endpoint: str) -> str:
    if membership.state is MembershipState.UP:
        return f"joined to the broker at {endpoint}"
    return f"looking for the broker at {endpoint}"


class _Parts:
    """The tasks of one process, and how they are ended: last started, first ended."""

    def __init__(self, config: Config) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.notifier = Notifier(os.environ)
        self._config = config
        self._stop = asyncio.Event()
        self._tasks: list[tuple[asyncio.Task[None], Callable[[], Coroutine[Any, Any, None]] | None]] = []
        self._closers: list[Callable[[], None]] = []
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._signalled, number)
        if not os.isatty(0):
            # Where there is a terminal, this signal says that it has gone.
            self._loop.add_signal_handler(signal.SIGHUP, self._reload)
        self._reloaders: tuple[Reloader, ...] = ()

    def reread(self) -> Config:
        """Read the configuration again, from where it was read.

        Raises:
            ConfigError: it cannot be used as it is now.
        """
        config = load(self._config.source)
        # It may have been given on the command line, and nobody changes it while it runs.
        return replace(config, bus=replace(config.bus, name=self._config.bus.name))

    def reload_with(self, *reloaders: Reloader) -> None:
        """Have these parts go by what is read again on SIGHUP."""
        self._reloaders = reloaders

    def _reload(self) -> None:
        self.notifier.reloading()
        said: dict[str, bool] = {}
        for reloader in self._reloaders:
            ok, lines = reloader.reload()
            said.update((line, ok) for line in lines)
        for line, ok in said.items():
            _log.log(logging.WARNING if ok else logging.ERROR, "the configuration is read again: %s", line)
        if not said:
            _log.info("the configuration is read again; nothing has changed")
        self.notifier.reloaded()

    def stop(self, why: str) -> None:
        """End the process in an orderly way."""
        _log.info("stopping: %s", why)
        self._stop.set()

    def on_exit(self, closer: Callable[[], None]) -> None:
        """Have `closer` called when all tasks have ended."""
        self._closers.append(closer)

    def start(self, main: Coroutine[Any, Any, None], on_stop: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Run a part; `on_stop` is awaited before it is cancelled."""
        task = self._loop.create_task(main)
        task.add_done_callback(lambda _: self._stop.set())
        self._tasks.append((task, on_stop))

    def tell(self, describe: Callable[[], str]) -> None:
        """Keep the service manager, if there is one, told of what `describe` says."""
        if self.notifier.listens:
            self.start(self.notifier.run(describe))

    def ready(self, line: str) -> None:
        """Say on standard output, and to the service manager, that the part can be used."""
        print(line, flush=True)
        self.notifier.ready()

    async def unless_stopped(self, main: Coroutine[Any, Any, None]) -> bool:
        """Wait for `main`; it is cancelled when the process is told to stop before it is done,
        which False tells.
        """
        task, stop = self._loop.create_task(main), self._loop.create_task(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False

    async def wait_for_stop(self) -> None:
        """Wait for a signal, or for a part to fail; a part's failure is raised."""
        await self._stop.wait()
        for task, _ in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def end(self) -> None:
        """End everything in order."""
        self.notifier.stopping()
        for task, on_stop in reversed(self._tasks):
            if on_stop is not None:
                await on_stop()
            task.cancel()
            results = await asyncio.gather(task, return_exceptions=True)
            for result in results:
                if isinstance(result, Exception):
                    _log.error("a part has failed: %r", result)
        for closer in reversed(self._closers):
            closer()
        self.context.destroy(linger=200)

    def _signalled(self, number: int) -> None:
        if self._stop.is_set():
            # Asked twice: whoever asks does not want to wait. Kernels end with us
            # (PR_SET_PDEATHSIG).
            os._exit(128 + number)
        _log.info("stopping on %s", signal.Signals(number).name)
        self._stop.set()


@contextlib.asynccontextmanager
async def _parts(config: Config) -> AsyncIterator[_Parts]:
    parts = _Parts(config)
    try:
        yield parts
    finally:
        await parts.end()

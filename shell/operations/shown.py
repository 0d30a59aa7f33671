"""What a server shows of itself over HTTP: metrics for Prometheus, and the web page."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernelbus.bus.broker.server import BrokerServer
from kernelbus.bus.broker.status import describe, figures
from kernelbus.bus.protocol.reports import PoolFigures, Status, StatusRequest
from kernelbus.bus.settings.config import Config
from kernelbus.bus.settings.networks import Network
from kernelbus.shell.extras import missing, require
from kernelbus.shell.operations.parts import Parts
from kernelbus.shell.token import server_token

if TYPE_CHECKING:
    from kernelbus.shell.operations.httpserver import Application

__all__ = ["NOTHING", "Shown", "serve_shown"]

_log = logging.getLogger("kernelbus.server")


@dataclass(frozen=True, slots=True)
class Shown:
    """What is served over HTTP: the interface and port of each; None: it is not served."""

    metrics: tuple[str, int] | None = None
    web: tuple[str, int] | None = None

    def check(self) -> None:
        """Check that what it needs is installed.

        Raises:
            MissingExtra: a package is not.
        """
        if self.metrics is not None:
            require("metrics")


#: Nothing is served over HTTP.
NOTHING = Shown()


async def serve_shown(process: Parts, server: BrokerServer, config: Config, shown: Shown) -> None:
    """Serve metrics and the web page; both on one port if they have the same.

    Raises:
        HttpError: a port is taken, or its interface is not this machine's.
    """
    metrics = _metrics_page(server) if shown.metrics is not None else None
    # Any free port is another one for each.
    both = shown.metrics == shown.web and shown.web is not None and shown.web[1] != 0
    if metrics is not None and shown.metrics is not None and not both:
        await _serve(process, metrics, "metrics", shown.metrics, "/metrics", tell=shown.metrics[1] == 0)
    if shown.web is not None:
        site = _web_site(process, server, config, shown.web[0])
        page = _either(metrics, site) if metrics is not None and both else site
        await _serve(process, page, "the web page", shown.web, "/", tell=True)


async def _serve(process: Parts, page: Application, what: str, at: tuple[str, int], path: str, *, tell: bool) -> None:
    # Only a server that shows itself loads what HTTP needs.
    from kernelbus.shell.operations.httpserver import HttpServer

    answering = HttpServer(page, what)
    where = f"{await answering.listen(*at)}{path}"
    line = f"{what} {'is' if what.startswith('the ') else 'are'} at {where}"
    _log.info("%s", line)
    if tell:
        print(f"{line[:1].upper()}{line[1:]}", flush=True)
    process.start(answering.run())


def _either(metrics: Application, site: Application) -> Application:
    return lambda environ, start: (metrics if environ.get("PATH_INFO") == "/metrics" else site)(environ, start)


def _metrics_page(server: BrokerServer) -> Application:
    # Only a server that is scraped loads prometheus_client.
    from kernelbus.shell.operations.metrics import MetricsPage, Snapshot

    broker, now = server.broker, asyncio.get_running_loop().time
    return MetricsPage(lambda: Snapshot(describe(broker, StatusRequest(0), now()), broker.dropped, server.refused_handshakes))


def _web_site(process: Parts, server: BrokerServer, config: Config, interface: str) -> Application:
    # Only a server that shows itself loads what it is shown by.
    from kernelbus.shell.operations.web.desk import Desk
    from kernelbus.shell.operations.web.guard import Guard
    from kernelbus.shell.operations.web.site import Site

    broker, now = server.broker, asyncio.get_running_loop().time

    def measure() -> tuple[Status, list[PoolFigures]]:
        return describe(broker, StatusRequest(0, brief=True), now()), figures(broker)

    desk = Desk(server.console("the web page"), measure, config.bus.heartbeat_timeout)
    process.start(desk.run())
    machine = socket.gethostname()
    names = [machine, machine.partition(".")[0], f"{machine.partition('.')[0]}.local", interface]
    token = server_token(config.access.token)
    return Site(desk, Guard(names, lambda: server.reloader.config.access, _networks(), token, broker.admin.granted))


def _networks() -> Callable[[], tuple[Network, ...]]:
    """Return what looks up this machine's networks; without ifaddr it knows of none."""
    if missing("wstp", "ifaddr") is not None:
        return lambda: ()
    from kernelbus.frontend.interfaces import attached_networks

    return attached_networks

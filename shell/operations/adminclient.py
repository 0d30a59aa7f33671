"""The broker's client for operators' commands: where the broker is, and who asks."""

from __future__ import annotations

import getpass
import logging
import secrets
import socket

from kernelbus.bus.client import AdminClient, dialable
from kernelbus.bus.security.curve import Introduction
from kernelbus.bus.settings.config import check_endpoint, load
from kernelbus.bus.transport.socketfile import check_path
from kernelbus.shell.defaults import bus_at, bus_endpoint, check_folder, listening

__all__ = ["admin_client"]


def admin_client(bus: str | None = None, configuration_file: str | None = None, timeout: float = 5.0) -> AdminClient:
    """Make the client for the broker at `bus`, or at the configured or default endpoint.

    Args:
        bus: the broker's endpoint, or the port for clients of a server of this user; None: the
            configuration's, or the default one.
        configuration_file: the configuration; None: the one that the parts would find.
        timeout: seconds to wait for an answer that the broker gives by itself.

    Raises:
        ConfigError: the configuration, or `bus`, cannot be used.
        BusError: keys are needed, and missing.

    Examples:
        >>> from kernelbus import admin_client
        >>> with admin_client() as client:  # doctest: +SKIP
        ...     len(client.status().pools)
        1
    """
    # Without a handler the log's warnings would go to standard error; the client raises its own
    # errors.
    logging.getLogger("kernelbus").addHandler(logging.NullHandler())
    if bus is not None:
        bus = check_endpoint(bus_at(bus))
    config = load(configuration_file)
    endpoint = dialable(bus or config.bus.endpoint or bus_endpoint())
    check_path(check_folder(endpoint))
    return AdminClient(
        endpoint,
        secrets.token_bytes,
        sender=f"{_user()}@{socket.gethostname()}",
        timeout=timeout,
        patience=config.bus.heartbeat_timeout,
        introduction=Introduction(endpoint, config),
        elsewhere=_elsewhere,
    )


def _elsewhere() -> str:
    """Say where servers of this user listen, if any do."""
    ports = listening()
    if not ports:
        return ""
    return f"your servers here have {', '.join(f'--bus {port}' for port in ports)}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user has no name
        return "unknown"

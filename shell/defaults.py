"""What holds where neither the command line nor the configuration says anything."""

from __future__ import annotations

import contextlib
import socket

from kernelbus.bus.errors import EndpointError
from kernelbus.shell.state import check_owner, socket_folder

__all__ = ["DEFAULT_PORT", "DEFAULT_TLS_PORT", "SOCKET", "STATUS_PARTS", "bus_at", "bus_endpoint", "check_folder", "listening"]

#: The port for clients; WSTPServer's own.
DEFAULT_PORT = 31415

#: The port of a proxy before a server that speaks TLS (docs/access.md).
DEFAULT_TLS_PORT = 31443

#: Where the bus is by default, in the words of the help.
SOCKET = "the socket of port 31415 in your state folder"


def bus_endpoint(port: int = DEFAULT_PORT) -> str:
    """Return where the bus of a user's server is, if nothing else is said: a socket of that user.

    Args:
        port: the port for clients of the server. A separate broker has none, and takes the default.
    """
    return f"ipc://{socket_folder() / f'bus-{port}'}"


def check_folder(endpoint: str) -> str:
    """Return an endpoint, unless its socket is in a folder that another user has made in our place.

    Raises:
        EndpointError: it is.
    """
    folder = socket_folder()
    if endpoint.startswith(f"ipc://{folder}/"):
        try:
            check_owner(folder)
        except PermissionError as error:
            raise EndpointError(f"the bus endpoint {endpoint} cannot be used: {error.strerror}: name another with --bus") from None
    return endpoint


def listening() -> list[int]:
    """Return the ports for clients of the servers of this user whose sockets are listened to."""
    found = []
    for path in socket_folder().glob("bus-*"):
        number = path.name.removeprefix("bus-")
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe, contextlib.suppress(OSError):
            probe.settimeout(1.0)
            probe.connect(str(path))
            if number.isdigit():
                found.append(int(number))
    return sorted(found)


def bus_at(text: str) -> str:
    """Return the endpoint that is meant by `--bus`: a port for clients stands for its server's."""
    return bus_endpoint(int(text)) if text.isascii() and text.isdigit() and len(text) <= 5 else text


#: The tables of `kernelbus status`; without the name of one it prints an overview.
STATUS_PARTS = ("pools", "kernels", "sessions", "hosts", "links", "frontends")

"""What a link needs of a connection, and the socket options that every link sets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import Protocol

__all__ = ["Connection", "Tunnel", "is_tcp", "quick_acknowledge", "set_up"]

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class Connection(Protocol):
    """A connected socket, or what has its methods (:mod:`wstp.tls`)."""

    @property
    def family(self) -> int:
        """As a socket's."""

    def recv(self, size: int, /) -> bytes:
        """As a socket's; it may return more than `size` bytes."""

    def send(self, data: bytes | bytearray | memoryview, /) -> int:
        """As a socket's."""

    def sendmsg(self, buffers: Sequence[bytes | bytearray | memoryview], /) -> int:
        """As a socket's."""

    def sendall(self, data: bytes | bytearray | memoryview, /) -> None:
        """As a socket's."""

    def shutdown(self, how: int, /) -> None:
        """As a socket's."""

    def settimeout(self, seconds: float | None, /) -> None:
        """As a socket's."""

    def setblocking(self, flag: bool, /) -> None:
        """As a socket's."""

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """As a socket's."""

    def fileno(self) -> int:
        """As a socket's."""

    def close(self) -> None:
        """As a socket's."""


class Tunnel(Protocol):
    """What puts something around each connection of a link (:class:`wstp.tls.Tls`)."""

    def wrap(self, connection: socket.socket, host: str, port: int, /) -> Connection:
        """Return what speaks for a connection that was made to `host` and `port`."""

    async def create_connection(self, protocol: asyncio.BufferedProtocol, host: str, port: int, /) -> None:
        """Connect in the running event loop; `protocol` gets the connection."""


def is_tcp(connection: Connection) -> bool:
    """Tell whether a socket is one of TCP: links may also go over pairs of Unix sockets."""
    return connection.family in (socket.AF_INET, socket.AF_INET6)


def set_up(connection: Connection) -> None:
    """Set TCP_NODELAY, keepalive and quick acknowledgements on a connected TCP socket.

    TCP_NODELAY sends each write at once. Keepalive notices a peer that has vanished. A Unix socket
    needs neither.
    """
    if not is_tcp(connection):
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    quick_acknowledge(connection)


def quick_acknowledge(connection: Connection) -> None:
    """Acknowledge at once what comes next; call it after each read, because Linux forgets it.

    The C library leaves Nagle's algorithm on. Without quick acknowledgements, about one small
    packet in two hundred waits 40 ms.
    """
    if _QUICKACK is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

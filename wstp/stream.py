"""One TCP connection as the frontend and the host use it: quick, by callbacks, with flow control
both ways.

Small reads are copied out of one buffer that is used again; once a read fills it, larger buffers
are handed over without copying. TCP_NODELAY is set, and TCP_QUICKACK is armed again after every
read: the WSTP C library leaves Nagle on, and a delayed acknowledgement would stall about one small
request in two hundred by 40 ms.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import sys
import termios
from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol, cast

from wstp.sockets import quick_acknowledge, set_up

__all__ = ["ByteStream", "StreamOwner", "end_of"]

_SMALL = 64 * 1024
_LARGE = 512 * 1024
_HIGH_WATER = 512 * 1024
#: Seconds after which a peer that vanished without a word is noticed, if nothing else is said.
_VANISHED = 25.0
#: Where Linux's tcp_info has tcpi_bytes_acked, an unsigned 64-bit number (linux/tcp.h).
_BYTES_ACKED = 120


class StreamOwner(Protocol):
    """Whoever the stream's events are for."""

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        """Bytes came. The buffer stays valid and unchanged."""

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        """The connection is gone: at end of file, by an error, or closed here. Comes once."""

    def stream_drained(self, stream: ByteStream) -> None:
        """:attr:`ByteStream.congested` has become false."""


def end_of(error: Exception | None) -> str:
    """Say in words how a connection ended."""
    return "closed" if error is None else f"{error.strerror or error}" if isinstance(error, OSError) else str(error)


class ByteStream(asyncio.BufferedProtocol):
    """A connection. `owner` may be changed while it lives: a link takes over what an acceptor
    began.
    """

    def __init__(self, owner: StreamOwner) -> None:
        self.owner = owner
        self.congested = False
        self.ended = False
        self.name = "?"
        #: Whether the peer is a program of this machine.
        self.local = False
        self._transport: asyncio.Transport | None = None
        # A descriptor of our own for the same connection: the event loop's would make a new object
        # at every use.
        self._socket: socket.socket | None = None
        self._small = bytearray(_SMALL)
        self._buffer = self._small
        self._flushed: list[Callable[[], None]] = []
        self._reading = True
        self._written = 0
        self._acknowledged = 0

    # ------------------------------------------------------------------ what the owner does

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write `data`, which must not change afterwards. After the end it goes nowhere."""
        if self._transport is not None and not self.ended and len(data):
            self._written += len(data)
            self._transport.write(data)

    def pause(self) -> None:
        """Read no more until :meth:`resume`."""
        if self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def unread(self) -> int:
        """How many bytes have come that the owner has not been given yet."""
        if self.ended or self._socket is None:
            return 0
        return int.from_bytes(fcntl.ioctl(self._socket, termios.FIONREAD, bytes(4)), sys.byteorder)

    @property
    def written(self) -> int:
        """Bytes written so far."""
        return self._written

    def acknowledged(self) -> int:
        """How many of the bytes written the peer's machine has acknowledged; where that cannot be
        known, has been given to it.
        """
        if self._socket is None or self._transport is None or self.ended:
            return self._acknowledged
        if sys.platform == "linux":
            information = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
            if len(information) == _BYTES_ACKED + 8:
                # The end of the stream counts as one more.
                return min(self._written, int.from_bytes(information[_BYTES_ACKED:], sys.byteorder))
        return self._written - self._transport.get_write_buffer_size()

    def give_up_after(self, seconds: float, *, unread: bool = False) -> None:
        """Notice within `seconds` that the peer has vanished without a word, as long as nothing is
        being sent to it.

        With `unread` also while something is, and then a peer that is there and reads nothing for
        so long counts as vanished too.
        """
        if self._socket is None:
            return
        interval = max(1, round(seconds / 5))
        options = {"TCP_KEEPIDLE": max(1, round(seconds) - 3 * interval), "TCP_KEEPINTVL": interval, "TCP_KEEPCNT": 3}
        if unread:
            # What waits to be acknowledged keeps the probes away, and would be sent again for a
            # quarter of an hour.
            options["TCP_USER_TIMEOUT"] = max(1000, round(seconds * 1000))
        for name, value in options.items():
            option = getattr(socket, name, None)
            if option is not None:
                self._socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def when_flushed(self, callback: Callable[[], None]) -> None:
        """Call `callback` once everything written is with the operating system, or the connection
        has ended.
        """
        if self.ended or self._transport is None or self._transport.get_write_buffer_size() == 0:
            callback()
            return
        self._flushed.append(callback)
        self._transport.set_write_buffer_limits(0, 0)

    def close(self) -> None:
        """Close after what was written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------ what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(_HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self.name = f"{peer[0]}:{peer[1]}" if peer else "?"
        own = transport.get_extra_info("sockname")
        # A connection from this machine to an address of its own has that address at both ends.
        self.local = bool(peer and own) and (peer[0] == own[0] or ip_address(peer[0].split("%")[0]).is_loopback)
        sock = transport.get_extra_info("socket")
        self._socket = socket.socket(sock.family, sock.type, sock.proto, os.dup(sock.fileno()))
        set_up(self._socket)
        self.give_up_after(_VANISHED)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        buffer = self._buffer
        data: bytes | memoryview
        if nbytes < _SMALL:
            data = bytes(memoryview(buffer)[:nbytes])
            self._buffer = self._small
        else:
            data = memoryview(buffer)[:nbytes] if buffer is not self._small else bytes(buffer)
            self._buffer = bytearray(_LARGE)
        if self._socket is not None and not self.ended:
            quick_acknowledge(self._socket)
        self.owner.stream_data(self, data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._socket is not None:
            self._acknowledged = self.acknowledged()
            self._socket.close()
        self.ended = True
        self.owner.stream_ended(self, exc)
        self._call_flushed()

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        if self._flushed and self._transport is not None:
            self._transport.set_write_buffer_limits(_HIGH_WATER)
        self._call_flushed()
        self.owner.stream_drained(self)

    def _call_flushed(self) -> None:
        callbacks, self._flushed = self._flushed, []
        for callback in callbacks:
            callback()

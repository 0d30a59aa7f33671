"""One TCP connection in an event loop: quick, by callbacks, with flow control in both directions.

Small reads are copied out of one buffer that is used again. Once a read fills it, larger buffers
are handed over without a copy. TCP_NODELAY is set. TCP_QUICKACK is set again after every read: the
WSTP C library leaves Nagle's algorithm on, and a delayed acknowledgement would stall about one
small request in two hundred by 40 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import sys
import termios
from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol, cast

from wstp.sockets import is_tcp, quick_acknowledge, set_up

__all__ = ["ByteStream", "StreamOwner", "end_of"]

_SMALL = 64 * 1024
_LARGE = 512 * 1024
_HIGH_WATER = 512 * 1024
#: The time in seconds after which a silent peer is taken for gone, unless the owner sets another.
_VANISHED = 25.0
#: The offset of tcpi_bytes_acked in Linux's tcp_info, an unsigned 64-bit number (linux/tcp.h).
_BYTES_ACKED = 120
#: The offset of tcpi_snd_wnd, an unsigned 32-bit number (Linux 5.4).
_WINDOW = 228
#: The offset of tcpi_rtt, microseconds as an unsigned 32-bit number.
_ROUND_TRIP = 68


class StreamOwner(Protocol):
    """The object that takes a stream's events."""

    def stream_data(self, stream: ByteStream, data: bytes | memoryview) -> None:
        """Take bytes that came. The buffer stays valid and unchanged."""

    def stream_ended(self, stream: ByteStream, error: Exception | None) -> None:
        """Take note that the connection is gone; called once.

        `error` is None at end of file and after a close on this side.
        """

    def stream_drained(self, stream: ByteStream) -> None:
        """Take note that `ByteStream.congested` has become false."""


def end_of(error: Exception | None) -> str:
    """Return in words how a connection ended."""
    return "closed" if error is None else f"{error.strerror or error}" if isinstance(error, OSError) else str(error)


class ByteStream(asyncio.BufferedProtocol):
    """A TCP connection.

    Attributes:
        owner: the object that takes its events. It may be changed: a link takes over from a
            listener.
        congested: whether the peer reads more slowly than we write.
        ended: whether the connection is gone.
        peer_ended: whether the peer has ended what it writes. It has read all that its machine has
            acknowledged, or will read and drop it: a connection that is closed over unread bytes is
            reset instead (RFC 1122, 4.2.2.13).
        name: the peer's `host:port`, for the log.
        address: the peer's address.
        local: whether the peer is a program on this machine.
        ends: the addresses of this end and of the peer's, as getsockname(2) and getpeername(2) give
            them; None: it is no TCP connection, or not made yet.
    """

    def __init__(self, owner: StreamOwner) -> None:
        self.owner = owner
        self.congested = False
        self.ended = False
        self.peer_ended = False
        self.name = self.address = "?"
        self.local = False
        self.ends: tuple[tuple[str, int], tuple[str, int]] | None = None
        self._transport: asyncio.Transport | None = None
        # A descriptor of our own for the same connection: the event loop makes a new object each
        # time that it is asked for its socket.
        self._socket: socket.socket | None = None
        self._small = bytearray(_SMALL)
        self._buffer = self._small
        self._flushed: list[Callable[[], None]] = []
        self._reading = True
        self._said_all = False
        self._written = 0
        self._acknowledged = 0

    # -- for the owner

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write `data`, which must not change afterwards.

        It is dropped when the connection has ended, or when what is written has.
        """
        if self._transport is not None and not self.ended and not self._said_all and len(data):
            self._written += len(data)
            self._transport.write(data)

    def read_at_most(self, size: int) -> None:
        """Hand over at most `size` bytes, less than 64 KiB, at once from now on."""
        self._small = self._buffer = bytearray(size)

    def pause(self) -> None:
        """Stop reading until `resume()`."""
        if self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    @property
    def unsent(self) -> int:
        """Return how many bytes the operating system has not taken yet."""
        return 0 if self.ended or self._transport is None else self._transport.get_write_buffer_size()

    def unread(self) -> int:
        """Return how many bytes have come that the owner has not been given yet (FIONREAD)."""
        if self.ended or self._socket is None:
            return 0
        return int.from_bytes(fcntl.ioctl(self._socket, termios.FIONREAD, bytes(4)), sys.byteorder)

    @property
    def written(self) -> int:
        """Return how many bytes have been written so far."""
        return self._written

    def acknowledged(self) -> int:
        """Return how many of the bytes written the peer's machine has acknowledged (TCP_INFO).

        Once the peer has ended what it writes, the number stays as it was then. On other systems
        than Linux, return how many the operating system has taken.
        """
        if self._socket is None or self._transport is None or self.ended or self.peer_ended:
            return self._acknowledged
        if sys.platform == "linux" and is_tcp(self._socket):
            information = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
            if len(information) == _BYTES_ACKED + 8:
                # The end of the stream counts as one more.
                return min(self._written, int.from_bytes(information[_BYTES_ACKED:], sys.byteorder))
        return self._written - self._transport.get_write_buffer_size()

    def window(self) -> int | None:
        """Return the receive window that the peer has announced (TCP_INFO); None: not known."""
        if self._socket is None or self.ended or sys.platform != "linux" or not is_tcp(self._socket):
            return None
        information = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _WINDOW + 4)
        return int.from_bytes(information[_WINDOW:], sys.byteorder) if len(information) == _WINDOW + 4 else None

    def round_trip(self) -> float | None:
        """Return the smoothed time to the peer's machine and back, in seconds (TCP_INFO); None: not
        known.
        """
        if self._socket is None or self.ended or sys.platform != "linux" or not is_tcp(self._socket):
            return None
        information = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ROUND_TRIP + 4)
        return int.from_bytes(information[_ROUND_TRIP:], sys.byteorder) / 1e6 if len(information) == _ROUND_TRIP + 4 else None

    def give_up_after(self, seconds: float, *, unread: bool = False) -> None:
        """Notice within `seconds` that the peer has vanished, while nothing is being sent to it.

        With `unread` notice it also while something is being sent. Then a peer that is there and
        reads nothing for `seconds` counts as vanished too.
        """
        if self._socket is None or not is_tcp(self._socket):
            return
        interval = max(1, round(seconds / 5))
        options = {"TCP_KEEPIDLE": max(1, round(seconds) - 3 * interval), "TCP_KEEPINTVL": interval, "TCP_KEEPCNT": 3}
        if unread:
            # While sent bytes wait to be acknowledged, there are no keepalive probes; the bytes
            # would be sent again for a quarter of an hour.
            options["TCP_USER_TIMEOUT"] = max(1000, round(seconds * 1000))
        for name, value in options.items():
            option = getattr(socket, name, None)
            if option is not None:
                self._socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def when_flushed(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the operating system has all that was written, or at the end."""
        if self.ended or self._transport is None or self._transport.get_write_buffer_size() == 0:
            callback()
            return
        self._flushed.append(callback)
        self._transport.set_write_buffer_limits(0, 0)

    def end_writing(self) -> None:
        """Write what is left, then end what is written; what the peer sends is still read."""
        if self._transport is not None and not self.ended and not self._transport.is_closing():
            self._said_all = True
            if not self._transport.can_write_eof():
                # TLS has one end for both directions. What the peer still sends is dropped.
                self._transport.close()
                return
            # The peer may have reset the connection already; its end is told next.
            with contextlib.suppress(OSError):
                self._transport.write_eof()

    def close(self) -> None:
        """Write what is left, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    # -- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(_HIGH_WATER)
        sock = transport.get_extra_info("socket")
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if is_tcp(sock):
            if peer:
                self.address = str(peer[0])
                self.name = f"{f'[{self.address}]' if ':' in self.address else self.address}:{peer[1]}"
            self.ends = (own[:2], peer[:2]) if peer and own else None
            # A connection from this machine to one of its own addresses has that address at both
            # ends.
            self.local = bool(peer and own) and (peer[0] == own[0] or ip_address(peer[0].split("%")[0]).is_loopback)
        else:
            self.name, self.local = "a socket of this process", True
        self._socket = socket.socket(sock.family, sock.type, sock.proto, os.dup(sock.fileno()))
        set_up(self._socket)
        self.give_up_after(_VANISHED)

    def get_buffer(self, sizehint: int) -> memoryview:
        # asyncio's TLS reads into a slice of it, which must be no copy.
        return memoryview(self._buffer)

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
        self._acknowledged = self.acknowledged()
        self.peer_ended = True
        if self._transport is not None and self._transport.get_write_buffer_size():
            # The peer takes no more. To wait until it has taken the rest could be for ever.
            self._transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._socket is not None:
            self._acknowledged = self.acknowledged()
            self._socket.close()
        self.ended = True
        # Who was served refers to its connections, and they to it: it may be long until it is known
        # that nobody needs them.
        self._small = self._buffer = bytearray()
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

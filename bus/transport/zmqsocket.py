"""A ZeroMQ socket in the event loop, without zmq.asyncio, and the options of all the bus's sockets.

Sockets are read by callback on ZeroMQ's descriptor. That descriptor is edge-triggered, and any call
on the socket, sending included, can consume the edge. So after every send the socket's EVENTS are
read again, and messages that have come are drained in the loop's next turn (ZeroMQ manual,
zmq_getsockopt, ZMQ_FD).
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Callable
from typing import Any, Final

import zmq

from kernelbus.bus.security.curve import Handshake

__all__ = ["NO_COPY", "HandshakeMonitor", "LoopSocket", "configure"]

#: Below this size a copy is cheaper than handing buffers over to ZeroMQ's I/O thread.
NO_COPY: Final = 64 * 1024
#: Messages and bytes read in one turn of the loop, so that one socket does not starve the others:
#: above all, bulk must not starve the control lane.
BURST: Final = 64
BURST_BYTES: Final = 2**20


class LoopSocket:
    """One ZeroMQ socket in the event loop; `on_message` receives the parts of each message."""

    def __init__(self, socket: zmq.Socket[bytes], on_message: Callable[[list[zmq.Frame]], None]) -> None:
        self._socket = socket
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._descriptor = int(socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._descriptor, self._drain)
        self._scheduled = False
        self._schedule()

    def send(self, parts: list[Any], large: bool) -> None:
        """Send a message; with `large` its buffers are handed over instead of copied.

        Raises:
            zmq.ZMQError: the message cannot be sent now (also as its subclass zmq.Again).
        """
        self._socket.send_multipart(parts, zmq.NOBLOCK, copy=not large)
        if int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._schedule()

    def close(self, linger: int) -> None:
        """Close the socket; unsent messages have `linger` milliseconds to go out."""
        if not self._socket.closed:
            self._loop.remove_reader(self._descriptor)
            self._socket.close(linger)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._continue)

    def _continue(self) -> None:
        self._scheduled = False
        self._drain()

    def _drain(self) -> None:
        room = BURST_BYTES
        for _ in range(BURST):
            if self._socket.closed:
                return
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            try:
                self._on_message(parts)
            except Exception as error:
                # Go on: messages behind this one would otherwise wait for an edge that has passed.
                self._loop.call_exception_handler({"message": "a frame's receiver has failed", "exception": error})
            room -= len(parts[-1])
            if room <= 0:
                break
        self._schedule()


def configure(socket: zmq.Socket[bytes], *, alive: float) -> None:
    """Set the options that all sockets of the bus share.

    Args:
        alive: seconds of silence after which ZeroMQ closes a connection (ZMTP heartbeats, answered
            by ZeroMQ's I/O thread). The value must allow for what is queued before a PING: at the
            broker, whose socket has both lanes, and on the bulk lane that may be megabytes.
    """
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.IPV6, 1)
    socket.setsockopt(zmq.HEARTBEAT_IVL, int(alive / 4 * 1000))
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, int(alive * 1000))
    # For network equipment that drops idle connections.
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 30)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 10)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)


_EVENT: Final = struct.Struct("=HI")  # zmq_socket_monitor(3): the event, and its value
_WATCHED: Final = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)


class HandshakeMonitor:
    """Reports how the handshakes of a socket's connections end (zmq_socket_monitor).

    Args:
        socket: not connected or bound yet.
        on_handshake: called from the event loop.
    """

    _numbers = itertools.count()

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], socket: zmq.Socket[bytes], on_handshake: Callable[[Handshake], None]
    ) -> None:
        self._watched = socket
        self._on_handshake = on_handshake
        address = f"inproc://kernelbus-handshakes-{next(self._numbers)}"
        socket.monitor(address, _WATCHED)
        events = context.socket(zmq.PAIR)
        events.connect(address)
        self._events = LoopSocket(events, self._receive)

    def close(self) -> None:
        """Stop watching; call this before the socket is closed."""
        self._watched.disable_monitor()
        self._events.close(linger=0)

    def _receive(self, parts: list[zmq.Frame]) -> None:
        event, value = _EVENT.unpack(parts[0].bytes)
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._on_handshake(Handshake.DONE)
        elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self._on_handshake(Handshake.REFUSED)
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL and value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
            self._on_handshake(Handshake.MISMATCH)
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL and value == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
            self._on_handshake(Handshake.WRONG_KEY)
        else:
            self._on_handshake(Handshake.BROKEN)

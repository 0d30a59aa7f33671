"""The transport over ZeroMQ: ROUTER at the broker, two DEALERs (one a lane) at each part.

No zmq.asyncio: plain sockets behind the event loop's reader callback on ZeroMQ's descriptor. That descriptor is edge-triggered, and
any call on the socket, sending included, can swallow the edge; so after every send the socket's EVENTS are read again, and what has come
is drained in the loop's next turn (ZeroMQ manual, zmq_getsockopt, ZMQ_FD).

High-water marks are 0: they count messages, not bytes, and a ROUTER drops at them. Memory is bounded by the channels' windows.
ROUTER_MANDATORY makes a send to a peer that is gone an error instead of silence. The DEALERs' ZeroMQ identities only pair the lanes of
one connection: 16 random bytes and the lane's number; who a part is, it says in its Register message.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable
from typing import Any

import zmq

from bus.errors import EndpointError, FrameError
from bus.frames import HEADER_SIZE, Frame, Lane, decode_frame, encode_header
from bus.transport import FrameHandler, Route, RouteHandler

__all__ = ["RouterTransport", "dealer_factory"]

_log = logging.getLogger("kernelbus.bus")

#: Below this a copy is cheaper than handing buffers over to ZeroMQ's I/O thread.
NO_COPY = 64 * 1024
#: Messages, and bytes, taken in one turn of the loop, so that one socket does not starve the rest; bulk not the control lane above all.
BURST = 64
BURST_BYTES = 2**20
_TOKEN = 16


class _Socket:
    """One ZeroMQ socket in the event loop."""

    def __init__(self, socket: zmq.Socket[bytes], on_message: Callable[[list[zmq.Frame]], None]) -> None:
        self._socket = socket
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._descriptor = int(socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._descriptor, self._drain)
        self._scheduled = False
        self._schedule()

    def send(self, parts: list[Any], large: bool) -> None:
        self._socket.send_multipart(parts, zmq.NOBLOCK, copy=not large)
        if int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._schedule()

    def close(self, linger: int) -> None:
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
                # What waits behind this message would otherwise wait for an edge that is past.
                self._loop.call_exception_handler({"message": "a frame's receiver has failed", "exception": error})
            room -= len(parts[-1])
            if room <= 0:
                break
        self._schedule()


def _read(header: zmq.Frame, payload: zmq.Frame) -> Frame:
    size = len(payload)
    return decode_frame(header.bytes, payload.buffer if size >= NO_COPY else payload.bytes)


def _configure(socket: zmq.Socket[bytes]) -> None:
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.IPV6, 1)


class _DealerTransport:
    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, token: bytes, on_frame: FrameHandler) -> None:
        self._on_frame = on_frame
        self._lanes: dict[Lane, _Socket] = {}
        for lane in Lane:
            socket = context.socket(zmq.DEALER)
            _configure(socket)
            socket.setsockopt(zmq.IDENTITY, token + bytes([lane]))
            # Only one side may be slow to learn that the other went; ours reconnects at this pace.
            socket.setsockopt(zmq.RECONNECT_IVL, 100)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
            try:
                socket.connect(endpoint)
            except zmq.ZMQError as error:
                socket.close(0)
                self.close()
                raise EndpointError(f"the bus endpoint {endpoint} cannot be used: {zmq.strerror(error.errno or 0)}") from None
            self._lanes[lane] = _Socket(socket, self._receive)

    def send(self, frame: Frame) -> None:
        lane = self._lanes.get(frame.lane)
        if lane is not None:
            lane.send([encode_header(frame), frame.payload], len(frame.payload) >= NO_COPY)

    def close(self) -> None:
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            # What is said last (Leave) may still go out; nobody waits for it.
            lane.close(linger=200)

    def _receive(self, parts: list[zmq.Frame]) -> None:
        try:
            if len(parts) != 2:
                raise FrameError(f"a message of {len(parts)} parts instead of header and payload")
            frame = _read(parts[0], parts[1])
        except FrameError as error:
            _log.error("the broker sent %s; ignored", error)
            return
        self._on_frame(frame)


def dealer_factory(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: str, make_token: Callable[[int], bytes]
) -> Callable[[FrameHandler], _DealerTransport]:
    """Give the factory of transports to the broker at `endpoint`.

    Args:
        context: the ZeroMQ context; for inproc endpoints the broker's own.
        endpoint: `tcp://host:port`, `ipc://path` or `inproc://name`.
        make_token: gives that many random bytes (``secrets.token_bytes``).
    """
    return lambda on_frame: _DealerTransport(context, endpoint, make_token(_TOKEN), on_frame)


class _RouterRoute(Route):
    def __init__(self, transport: RouterTransport, token: bytes) -> None:
        self._transport = transport
        self._identities = {lane: token + bytes([lane]) for lane in Lane}
        self._name = token[:4].hex()

    @property
    def name(self) -> str:
        return self._name

    def send(self, frame: Frame) -> bool:
        return self._transport._send(self._identities[frame.lane], frame)


class RouterTransport:
    """The broker's socket, bound to one or more endpoints."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], on_frame: RouteHandler) -> None:
        self._on_frame = on_frame
        # For as long as the broker keeps them: whoever connects and is no part leaves nothing here.
        self._routes: weakref.WeakValueDictionary[bytes, _RouterRoute] = weakref.WeakValueDictionary()
        self._zmq = context.socket(zmq.ROUTER)
        _configure(self._zmq)
        self._zmq.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._zmq.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket = _Socket(self._zmq, self._receive)

    def bind(self, endpoint: str) -> str:
        """Listen at `endpoint` and give it back with its real port.

        Raises:
            EndpointError: it is taken or makes no sense.
        """
        try:
            self._zmq.bind(endpoint)
        except zmq.ZMQError as error:
            raise EndpointError(f"the bus endpoint {endpoint} cannot be bound: {zmq.strerror(error.errno or 0)}") from None
        # With IPv6 on, ZeroMQ shows an IPv4 address in its mapped form, which nobody has written.
        return self._zmq.getsockopt_string(zmq.LAST_ENDPOINT).replace("[::ffff:127.0.0.1]", "127.0.0.1")

    def close(self) -> None:
        """Stop listening."""
        self._socket.close(linger=200)

    def _send(self, identity: bytes, frame: Frame) -> bool:
        try:
            self._socket.send([identity, encode_header(frame), frame.payload], len(frame.payload) >= NO_COPY)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return False
            raise
        return True

    def _receive(self, parts: list[zmq.Frame]) -> None:
        identity = parts[0].bytes
        try:
            if len(parts) != 3 or len(identity) != _TOKEN + 1:
                raise FrameError(f"a message of {len(parts)} parts from a connection that is not a part's")
            if len(parts[1]) != HEADER_SIZE:
                raise FrameError(f"a header of {len(parts[1])} bytes")
            frame = _read(parts[1], parts[2])
        except FrameError as error:
            _log.error("connection %s sent %s; ignored", identity[:4].hex(), error)
            return
        token = identity[:_TOKEN]
        route = self._routes.get(token)
        if route is None:
            route = self._routes[token] = _RouterRoute(self, token)
        self._on_frame(route, frame)

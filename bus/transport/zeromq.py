"""The transport over ZeroMQ: a ROUTER at the broker, two DEALERs (one for each lane) at each part.

High-water marks are 0: they count messages, not bytes, and a ROUTER drops at them. Memory is
bounded by the windows of the channels. ROUTER_MANDATORY turns a send to a peer that is gone into an
error instead of silence. The ZeroMQ identities of the DEALERs only pair the two lanes of one
connection: 16 random bytes and the lane's number. A part names itself in its Register message.

CURVE is a property of a socket. So the broker has a ROUTER without keys for the endpoints of its
own machine, and another with CURVE for all others, and one table of routes over both.
:mod:`kernelbus.bus.security.curve` decides which endpoint needs which, and
:mod:`kernelbus.bus.security.admission` which machines are admitted.

ZeroMQ asks for each connection whether its key is allowed (ZAP), and the key becomes the User-Id of
the connection's messages. One look-up of it for each message tells whether the sender is still
allowed and who it is, also after it was renamed. ZeroMQ cannot close one connection of a ROUTER. So
messages from a revoked machine are ignored, nothing is sent to it, and the broker treats its parts
as lost at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
import re
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import zmq

from kernelbus.bus.channel.frames import (
    HEADER_SIZE,
    MAXIMUM_PAYLOAD,
    Frame,
    Lane,
    decode_frame,
    encode_header,
)
from kernelbus.bus.errors import EndpointError, FrameError
from kernelbus.bus.security.admission import LOOK, Admission
from kernelbus.bus.security.curve import ClientSecurity, Handshake, Introduction, is_local
from kernelbus.bus.security.keys import KeyStore
from kernelbus.bus.security.zap import ADDRESS, DOMAIN, ZapError, accept, parse_request, refuse
from kernelbus.bus.transport.interface import FrameHandler, Route, RouteHandler
from kernelbus.bus.transport.socketfile import SocketFile, advice, check_path, path_of
from kernelbus.bus.transport.zmqsocket import NO_COPY, HandshakeMonitor, LoopSocket, configure

__all__ = ["RouterTransport", "dealer_factory"]

_log = logging.getLogger("kernelbus.bus")

_TOKEN = 16

#: Seconds of silence after which ZeroMQ closes a connection: on the control lane, and on
#: connections where megabytes may be under way. Our own heartbeats decide who is up; these remove
#: connections to machines that are gone.
_CONTROL_ALIVE = 15.0
_BULK_ALIVE = 60.0


def _read(header: zmq.Frame, payload: zmq.Frame) -> Frame:
    size = len(payload)
    return decode_frame(header.bytes, payload.buffer if size >= NO_COPY else payload.bytes)


# ---- a part's side -------------------------------------------------------------------------------


class _DealerTransport:
    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        make_token: Callable[[int], bytes],
        on_frame: FrameHandler,
        introduction: Introduction | None,
    ) -> None:
        self._context = context
        self._endpoint = endpoint
        self._make_token = make_token
        self._on_frame = on_frame
        self._introduction = introduction
        self._lanes: dict[Lane, LoopSocket] = {}
        self._monitor: HandshakeMonitor | None = None
        #: Frames sent before the broker accepted the connection: they are sent again if we connect
        #: once more with other keys. None after it accepted.
        self._unheard: list[Frame] | None = [] if introduction is not None and not endpoint.startswith("inproc:") else None
        self._open(introduction.begin() if introduction is not None else None)

    def send(self, frame: Frame) -> None:
        if self._unheard is not None:
            self._unheard.append(frame)
        lane = self._lanes.get(frame.lane)
        if lane is not None:
            # ZeroMQ does not reconnect after a refusal, and then there is no peer to send to. The
            # next attempt of the membership sends everything again.
            with contextlib.suppress(zmq.Again):
                lane.send([encode_header(frame), frame.payload], len(frame.payload) >= NO_COPY)

    def close(self) -> None:
        # The last message (Leave) may still go out; nothing waits for it.
        self._close(linger=200)
        self._unheard = None

    def _open(self, security: ClientSecurity | None) -> None:
        self._shown = security
        token = self._make_token(_TOKEN)
        for lane in Lane:
            socket = self._context.socket(zmq.DEALER)
            configure(socket, alive=_CONTROL_ALIVE if lane is Lane.CONTROL else _BULK_ALIVE)
            socket.setsockopt(zmq.IDENTITY, token + bytes([lane]))
            # Reconnect at this pace, in milliseconds: only one of the two sides may be slow to
            # notice that the other has gone.
            socket.setsockopt(zmq.RECONNECT_IVL, 100)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
            if security is not None:
                security.apply(socket)
            if self._introduction is not None and lane is Lane.CONTROL:
                self._monitor = HandshakeMonitor(self._context, socket, self._handshake)
            try:
                socket.connect(self._endpoint)
            except zmq.ZMQError as error:
                self._close(linger=0)
                socket.close(0)
                raise EndpointError(f"the bus endpoint {self._endpoint} cannot be used: {zmq.strerror(error.errno or 0)}") from None
            self._lanes[lane] = LoopSocket(socket, self._receive)

    def _close(self, linger: int) -> None:
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.close(linger)

    def _handshake(self, outcome: Handshake) -> None:
        introduction = self._introduction
        if introduction is None or self._monitor is None:
            return
        if introduction.heard(outcome, self._shown):
            self._close(linger=0)
            self._open(introduction.current)
            unheard, self._unheard = self._unheard or [], []
            for frame in unheard:
                self.send(frame)
        elif outcome is Handshake.DONE:
            self._unheard = None

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
    context: zmq.Context[zmq.Socket[bytes]],
    endpoint: str,
    make_token: Callable[[int], bytes],
    introduction: Introduction | None = None,
) -> Callable[[FrameHandler], _DealerTransport]:
    """Return the factory of transports to the broker at `endpoint`.

    Args:
        context: the ZeroMQ context; for inproc endpoints the broker's own.
        endpoint: `tcp://host:port`, `ipc://path` or `inproc://name`.
        make_token: returns that many random bytes (``secrets.token_bytes``).
        introduction: how the part introduces itself; None: without keys.

    Raises:
        EndpointError: its path is too long.
    """
    check_path(endpoint)
    return lambda on_frame: _DealerTransport(context, endpoint, make_token, on_frame, introduction)


# ---- the broker's side ---------------------------------------------------------------------------


class _RouterRoute(Route):
    def __init__(self, router: _Router, token: bytes, key: str, user: _User | None) -> None:
        self._router = router
        self._identities = {lane: token + bytes([lane]) for lane in Lane}
        self._name = token[:4].hex()
        self._key = key
        self._user = user
        self.closed = False

    @property
    def credentials(self) -> str:
        return "" if self._user is None else str(self._user)

    @property
    def own(self) -> bool:
        if self._user is not None:
            return self._user.number in (0, os.geteuid())
        return bool(self._key) and self._key == self._router.own_key

    @property
    def key(self) -> str:
        return self._key

    @property
    def machine(self) -> str:
        return self._router.machine(self._key)

    @property
    def name(self) -> str:
        machine = self.machine or self._key
        return f"{self._name} of {machine}" if machine else self._name

    def send(self, frame: Frame) -> bool:
        return not self.closed and self._router.send(self._identities[frame.lane], frame)


class _Router:
    """One ROUTER: without keys, or with CURVE and an admission."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], on_frame: RouteHandler, admission: Admission | None) -> None:
        self._on_frame = on_frame
        self._admission = admission
        self._loop = asyncio.get_running_loop()
        # Kept only as long as the broker keeps them: a peer that connects and is no part leaves
        # nothing.
        self._routes: weakref.WeakValueDictionary[bytes, _RouterRoute] = weakref.WeakValueDictionary()
        self.socket = context.socket(zmq.ROUTER)
        configure(self.socket, alive=_BULK_ALIVE)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        # ZeroMQ allocates what a peer announces at once, even before the peer has shown its key.
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAXIMUM_PAYLOAD + 65536)
        self._monitor: HandshakeMonitor | None = None
        if admission is not None:
            self.socket.setsockopt(zmq.CURVE_SERVER, 1)
            self.socket.setsockopt(zmq.CURVE_PUBLICKEY, admission.pair.public.encode())
            self.socket.setsockopt(zmq.CURVE_SECRETKEY, admission.pair.secret.encode())
            # Enforce the domain: when nothing answers ZAP, no connection is admitted.
            self.socket.setsockopt_string(zmq.ZAP_DOMAIN, DOMAIN)
            self.socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
            self._monitor = HandshakeMonitor(context, self.socket, self._handshake)
        self._in_loop = LoopSocket(self.socket, self._receive)

    def close(self) -> None:
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None
        self._in_loop.close(linger=200)

    def machine(self, key: str) -> str:
        return (self._admission is not None and self._admission.name(key)) or ""

    @property
    def own_key(self) -> str:
        return self._admission.pair.public if self._admission is not None else ""

    def send(self, identity: bytes, frame: Frame) -> bool:
        try:
            self._in_loop.send([identity, encode_header(frame), frame.payload], len(frame.payload) >= NO_COPY)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return False
            raise
        return True

    def revoked(self) -> list[Route]:
        """Close the routes to machines that are no longer admitted, and return them."""
        admission = self._admission
        if admission is None:
            return []
        closed = [route for route in self._routes.values() if admission.name(route.key) is None]
        for route in closed:
            self._forget(route)
        return [*closed]

    def _forget(self, route: _RouterRoute) -> None:
        route.closed = True
        for token in [token for token, other in self._routes.items() if other is route]:
            del self._routes[token]

    def _handshake(self, outcome: Handshake) -> None:
        # Refusals are counted where they are decided; a broken handshake is a peer that
        # disconnected.
        if self._admission is not None and outcome in (Handshake.MISMATCH, Handshake.WRONG_KEY):
            self._admission.failed(outcome is Handshake.MISMATCH, self._loop.time())

    def _receive(self, parts: list[zmq.Frame]) -> None:
        identity = parts[0].bytes
        key = ""
        if self._admission is not None:
            key = str(parts[-1].get("User-Id"))
            if self._admission.name(key) is None:
                self._admission.ignore(key, self._loop.time())
                return
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
        if route is not None and route.key != key:
            # ROUTER_HANDOVER gives an identity to the connection that used it last, and another
            # machine should not have known it.
            self._forget(route)
            route = None
        if route is None:
            route = self._routes[token] = _RouterRoute(self, token, key, _user(parts[-1]))
        self._on_frame(route, frame)


@dataclass(frozen=True, slots=True)
class _User:
    """The user and the process at the other end of an ipc endpoint."""

    number: int
    process: str

    def __str__(self) -> str:
        try:
            name = pwd.getpwuid(self.number).pw_name
        except KeyError:
            name = str(self.number)
        return f"user {name}, process {self.process}"


def _user(part: zmq.Frame) -> _User | None:
    """Return who sent a message over an ipc endpoint (SO_PEERCRED); None for any other.

    ZeroMQ gives the address of such a peer as `:uid:gid:pid`.
    """
    try:
        found = re.fullmatch(r"(?:localhost)?:(\d+):\d+:(\d+)", str(part.get("Peer-Address")))
    except zmq.ZMQError:
        return None
    return None if found is None else _User(int(found[1]), found[2])


class RouterTransport:
    """The broker's sockets, bound to one or more endpoints.

    Args:
        on_frame: receives the frames that parts send, with their route.
        keys: this machine's keys, for endpoints that other machines reach; None if there are none.
        on_revoked: called with each route to a machine that is no longer admitted; frames neither
            come from it nor go to it any more.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        on_frame: RouteHandler,
        keys: KeyStore | None = None,
        on_revoked: Callable[[Route], None] | None = None,
    ) -> None:
        self._context = context
        self._on_frame = on_frame
        self._keys = keys
        self._on_revoked = on_revoked
        self._loop = asyncio.get_running_loop()
        self._plain = _Router(context, on_frame, None)
        self._curve: _Router | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._files: list[SocketFile] = []
        self._zap: LoopSocket | None = None
        self._zap_socket: zmq.Socket[bytes] | None = None
        #: The broker's decisions on keys; None while no endpoint can be reached from other
        #: machines.
        self.admission: Admission | None = None

    def bind(self, endpoint: str) -> str:
        """Listen at `endpoint` and return it with its real port.

        Raises:
            EndpointError: it is in use or malformed, or it needs keys and this machine has none.
            KeysError: it needs keys, and they cannot be used.
        """
        local = is_local(endpoint)
        path = path_of(endpoint)
        file = SocketFile(endpoint, path) if path is not None else None
        socket = (self._plain if local else self._secured(endpoint)).socket
        try:
            # Whoever may write a socket's file may connect. For ipc://* ZeroMQ creates a folder
            # too.
            with _mask(0o077 if endpoint == "ipc://*" else 0o177) if endpoint.startswith("ipc://") else contextlib.nullcontext():
                socket.bind(endpoint)
        except zmq.ZMQError as error:
            told = zmq.strerror(error.errno or 0)
            if file is not None:
                file.close()
                told += advice(error.errno or 0)
            raise EndpointError(f"the bus endpoint {endpoint} cannot be bound: {told}") from None
        if file is not None:
            self._files.append(file)
        bound = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        if local and not is_local(bound):
            socket.unbind(bound)
            raise EndpointError(f"the bus endpoint {endpoint} is at {bound}, where others reach it: name an address")
        # With IPv6 on, ZeroMQ shows an IPv4 address in its mapped form, which users do not write.
        return re.sub(r"\[::ffff:([0-9.]+)\]", r"\1", bound)

    def close(self) -> None:
        """Stop listening."""
        if self._timer is not None:
            self._timer.cancel()
        self._plain.close()
        for file in self._files:
            file.close()
        self._files.clear()
        if self._curve is not None:
            self._curve.close()
        if self._zap is not None and self._zap_socket is not None:
            # Unbind now, because ZeroMQ would do it later and the context's next broker needs the
            # address.
            with contextlib.suppress(zmq.ZMQError):
                self._zap_socket.unbind(ADDRESS)
            self._zap.close(linger=0)
            self._zap = None

    def _secured(self, endpoint: str) -> _Router:
        if self._curve is None:
            pair = self._keys.pair() if self._keys is not None else None
            if self._keys is None or pair is None:
                new = self._keys.command("new") if self._keys is not None else "kernelbus keys new"
                raise EndpointError(
                    f"the bus endpoint {endpoint} can be reached from other machines, and without keys by anyone: say {new} here, then "
                    "kernelbus keys allow with the key of each machine that is to join; or bind to a loopback address"
                )
            self.admission = Admission(self._keys, pair)
            self._zap_socket = self._context.socket(zmq.ROUTER)
            try:
                self._zap_socket.bind(ADDRESS)
            except zmq.ZMQError as error:
                self._zap_socket.close(0)
                raise EndpointError(f"another broker of this process decides on keys: {zmq.strerror(error.errno or 0)}") from None
            self._zap = LoopSocket(self._zap_socket, self._decide)
            self._curve = _Router(self._context, self._on_frame, self.admission)
            self._look(self.admission, self._curve)
        return self._curve

    def _look(self, admission: Admission, router: _Router) -> None:
        self._timer = self._loop.call_later(LOOK, self._look, admission, router)
        if admission.look(self._loop.time()):
            for route in router.revoked():
                if self._on_revoked is not None:
                    self._on_revoked(route)

    def _decide(self, parts: list[zmq.Frame]) -> None:
        """Answer ZeroMQ's question whether a connection may be made."""
        assert self.admission is not None and self._zap is not None
        asker, *frames = [part.bytes for part in parts]
        try:
            request = parse_request(frames)
        except ZapError as error:
            _log.error("ZeroMQ asks for admission by %s; refused", error)
            if error.request is not None:
                self._zap.send([asker, *refuse(error.request, "malformed")], large=False)
            return
        if self.admission.decide(request.key, request.address, self._loop.time()):
            self._zap.send([asker, *accept(request.request, request.key)], large=False)
        else:
            self._zap.send([asker, *refuse(request.request, "not allowed")], large=False)


@contextlib.contextmanager
def _mask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)

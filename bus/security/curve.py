"""Which endpoints need keys, and which keys a part shows to its broker.

A bus endpoint on a loopback address, or an ipc path (mode 0600), belongs to this machine and works
without keys. Every other endpoint uses CURVE (ZeroMQ RFC 26): the broker proves that it has the key
that is expected of it, and the part proves that it has a key that the broker allows. A broker
without keys refuses to bind such an endpoint, and a part without keys to connect to one.

CURVE is a property of a whole socket, and a wildcard address is one socket: a broker on every
interface requires keys on loopback too. A part finds that out by trying. On loopback it first shows
this machine's key, if there is one, and expects the same key. When ZeroMQ's monitor reports that
the mechanisms do not match, the part connects once more without keys (or with keys, if they were
made later) and sends again what it has sent meanwhile. It begins with keys because a broker counts
and logs peers that come without.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import zmq

from kernelbus.bus.errors import EndpointError
from kernelbus.bus.security.keys import KeyPair, KeysError, KeyStore, default_folder, is_key
from kernelbus.bus.settings.config import Config
from kernelbus.bus.settings.logs import fields

__all__ = ["ClientSecurity", "Handshake", "Introduction", "allow_command", "client_security", "is_local", "key_store", "own_name"]

_log = logging.getLogger("kernelbus.bus")


class Handshake(Enum):
    """How the handshake of a connection ended."""

    DONE = "done"
    REFUSED = "refused"  #: the broker does not allow this machine's key
    MISMATCH = "mismatch"  #: one side requires keys, and the other shows none
    WRONG_KEY = "wrong key"  #: seen by the broker only: the part expects another key of it
    BROKEN = "broken"  #: the broker closed the connection; a wrong broker's key looks like this


@dataclass(frozen=True, slots=True)
class ClientSecurity:
    """What a part shows and expects in the handshake.

    Attributes:
        server: the broker's public key.
        server_name: this machine's name for the broker.
        pair: this machine's own key pair.
    """

    server: str
    server_name: str
    pair: KeyPair

    def apply(self, socket: zmq.Socket[Any]) -> None:
        """Make `socket`, which is not connected yet, use CURVE."""
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.pair.public.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.pair.secret.encode())
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server.encode())


def key_store(config: Config) -> KeyStore:
    """Return the keys of this machine: in the configured folder, else in the user's."""
    return KeyStore(default_folder() if config.bus.keys is None else Path(config.bus.keys))


def _why_there(config: Config) -> str:
    """Say what made this the folder of keys, and what would name another."""
    if config.bus.keys is not None:
        return f"because {config.source or 'the configuration'} says so (Bus/Keys)"
    if config.source:
        return f"because {config.source} names no other (Bus/Keys); -c FILE reads another configuration"
    return "because there is no configuration; -c FILE reads the one of the server, which may name others (Bus/Keys)"


def allow_command(public: str, name: str | None = None) -> str:
    """Return the command that allows the key `public`; it must be run on the other machine."""
    return f"kernelbus keys allow '{public}' {name or own_name()}"


def own_name() -> str:
    """Return this machine's name for itself: its host name, as a valid name of a key."""
    return re.sub(r"[^0-9A-Za-z._+]+", "-", socket.gethostname()).strip("-") or "this"


# ---- addresses -----------------------------------------------------------------------------------


def _host(endpoint: str) -> str:
    return endpoint.removeprefix("tcp://").rpartition(":")[0].strip("[]").partition("%")[0]


def _loopback(address: str) -> bool:
    number = ipaddress.ip_address(address)
    mapped = getattr(number, "ipv4_mapped", None)
    return bool((mapped or number).is_loopback)


def is_local(endpoint: str) -> bool:
    """Whether only this machine can reach `endpoint`.

    That is so for ipc, inproc, and tcp on loopback addresses alone. A host name counts by what it
    resolves to now; a name that does not resolve, a wildcard, and the name of an interface are not
    local.

    Raises:
        EndpointError: it is no endpoint of the bus, or it is an abstract ipc address, which has no
            file and so no mode that keeps other users out.
    """
    if endpoint.startswith("ipc://@"):
        raise EndpointError(f"the bus endpoint {endpoint} is open to every user of this machine: name a path instead, ipc:///run/...")
    if endpoint.startswith(("ipc://", "inproc://")):
        return True
    if not re.fullmatch(r"tcp://[^/]+:([0-9]+|\*)", endpoint):
        raise EndpointError(f"the bus endpoint {endpoint} cannot be used: write tcp://address:port, or ipc://path on one machine")
    host = _host(endpoint)
    try:
        return _loopback(host)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(_loopback(str(entry[4][0]).partition("%")[0]) for entry in found)


def _is_own(endpoint: str) -> bool:
    """Whether the address of `endpoint` is one of this machine's, that is, can be bound."""
    host = _host(endpoint)
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return False
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.bind(address)
        except OSError:
            return False
    return bool(found)


# ---- a part's side -------------------------------------------------------------------------------


def client_security(endpoint: str, config: Config) -> ClientSecurity | None:
    """Return the keys for a socket that connects to `endpoint`; None if it is on this machine.

    :class:`Introduction` handles a broker that requires something else.

    Raises:
        KeysError: keys are needed and missing or unusable, or it is not clear which one is the
            broker's; the text says what to do.
        EndpointError: as for :func:`is_local`.
    """
    return None if is_local(endpoint) else _curve(endpoint, config, own=_is_own(endpoint))


def _curve(endpoint: str, config: Config, own: bool) -> ClientSecurity:
    """Return the keys for a broker; with `own` it is on this machine and has its key."""
    store = key_store(config)
    pair = store.pair()
    if pair is None:
        raise KeysError(
            f"the broker at {endpoint} is reached with keys only, and there are none in {store.folder}, where they are looked for "
            f"{_why_there(config)}: make them with {store.command('new')}"
        )
    wanted = config.bus.broker_key
    if wanted is not None and is_key(wanted):
        return ClientSecurity(wanted, store.allowed().get(wanted, "Bus/BrokerKey"), pair)
    if wanted is not None:
        try:
            return ClientSecurity(store.find(wanted), wanted, pair)
        except KeysError as error:
            # The broker's own machine may use the same configuration, and has no name for itself.
            if not own:
                raise KeysError(f"Bus/BrokerKey is neither a key nor the name of one: {error}") from None
    if own:
        return ClientSecurity(pair.public, "this machine", pair)
    allowed = store.allowed()
    if not allowed:
        raise KeysError(
            f"the key of the broker at {endpoint} is not known here: ask for it there with kernelbus keys show, "
            f"and say here {store.command('allow KEY NAME')}"
        )
    if len(allowed) > 1:
        names = ", ".join(sorted(allowed.values()))
        raise KeysError(f"which key is that of the broker at {endpoint}? Name it as Bus/BrokerKey in the configuration: one of {names}")
    ((key, name),) = allowed.items()
    return ClientSecurity(key, name, pair)


class Introduction:
    """How this machine introduces itself to the broker at one endpoint, over all attempts.

    Call :meth:`begin` before each attempt, and :meth:`heard` with the outcome of each handshake. An
    obstacle is logged once, when it changes, and can be read from `trouble`.

    Attributes:
        local: whether only this machine can reach the endpoint.
        current: the keys to show; None: no keys.
        trouble: the obstacle, in a line that says what to do; empty if none is known.

    Raises:
        KeysError, EndpointError: as for :func:`client_security`.
    """

    def __init__(self, endpoint: str, config: Config) -> None:
        self.endpoint = endpoint
        self.local = is_local(endpoint)
        self.trouble = ""
        self._own = self.local or _is_own(endpoint)
        self._config = config
        self._broken = 0
        self._switched = False
        self._doubted = False
        self.current: ClientSecurity | None = None
        try:
            self.current = _curve(endpoint, config, self._own)
        except KeysError:
            # A fault in keys that are not required is not worth reporting.
            if not self.local:
                raise

    def begin(self) -> ClientSecurity | None:
        """Start an attempt: read the keys again and return `current`.

        While the keys cannot be used, the last ones hold.
        """
        self._broken, self._switched, self._doubted = 0, False, False
        if self.current is not None:
            self._read()
        return self.current

    def heard(self, outcome: Handshake, shown: ClientSecurity | None) -> bool:
        """Handle the outcome of a handshake in which `shown` was shown.

        Returns:
            Whether to try once more at once, with another `current`.
        """
        match outcome:
            case Handshake.MISMATCH if shown != self.current:
                return True
            case Handshake.DONE:
                if self.trouble:
                    text = "the broker at %s takes this machine's connections now"
                    _log.info(text, self.endpoint, extra=fields(broker=self.endpoint))
                self.trouble, self._broken, self._doubted = "", 0, False
            case Handshake.MISMATCH if self.current is None:
                self._read()
                if self._doubted:
                    self._say_wrong_key()
                return self._switch(self.current is not None)
            case Handshake.MISMATCH if self.local:
                self.current = None
                return self._switch(True)
            case Handshake.MISMATCH:
                self._say(f"the broker at {self.endpoint} speaks without keys, so that anyone could be it: it is not used")
            case Handshake.REFUSED if self.current is not None:
                command = allow_command(self.current.pair.public)
                self._say(f"the broker at {self.endpoint} does not allow this machine's key: say there: {command}")
            case Handshake.BROKEN if self.current is not None:
                self._broken += 1
                if self._broken > 1:  # a single one may be a broker that is shutting down
                    if self.local and not self._switched:
                        # A broker without keys closes the connection, and libzmq does not always
                        # read first that the mechanisms do not match.
                        self.current, self._doubted = None, True
                        return self._switch(True)
                    self._say_wrong_key()
        return False

    def _say_wrong_key(self) -> None:
        if self.current is not None:
            self._say(
                f"the broker at {self.endpoint} ends the handshake: most likely its key is not {self.current.server} "
                f"({self.current.server_name}), which is expected here; kernelbus keys show says there which it is, "
                "and Bus/BrokerKey says it here"
            )

    def _read(self) -> None:
        try:
            self.current = _curve(self.endpoint, self._config, self._own)
        except KeysError as error:
            self._say(str(error))

    def _switch(self, worth_it: bool) -> bool:
        worth_it, self._switched = worth_it and not self._switched, True
        return worth_it

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            _log.error("%s", trouble, extra=fields(broker=self.endpoint))

"""Who needs keys, and with which ones a part introduces itself to its broker.

A bus endpoint on a loopback address, or an ipc path, is this machine's own and works without keys.
Any other is spoken to by CURVE (ZeroMQ RFC 26) alone: the broker proves that it has the key that is
expected of it, and the part that it has one the broker allows.

CURVE is a property of a whole socket, and a wildcard address is one socket: a broker on every
interface wants keys on loopback too. A part finds that out by trying: on loopback it comes with
this machine's key, if there is one, and when the mechanisms do not match, once more without (or the
other way round, if the keys were made later). With keys first, since a broker counts and logs who
comes without.
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
    """How a connection's handshake ended."""

    DONE = "done"
    REFUSED = "refused"  #: the broker does not allow this machine's key
    MISMATCH = "mismatch"  #: one side wants keys, and the other has none to show
    WRONG_KEY = "wrong key"  #: told to the broker only: the other side took it for another
    BROKEN = "broken"  #: the broker closed the connection; a wrong broker's key looks so


@dataclass(frozen=True, slots=True)
class ClientSecurity:
    """What a part shows, and expects, at the handshake.

    Attributes:
        server: the broker's public key.
        server_name: what this machine calls the broker.
        pair: this machine's own.
    """

    server: str
    server_name: str
    pair: KeyPair

    def apply(self, socket: zmq.Socket[Any]) -> None:
        """Have `socket`, which is not connected yet, speak CURVE."""
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.pair.public.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.pair.secret.encode())
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server.encode())


def key_store(config: Config) -> KeyStore:
    """Give this machine's keys: those of the configured folder, else of the user's."""
    return KeyStore(default_folder() if config.bus.keys is None else Path(config.bus.keys))


def allow_command(public: str, name: str | None = None) -> str:
    """Give the command to type where the machine with the key `public` is to be allowed."""
    return f"kernelbus keys allow '{public}' {name or own_name()}"


def own_name() -> str:
    """Give what this machine calls itself: its host name."""
    return re.sub(r"[^0-9A-Za-z._+]+", "-", socket.gethostname()).strip("-") or "this"


# ---- addresses -----------------------------------------------------------------------------------------------


def _host(endpoint: str) -> str:
    return endpoint.removeprefix("tcp://").rpartition(":")[0].strip("[]").partition("%")[0]


def _loopback(address: str) -> bool:
    number = ipaddress.ip_address(address)
    mapped = getattr(number, "ipv4_mapped", None)
    return bool((mapped or number).is_loopback)


def is_local(endpoint: str) -> bool:
    """Whether only this machine reaches `endpoint`: ipc, inproc, or tcp on loopback addresses
    alone.

    A name counts by what it resolves to now; one that does not resolve, a wildcard, and an
    interface's name are not local.

    Raises:
        EndpointError: it is no endpoint of the bus, or an abstract ipc address, which has no file
            and so no mode that keeps others out.
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
    """Whether the address is one of this machine's: then it can be bound."""
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


# ---- a part's side ---------------------------------------------------------------------------------------------


def client_security(endpoint: str, config: Config) -> ClientSecurity | None:
    """Give what a socket that connects to the broker at `endpoint` needs; None: nothing, it is on
    this machine.

    See :class:`Introduction` for what to do when the broker sees it differently.

    Raises:
        KeysError: keys are needed and missing, or unusable, or it is not clear which one is the
            broker's; the text says what to do.
        EndpointError: as for :func:`is_local`.
    """
    return None if is_local(endpoint) else _curve(endpoint, config, own=_is_own(endpoint))


def _curve(endpoint: str, config: Config, own: bool) -> ClientSecurity:
    """Find the keys for a broker; `own`: it is on this machine, and so has this machine's key."""
    store = key_store(config)
    pair = store.pair()
    if pair is None:
        raise KeysError(
            f"the broker at {endpoint} is reached with keys only, and this machine has none: make them with {store.command('new')}"
        )
    wanted = config.bus.broker_key
    if wanted is not None and is_key(wanted):
        return ClientSecurity(wanted, store.allowed().get(wanted, "Bus/BrokerKey"), pair)
    if wanted is not None:
        try:
            return ClientSecurity(store.find(wanted), wanted, pair)
        except KeysError as error:
            # The broker's own machine may have the same configuration, and has no name for itself.
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
        raise KeysError(f"which key is that of the broker at {endpoint}? Say Bus/BrokerKey in the configuration: one of {names}")
    ((key, name),) = allowed.items()
    return ClientSecurity(key, name, pair)


class Introduction:
    """How this machine introduces itself to the broker at one endpoint, over all attempts.

    Call :meth:`begin` before each attempt, and tell :meth:`heard` how its handshakes end. What is
    in the way is logged once, when it changes, and can be read from `trouble`.

    Attributes:
        local: whether the endpoint is of this machine alone.
        current: what is shown; None: no keys.
        trouble: what is in the way, in a line that says what to do; empty: nothing that is known.

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
        self.current: ClientSecurity | None = None
        try:
            self.current = _curve(endpoint, config, self._own)
        except KeysError:
            # What is wrong with keys that are not asked for need not be said.
            if not self.local:
                raise

    def begin(self) -> ClientSecurity | None:
        """Start an attempt; gives `current`. Keys are read anew; while they cannot be used the last
        ones hold.
        """
        self._broken, self._switched = 0, False
        if self.current is not None:
            self._read()
        return self.current

    def heard(self, outcome: Handshake, shown: ClientSecurity | None) -> bool:
        """A handshake in which `shown` was shown has ended so; True: it is worth trying once more
        at once, with another `current`.
        """
        match outcome:
            case Handshake.MISMATCH if shown != self.current:
                return True
            case Handshake.DONE:
                if self.trouble:
                    text = "the broker at %s takes this machine's connections now"
                    _log.info(text, self.endpoint, extra=fields(broker=self.endpoint))
                self.trouble, self._broken = "", 0
            case Handshake.MISMATCH if self.current is None:
                self._read()
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
                if self._broken > 1:  # one may be the broker's end
                    self._say(
                        f"the broker at {self.endpoint} ends the handshake: most likely its key is not {self.current.server} "
                        f"({self.current.server_name}), which is expected here; kernelbus keys show says there which it is, "
                        "and Bus/BrokerKey says it here"
                    )
        return False

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

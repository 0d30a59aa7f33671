"""Find the two connections of each link among those that reach a listener. No I/O and no clock.

The connections and their bytes may come in any order (PROTOCOL.md sections 2 and 3). A connection
is any hashable object of the caller's. Times are the caller's, in seconds.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from wstp.errors import RemoteProtocolError
from wstp.handshake import Acceptor, Introduction, Mode, port_answer
from wstp.places import Places

__all__ = ["HALF_TIMEOUT", "Action", "Dismissed", "Matched", "PortDone", "PortWanted", "Rendezvous", "Reply"]

K = TypeVar("K", bound=Hashable)

# The time in seconds that a connection may take to become a link.
HALF_TIMEOUT = 10.0
# The greatest number of connections that are not links yet.
MAX_PENDING = 1024


@dataclass(frozen=True, slots=True)
class Reply(Generic[K]):
    """Ask to write `data` on `connection`."""

    connection: K
    data: bytes


@dataclass(frozen=True, slots=True)
class Matched(Generic[K]):
    """Ask to make a link of two connections; the trailing bytes came after the introductions."""

    data: K
    message: K
    introduction: Introduction
    data_trailing: bytes
    message_trailing: bytes


@dataclass(frozen=True, slots=True)
class Dismissed(Generic[K]):
    """Ask to close `connection`; `reason` is one line for the log."""

    connection: K
    reason: str


@dataclass(frozen=True, slots=True)
class PortWanted(Generic[K]):
    """Ask to listen on a port for the message connection of the data connection `connection`.

    `Rendezvous.port_open()` takes the port, or `port_failed()` the reason why there is none.
    """

    connection: K


@dataclass(frozen=True, slots=True)
class PortDone(Generic[K]):
    """Ask to close the port of `connection`, or not to open it any more."""

    connection: K


Action: TypeAlias = Reply[K] | Matched[K] | Dismissed[K] | PortWanted[K] | PortDone[K]

_TWO_PORTS = (
    "is an ordinary link whose name has two ports, and a server cannot know whose message connection"
    " comes to the second: name one, as in -linkname PORT@HOST"
)


@dataclass(slots=True)
class _Half:
    acceptor: Acceptor | None
    deadline: float
    # A data connection in default mode is answered only when its turn comes to open the message
    # connection.
    silent: bool = False
    early: bytes = b""
    received: int = 0
    waiting_default: bool = field(default=False)


class Rendezvous(Generic[K]):
    """Hold the connections that are not links yet.

    Message connections in default mode do not say to which link they belong. With one message port,
    one data connection at a time is told it, and the next message connection is its own. With own
    ports, each data connection is told a port that is open for its message connection only.

    Attributes:
        message_port: the port to name to peers in default mode, None when there is none.
        timed_out: the number of connections dismissed because the rest of them did not come.
        refused: the number dismissed because they are no WSTP link, or one too many.
        places: who may wait. When all places are taken, the address with the most of them loses
            the connection that has been silent longest, else its newest.
    """

    def __init__(
        self,
        modes: Iterable[str] = ("uuid",),
        message_port: int | None = None,
        timeout: float = HALF_TIMEOUT,
        most: int = MAX_PENDING,
        each: int = 0,
        own_ports: int = 0,
    ) -> None:
        """Start.

        Args:
            modes: the modes that are accepted, "uuid" and "default".
            message_port: the port for message connections; "default" mode needs it, unless there
                are own ports.
            timeout: the time in seconds that a connection may take to become a link.
            most: how many connections may wait.
            each: how many of one address; 0: all.
            own_ports: how many data connections in default mode may have a message port of their
                own at once; more wait for their turn. 0: they share `message_port`.
        """
        self.places: Places[K] = Places(most, each)
        self._modes = tuple(modes)
        self.message_port = message_port
        self._timeout = timeout
        self._halves: dict[K, _Half] = {}
        self._data: dict[str, K] = {}
        self._messages: dict[str, K] = {}
        self._turns: list[K] = []  # data connections in default mode, the one whose turn it is first
        self._strays: list[K] = []  # connections to the message port
        self._own_ports = own_ports
        # The own message port of each data connection that has one; 0 until it is open.
        self._ports: dict[K, int] = {}
        self.timed_out = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._halves)

    def connections(self) -> list[K]:
        """Return the connections that wait."""
        return list(self._halves)

    def clear(self) -> None:
        """Forget every connection."""
        for connection in self.connections():
            self._drop(connection)
        self._ports.clear()

    def add(self, connection: K, now: float, address: str = "") -> list[Action[K]]:
        """Take a connection that was accepted from `address` on the first port."""
        acceptor = Acceptor(self.message_port, self._modes, own_port=self._own_ports > 0)
        self._halves[connection] = _Half(acceptor, now + self._timeout)
        return self._enter(connection, address)

    def add_message(self, connection: K, now: float, address: str = "") -> list[Action[K]]:
        """Take a connection that was accepted on the message port (default mode)."""
        self._halves[connection] = _Half(None, now + self._timeout)
        self._strays.append(connection)
        actions = self._enter(connection, address)
        return [*actions, *self._pair_default()]

    def _enter(self, connection: K, address: str) -> list[Action[K]]:
        """Give a connection a place; dismiss the one that loses its own for it."""
        actions: list[Action[K]] = []
        for gone in self.places.enter(connection, address, spare=True):
            many = f"{self.places.each} of its address" if 0 < self.places.each <= self.places.held(address) else f"{self.places.most}"
            actions.extend(self._refuse(gone, f"is one too many: {many} wait to become links"))
        return actions

    def port_open(self, connection: K, port: int) -> list[Action[K]]:
        """Take note that a port is open for the message connection of `connection`."""
        if connection not in self._ports:
            return [PortDone(connection)]
        self._ports[connection] = port
        return [Reply(connection, port_answer(port))]

    def port_failed(self, connection: K, reason: str) -> list[Action[K]]:
        """Take note that no port could be opened for `connection`; `reason` is for the log."""
        return self._refuse(connection, reason) if connection in self._ports else []

    def add_partner(self, connection: K, data: K) -> list[Action[K]]:
        """Take a connection that was accepted on the own message port of `data`."""
        half = self._halves.get(data)
        if half is None or data not in self._ports:
            self.refused += 1
            return [Dismissed(connection, "is a message connection whose data connection has gone")]
        assert half.acceptor is not None and half.acceptor.introduction is not None
        matched = Matched(data, connection, half.acceptor.introduction, half.acceptor.trailing, b"")
        return [matched, *self.ended(data)]

    def receive(self, connection: K, data: bytes) -> list[Action[K]]:
        """Take bytes of a connection that is not a link yet."""
        half = self._halves.get(connection)
        if half is None:
            return []
        half.received += len(data)
        self.places.set_spare(connection, False)
        if half.received > 1 << 16:
            return self._refuse(connection, "sends 64 KiB before its link is made")
        acceptor = half.acceptor
        if acceptor is None:
            half.early += data
            return []
        try:
            acceptor.receive(data)
        except RemoteProtocolError as error:
            detail = f"; {error}" if error.offset else ""
            return self._refuse(connection, f"is not a WSTP link but looks like {acceptor.looks_like}{detail}")
        introduction = acceptor.introduction
        if introduction is None or not acceptor.complete or half.silent:
            return []
        half.silent = True
        if introduction.mode is Mode.DEFAULT and self._own_ports:
            if not acceptor.asks_port:
                return self._refuse(connection, _TWO_PORTS)
            self._turns.append(connection)
            return self._ask_ports()
        if introduction.mode is Mode.DEFAULT:
            half.waiting_default = True
            self._turns.append(connection)
            return self._next_turn() if len(self._turns) == 1 else []
        uuid = introduction.uuid
        assert uuid is not None
        mine, others = (self._data, self._messages) if introduction.role == "data" else (self._messages, self._data)
        if uuid in mine:
            return self._refuse(connection, f"is a second {introduction.role} connection for {uuid}")
        mine[uuid] = connection
        if uuid not in others:
            return []
        return [self._match(self._data.pop(uuid), self._messages.pop(uuid), introduction)]

    def ended(self, connection: K) -> list[Action[K]]:
        """Take note that a connection has ended before it became a link."""
        turn = bool(self._turns) and self._turns[0] == connection
        self._drop(connection)
        if connection in self._ports:
            del self._ports[connection]
            return [PortDone(connection), *self._ask_ports()]
        return self._next_turn() if turn and not self._own_ports else []

    def expire(self, now: float) -> list[Action[K]]:
        """Dismiss the connections that have taken too long."""
        actions: list[Action[K]] = []
        for connection in [key for key, half in self._halves.items() if half.deadline <= now]:
            half = self._halves[connection]
            introduction = half.acceptor.introduction if half.acceptor is not None else None
            if introduction is not None and introduction.mode is Mode.DEFAULT and self._own_ports:
                port = self._ports.get(connection)
                what = f"its message connection did not come to port {port}" if port else "no message port was free"
                reason = f"ordinary link: {what} in {self._timeout:g} s"
            elif introduction is not None:
                lacks = "data" if introduction.role == "message" else "message"
                reason = f"{introduction.role} connection: its {lacks} connection did not come in {self._timeout:g} s"
            elif half.received:
                reason = f"introduction not complete in {self._timeout:g} s"
            else:
                reason = f"said nothing in {self._timeout:g} s"
            self.timed_out += 1
            actions.append(Dismissed(connection, reason))
            actions.extend(self.ended(connection))
        return actions

    def next_deadline(self) -> float | None:
        """Return when `expire()` has something to do next; None when nothing waits."""
        return min((half.deadline for half in self._halves.values()), default=None)


    def _refuse(self, connection: K, reason: str) -> list[Action[K]]:
        self.refused += 1
        return [Dismissed(connection, reason), *self.ended(connection)]

    def _drop(self, connection: K) -> None:
        self._halves.pop(connection, None)
        self.places.leave(connection)
        for waiting in (self._data, self._messages):
            for uuid in [uuid for uuid, key in waiting.items() if key == connection]:
                del waiting[uuid]
        if connection in self._turns:
            self._turns.remove(connection)
        if connection in self._strays:
            self._strays.remove(connection)

    def _ask_ports(self) -> list[Action[K]]:
        """Ask for message ports for the data connections that wait for one."""
        actions: list[Action[K]] = []
        while self._turns and len(self._ports) < self._own_ports:
            connection = self._turns.pop(0)
            self._ports[connection] = 0
            actions.append(PortWanted(connection))
        return actions

    def _next_turn(self) -> list[Action[K]]:
        """Let the next data connection in default mode open its message connection."""
        if not self._turns:
            return []
        connection = self._turns[0]
        acceptor = self._halves[connection].acceptor
        assert acceptor is not None
        answer = acceptor.data_to_send()
        actions: list[Action[K]] = [Reply(connection, answer)] if answer else []
        actions.extend(self._pair_default())
        return actions

    def _pair_default(self) -> list[Action[K]]:
        if not self._turns or not self._strays:
            return []
        connection, message = self._turns[0], self._strays[0]
        acceptor = self._halves[connection].acceptor
        assert acceptor is not None and acceptor.introduction is not None
        return [self._match(connection, message, acceptor.introduction), *self._next_turn()]

    def _match(self, data: K, message: K, introduction: Introduction) -> Matched[K]:
        data_half, message_half = self._halves[data], self._halves[message]
        assert data_half.acceptor is not None
        early = message_half.early if message_half.acceptor is None else message_half.acceptor.trailing
        matched = Matched(data, message, introduction, data_half.acceptor.trailing, early)
        self._drop(data)
        self._drop(message)
        return matched

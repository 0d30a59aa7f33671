"""The listening side of links, from accepted connections to active links. No I/O and no clock.

`wstp.rendezvous` finds the two connections of a link (PROTOCOL.md sections 2 and 3); the reception
goes on with the greeting (section 4). Both listeners of this library (`wstp.link.Listener`,
`wstp.aio.Listener`) pass it what their sockets tell, and carry out the actions that it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias

from wstp.handshake import SERVER_PREAMBLE, Mode
from wstp.lexer import Buffer
from wstp.limits import Limits
from wstp.machine import LinkMachine
from wstp.rendezvous import Action, Dismissed, K, Matched, Rendezvous, Reply

__all__ = ["Abandoned", "Made", "Reception", "Step"]


@dataclass(frozen=True, slots=True)
class Made(Generic[K]):
    """Ask for a link over two connections; its greeting is done."""

    machine: LinkMachine
    data: K
    message: K


@dataclass(frozen=True, slots=True)
class Abandoned(Generic[K]):
    """Ask to close both connections of a link whose greeting failed; `reason` is for the log."""

    data: K
    message: K
    reason: str


Step: TypeAlias = Reply[K] | Dismissed[K] | Made[K] | Abandoned[K]


@dataclass(slots=True)
class _Greeting(Generic[K]):
    machine: LinkMachine
    data: K
    message: K
    deadline: float


class Reception(Generic[K]):
    """Make links of the connections that a listener accepts.

    Attributes:
        host: the interface that is bound.
        port: the port of data connections (and of message connections in UUID mode); 0 until bound.
        message_port: the port of message connections in default mode; None in UUID mode.
        rendezvous: the connections without a partner, and the counts of those dismissed.
    """

    def __init__(self, host: str, mode: Mode, limits: Limits, timeout: float) -> None:
        """Start; `timeout` is the time in seconds for the introductions, and for the greeting."""
        self.host = host
        self.port = 0
        self.message_port: int | None = None
        self.rendezvous: Rendezvous[K] = Rendezvous((mode.value,), None, timeout)
        self._limits = limits
        self._timeout = timeout
        # The links whose greeting is under way, by each of their connections.
        self._greetings: dict[K, _Greeting[K]] = {}

    def bound(self, port: int, message_port: int | None) -> None:
        """Take note of the ports that the operating system gave."""
        self.port = port
        self.message_port = self.rendezvous.message_port = message_port

    @property
    def link_name(self) -> str:
        """Return the link name for the peer: `port@host`, with the message port in default mode."""
        name = f"{self.port}@{self.host}"
        return name if self.message_port is None else f"{name},{self.message_port}@{self.host}"

    def name_of(self, peer: str) -> str:
        """Return the name of the link that `peer` (`host:port`) made."""
        return f"{self.port}@{self.host} from {peer}"

    def clear(self) -> list[K]:
        """Forget and return every connection that is not part of an active link."""
        connections = [*self.rendezvous.connections(), *self._greetings]
        self.rendezvous.clear()
        self._greetings.clear()
        return connections

    def expected(self) -> list[K]:
        """Return the connections whose bytes lead on: all but message connections in a greeting."""
        data = [connection for connection, greeting in self._greetings.items() if connection == greeting.data]
        return [*self.rendezvous.connections(), *data]

    def accept(self, connection: K, now: float, *, message_port: bool = False) -> list[Step[K]]:
        """Take a connection that was accepted, on the first port or on the message port."""
        add = self.rendezvous.add_message if message_port else self.rendezvous.add
        return self._go_on(add(connection, now), now)

    def receive(self, connection: K, data: Buffer, now: float) -> list[Step[K]]:
        """Take bytes of a connection that is not part of an active link."""
        greeting = self._greetings.get(connection)
        if greeting is None:
            return self._go_on(self.rendezvous.receive(connection, bytes(data)), now)
        if connection == greeting.data:
            greeting.machine.receive_data(data)
        else:
            greeting.machine.receive_message(data)
        return self._look(greeting)

    def end(self, connection: K, now: float) -> list[Step[K]]:
        """Take note that a connection has ended before it was part of an active link."""
        greeting = self._greetings.get(connection)
        if greeting is None:
            return self._go_on(self.rendezvous.ended(connection), now)
        return [self._abandon(greeting, "went away during the greeting")]

    def expire(self, now: float) -> list[Step[K]]:
        """Give up what has taken too long."""
        steps = self._go_on(self.rendezvous.expire(now), now)
        late = {id(greeting): greeting for greeting in self._greetings.values() if greeting.deadline <= now}
        for greeting in late.values():
            steps.append(self._abandon(greeting, f"greeting not complete in {self._timeout:g} s"))
        return steps

    def next_deadline(self) -> float | None:
        """Return when `expire()` has something to do; None when nothing waits."""
        deadlines = [greeting.deadline for greeting in self._greetings.values()]
        half = self.rendezvous.next_deadline()
        return min(deadlines if half is None else [half, *deadlines], default=None)

    def _go_on(self, actions: list[Action[K]], now: float) -> list[Step[K]]:
        steps: list[Step[K]] = []
        for action in actions:
            if isinstance(action, Matched):
                steps += self._greet(action, now)
            elif isinstance(action, (Reply, Dismissed)):  # with one message port there is no other
                steps.append(action)
        return steps

    def _greet(self, matched: Matched[K], now: float) -> list[Step[K]]:
        preamble = SERVER_PREAMBLE if matched.introduction.mode is Mode.UUID else b""
        machine = LinkMachine(preamble=preamble, limits=self._limits)
        greeting = _Greeting(machine, matched.data, matched.message, now + self._timeout)
        self._greetings[matched.data] = self._greetings[matched.message] = greeting
        machine.receive_message(matched.message_trailing)
        machine.receive_data(matched.data_trailing)
        return self._look(greeting)

    def _look(self, greeting: _Greeting[K]) -> list[Step[K]]:
        machine = greeting.machine
        steps: list[Step[K]] = []
        if machine.queued:
            steps.append(Reply(greeting.data, b"".join(machine.data_to_send())))
        if machine.active:
            self._forget(greeting)
            return [*steps, Made(machine, greeting.data, greeting.message)]
        if machine.failed:
            return [self._abandon(greeting, f"is no WSTP peer: {machine.end_error()}")]
        if machine.ended:
            return [self._abandon(greeting, "went away during the greeting")]
        return steps

    def _abandon(self, greeting: _Greeting[K], reason: str) -> Abandoned[K]:
        self._forget(greeting)
        return Abandoned(greeting.data, greeting.message, reason)

    def _forget(self, greeting: _Greeting[K]) -> None:
        del self._greetings[greeting.data], self._greetings[greeting.message]

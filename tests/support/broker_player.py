"""Drive the broker's state machine by events and the test's clock.

Its parts are nothing but names.
"""

from __future__ import annotations

from kernelbus.bus.broker.administration import Local
from kernelbus.bus.broker.machine import Action, Broker
from kernelbus.bus.broker.tables import BrokerOptions, ChannelPhase, Note
from kernelbus.bus.channel.frames import Frame
from kernelbus.bus.protocol.messages import (
    Acquired,
    ChannelReport,
    Heartbeat,
    KernelReport,
    Open,
    PoolReport,
    Register,
    Registered,
)
from kernelbus.bus.protocol.orders import Order
from kernelbus.bus.protocol.reports import Status, StatusRequest
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.transport.interface import Route

__all__ = ["OPTIONS", "BrokerPlayer", "Peer", "kernel", "report"]

OPTIONS = BrokerOptions(heartbeat_interval=1.0, heartbeat_timeout=5.0, host_timeout=60.0, connection_timeout=30.0)


class Peer(Route):
    """A part, as the broker sees it."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def send(self, frame: Frame) -> bool:
        raise AssertionError("the state machine sends nothing itself")


def report(pool: str = "P", ready: int = 1, **counts: int) -> PoolReport:
    """Return a report of a pool with `ready` kernels; `counts`: attached, detached, spare."""
    attached, detached, spare = (counts.get(name, 0) for name in ("attached", "detached", "spare"))
    return PoolReport(pool, pool == "P", pool == "P", 0, ready, attached, detached, 0, 1, 8, spare=spare)


def kernel(identity: str = "k", channel: int = 0, serial: int = 1, *, client: str = "", evaluations: int = 0) -> KernelReport:
    """Return a host's report of a kernel: attached if it has a channel, else detached."""
    state = "attached" if channel else "detached"
    return KernelReport(identity, "P", state, serial, channel, evaluations=evaluations, attachments=1, client=client)


class BrokerPlayer:
    """A broker, with what it has sent and to whom.

    `sent`: the names of the parts and the messages of the last step, without heartbeats. `notes`:
    its log. `local`: what its own process is to carry out.
    """

    def __init__(self, options: BrokerOptions = OPTIONS) -> None:
        self.broker = Broker(options, 0.0)
        self.now = 0.0
        self.sent: list[tuple[str, Message]] = []
        self.notes: list[Note] = []
        self.local: list[Order] = []

    def take(self, actions: list[Action]) -> None:
        """Keep what the broker has decided, and check its invariants."""
        self.broker.validate()
        for action in actions:
            if isinstance(action, Note):
                self.notes.append(action)
            elif isinstance(action, Local):
                self.local.append(action.order)
            elif not isinstance(action.message, Heartbeat | Registered):
                self.sent.append((action.route.name, action.message))

    def say(self, peer: Peer, message: Message) -> list[tuple[str, Message]]:
        """Have `peer` send a message; return what the broker sends then."""
        self.sent = []
        self.take(self.broker.control(peer, message, self.now))
        return self.sent

    def wait(self, seconds: float, *alive: Peer) -> list[tuple[str, Message]]:
        """Let `seconds` pass with `alive` parts sending heartbeats; return what the broker sends.
        """
        self.sent = []
        until = self.now + seconds
        while self.now < until:
            self.now += 1.0
            for peer in alive:
                self.take(self.broker.control(peer, Heartbeat(), self.now))
            self.take(self.broker.tick(self.now))
        return self.sent

    def unreachable(self, peer: Peer) -> list[tuple[str, Message]]:
        """Have the transport report that `peer` cannot be reached; return what the broker sends."""
        self.sent = []
        self.take(self.broker.unreachable(peer, self.now))
        return self.sent

    def expel(self, peer: Peer) -> list[tuple[str, Message]]:
        """Have the transport report that `peer` is not admitted; return what the broker sends."""
        self.sent = []
        self.take(self.broker.expel(peer, "is not welcome", self.now))
        return self.sent

    def host(
        self,
        name: str,
        *pools: PoolReport,
        kernels: list[KernelReport] | None = None,
        ending: list[ChannelReport] | None = None,
        peer: Peer | None = None,
        predecessors: list[str] | None = None,
    ) -> Peer:
        """Register a host with these pools, kernels and channels that end; return it.

        `predecessors` are the parts of its machine that are gone.
        """
        peer = peer or Peer(name)
        self.say(peer, Register(name, "host", name, "1", list(pools or [report()]), kernels or [], ending or [], predecessors or []))
        return peer

    def frontend(self, name: str, channels: list[ChannelReport] | None = None, peer: Peer | None = None) -> Peer:
        """Register a frontend with these channels; return it."""
        peer = peer or Peer(name)
        self.say(peer, Register(name, "frontend", name, "1", channels=channels or []))
        return peer

    def attach(self, frontend: Peer, host: Peer, channel: int, identity: str = "k") -> None:
        """Attach a client of `frontend` to a kernel of `host`."""
        self.say(frontend, Open(channel, "a"))
        self.say(host, Acquired(channel, kernel(identity, channel)))
        assert self.broker.channels[channel].phase is ChannelPhase.OPEN

    def status(self, console: Peer, **asked: bool) -> Status:
        """Return the status that `console` gets; `asked` are fields of the request."""
        ((_, told),) = self.say(console, StatusRequest(1, "me@here", **asked))
        assert isinstance(told, Status)
        return told

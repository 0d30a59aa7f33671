"""Run a broker: the I/O around the state machine :class:`kernelbus.bus.broker.machine.Broker`.

It decodes the frames that its transports bring, passes them to the state machine, and carries out
the actions that come back. It looks at no payload of a data frame.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import zmq

from kernelbus.bus.broker.administration import Local
from kernelbus.bus.broker.allowance import BURST, RATE, Allowance
from kernelbus.bus.broker.console import Console
from kernelbus.bus.broker.keeper import Keeper
from kernelbus.bus.broker.machine import Action, Broker
from kernelbus.bus.broker.tables import BrokerOptions, Note, Send
from kernelbus.bus.channel.frames import Frame, Kind, control_frame
from kernelbus.bus.errors import MessageError, VersionError
from kernelbus.bus.everypart import carry_out
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.messages import Heartbeat
from kernelbus.bus.protocol.orders import Answer
from kernelbus.bus.security.admission import Admission
from kernelbus.bus.security.keys import KeysError, KeyStore
from kernelbus.bus.settings.config import Config
from kernelbus.bus.settings.reload import BROKER_KEYS, Reloader
from kernelbus.bus.transport.call import CallHub
from kernelbus.bus.transport.interface import Route, TransportFactory
from kernelbus.bus.transport.zeromq import RouterTransport

__all__ = ["BrokerServer"]

_log = logging.getLogger("kernelbus.broker")

#: How many parts of another version are remembered, so that each is logged once.
_MOST_REFUSED = 100


class BrokerServer:
    """A broker that serves parts of this process by call and all others by ZeroMQ.

    Both ways share one routing table.

    Args:
        options: the options of the broker's state machine.
        context: the ZeroMQ context; the caller ends it.
        journal: the file in which sessions are kept beyond the broker's end; None: none. The broker
            goes on without a file that cannot be used, and tries again.
        config: the configuration that `options` were made of.
        reread: reads the configuration again, for an administrator's order.
        keys: this machine's keys, for endpoints that other machines reach.
    """

    def __init__(
        self,
        options: BrokerOptions,
        context: zmq.Context[zmq.Socket[bytes]],
        journal: Path | None = None,
        config: Config | None = None,
        reread: Callable[[], Config] | None = None,
        keys: KeyStore | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._writing = False
        self._refused: set[str] = set()
        now = self._loop.time()
        self._keeper = Keeper(journal, now, time.time())
        self.broker = Broker(options, now, time.time() - now, self._keeper.records)
        self.broker.unjournaled = self._keeper.problem
        if self.broker.sessions.awaited:
            _log.info("%d sessions are known from before; waiting for their hosts", len(self.broker.sessions.awaited))
        self._hub = CallHub(self._receive)
        self._router = RouterTransport(context, self._receive, keys, self._revoked)
        self._interval = options.heartbeat_interval
        self._allowances: weakref.WeakKeyDictionary[Route, Allowance] = weakref.WeakKeyDictionary()
        self._keys = keys
        self.reloader = Reloader(config or Config(), reread, BROKER_KEYS, self._configure)
        for line in self._unknown_administrators(options):
            _log.warning("%s", line)

    @property
    def connect(self) -> TransportFactory:
        """The factory of transports for parts of this process."""
        return self._hub.connect

    def console(self, name: str) -> Console:
        """Return a console in this process; `name` is what the log calls it."""
        return Console(name, lambda route, message: self._perform(self.broker.control(route, message, self._loop.time())))

    def bind(self, endpoint: str) -> str:
        """Listen at `endpoint` too; return the endpoint with its real port.

        Raises:
            EndpointError: the endpoint is in use or malformed, or other machines reach it and this
                machine has no keys.
            KeysError: this machine's keys cannot be used.
        """
        return self._router.bind(endpoint)

    @property
    def admission(self) -> Admission | None:
        """Who is admitted from other machines and who was refused.

        None if the broker has no endpoint that other machines reach.
        """
        return self._router.admission

    @property
    def refused_handshakes(self) -> int:
        """Connections refused since the start, since their keys are not allowed or missing."""
        return self._router.admission.refused if self._router.admission is not None else 0

    async def run(self) -> None:
        """Keep the state machine's time until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            self._keeper.check(self._loop.time())
            self._perform(self.broker.tick(self._loop.time()))

    def close(self) -> None:
        """Stop listening, write the journal and close it."""
        self._hub.close()
        self._router.close()
        self._write_journal()
        self._keeper.close()

    def _receive(self, route: Route, frame: Frame) -> None:
        broker = self.broker
        if frame.kind != Kind.CONTROL:
            target = broker.forward(route, frame)
            if target is not None:
                if not target.send(frame):
                    self._perform(broker.unreachable(target, self._loop.time()))
            elif frame.kind != Kind.RESET and broker.should_reset(route, frame, self._loop.time()):
                route.send(Frame(Kind.RESET, frame.channel))
            return
        try:
            message = decode(frame.payload)
        except MessageError as error:
            who = f" ({error.sender})" if error.sender else ""
            if isinstance(error, VersionError):
                self._foreign(f"{error.sender or 'a part'} is refused: it speaks {error}", route)
            elif error.later:
                _log.debug("connection %s%s sent %s; passed over", route.name, who, error)
            else:
                _log.error("connection %s%s sent %s; ignored", route.name, who, error)
            if error.request is not None:
                route.send(control_frame(encode(Answer(error.request, False, "malformed", [str(error)]))))
            return
        self._perform(broker.control(route, message, self._loop.time()))

    def _foreign(self, text: str, route: Route) -> None:
        """Refuse a part of another major version, with one line for each."""
        if text not in self._refused:
            if len(self._refused) >= _MOST_REFUSED:
                self._refused.clear()
            self._refused.add(text)
            _log.error("%s", text)
        # Any message tells the part which version is spoken here.
        route.send(control_frame(encode(Heartbeat())))

    def _revoked(self, route: Route) -> None:
        self._perform(self.broker.expel(route, "may no longer join: its machine's key is not allowed any more", self._loop.time()))

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(Console() as console, message):
                    console.take(message)
                case Send(route, message):
                    frame = control_frame(encode(message))
                    if self.broker.is_stranger(route) and not self._afford(route, len(frame.payload)):
                        continue
                    if not route.send(frame):
                        # The part is found gone while it is sent something. The consequences come
                        # after what was decided before.
                        self._perform(self.broker.unreachable(route, self._loop.time()))
                case Note(text, error, about, warning):
                    level = logging.ERROR if error else logging.WARNING if warning else logging.INFO
                    _log.log(level, "%s", text, extra={"fields": about})
                case Local(order):
                    self._perform(self.broker.carried_out(carry_out(order, self.reloader), self._loop.time()))
        if not self._writing:
            # Written once for all changes of this turn of the loop.
            self._writing = True
            self._loop.call_soon(self._write_journal)

    def _afford(self, route: Route, size: int) -> bool:
        """Return whether a console may be sent so many bytes more; if not, log it."""
        now = self._loop.time()
        allowance = self._allowances.get(route)
        if allowance is None:
            allowance = self._allowances[route] = Allowance(now)
        if allowance.spend(size, now):
            return True
        text = "console %s asks for more than it can read: it has had %d MiB at once, and then %d MiB/s; an answer is left out"
        _log.warning(text, route.name, BURST >> 20, RATE >> 20)
        return False

    def _configure(self, config: Config) -> list[str]:
        options = self.broker.options.of(config)
        self._interval = options.heartbeat_interval
        self._perform(self.broker.configure(options, self._loop.time()))
        return self._unknown_administrators(options)

    def _unknown_administrators(self, options: BrokerOptions) -> list[str]:
        """Say which administrators nobody can be, one line each."""
        if not options.administrators or self._keys is None:
            return []
        try:
            faults = self._keys.unknown(options.administrators)
        except KeysError as error:
            faults = [str(error)]
        return [f"Bus/Administrators: {fault}" for fault in faults]

    def _write_journal(self) -> None:
        self._writing = False
        now = self._loop.time()
        self._keeper.write(self.broker.sessions, now, now + self.broker.epoch)
        self.broker.unjournaled = self._keeper.problem

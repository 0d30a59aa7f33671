"""Keep a part a member of its broker: register, exchange heartbeats, and come back after a break.

The pattern is ZeroMQ's Paranoid Pirate (zguide, chapter 4): both sides send heartbeats, and after a
silence the part makes a new connection, without end, under an exponential back-off with jitter
(tenacity). A part registers with a list of what it has, from which a restarted broker rebuilds its
tables. Each change of state is logged once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from kernelbus.bus.channel.frames import Frame, Kind, control_frame
from kernelbus.bus.errors import BusError, MessageError, VersionError
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.messages import Heartbeat, Leave, Register, RegisterAgain, Registered
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.settings.logs import EventLogger
from kernelbus.bus.transport.interface import Transport, TransportFactory
from kernelbus.bus.transport.socketfile import barred

__all__ = ["Membership", "MembershipState"]

_log = logging.getLogger("kernelbus.bus")


class MembershipState(Enum):
    """Where a part stands with its broker."""

    REGISTERING = "registering"
    UP = "up"
    LOST = "lost"
    LEFT = "left"


class _BrokerLost(BusError):
    """The broker did not answer in time."""


class Membership:
    """The membership of one frontend or kernel host.

    Args:
        connect: makes the transport to the broker; called for each attempt.
        describe: returns the Register message, with everything that the part has at that moment.
        on_control: takes the broker's other control messages.
        on_frame: takes the frames of channels.
        on_up: called after each registration, to resume the channels.
        heartbeat_timeout: seconds of silence after which the part looks for the broker again.
        where: the broker's address, for the log; an attribute, since a later attempt may find the
            broker elsewhere.
    """

    def __init__(
        self,
        connect: TransportFactory,
        describe: Callable[[], Register],
        on_control: Callable[[Message], None],
        on_frame: Callable[[Frame], None],
        on_up: Callable[[], None],
        *,
        heartbeat_timeout: float,
        where: str,
    ) -> None:
        self.state = MembershipState.LOST
        #: When the broker was last there, on the loop's clock; valid while the state is not UP.
        self.up_until = asyncio.get_running_loop().time()
        self._connect = connect
        self._describe = describe
        self._on_control = on_control
        self._on_frame = on_frame
        self._on_up = on_up
        self._timeout = heartbeat_timeout
        self.where = where
        self._log = EventLogger(_log, lambda: {"broker": where})
        self._interval = heartbeat_timeout / 5
        self._loop = asyncio.get_running_loop()
        self._transport: Transport | None = None
        self._last_heard = 0.0
        self._registered = asyncio.Event()
        self._said_lost = False
        self._foreign = ""  # what was said of a broker of another version

    def send(self, message: Message) -> None:
        """Send a control message to the broker.

        While the broker is away the message is dropped; the next registration tells the broker the
        state that the message would have told.
        """
        if self._transport is not None:
            self._transport.send(control_frame(encode(message)))

    def transmit(self, frame: Frame) -> None:
        """Send a channel's frame to the broker.

        While the broker is away the frame is dropped; the channel sends it again later.
        """
        if self._transport is not None:
            self._transport.send(frame)

    async def run(self) -> None:
        """Be a member until cancelled, then leave."""
        try:
            while True:
                attempts = AsyncRetrying(
                    retry=retry_if_exception_type(_BrokerLost), wait=wait_random_exponential(multiplier=0.2, max=10), reraise=True
                )
                await attempts(self._register)
                await self._stay()
        finally:
            if self.state is MembershipState.UP:
                self.send(Leave())
            self.state = MembershipState.LEFT
            self._drop_transport()

    async def wait_until_up(self, timeout: float) -> bool:
        """Wait for a registration; return False if none succeeds in `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._registered.wait()
        except TimeoutError:
            return False
        return True

    async def _register(self) -> None:
        self.state = MembershipState.REGISTERING
        self._registered.clear()
        self._drop_transport()
        self._transport = self._connect(self._receive)
        self.send(self._describe())
        try:
            # Not wait_for: in Python 3.11 it loses a cancellation that comes with the event.
            async with asyncio.timeout(self._timeout):
                await self._registered.wait()
        except TimeoutError:
            if not self._said_lost:
                self._log.error("%s; trying again", barred(self.where) or f"no broker answers at {self.where}")
                self._said_lost = True
            raise _BrokerLost(f"no broker answers at {self.where}") from None
        if self._said_lost:
            self._log.info("the broker at %s answers again", self.where)
            self._said_lost = False

    async def _stay(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            silent = self._loop.time() - self._last_heard
            if silent > self._timeout:
                self._log.error("the broker at %s has been silent for %.0f s; looking for it", self.where, silent)
                self.state = MembershipState.LOST
                self.up_until = self._last_heard
                self._said_lost = True
                return
            self.send(Heartbeat())

    def _drop_transport(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _receive(self, frame: Frame) -> None:
        self._last_heard = self._loop.time()
        if frame.kind != Kind.CONTROL:
            self._on_frame(frame)
            return
        try:
            message = decode(frame.payload)
        except MessageError as error:
            if isinstance(error, VersionError):
                self._said_lost = True
                if str(error) != self._foreign:
                    self._foreign = str(error)
                    self._log.error("the broker at %s speaks %s; trying again", self.where, error)
            elif error.later:
                self._log.debug("the broker at %s sent %s; passed over", self.where, error)
            else:
                self._log.error("the broker at %s sent %s; ignored", self.where, error)
            return
        match message:
            case Heartbeat():
                pass
            case Registered():
                self._foreign = ""
                self._interval = message.heartbeat_interval
                self.state = MembershipState.UP
                self._registered.set()
                self._on_up()
            case RegisterAgain():
                self._log.info("the broker at %s was restarted; registering again", self.where)
                self.send(self._describe())
            case _:
                self._on_control(message)

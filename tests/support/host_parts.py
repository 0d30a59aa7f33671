"""Parts of a kernel host for unit tests: stand-in kernels, and a stub of a broker."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kernelbus.bus.channel.frames import Frame, Kind, control_frame
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.messages import Heartbeat, Register, Registered
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.rounds import Rounds
from kernelbus.bus.settings.config import LimitsConfig, PoolConfig
from kernelbus.bus.transport.call import CallHub
from kernelbus.bus.transport.interface import Route
from kernelbus.kernelhost.kernel import Kernel, KernelHandler
from kernelbus.kernelhost.process.cgroups import Groups
from kernelbus.kernelhost.process.nursery import Nursery

__all__ = ["BrokerStub", "Events", "make_kernel", "stand_in", "until"]

_PROGRAM = Path(__file__).parent / "stand_in.py"
_Message = TypeVar("_Message", bound=Message)


def stand_in(name: str = "P", options: str = "", **keys: Any) -> PoolConfig:
    """Return a pool of stand-in kernels (:mod:`stand_in`) with these options."""
    return PoolConfig(name, kernel_path=sys.executable, kernel_options=f"{shlex.quote(str(_PROGRAM))} {options}", **keys)


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until `condition` holds; fail when it does not in `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.005)


class Events(KernelHandler):
    """What a kernel has told its owner, in order: the event's name, and the text if it has one."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    @property
    def names(self) -> list[str]:
        """The names of the events."""
        return [name for name, _ in self.told]

    def kernel_ready(self, kernel: Kernel) -> None:
        self.told.append(("ready", ""))

    def kernel_busy(self, kernel: Kernel) -> None:
        self.told.append(("busy" if kernel.busy else "idle", ""))

    def kernel_unused(self, kernel: Kernel) -> None:
        self.told.append(("unused", ""))

    def kernel_detached(self, kernel: Kernel, why: str) -> None:
        self.told.append(("detached", why))

    def kernel_unwanted(self, kernel: Kernel, why: str) -> None:
        self.told.append(("unwanted", why))

    def kernel_ended(self, kernel: Kernel, how: str) -> None:
        self.told.append(("ended", how))


def make_kernel(
    pool: PoolConfig | None = None,
    handler: KernelHandler | None = None,
    number: int = 1,
    groups: Groups | None = None,
    rounds: Rounds | None = None,
    **limits: Any,
) -> Kernel:
    """Make a kernel that is not started, of id `identity-NUMBER`; needs a running event loop."""
    settled = LimitsConfig(**{"kernel_memory": 0, **limits})
    nursery = Nursery(settled.kernel_start_timeout)
    identity = f"identity-{number}"
    handler = handler or Events()
    return Kernel(number, identity, pool or stand_in(), settled, True, False, handler, nursery, rounds or Rounds(), "host", None, groups)


class BrokerStub:
    """A broker that admits the one host that connects to it, and notes what the host says.

    Attributes:
        messages: the host's messages, without heartbeats, in order.
        frames: its channels' frames, in order.
        settled: set when the host has begun to send heartbeats. Only then is its registration over,
            and the host sure to take notice of being cancelled.
    """

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self.frames: list[Frame] = []
        self.settled = asyncio.Event()
        self._route: Route | None = None
        self.hub = CallHub(self._take)

    def _take(self, route: Route, frame: Frame) -> None:
        self._route = route
        if frame.kind != Kind.CONTROL:
            self.frames.append(frame)
            return
        message = decode(frame.payload)
        if isinstance(message, Heartbeat):
            self.settled.set()
            self.send(message)
            return
        self.messages.append(message)
        if isinstance(message, Register):
            self.send(Registered("a stub", 0.05))

    def send(self, message: Message) -> None:
        """Send the host a message."""
        self.transmit(control_frame(encode(message)))

    def transmit(self, frame: Frame) -> None:
        """Send the host a frame."""
        assert self._route is not None
        self._route.send(frame)

    async def expect(self, kind: type[_Message], condition: Callable[[_Message], bool] = lambda message: True) -> _Message:
        """Return the next message of this kind for which `condition` holds; those before it go."""
        async with asyncio.timeout(60):
            while True:
                while self.messages:
                    message = self.messages.popleft()
                    if isinstance(message, kind) and condition(message):
                        return message
                await asyncio.sleep(0.005)

"""A console in the broker's own process: it asks the broker as one elsewhere does, by a call.

Messages are passed as they are, neither encoded nor checked: the status of thousands of kernels
costs nothing on the way. Nobody knows who sits before such a console, so that it may give orders
only where everybody may (`Bus`/`Administrators`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from kernelbus.bus.channel.frames import Frame
from kernelbus.bus.client import OrderRefused
from kernelbus.bus.errors import BusError
from kernelbus.bus.protocol.orders import Answer, Traced, TraceOrder
from kernelbus.bus.protocol.reports import Status, StatusRequest, Story, StoryRequest
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.transport.interface import Route

__all__ = ["Console", "NoAnswer"]


class NoAnswer(BusError):
    """The broker, or a part that it asked, has not answered in time."""


class Console(Route):
    """Asks the broker of this process; every method is called on its event loop.

    Args:
        name: what the log calls it.
        give: hands the broker a message that came over a route.

    Attributes:
        traced: called with what passes to and from the kernels that are traced.
    """

    def __init__(self, name: str, give: Callable[[Route, Message], None]) -> None:
        self._name = name
        self._give = give
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self.traced: Callable[[Traced], None] = lambda _: None

    @property
    def name(self) -> str:
        """What the log calls it."""
        return self._name

    def send(self, frame: Frame) -> bool:
        """Take no frames: what is for a console comes by :meth:`take`."""
        return True

    def take(self, message: Message) -> None:
        """Take what the broker has for this console."""
        if isinstance(message, Traced):
            self.traced(message)
            return
        asked = self._asked.get(getattr(message, "request", 0))
        if asked is not None and not asked.done():
            asked.set_result(message)

    async def status(self, patience: float, *, links: bool = False, over: bool = False) -> Status:
        """Return the broker's status; see :meth:`kernelbus.bus.client.AdminClient.status`.

        Raises:
            NoAnswer: frontends that were asked for their links took more than `patience` seconds.
        """
        status = await self._ask(lambda number: StatusRequest(number, self._name, links, over), patience)
        assert isinstance(status, Status)
        return status

    async def story(self, kernel: str, patience: float) -> Story:
        """Return what has happened to a kernel, named by the beginning of its id.

        Raises:
            OrderRefused: no kernel has that id, or several ids begin so.
        """
        story = await self._ask(lambda number: StoryRequest(number, self._name, kernel), patience)
        assert isinstance(story, Story)
        return story

    async def trace(self, kernel: str, on: bool, patience: float) -> str:
        """Begin, renew or end the trace of a kernel, and return its whole id.

        Raises:
            OrderRefused: there is no such kernel, or not everybody may give orders.
            NoAnswer: its host did not answer.
        """
        answer = await self._ask(lambda number: TraceOrder(number, self._name, kernel, on), patience)
        assert isinstance(answer, Answer)
        return answer.target

    async def _ask(self, make: Callable[[int], Message], patience: float) -> Message:
        number = next(self._numbers)
        asked: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        try:
            self._give(self, make(number))
            async with asyncio.timeout(patience):
                answer = await asked
        except TimeoutError:
            raise NoAnswer(f"the broker has not answered in {patience:g} s") from None
        finally:
            del self._asked[number]
        if isinstance(answer, Answer) and not answer.ok:
            raise OrderRefused(answer)
        return answer

"""What the web page asks the broker: a status for all who look, and traces while they are read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from bus_parts import until
from statuses import ATTACHED, STATUS

from kernelbus.bus.broker.console import Console
from kernelbus.bus.client import OrderRefused
from kernelbus.bus.protocol.orders import Answer, Traced, TraceEvent, TraceOrder
from kernelbus.bus.protocol.reports import PoolFigures, Status, StatusRequest, Story, StoryEvent, StoryRequest
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.transport.interface import Route
from kernelbus.shell.operations.web import desk as module
from kernelbus.shell.operations.web.desk import Desk, TooManyTraces

pytestmark = pytest.mark.asyncio
SHORT = ATTACHED.kernel[:8]


class Broker:
    """Answers a console at once, and keeps what it asked."""

    def __init__(self) -> None:
        self.asked: list[Message] = []
        self.console = Console("the web page", self._give)

    def _give(self, route: Route, message: Message) -> None:
        self.asked.append(message)
        match message:
            case StatusRequest(number):
                self.console.take(STATUS)
                self.console.take(Status(number, "alpha", "1", "healthy", [], len(self.asked), 0))
            case StoryRequest(number, _, kernel):
                self.console.take(Story(number, kernel, [StoryEvent(1.0, "is there")]))
            case TraceOrder(number, _, kernel):
                known = ATTACHED.kernel.startswith(kernel) or kernel.startswith("many")
                whole = ATTACHED.kernel if known and not kernel.startswith("many") else kernel
                self.console.take(Answer(number, known, "" if known else "unknown-kernel", target=whole))


def measure() -> tuple[Status, Iterable[PoolFigures]]:
    return STATUS, []


async def test_a_status_is_shared_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    desk = Desk(broker.console, measure, 5.0)
    first = await asyncio.gather(*(desk.status() for _ in range(5)), desk.status(over=True))
    assert [asked.over for asked in broker.asked if isinstance(asked, StatusRequest)] == [False, True]
    assert len({id(status) for status in first[:5]}) == 1
    monkeypatch.setattr(module, "_FRESH", 0.0)
    monkeypatch.setattr(module, "_SHARE", 0.0)
    desk = Desk(broker.console, measure, 5.0)
    assert await desk.status() is not await desk.status()


async def test_a_story_is_asked_for_by_the_beginning_of_an_id() -> None:
    broker = Broker()
    assert [event.text for event in await Desk(broker.console, measure, 5.0).story(ATTACHED.kernel)] == ["is there"]
    (asked,) = broker.asked
    assert isinstance(asked, StoryRequest) and asked.kernel == SHORT


async def test_a_trace_is_kept_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKETS", 3)
    broker = Broker()
    desk = Desk(broker.console, measure, 5.0)
    assert (await desk.packets(ATTACHED.kernel)).events == []
    broker.console.take(Traced(ATTACHED.kernel, [TraceEvent(float(n), "to", f"P{n}", n) for n in range(1, 6)], 2))
    broker.console.take(Traced("another", [TraceEvent(1.0, "to", "No", 1)]))
    told = await desk.packets(SHORT)
    assert [(number, event.head) for number, event in told.events] == [(3, "P3"), (4, "P4"), (5, "P5")]
    assert told.missed == 4, "two that were never sent, and two that are no longer kept"
    assert [number for number, _ in (await desk.packets(SHORT, 4)).events] == [5]
    orders = [asked for asked in broker.asked if isinstance(asked, TraceOrder)]
    assert [(order.kernel, order.on) for order in orders] == [(SHORT, True)], "read again, it is not renewed at once"
    monkeypatch.setattr(module, "_RENEWAL", 0.0)
    await desk.packets(SHORT, 5)
    monkeypatch.setattr(module, "_UNREAD", 0.0)
    running = asyncio.ensure_future(desk.run())
    await until(lambda: any(isinstance(asked, TraceOrder) and not asked.on for asked in broker.asked))
    running.cancel()
    assert list(desk.history.times), "and a sample was taken"
    assert [number for number, _ in (await desk.packets(SHORT)).events] == [], "a new trace begins anew"


async def test_there_are_so_many_traces_and_none_of_what_is_not_there() -> None:
    broker = Broker()
    desk = Desk(broker.console, measure, 5.0)
    with pytest.raises(OrderRefused):
        await desk.packets("zzzz")
    for number in range(module._TRACES):
        await desk.packets(f"many{number}")
    with pytest.raises(TooManyTraces, match="20 kernels are traced at once"):
        await desk.packets(SHORT)

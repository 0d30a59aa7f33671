"""A part's membership, as in ZeroMQ's Paranoid Pirate pattern, on a simulated clock."""

from __future__ import annotations

import asyncio
import itertools
import logging
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from kernelbus.bus.channel.frames import Frame, control_frame
from kernelbus.bus.membership import Membership, MembershipState
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.messages import Heartbeat, Leave, Register, RegisterAgain, Registered
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.transport.interface import FrameHandler

TIMEOUT = 5.0
INTERVAL = 1.0


class _Selector(selectors.SelectSelector):
    """A selector that never waits: the time that it would wait counts as passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen"
        self.passed += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._quick = _Selector()
        super().__init__(self._quick)

    def time(self) -> float:
        return self._quick.passed


def in_quick_time(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` to its end on a clock that passes as fast as it can be computed."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(main())


class Way:
    """A transport that keeps what was sent over it, and when."""

    def __init__(self, broker: Broker, on_frame: FrameHandler) -> None:
        self.on_frame = on_frame
        self.broker = broker
        self.made = broker.now()
        self.sent: list[tuple[float, Message]] = []
        self.closed = False

    def send(self, frame: Frame) -> None:
        assert not self.closed
        message = decode(bytes(frame.payload))
        self.sent.append((self.broker.now(), message))
        self.broker.heard(self, message)

    def close(self) -> None:
        self.closed = True

    def tell(self, message: Message) -> None:
        self.on_frame(control_frame(encode(message)))


class Broker:
    """The other side: it answers and sends heartbeats while it is `there`."""

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time
        self.there = True
        self.ways: list[Way] = []
        self.ups = 0
        self.membership = Membership(
            self.connect, lambda: Register("p", "host", "h", "1"), lambda message: None, lambda frame: None, self.up,
            heartbeat_timeout=TIMEOUT, where="tcp://10.0.0.1:1",
        )  # fmt: skip
        self.task = asyncio.get_running_loop().create_task(self.membership.run())
        self.beats = asyncio.get_running_loop().create_task(self.beat())

    def connect(self, on_frame: FrameHandler) -> Way:
        self.ways.append(Way(self, on_frame))
        return self.ways[-1]

    def up(self) -> None:
        self.ups += 1

    def heard(self, way: Way, message: Message) -> None:
        if self.there and isinstance(message, Register):
            asyncio.get_running_loop().call_soon(way.tell, Registered("b", INTERVAL))

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            if self.there and not self.ways[-1].closed and self.membership.state is MembershipState.UP:
                self.ways[-1].tell(Heartbeat())

    async def stop(self) -> None:
        for task in (self.beats, self.task):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def sent(self, kind: type[Message]) -> list[float]:
        return [at for way in self.ways for at, message in way.sent if isinstance(message, kind)]


def test_a_part_registers_once_then_sends_heartbeats_and_says_that_it_leaves() -> None:
    async def main() -> None:
        broker = Broker()
        await asyncio.sleep(100)
        assert broker.membership.state is MembershipState.UP
        assert (len(broker.ways), broker.ups, len(broker.sent(Register))) == (1, 1, 1)
        beats = broker.sent(Heartbeat)
        assert len(beats) >= 98
        assert all(later - earlier == pytest.approx(INTERVAL) for earlier, later in itertools.pairwise(beats))
        await broker.stop()
        assert isinstance(broker.ways[-1].sent[-1][1], Leave)
        assert broker.ways[-1].closed

    in_quick_time(main)


def test_a_silent_broker_is_looked_for_without_end_each_time_over_a_new_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kernelbus")

    async def main() -> None:
        broker = Broker()
        await asyncio.sleep(10)
        broker.there = False
        gone = broker.now()
        await asyncio.sleep(3600)
        assert broker.membership.state is not MembershipState.UP
        attempts = [way.made for way in broker.ways[1:]]
        assert TIMEOUT <= attempts[0] - gone <= TIMEOUT + 2 * INTERVAL
        # Each attempt lasts as long as a broker may be silent, and a pause of up to ten seconds
        # follows.
        pauses = [later - earlier - TIMEOUT for earlier, later in itertools.pairwise(attempts)]
        assert len(pauses) > 3600 / (TIMEOUT + 10) - 2
        assert all(-1e-6 <= pause <= 10.01 for pause in pauses)
        assert all(pause <= 0.2 * 2**number + 0.01 for number, pause in enumerate(pauses[:5])), "it begins with short ones"
        assert max(pauses) > 9
        assert len({round(pause, 3) for pause in pauses}) > len(pauses) / 2, "parts do not come back all at once"
        assert all(way.closed for way in broker.ways[:-1])
        broker.there = True
        await asyncio.sleep(TIMEOUT + 10.1)
        assert broker.membership.state is MembershipState.UP
        assert broker.ups == 2
        await broker.stop()

    in_quick_time(main)
    told = [record.message for record in caplog.records]
    assert len(told) == 2, told
    assert told[0].startswith("the broker at tcp://10.0.0.1:1 has been silent for ")
    assert told[1] == "the broker at tcp://10.0.0.1:1 answers again"


def test_a_broker_that_was_never_there_is_missed_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kernelbus")

    async def main() -> None:
        broker = Broker()
        broker.there = False
        assert not await broker.membership.wait_until_up(600)
        broker.there = True
        assert await broker.membership.wait_until_up(600)
        await broker.stop()

    in_quick_time(main)
    told = [record.message for record in caplog.records]
    assert told == ["no broker answers at tcp://10.0.0.1:1; trying again", "the broker at tcp://10.0.0.1:1 answers again"]


def test_a_broker_that_was_restarted_is_told_everything_over_the_same_connection() -> None:
    async def main() -> None:
        broker = Broker()
        await asyncio.sleep(10)
        broker.ways[-1].tell(RegisterAgain())
        await asyncio.sleep(1)
        assert (len(broker.ways), broker.ups, len(broker.sent(Register))) == (1, 2, 2)
        await broker.stop()

    in_quick_time(main)


def test_a_short_silence_changes_nothing() -> None:
    async def main() -> None:
        broker = Broker()
        for _ in range(20):
            await asyncio.sleep(10)
            broker.there = False
            await asyncio.sleep(TIMEOUT - 2 * INTERVAL)
            broker.there = True
        assert (len(broker.ways), broker.ups) == (1, 1)
        await broker.stop()

    in_quick_time(main)


def test_who_leaves_while_the_broker_is_away_leaves_at_once() -> None:
    async def main() -> None:
        broker = Broker()
        await asyncio.sleep(10)
        broker.there = False
        await asyncio.sleep(100)
        before = broker.now()
        await broker.stop()
        assert broker.now() == before
        assert broker.membership.state is MembershipState.LEFT
        assert all(way.closed for way in broker.ways)
        assert not broker.sent(Leave)

    in_quick_time(main)

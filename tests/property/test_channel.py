"""Test the channel over a network that loses, repeats, delays and reorders frames, and breaks."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbus.bus.channel.channel import (
    Channel,
    ChannelOptions,
    ChannelState,
    Data,
    Ended,
    EndReason,
    Urgent,
)
from kernelbus.bus.channel.frames import HEADER_SIZE, Frame, Kind, Lane, decode_frame, encode_header

OPTIONS = ChannelOptions(window=4096, chunk=512, backlog=1024, acknowledge_delay=0.02, probe_delay=0.2, probe_delay_limit=1.0)


@dataclass
class Network:
    """A network with two lanes in each direction; a lane keeps the order unless `overtaking`."""

    random: Random
    loss: float
    repeat: float
    overtaking: bool
    now: float = 0.0
    cut_until: float = 0.0
    queue: list[tuple[float, int, int, Frame]] = field(default_factory=list)
    last: dict[tuple[int, Lane], float] = field(default_factory=dict)
    serial: int = 0
    sent: int = 0

    def send(self, to: int, frames: list[Frame]) -> None:
        for frame in frames:
            # Encode and decode, so that the test covers the bytes that travel.
            frame = decode_frame(encode_header(frame), bytes(frame.payload))
            self.sent += 1
            if self.now < self.cut_until or self.random.random() < self.loss:
                continue
            for _ in range(2 if self.random.random() < self.repeat else 1):
                arrival = self.now + self.random.random() * 0.1
                if not self.overtaking:
                    arrival = max(arrival, self.last.get((to, frame.lane), 0.0))
                    self.last[to, frame.lane] = arrival
                self.serial += 1
                heapq.heappush(self.queue, (arrival, self.serial, to, frame))


@dataclass
class Application:
    """What the application at one end has seen."""

    channel: Channel
    got: bytearray = field(default_factory=bytearray)
    urgent: list[tuple[int, int]] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    owed: int = 0

    def take(self) -> None:
        for event in self.channel.events():
            match event:
                case Data(offset, payload):
                    assert offset == len(self.got)
                    assert not self.ended
                    self.got += payload
                    self.owed += len(payload)
                    assert self.owed <= OPTIONS.window
                case Urgent(offset, code, _):
                    self.urgent.append((offset, code))
                case Ended():
                    self.ended.append(event)
                case _:
                    pass


def run(network: Network, plans: list[list[tuple[str, int]]], cuts: list[tuple[float, float]], slow: bool) -> list[Application]:
    """Play the plans of both ends to their end, and return what each application has seen.

    A plan is a list of ('data', n), ('urgent', code) and ('wait', ms).
    """
    sides = [Application(Channel(7, OPTIONS)), Application(Channel(7, OPTIONS))]
    random = network.random
    queues = [list(plan) for plan in plans]
    waits = [0.0, 0.0]
    counters = [0, 0]
    cuts = sorted(cuts)
    deadline = 400.0
    while not all(side.channel.closed for side in sides):
        assert network.now < deadline, [(s.channel.state, s.channel.in_flight, len(s.got)) for s in sides]
        while cuts and cuts[0][0] <= network.now:
            network.cut_until = network.now + cuts.pop(0)[1]
        for index, side in enumerate(sides):
            queue, channel = queues[index], side.channel
            while queue and channel.writable and waits[index] <= network.now:
                what, amount = queue.pop(0)
                if what == "data":
                    channel.send(pattern(counters[index], amount))
                    counters[index] += amount
                elif what == "urgent":
                    channel.send_urgent(amount, 0)
                else:
                    waits[index] = network.now + amount / 1000
            if not queue and waits[index] <= network.now:
                channel.end(EndReason.CLIENT_CLOSED, f"side {index}")
            if side.owed and (not slow or random.random() < 0.3):
                amount = random.randint(1, side.owed)
                channel.consume(amount)
                side.owed -= amount
            due = channel.deadline()
            if due is not None and due <= network.now:
                channel.handle_timeout(network.now)
            network.send(1 - index, channel.frames_to_send(network.now))
            side.take()
            assert channel.in_flight <= OPTIONS.window + OPTIONS.backlog + 3000
        network.now += 0.01
        while network.queue and network.queue[0][0] <= network.now:
            _, _, to, frame = heapq.heappop(network.queue)
            if sides[to].channel.closed:
                # A multiplexer answers so for a channel that it has forgotten.
                if frame.kind in (Kind.DATA, Kind.END, Kind.PROBE, Kind.URGENT):
                    network.send(1 - to, [Frame(Kind.RESET, 7)])
                continue
            sides[to].channel.receive(frame)
            sides[to].take()
    return sides


def pattern(start: int, count: int) -> bytes:
    return bytes((start + i) * 31 % 251 for i in range(count))


steps = st.one_of(
    st.tuples(st.just("data"), st.integers(1, 3000)),
    st.tuples(st.just("urgent"), st.integers(1, 255)),
    st.tuples(st.just("wait"), st.integers(1, 400)),
)


@given(
    plans=st.tuples(st.lists(steps, max_size=25), st.lists(steps, max_size=25)),
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.0, 0.05, 0.3]),
    repeat=st.sampled_from([0.0, 0.2]),
    overtaking=st.booleans(),
    cuts=st.lists(st.tuples(st.floats(0, 3), st.floats(0.01, 2)), max_size=3),
    slow=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_everything_arrives_once_and_in_order(
    plans: tuple[list[tuple[str, int]], list[tuple[str, int]]],
    seed: int,
    loss: float,
    repeat: float,
    overtaking: bool,
    cuts: list[tuple[float, float]],
    slow: bool,
) -> None:
    network = Network(Random(seed), loss, repeat, overtaking)
    sides = run(network, list(plans), cuts, slow)
    for index, side in enumerate(sides):
        assert side.channel.state is ChannelState.CLOSED
        total, urgent = 0, []
        for what, amount in plans[1 - index]:
            if what == "data":
                total += amount
            elif what == "urgent":
                urgent.append((total, amount))
        assert bytes(side.got) == pattern(0, total)
        assert side.urgent == urgent
        assert [(e.reason, e.text) for e in side.ended] == [(EndReason.CLIENT_CLOSED, f"side {1 - index}")]


def test_nothing_is_sent_twice_on_a_faultless_network() -> None:
    network = Network(Random(1), 0.0, 0.0, False)
    count = 200
    sides = run(network, [[("data", 512)] * count, []], [], False)
    assert len(sides[1].got) == 512 * count
    # Data, its acknowledgements and both ends: a repetition of data would exceed this bound.
    assert network.sent < 2.5 * count + 10


@pytest.mark.parametrize("size", [0, HEADER_SIZE - 1, HEADER_SIZE + 1])
def test_a_header_of_the_wrong_size_is_refused(size: int) -> None:
    from kernelbus.bus.errors import FrameError

    with pytest.raises(FrameError, match=str(HEADER_SIZE)):
        decode_frame(b"\0" * size, b"")

"""Test channels over a real broker, by call and over tcp.

Nothing is lost or delivered twice, and a slow reader does not delay other channels.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from bus_parts import CHANNEL, OPTIONS, Bus, Stream, pattern, until

from kernelbus.bus.channel.channel import Channel, ChannelOptions, Data, EndReason, Event, Reset, Urgent
from kernelbus.bus.channel.frames import Frame, Kind
from kernelbus.bus.channel.multiplexer import ChannelHandle, Multiplexer

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["call", "tcp"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    made = Bus(request.param)
    await made.start()
    yield made
    await made.stop()


async def several(bus: Bus, count: int) -> list[tuple[Stream, Stream]]:
    """Channels between one frontend and one host: pairs of a client's end and a kernel's end."""
    await bus.part("host")
    frontend = await bus.part("frontend")
    clients = [await frontend.open() for _ in range(count)]
    return [(client, bus.host_end(client)) for client in clients]


async def test_data_passes_both_ways_through_windows_smaller_than_it(bus: Bus) -> None:
    pairs = await several(bus, 3)
    size = 8 * CHANNEL.window + 123
    for client, kernel in pairs:
        client.write(size)
        kernel.write(size)
    await until(lambda: all(end.received == size for pair in pairs for end in pair))
    await until(lambda: all(end.handle.channel.in_flight == 0 for pair in pairs for end in pair))


async def test_a_slow_reader_stops_its_own_channel_only(bus: Bus) -> None:
    (slow, other), (fast, opposite) = await several(bus, 2)
    slow.reading = False
    size = 10 * CHANNEL.window
    other.write(size)
    await until(lambda: slow.received == CHANNEL.window)
    assert not other.handle.writable
    assert other.handle.channel.in_flight <= CHANNEL.window + CHANNEL.backlog + 5000
    opposite.write(size)
    slow.write(size)
    await until(lambda: fast.received == size)
    await until(lambda: other.received == size)
    assert slow.received == CHANNEL.window, "what nobody has room for was sent"
    slow.read()
    await until(lambda: slow.received == size)


async def test_urgent_messages_pass_a_stream_that_stands(bus: Bus) -> None:
    ((client, kernel),) = await several(bus, 1)
    kernel.reading = False
    client.write(CHANNEL.window + 5000)
    await until(lambda: kernel.received == CHANNEL.window)
    client.handle.send_urgent(3, 0)
    await until(lambda: kernel.urgent)
    assert kernel.urgent == [(CHANNEL.window + 5000, 3)], "marked with what was put in before it"


async def test_a_channel_ends_at_both_ends_after_its_data(bus: Bus) -> None:
    pairs = await several(bus, 2)
    size = 3 * CHANNEL.window
    for client, kernel in pairs:
        kernel.write(size)
        await until(lambda kernel=kernel: kernel.handle.channel.accepted == size)  # type: ignore[misc]
        kernel.handle.end(EndReason.KERNEL_ENDED, "exit status 0")
        await until(lambda client=client: client.ended)  # type: ignore[misc]
        assert client.received == size
        assert (client.ended[0].reason, client.ended[0].text) == (EndReason.KERNEL_ENDED, "exit status 0")
    await until(lambda: all(end.closed for pair in pairs for end in pair))
    assert all(end.closed == 1 for pair in pairs for end in pair)
    for part in bus.parts:
        assert part.multiplexer._handles == {}
    await until(lambda: all(part.multiplexer._armed == {} for part in bus.parts))


async def test_a_broker_that_is_killed_and_started_again_costs_no_byte(bus: Bus) -> None:
    pairs = await several(bus, 4)
    size = 40 * CHANNEL.window
    for client, kernel in pairs:
        client.write(size)
        kernel.write(size)
    for round_number in range(2):
        ups = [part.ups for part in bus.parts]
        await until(lambda part=(1 + round_number) * size // 4: pairs[0][0].received > part)  # type: ignore[misc]
        await bus.kill()
        for client, _ in pairs:
            client.handle.send_urgent(round_number + 1, 0)
        await bus.start()
        await until(lambda before=ups: all(part.ups > n for part, n in zip(bus.parts, before, strict=True)))  # type: ignore[misc]
    await until(lambda: all(end.received == size for pair in pairs for end in pair))
    await until(lambda: all(len(kernel.urgent) == 2 for _, kernel in pairs))
    assert all([code for _, code in kernel.urgent] == [1, 2] for _, kernel in pairs)
    assert all(end.resets == 0 for pair in pairs for end in pair)


async def test_what_was_sent_while_the_broker_was_away_comes_when_it_is_back(bus: Bus) -> None:
    ((client, kernel),) = await several(bus, 1)
    await bus.kill()
    client.write(1000)
    kernel.handle.send_urgent(7, 0)
    kernel.write(500)
    kernel.handle.end(EndReason.KERNEL_ENDED, "it is gone")
    await bus.start()
    await until(lambda: client.ended)
    assert (client.received, client.urgent) == (500, [(0, 7)])
    await until(lambda: kernel.received == 1000)
    await until(lambda: client.closed and kernel.closed)


async def test_frames_lost_in_a_break_that_nobody_noticed_are_sent_again(bus: Bus) -> None:
    ((client, kernel),) = await several(bus, 1)
    ups = [part.ups for part in bus.parts]
    bus.cut = True
    client.write(3000)
    kernel.write(3000)
    client.handle.send_urgent(2, 0)
    bus.cut = False
    await until(lambda: client.received == kernel.received == 3000 and kernel.urgent)
    assert [part.ups for part in bus.parts] == ups


async def test_a_channel_that_the_other_end_has_forgotten_is_reset(bus: Bus) -> None:
    (client, kernel), (other, opposite) = await several(bus, 2)
    kernel.handle.drop()
    client.write(10)
    await until(lambda: client.closed)
    assert client.resets == 1
    other.write(10)
    await until(lambda: opposite.received == 10)


async def test_a_channel_that_the_broker_does_not_know_is_reset_when_all_are_back(bus: Bus) -> None:
    await bus.stop()
    short = Bus(bus.kind, OPTIONS._replace(host_timeout=0.5))
    await short.start()
    frontend = await short.part("frontend")
    stream = frontend.stream(0x99)
    stream.write(10)
    await until(lambda: stream.closed)
    assert stream.resets == 1
    await short.stop()


async def test_a_peer_that_breaks_the_rules_is_dropped_and_its_owner_told(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    (client, kernel), (other, opposite) = await several(bus, 2)
    client.write(10)
    await until(lambda: kernel.received == 10)
    frontend = next(part for part in bus.parts if part.role == "frontend")
    channel = client.handle.channel.channel
    frontend.transmit(Frame(Kind.DATA, channel, 2, 10, 1, 1, 0, 0, bytes(CHANNEL.window + 1)))
    await until(lambda: kernel.closed and client.closed)
    assert (kernel.resets, client.resets) == (1, 1)
    assert f"channel {channel:x}: byte {CHANNEL.window + 11} is beyond the window" in caplog.text
    other.write(10)
    await until(lambda: opposite.received == 10)


# ---- the handle alone


class Owner:
    """An owner that records its events and calls `react` for each."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = 0
        self.react = lambda event: None

    def channel_event(self, event: Event) -> None:
        self.events.append(event)
        self.react(event)

    def channel_closed(self) -> None:
        self.closed += 1


class Desk:
    """A multiplexer whose peer is the test."""

    def __init__(self, options: ChannelOptions = CHANNEL) -> None:
        self.sent: list[Frame] = []
        self.multiplexer = Multiplexer(self.sent.append, options)

    def open(self, channel: int = 1) -> tuple[ChannelHandle, Owner]:
        owner = Owner()
        return self.multiplexer.open(channel, owner), owner

    def data(self, sequence: int, payload: bytes = b"x", offset: int | None = None) -> Frame:
        return Frame(Kind.DATA, 1, sequence, sequence - 1 if offset is None else offset, 1, 1, 0, 0, payload)


async def test_credit_that_comes_while_frames_are_sent_is_used_at_once() -> None:
    """The answer may arrive before the last frame is passed on; waiting bytes then follow."""
    options = CHANNEL._replace(probe_delay=1000.0)
    peer = Channel(1, options)
    got = bytearray()

    def carry(frame: Frame) -> None:
        peer.receive(frame)
        for event in peer.events():
            assert isinstance(event, Data)
            got.extend(event.payload)
            peer.consume(len(event.payload))
        for answer in peer.frames_to_send(0.0):
            multiplexer.receive(answer)

    multiplexer = Multiplexer(carry, options)
    handle = multiplexer.open(1, Owner())
    size = 3 * options.window
    handle.send(pattern(0, size))
    assert bytes(got) == pattern(0, size)
    multiplexer.close()


async def test_an_owner_that_drops_its_channel_hears_nothing_more() -> None:
    desk = Desk()
    handle, owner = desk.open()
    owner.react = lambda event: handle.drop()
    channel = handle.channel
    channel.receive(desk.data(1))
    channel.receive(desk.data(2))
    handle.pump()
    assert len(owner.events) == 1
    assert owner.closed == 0
    desk.multiplexer.receive(desk.data(3))
    assert [frame.kind for frame in desk.sent][-1] == Kind.RESET
    desk.multiplexer.close()


async def test_an_owner_may_answer_in_the_middle_of_being_told() -> None:
    desk = Desk()
    handle, owner = desk.open()

    def answer(event: Event) -> None:
        if isinstance(event, Data):
            handle.consume(len(event.payload))
            handle.send(bytes(event.payload).upper())
        elif isinstance(event, Urgent):
            handle.end(EndReason.DETACHED)

    owner.react = answer
    desk.multiplexer.receive(desk.data(1, b"a"))
    desk.multiplexer.receive(desk.data(2, b"b"))
    desk.multiplexer.receive(Frame(Kind.URGENT, 1, 1, 2, 1, 1, 0, 0, bytes(8)))
    data = [frame for frame in desk.sent if frame.kind == Kind.DATA]
    assert [(frame.sequence, bytes(frame.payload), frame.acknowledged) for frame in data] == [(1, b"A", 2), (2, b"B", 3)]
    assert [frame.kind for frame in desk.sent][-1] == Kind.END
    desk.multiplexer.close()


@pytest.mark.parametrize("kind", list(Kind))
async def test_frames_of_unknown_channels_are_answered_unless_they_are_answers(kind: Kind) -> None:
    desk = Desk()
    desk.multiplexer.receive(Frame(kind, 77, payload=b"x"))
    answered = kind in (Kind.DATA, Kind.END, Kind.PROBE, Kind.URGENT)
    assert desk.sent == ([Frame(Kind.RESET, 77)] if answered else [])
    desk.multiplexer.close()


async def test_one_timer_looks_after_all_channels() -> None:
    """Without answers, each of many channels probes repeatedly, at its own time."""
    desk = Desk(CHANNEL._replace(probe_delay=0.05, probe_delay_limit=0.1))
    handles = [desk.open(number)[0] for number in range(1, 41)]
    for handle in handles:
        handle.send(b"is anyone there?")
        await asyncio.sleep(0.001)
    probes = lambda: [frame.channel for frame in desk.sent if frame.kind == Kind.PROBE]  # noqa: E731
    await until(lambda: all(probes().count(number) >= 3 for number in range(1, 41)))
    desk.multiplexer.close()
    assert desk.multiplexer._timer is None or desk.multiplexer._timer.cancelled()


async def test_an_acknowledgement_goes_out_though_nothing_else_does() -> None:
    desk = Desk()
    _, owner = desk.open()
    desk.multiplexer.receive(desk.data(1))
    await until(lambda: desk.sent)
    assert [(frame.kind, frame.acknowledged) for frame in desk.sent] == [(Kind.ACKNOWLEDGE, 2)]
    assert owner.events == [Data(0, b"x")]
    desk.multiplexer.close()


async def test_a_forgotten_channel_is_looked_after_no_more() -> None:
    desk = Desk(CHANNEL._replace(probe_delay=0.05, probe_delay_limit=0.05))
    (dropped, _), (kept, _) = desk.open(1), desk.open(2)
    dropped.send(b"x")
    kept.send(b"x")
    dropped.drop()
    dropped.send(b"y")
    count = len(desk.sent)
    await until(lambda: len(desk.sent) >= count + 3)
    assert {frame.channel for frame in desk.sent[count:]} == {2}
    desk.multiplexer.close()


async def test_a_violation_is_told_after_what_came_before_it() -> None:
    desk = Desk()
    _, owner = desk.open()
    desk.multiplexer.receive(desk.data(1))
    desk.multiplexer.receive(desk.data(2, b"x", offset=99))
    assert owner.events == [Data(0, b"x"), Reset()]
    assert owner.closed == 1
    assert desk.sent[-1] == Frame(Kind.RESET, 1)
    desk.multiplexer.close()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_deadlines_may_be_past_when_they_are_set(loop: str) -> None:
    """That happens on a busy machine; uvloop then returns the handle of a call, not of a timer."""
    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else asyncio.new_event_loop

    async def arm() -> None:
        probes: list[Frame] = []
        multiplexer = Multiplexer(probes.append, CHANNEL)
        handle = multiplexer.open(1, Stream())
        handle.send(b"never acknowledged")
        for late in (0.0, 1.0, 2.0):
            multiplexer.arm(handle, multiplexer.now() - late)
        probes.clear()
        await until(lambda: any(frame.kind == Kind.PROBE for frame in probes))
        multiplexer.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(arm())

    await asyncio.to_thread(run)


async def test_a_channel_that_is_being_asked_for_is_not_probed_after_a_break() -> None:
    """The broker may hear of it on this lane before it has the request, on the other."""
    sent: list[Frame] = []
    multiplexer = Multiplexer(sent.append, CHANNEL)
    for number in (1, 2):
        end = Stream()
        end.handle = multiplexer.open(number, end)
    multiplexer.resume({2})
    assert [(frame.kind, frame.channel) for frame in sent] == [(Kind.PROBE, 1)]
    multiplexer.close()

"""Test the rules of the channel one by one."""

from __future__ import annotations

import pytest

from kernelbus.bus.channel.channel import (
    Channel,
    ChannelOptions,
    ChannelState,
    Data,
    Ended,
    EndReason,
    Reset,
    Urgent,
    Writable,
)
from kernelbus.bus.channel.frames import Flag, Frame, Kind, Lane
from kernelbus.bus.errors import ChannelUsageError, ChannelViolation

OPTIONS = ChannelOptions(window=1000, chunk=400, backlog=100)


def pair() -> tuple[Channel, Channel]:
    return Channel(1, OPTIONS), Channel(1, OPTIONS)


def carry(source: Channel, target: Channel, now: float = 0.0) -> list[Frame]:
    frames = source.frames_to_send(now)
    for frame in frames:
        target.receive(frame)
    return frames


def test_data_is_cut_into_chunks_and_stops_at_the_window() -> None:
    a, b = pair()
    a.send(b"x" * 2500)
    frames = carry(a, b)
    assert [(f.kind, f.offset, len(f.payload)) for f in frames] == [(Kind.DATA, 0, 400), (Kind.DATA, 400, 400), (Kind.DATA, 800, 200)]
    assert not a.writable
    assert [len(e.payload) for e in b.events() if isinstance(e, Data)] == [400, 400, 200]
    b.consume(1000)
    (ack,) = carry(b, a)
    assert (ack.kind, ack.consumed) == (Kind.ACKNOWLEDGE, 1000)
    assert a.events() == []
    assert sum(len(f.payload) for f in carry(a, b)) == 1000
    b.consume(1000)
    carry(b, a)
    carry(a, b)
    assert a.writable
    assert a.events() == [Writable()]


def test_small_pieces_are_joined_and_large_ones_pass_without_a_copy() -> None:
    a = Channel(1)
    for _ in range(10):
        a.send(b"abc")
    large = bytearray(200_000)
    a.send(large)
    frames = a.frames_to_send(0.0)
    assert [len(f.payload) for f in frames] == [30, 200_000]
    assert frames[1].payload is large


def test_an_acknowledgement_rides_on_the_answer() -> None:
    a, b = pair()
    a.send(b"question")
    carry(a, b)
    b.events()
    b.consume(8)
    b.send(b"answer")
    (frame,) = carry(b, a, 0.001)
    assert (frame.kind, frame.acknowledged, frame.consumed) == (Kind.DATA, 2, 8)
    assert a.in_flight == 0
    assert a.deadline() is None or a.deadline() == pytest.approx(0.0 + OPTIONS.probe_delay)


def test_without_an_answer_the_acknowledgement_comes_after_the_delay() -> None:
    a, b = pair()
    a.send(b"question")
    carry(a, b)
    b.events()
    assert b.frames_to_send(1.0) == []
    assert b.deadline() == pytest.approx(1.0 + OPTIONS.acknowledge_delay)
    b.handle_timeout(1.0 + OPTIONS.acknowledge_delay)
    (ack,) = carry(b, a)
    assert ack.kind == Kind.ACKNOWLEDGE
    assert a.in_flight == 0


def test_an_urgent_message_carries_the_offset_and_the_control_lane() -> None:
    a, b = pair()
    a.send(b"x" * 1500)
    a.send_urgent(3, 9)
    urgent = next(f for f in carry(a, b) if f.kind == Kind.URGENT)
    assert urgent.lane is Lane.CONTROL
    assert Urgent(1500, 3, 9) in b.events()


def test_a_lost_frame_is_reported_once_and_everything_from_it_sent_again() -> None:
    a, b = pair()
    for _ in range(3):
        a.send(b"y" * 100)
        frames = a.frames_to_send(0.0)
        if frames[0].sequence != 1:
            b.receive(frames[0])
    gap = b.frames_to_send(0.0)
    assert [f.flags for f in gap] == [Flag.GAP]
    a.receive(gap[0])
    assert [f.sequence for f in carry(a, b)] == [1, 2, 3]
    assert len(b.events()) == 3


def test_a_probe_finds_what_a_break_took() -> None:
    a, b = pair()
    a.send(b"z" * 300)
    a.frames_to_send(0.0)  # lost
    a.resume()
    (probe,) = carry(a, b)
    assert (probe.kind, probe.sequence) == (Kind.PROBE, 2)
    carry(b, a)
    carry(a, b)
    assert [e.payload for e in b.events() if isinstance(e, Data)] == [b"z" * 300]


def test_a_window_update_that_was_lost_is_asked_for_again() -> None:
    a, b = pair()
    a.send(b"x" * 1500)
    carry(a, b)
    b.events()
    carry(b, a)
    b.handle_timeout(1.0)
    carry(b, a)
    b.consume(1000)
    b.frames_to_send(1.0)  # lost
    assert a.frames_to_send(1.0) == []
    due = a.deadline()
    assert due is not None
    a.handle_timeout(due)
    carry(a, b, due)
    carry(b, a, due)
    assert sum(len(f.payload) for f in carry(a, b, due)) == 500


def test_the_end_comes_after_the_data_and_both_ends_close() -> None:
    a, b = pair()
    a.send(b"last words")
    a.end(EndReason.KERNEL_ENDED, "exit status 0")
    carry(a, b)
    assert b.events() == [Data(0, b"last words"), Ended(EndReason.KERNEL_ENDED, "exit status 0")]
    assert b.state is ChannelState.ENDED_REMOTELY
    b.end(EndReason.ANSWER)
    carry(b, a)
    assert a.closed
    carry(a, b)
    assert b.closed
    with pytest.raises(ChannelUsageError):
        a.send(b"more")


def test_reset_means_lost_to_an_open_end_and_done_to_an_ended_one() -> None:
    a, b = pair()
    a.receive(Frame(Kind.RESET, 1))
    assert (a.state, a.events()) == (ChannelState.RESET, [Reset()])
    b.end(EndReason.CLIENT_CLOSED)
    b.receive(Frame(Kind.RESET, 1))
    assert (b.state, b.events()) == (ChannelState.CLOSED, [])


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (Frame(Kind.DATA, 1, 1, 0, 1, 1, 0, 0, b"x" * 1001), "window"),
        (Frame(Kind.DATA, 1, 1, 5, 1, 1, 0, 0, b"x"), "at byte 5 instead of 0"),
        (Frame(Kind.ACKNOWLEDGE, 1, acknowledged=2, urgent_acknowledged=1), "never sent"),
        (Frame(Kind.ACKNOWLEDGE, 1, acknowledged=1, urgent_acknowledged=1, consumed=1), "consumed"),
        (Frame(Kind.END, 1, 1, 0, 1, 1, 0, 0, b""), "known reason"),
        (Frame(Kind.END, 1, 1, 0, 1, 1, 0, 0, b"\xff"), "known reason"),
        (Frame(Kind.URGENT, 1, 1, 0, 1, 1, 0, 0, b"123"), "urgent frame of 3 bytes"),
        (Frame(9, 1, acknowledged=1, urgent_acknowledged=1), "kind 9"),
    ],
)
def test_a_peer_that_breaks_the_rules_is_named(frame: Frame, words: str) -> None:
    channel = Channel(1, OPTIONS)
    with pytest.raises(ChannelViolation, match=words):
        channel.receive(frame)


def test_more_consumed_than_received_is_our_own_error() -> None:
    with pytest.raises(ChannelUsageError):
        Channel(1).consume(1)


def test_a_message_repeats_the_last_until_that_is_acknowledged_or_data_follows() -> None:
    a, b = pair()
    assert not a.repeats(3, 0)
    a.send_urgent(3, 0)
    assert a.repeats(3, 0)
    assert not a.repeats(3, 1)
    assert not a.repeats(2, 0)
    a.send(b"x")
    assert not a.repeats(3, 0), "it is about what was sent since"
    a.send_urgent(3, 0)
    carry(a, b, 1.0)
    carry(b, a, 2.0)
    assert not a.repeats(3, 0), "the peer has it"


def test_urgent_messages_are_bounded() -> None:
    channel = Channel(1)
    for _ in range(1024):
        channel.send_urgent(3, 0)
    with pytest.raises(ChannelUsageError, match="1024"):
        channel.send_urgent(3, 0)

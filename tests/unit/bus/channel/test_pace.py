"""The pace of a sender: a short queue in front of any reader, and full speed for a fast one."""

from __future__ import annotations

import pytest

from kernelbus.bus.channel.channel import Channel, ChannelOptions, Writable
from kernelbus.bus.channel.frames import Frame, Kind
from kernelbus.bus.channel.pace import LEAST, QUEUE, Pace

WINDOW = 8 * 2**20


def play(speed: float, way: float, seconds: float = 20.0, pace: Pace | None = None) -> tuple[Pace, float, int]:
    """Send all that is allowed through a window to a reader of this speed (bytes a second).

    What it has read is known `way` seconds after it was sent, at the earliest.

    Returns:
        The pace, how many bytes a second were read in the second half, and the most under way then.
    """
    pace = pace or Pace()
    sent = consumed = began = most = 0
    step, now, credit = 0.001, 0.0, 0.0
    history = [0] * (int(way / step) + 1)  # what had been sent, by the time
    while now < seconds:
        if now < seconds / 2:
            began = consumed
        else:
            most = max(most, sent - consumed)
        history.append(sent)
        credit = min(credit + speed * step, history[-int(way / step) - 1] - consumed)
        consumed, credit = consumed + int(credit), credit - int(credit)
        pace.note(sent, consumed, now)
        while sent - consumed < pace.allowed:
            sent = min(sent + 65536, consumed + WINDOW)
            if sent == consumed + WINDOW:
                break
        pace.note(sent, consumed, now)
        now += step
    return pace, (consumed - began) / (seconds / 2), most


@pytest.mark.parametrize("way", [0.002, 0.02, 0.2])
@pytest.mark.parametrize("speed", [1e6, 1e7, 1e9])
def test_a_reader_is_not_slowed_down_and_has_a_short_queue(speed: float, way: float) -> None:
    _, read, most = play(speed, way)
    assert read > 0.9 * min(speed, WINDOW / way)
    assert most <= min(WINDOW, LEAST + 1.2 * speed * (way + QUEUE)) + 2 * 65536


def test_a_reader_that_stalls_finds_little_before_it() -> None:
    pace = Pace()
    pace.note(LEAST, 0, 0.0)
    pace.note(LEAST, LEAST, 0.01)
    many = pace.allowed
    assert many > 10 * LEAST
    pace.note(many, 0, 1.0)
    pace.note(many, many, 61.0)
    assert pace.allowed == LEAST


def test_a_channel_at_its_pace_is_not_writable_until_enough_is_consumed() -> None:
    channel = Channel(1, ChannelOptions(paced=True))
    channel.send(bytes(LEAST))
    assert not channel.writable
    assert channel.frames_to_send(0.0)
    channel.receive(Frame(Kind.ACKNOWLEDGE, 1, 0, 0, 2, 1, LEAST // 2))
    channel.frames_to_send(0.01)
    assert channel.writable
    assert channel.events() == [Writable()]
    plain = Channel(1, ChannelOptions())
    plain.send(bytes(LEAST))
    assert plain.writable

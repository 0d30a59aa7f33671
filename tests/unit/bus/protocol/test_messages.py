"""The control messages of the parts and the broker."""

from __future__ import annotations

import dataclasses

import pytest

from kernelbus.bus.protocol import messages
from kernelbus.bus.protocol.messages import NO_POINT, Acquire, ChannelReport, Open, PoolReport
from kernelbus.bus.protocol.schema import registered

POOL = PoolReport("P", True, True, 1, 2, attached=3, detached=2, queued=0, minimum=1, maximum=8)


@pytest.mark.parametrize(
    ("pool", "room"),
    [
        (POOL, 3),
        (dataclasses.replace(POOL, spare=1), 4),
        (dataclasses.replace(POOL, attached=8, detached=0), 0),
        (dataclasses.replace(POOL, ready=0, starting=0), 3),
    ],
)
def test_room_counts_what_the_cap_leaves_and_what_may_be_given_up(pool: PoolReport, room: int) -> None:
    assert pool.room("asked") == room


def test_every_message_is_registered_but_those_inside_others() -> None:
    defined = [getattr(messages, name) for name in messages.__all__ if isinstance(getattr(messages, name), type)]
    assert len(defined) > 10
    assert [cls for cls in defined if registered(cls.__name__) is not cls] == [ChannelReport]


def test_a_request_asks_for_no_resume_point_unless_it_is_given() -> None:
    assert Open(1, "a").point == Acquire(1, "P", "a", 1.0).point == NO_POINT
    assert NO_POINT == 2**64 - 1, "the largest number that the schema allows, and no packet's"

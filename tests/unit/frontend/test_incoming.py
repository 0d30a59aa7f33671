"""What comes from a kernel's host for one client, in turns."""

from __future__ import annotations

from kernelbus.bus.channel.channel import Data, Ended, EndReason, Reset
from kernelbus.bus.turns import STEP_BYTES, Turn
from kernelbus.frontend.incoming import Arrival, Gone, Incoming


def turn(steps: int) -> Turn:
    return Turn(lambda: 0.0, 1.0, steps)


class _Taker:
    def __init__(self) -> None:
        self.taken: list[Arrival] = []
        self.skippable = 0
        self.incoming = Incoming(self.taken.append, lambda: self.skippable)

    @property
    def data(self) -> bytes:
        return b"".join(bytes(event.payload) for event in self.taken if isinstance(event, Data))


def test_much_comes_in_steps_and_what_follows_waits_behind_it() -> None:
    taker = _Taker()
    data = bytes(range(256)) * 40
    ended = Ended(EndReason.KERNEL_ENDED, "bye")
    for event in (Data(100, data), Data(100 + len(data), b"more"), ended, Reset(), Gone("away")):
        taker.incoming.add(event)
    assert taker.incoming.work(turn(2))
    assert taker.data == data[: 2 * STEP_BYTES]
    assert [event.offset for event in taker.taken if isinstance(event, Data)] == [100, 100 + STEP_BYTES]
    assert not taker.incoming.work(turn(100)) and not taker.incoming
    assert taker.data == data + b"more"
    assert taker.taken[-3:] == [ended, Reset(), Gone("away")]


def test_the_rest_of_a_body_comes_in_one_step() -> None:
    taker = _Taker()
    taker.skippable = 50_000
    taker.incoming.add(Data(0, bytes(60_000)))
    assert taker.incoming.work(turn(1))
    assert len(taker.data) == 50_000


def test_what_came_too_early_is_taken_again_before_all_others() -> None:
    taker = _Taker()
    taker.incoming.add(Data(0, b"c"))
    taker.incoming.again([b"a", b"b"])
    taker.incoming.work(turn(100))
    assert taker.data == b"abc"


def test_what_came_too_early_is_taken_again_before_the_rest_of_its_own_event() -> None:
    early: list[bytes] = []
    taken: list[bytes] = []
    opened = False

    def take(event: Arrival) -> None:
        assert isinstance(event, Data)
        (taken if opened else early).append(bytes(event.payload))

    incoming = Incoming(take, lambda: 0)
    data = b"".join(number.to_bytes(4) for number in range(4 * STEP_BYTES))[: 4 * STEP_BYTES]
    incoming.add(Data(0, data))
    incoming.add(Data(len(data), b"more"))
    assert incoming.work(turn(2)) and len(b"".join(early)) == 2 * STEP_BYTES
    opened = True
    incoming.again([*early])
    while incoming.work(turn(1)):
        pass
    assert b"".join(taken) == data + b"more"


def test_what_is_forgotten_does_not_come() -> None:
    taker = _Taker()
    taker.incoming.add(Data(0, bytes(2 * STEP_BYTES)))
    taker.incoming.add(Reset())
    taker.incoming.work(turn(1))
    taker.incoming.clear()
    assert not taker.incoming and not taker.incoming.work(turn(9))
    assert len(taker.taken) == 1

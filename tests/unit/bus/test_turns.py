"""Turns and rounds: who works next, and for how long at most."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernelbus.bus.turns import STEP_BYTES, Backlog, Turn, Turns


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_turn_is_over_after_its_steps_or_its_time() -> None:
    clock = Clock()
    turn = Turn(clock, 1.0, 3)
    assert [turn.step(), turn.step(), turn.step()] == [True, True, False]
    turn = Turn(clock, 1.0, 3)
    assert turn.step()
    clock.now = 1.0
    assert not turn.step()


def test_those_who_ask_for_little_come_before_those_who_ask_for_more() -> None:
    turns: Turns[str] = Turns(1.0)
    turns.ask("greedy", again=True)
    turns.ask("light")
    turns.ask("light")
    assert len(turns) == 2
    assert [turns.next(), turns.next(), turns.next()] == ["light", "greedy", None]


def test_a_round_ends_but_each_has_room_for_one_who_asks_for_more() -> None:
    turns: Turns[str] = Turns(1.0)
    for name in "ab":
        turns.ask(name, again=True)
    turns.ask("light")
    assert turns.next() == "light"
    turns.spent(1.0)
    assert turns.over
    turns.ask("late")
    assert turns.next() == "a"
    assert turns.next() is None
    turns.begin()
    assert [turns.next(), turns.next(), turns.next()] == ["late", "b", None]


def test_who_is_forgotten_has_no_turn() -> None:
    turns: Turns[str] = Turns()
    turns.ask("a")
    turns.ask("b")
    turns.forget("a")
    assert "a" not in turns
    assert [turns.next(), turns.next()] == ["b", None]


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0.0001, 0.1)), min_size=1, max_size=8))
def test_everybody_is_served_and_a_newcomer_before_those_who_had_a_turn(workers: list[tuple[int, float]]) -> None:
    turns: Turns[int] = Turns(0.004)
    left = [steps for steps, _ in workers]
    for number, steps in enumerate(left):
        if steps:
            turns.ask(number)
    rounds = 0
    known: set[int] = set()
    while len(turns):
        turns.ask(-1)
        served = []
        while (number := turns.next()) is not None:
            served.append(number)
            if number >= 0:
                # Of those who had a turn in an earlier round, one in each round may come first.
                assert -1 in served or sum(before in known for before in served) <= 1
                left[number] -= 1
                if left[number]:
                    turns.ask(number, again=True)
                turns.spent(workers[number][1])
        known.update(served)
        turns.forget(-1)
        turns.begin()
        rounds += 1
        assert rounds <= sum(steps for steps, _ in workers) + 1
    assert left == [0] * len(left)


def test_a_backlog_is_taken_in_steps_and_a_long_body_at_once() -> None:
    backlog = Backlog()
    assert not backlog and backlog.size == 0
    backlog.add(b"")
    assert not backlog
    data = bytes(range(256)) * 64
    backlog.add(data)
    backlog.add(b"more")
    assert backlog and backlog.size == len(data) + 4
    assert bytes(backlog.take(0)) == data[:STEP_BYTES]
    assert bytes(backlog.take(10_000)) == data[STEP_BYTES : STEP_BYTES + 10_000]
    assert bytes(backlog.take(10**9)) == data[STEP_BYTES + 10_000 :], "no more than one piece"
    assert backlog.size == 4
    assert bytes(backlog.take(0)) == b"more" and not backlog
    backlog.add(data)
    backlog.clear()
    assert not backlog and backlog.size == 0

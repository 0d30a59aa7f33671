"""Rounds on an event loop: the loop comes around between them, and a failure stays one worker's."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from kernelbus.bus.rounds import Rounds, shared
from kernelbus.bus.turns import Turn

pytestmark = pytest.mark.asyncio


class Counter:
    """Counts to a number, in turns."""

    def __init__(self, goal: int) -> None:
        self.goal, self.done, self.turns = goal, 0, 0

    def work(self, turn: Turn) -> bool:
        self.turns += 1
        while self.done < self.goal:
            self.done += 1
            if not turn.step():
                break
        return self.done < self.goal


def still() -> float:
    return 0.0


def ticking() -> Callable[[], float]:
    """Return a clock that goes on by a millisecond each time it is read."""
    return partial(next, itertools.count(0.0, 0.001))  # type: ignore[arg-type]


async def test_a_little_work_is_done_at_once_and_much_in_turns() -> None:
    rounds = Rounds(still, steps=10)
    little = Counter(5)
    rounds.ask(little)
    assert (little.done, little.turns) == (5, 1)
    assert not rounds.waits(little)

    rounds = Rounds(ticking(), steps=10, turn=1.0, round=0.004)
    much = Counter(1000)
    rounds.ask(much)
    assert 10 <= much.done < 1000
    assert rounds.waits(much)
    others: list[int] = []
    while rounds.waits(much):
        await asyncio.sleep(0)
        others.append(much.done)
    assert much.done == 1000
    assert len(others) > 10, "the loop came around between the turns"


async def test_who_fails_or_is_forgotten_is_in_nobodys_way() -> None:
    class Failing:
        def work(self, turn: Turn) -> bool:
            raise ZeroDivisionError

    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    rounds = Rounds(still)
    rounds.ask(Failing())
    after = Counter(3)
    rounds.ask(after)
    assert after.done == 3
    assert isinstance(told[0]["exception"], ZeroDivisionError)

    rounds = Rounds(ticking(), steps=1, round=0.001)
    gone, stays = Counter(5), Counter(5)
    rounds.ask(gone)
    rounds.ask(stays)
    rounds.forget(gone)
    for _ in range(20):
        await asyncio.sleep(0)
    assert gone.done < 5
    assert stays.done == 5


async def test_the_parts_of_one_process_share_their_rounds() -> None:
    assert shared() is shared()

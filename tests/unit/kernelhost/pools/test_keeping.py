"""What a session is worth that its client has left, and how long it is safe."""

from __future__ import annotations

import pytest

from kernelbus.kernelhost.pools.keeping import Activity, Timeouts, Worth, safe_for, worth_of


@pytest.mark.parametrize(
    ("promised", "known", "orderly", "asked", "answered", "worth"),
    [
        (True, False, False, 0, 0, Worth.KEPT),
        (False, True, False, 3, 0, Worth.KEPT),
        (False, True, True, 0, 0, Worth.UNUSED),
        (False, False, True, 0, 0, Worth.UNUSED),
        (False, False, True, 3, 2, Worth.LEFT),
        (False, False, False, 3, 3, Worth.LEFTOVER),
        (False, False, True, 1, 0, Worth.LEFTOVER),
    ],
)
def test_a_session_is_kept_for_who_can_come_back(
    promised: bool, known: bool, orderly: bool, asked: int, answered: int, worth: Worth
) -> None:
    assert worth_of(promised=promised, known=known, orderly=orderly, asked=asked, answered=answered) is worth


def test_a_time_of_zero_is_for_ever_and_an_idle_session_without_a_way_back_is_not_safe() -> None:
    none = Timeouts(leftover=0.0)
    assert [safe_for(none, Worth.KEPT, activity) for activity in Activity] == [None, None, None]
    assert [safe_for(none, Worth.LEFT, activity) for activity in Activity] == [0.0, None, None]
    some = Timeouts(idle=4.0, evaluation=3.0, question=2.0, leftover=1.0)
    assert [safe_for(some, Worth.KEPT, activity) for activity in Activity] == [4.0, 2.0, 3.0]
    assert [safe_for(some, Worth.LEFTOVER, activity) for activity in Activity] == [0.0, 1.0, 1.0]
    assert safe_for(some._replace(always=True), Worth.LEFTOVER, Activity.IDLE) == 1.0, "where nobody needs it, it has its time"


def test_worth_is_the_order_of_giving_up() -> None:
    assert sorted(Worth) == [Worth.UNUSED, Worth.LEFTOVER, Worth.LEFT, Worth.KEPT]

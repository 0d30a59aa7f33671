"""What a session is worth that its client has left, and how long it is safe."""

from __future__ import annotations

import pytest

from kernelbus.kernelhost.pools.keeping import (
    Activity,
    Timeouts,
    Worth,
    overdue,
    safe_for,
    warned_before,
    warning_of,
    worth_of,
)


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
    some = some._replace(ends=frozenset({"leftover"}))
    assert safe_for(some, Worth.LEFTOVER, Activity.IDLE) == 1.0, "where nobody needs it, it has its time"


def test_worth_is_the_order_of_giving_up() -> None:
    assert sorted(Worth) == [Worth.UNUSED, Worth.LEFTOVER, Worth.LEFT, Worth.KEPT]


def test_the_log_warns_a_tenth_of_the_time_before_and_at_most_a_day() -> None:
    assert [warned_before(seconds) for seconds in (1.0, 2 * 86400.0, 365 * 86400.0)] == [0.1, 17280.0, 86400.0]


def test_what_is_overdue_names_its_key_and_a_warning_says_what_follows() -> None:
    assert [overdue(activity, 9.0, client=False) for activity in Activity] == [
        "it has been idle for 9 s without a client (SessionIdleTimeout)",
        "it has waited for an answer for 9 s without a client (DetachedQuestionTimeout)",
        "it has evaluated for 9 s without a client (DetachedEvaluationTimeout)",
    ]
    needed = "in 1 s it may be ended for a client that needs its place, unless a client comes back to it: it has been idle for 9 s"
    assert warning_of(Timeouts(), Activity.IDLE, 9.0, 1.0, client=False).startswith(needed)
    always = "in 1 s it is ended, unless its client asks for something: its client has asked for nothing for 9 s (AttachedIdleTimeout)"
    ends = Timeouts(ends=frozenset({"attached"}))
    assert warning_of(ends, Activity.IDLE, 9.0, 1.0, client=True) == always
    assert warning_of(ends, Activity.IDLE, 9.0, 1.0, client=False).startswith(needed), "that is under another time"

"""The abort ladder: what is tried, and when; the test passes the time in."""

from __future__ import annotations

from kernelbus.kernelhost.session.ladder import AbortLadder, Rung


def climb(ladder: AbortLadder, start: float, seconds: float, held: bool = False) -> list[tuple[float, Rung]]:
    """Call `tick` as its timer does for `seconds`; return the rungs it reached, and when."""
    reached = []
    steps = round(seconds / ladder.interval)
    for step in range(1, steps + 1):
        rung = ladder.tick(start + step * ladder.interval, held)
        if rung is not None:
            reached.append((step * ladder.interval, rung))
    return reached


def test_a_kernel_that_obeys_is_left_alone() -> None:
    ladder = AbortLadder(16.0)
    ladder.asked(100.0)
    assert ladder.rung is Rung.ASKED and ladder.waiting
    assert climb(ladder, 100.0, 7.0) == []
    ladder.answered()
    assert ladder.rung is Rung.IDLE and not ladder.waiting
    assert climb(ladder, 107.0, 100.0) == []


def test_each_rung_has_half_of_the_time() -> None:
    ladder = AbortLadder(16.0)
    ladder.asked(100.0)
    assert climb(ladder, 100.0, 50.0) == [(8.0, Rung.INTERRUPTED), (16.0, Rung.KILLED)]
    ladder.answered()
    assert ladder.rung is Rung.KILLED, "what is killed stays so"


def test_an_answer_after_sigint_ends_it_and_another_abort_begins_anew() -> None:
    ladder = AbortLadder(16.0)
    ladder.asked(0.0)
    assert climb(ladder, 0.0, 9.0) == [(8.0, Rung.INTERRUPTED)]
    ladder.answered()
    ladder.asked(50.0)
    assert climb(ladder, 50.0, 8.0) == [(8.0, Rung.INTERRUPTED)]


def test_another_abort_neither_hurries_nor_delays() -> None:
    ladder = AbortLadder(16.0)
    ladder.asked(0.0)
    assert climb(ladder, 0.0, 4.0) == []
    ladder.asked(4.0)
    assert climb(ladder, 4.0, 4.0) == [(4.0, Rung.INTERRUPTED)]
    ladder.asked(8.5)
    assert ladder.rung is Rung.INTERRUPTED


def test_time_stands_still_while_nobody_takes_the_output() -> None:
    ladder = AbortLadder(16.0)
    ladder.asked(0.0)
    assert climb(ladder, 0.0, 4.0) == []
    assert climb(ladder, 4.0, 1000.0, held=True) == []
    assert climb(ladder, 1004.0, 4.0) == [(4.0, Rung.INTERRUPTED)]


def test_a_late_tick_does_not_count_against_the_kernel() -> None:
    ladder = AbortLadder(16.0)
    ladder.asked(0.0)
    assert ladder.tick(1000.0, False) is None
    assert ladder.rung is Rung.ASKED


def test_what_is_left_counts_both_steps_and_only_while_an_abort_is_enforced() -> None:
    ladder = AbortLadder(16.0)
    assert ladder.remaining == 0.0
    ladder.asked(0.0)
    assert ladder.remaining == 16.0
    assert ladder.tick(1.0, False) is None
    assert ladder.remaining == 15.0
    ladder.answered()
    assert ladder.remaining == 0.0

"""What a console may be sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernelbus.bus.broker.allowance import Allowance


def test_it_is_spent_and_fills_up_again() -> None:
    allowance = Allowance(0.0, burst=100, rate=10)
    assert [allowance.spend(60, 0.0) for _ in range(3)] == [True, True, False]
    assert not allowance.spend(1, 2.0)
    assert allowance.spend(1, 2.1)
    assert allowance.spend(1000, 1000.0)
    assert not allowance.spend(1, 1000.1)


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 3))))
def test_no_more_is_sent_than_the_burst_and_the_rate_allow(messages: list[tuple[int, float]]) -> None:
    allowance, now, sent = Allowance(0.0, burst=100, rate=10), 0.0, 0
    for size, later in messages:
        now += later
        if allowance.spend(size, now):
            sent += size
    assert sent <= 100 + 50 + 10 * now + 1e-6

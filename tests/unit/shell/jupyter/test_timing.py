"""`%%timeit`: how many evaluations there are, and what is printed."""

from __future__ import annotations

import pytest

from kernelbus.shell.jupyter.magics import MagicError
from kernelbus.shell.jupyter.timing import Timing, amount, read_timing


def measured(timing: Timing, each: float) -> tuple[int, float]:
    """Carry a measurement out on what takes `each` seconds; return the evaluations and the time."""
    loops, spent = 0, 0.0
    for _ in range(100):
        loops, spent = loops + timing.loops, spent + timing.loops * each
        if not timing.took(timing.loops * each):
            return loops, spent
    raise AssertionError("it does not end")


@pytest.mark.parametrize("each", [0.0, 1e-9, 2e-7, 1e-5, 3e-3, 0.04, 0.3, 2.0, 100.0])
def test_half_a_second_is_spent_or_one_evaluation(each: float) -> None:
    timing = Timing()
    _, spent = measured(timing, each)
    assert spent <= max(1.5, each)
    if 1e-7 < each < 0.5:
        assert spent > 0.2


def test_what_is_asked_for_is_done() -> None:
    timing = read_timing("-n 3 -r5")
    assert measured(timing, 1.0) == (15, 15.0)
    assert timing.text == "1 s ± 0 ns per loop (mean ± std. dev. of 5 runs, 3 loops each)"
    timing = read_timing("")
    assert measured(timing, 9.0) == (1, 9.0)
    assert timing.text == "9 s per loop (1 run, 1 loop each)"
    timing = read_timing("-n 1000")
    for seconds in (0.1, 0.3, 0.2):
        timing.took(seconds)
    assert timing.text == "200 μs ± 81.6 μs per loop (mean ± std. dev. of 3 runs, 1,000 loops each)"


@pytest.mark.parametrize("words", ["-n", "-n x", "-n 0", "Range[3]", "-q 3", "3"])
def test_wrong_options_are_told(words: str) -> None:
    with pytest.raises(MagicError, match="takes -n LOOPS and -r RUNS"):
        read_timing(words)


def test_amounts() -> None:
    times = (0.0, 1.5e-9, 1e-6, 999e-6, 999.7e-6, 0.0123456, 0.1, 1.0, 59.0, 61.0, 3723.0)
    assert [amount(time) for time in times] == [
        "0 ns", "1.5 ns", "1 μs", "999 μs", "1 ms", "12.3 ms", "100 ms", "1 s", "59 s", "1min 1s", "1h 2min 3s",
    ]  # fmt: skip

"""A flood of events is a few lines and their number, and nothing is left out silently."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernelbus.bus.settings.repeats import INTERVAL, More, Repeats


def test_the_same_line_about_the_same_address_is_written_once() -> None:
    repeats = Repeats()
    assert [repeats.admit("refused", "a", number / 100) for number in range(100)] == [True] + [False] * 99
    assert repeats.admit("refused", "b", 1.0)
    assert repeats.admit("late", "a", 1.0)
    assert repeats.waits
    assert repeats.due(INTERVAL - 0.1) == []
    assert repeats.due(INTERVAL) == [More("refused", "a", 99)]
    assert not repeats.admit("refused", "a", INTERVAL + 1)
    assert repeats.due(2 * INTERVAL) == [More("refused", "a", 1)]
    assert repeats.due(3 * INTERVAL) == []
    assert repeats.admit("refused", "a", 3 * INTERVAL), "a new one after a quiet interval"


def test_an_address_has_few_different_lines() -> None:
    repeats = Repeats()
    written = sum(repeats.admit(f"line {number}", "a", 0.0) for number in range(1000))
    assert written == 20
    assert repeats.due(INTERVAL) == [More("", "a", 980)]


def test_lines_about_no_address_are_written_as_long_as_they_are_few() -> None:
    repeats = Repeats()
    assert sum(repeats.admit("x", "", 0.0) for _ in range(1000)) == 20
    assert repeats.due(0.0, everything=True) == [More("x", "", 980)]
    assert not repeats.waits


def test_many_addresses_cost_little() -> None:
    repeats = Repeats()
    for number in range(20_000):
        repeats.admit("x", f"address {number}", 0.0)
    assert len(repeats._kinds) <= 4097
    assert sum(more.left_out for more in repeats.due(INTERVAL)) == 20_000 - 4096
    repeats.due(2 * INTERVAL)
    assert not repeats._kinds
    assert not repeats._addresses


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["", "a", "b"]), st.floats(0, 3))))
def test_each_line_is_written_or_counted(lines: list[tuple[str, str, float]]) -> None:
    repeats, now, written, counted = Repeats(), 0.0, 0, 0
    for kind, address, later in lines:
        now += later
        written += repeats.admit(kind, address, now)
        counted += sum(more.left_out for more in repeats.due(now))
    counted += sum(more.left_out for more in repeats.due(now, everything=True))
    assert written + counted == len(lines)

"""Latencies in buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernelbus.bus.protocol.histogram import BOUNDS, Histogram, Latencies, added

SECONDS = st.lists(st.floats(0, 1000), max_size=30)


def counted(seconds: list[float]) -> Histogram:
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    return latencies.histogram()


@given(SECONDS)
def test_a_bucket_has_what_is_at_most_its_bound(seconds: list[float]) -> None:
    histogram = counted(seconds)
    for index, bound in enumerate(BOUNDS):
        assert sum(histogram.counts[: index + 1]) == sum(1 for value in seconds if value <= bound)
    assert histogram.count == len(seconds)


@given(SECONDS, SECONDS)
def test_two_added_up_are_as_if_counted_together(first: list[float], second: list[float]) -> None:
    both, together = added(counted(first), counted(second)), counted([*first, *second])
    assert both.counts == together.counts
    assert abs(both.total - together.total) < 1e-6


def test_buckets_of_another_version_are_left_out() -> None:
    assert added(counted([1.0]), Histogram([1, 2, 3], 6.0)) == counted([1.0])

"""The counts of a pool."""

from __future__ import annotations

from kernelbus.kernelhost.pools.figures import PoolCounts


def test_bytes_of_kernels_that_have_ended_stay_in_the_sum() -> None:
    counts = PoolCounts("P")
    counts.ended(10, 100)
    counts.ended(1, 2)
    figures = counts.figures(5, 7)
    assert (figures.pool, figures.bytes_in, figures.bytes_out) == ("P", 16, 109)
    assert counts.figures(0, 0).bytes_in == 11, "present kernels are not added for good"


def test_figures_are_a_copy_of_what_is_counted() -> None:
    counts = PoolCounts("P")
    before = counts.figures(0, 0)
    counts.started += 1
    counts.failed += 2
    counts.died += 3
    counts.starts.add(0.5)
    counts.evaluations.add(2.0)
    counts.evaluations.add(3.0)
    after = counts.figures(0, 0)
    assert (before.started, before.starts.count, before.evaluations.count) == (0, 0, 0)
    assert (after.started, after.failed, after.died) == (1, 2, 3)
    assert (after.starts.count, after.evaluations.count) == (1, 2)
    assert after.evaluations.total == 5.0

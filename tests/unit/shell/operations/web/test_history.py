"""The history behind the sparklines: one value for each sample, whoever comes and goes."""

from __future__ import annotations

from dataclasses import replace

from statuses import HOST, POOL, STATUS

from kernelbus.bus.protocol.histogram import BOUNDS, Histogram
from kernelbus.bus.protocol.reports import PoolFigures
from kernelbus.shell.operations.web.history import History, rates


def figures(count: int, pool: str = "Main") -> list[PoolFigures]:
    return [PoolFigures(pool, evaluations=Histogram([count, *[0] * len(BOUNDS)], 1.0))]


def test_each_series_has_a_value_for_each_sample() -> None:
    history = History(length=3)
    other = replace(POOL, pool="Other")
    history.add(replace(STATUS, pools=[POOL], waiting=1, longest=2.5), figures(3), 10.0)
    history.add(replace(STATUS, pools=[POOL, other], hosts=[replace(HOST, load=3.0, cores=2)]), figures(5), 12.0)
    history.add(replace(STATUS, pools=[other], hosts=[]), [], 14.0)
    assert list(history.times) == [10.0, 12.0, 14.0]
    assert history.series("evaluations") == [3, 5, 0]
    assert history.series("longest") == [2.5, 0.0, 0.0]
    assert history.series("load") == [None, 1.5, None]
    assert history.series("evaluations", pool="Main") == [3, 5, None]
    assert history.series("waiting", pool="Other") == [None, 2, 2]
    assert history.series("load", host=HOST.id) == [None, 3.0, None]
    assert history.series("load", host="nobody") == [None] * 3
    # Only so many are kept, and whoever is gone for so long is forgotten.
    kept = history.copy()
    for at in (16.0, 18.0):
        history.add(replace(STATUS, pools=[other], hosts=[]), [], at)
    assert list(history.times) == [14.0, 16.0, 18.0]
    assert history.series("busy") == [1, 1, 1]
    assert history.series("evaluations", pool="Main") == [None] * 3
    assert history.content()["hosts"] == {}
    assert list(kept.times) == [10.0, 12.0, 14.0]


def test_what_is_new_is_told_once() -> None:
    history = History()
    for at in (10.00049, 12.0004, 14.0):
        history.add(replace(STATUS, longest=1 / 3), figures(1), at)
    content = history.content()
    assert (content["interval"], content["length"], content["at"]) == (2.0, 450, [10.0, 12.0, 14.0])
    assert content["longest"] == [0.3333] * 3
    for index, at in enumerate(content["at"]):
        later = history.content(at)
        assert later["at"] == content["at"][index + 1 :]
        assert later["pools"]["Main"]["busy"] == [1] * (2 - index)
        assert later["evaluations"] == [1] * (2 - index)


def test_rates_of_a_count_that_may_begin_anew() -> None:
    assert rates([0, 2, 4, 6, 6, 8], [1, 5, None, 9, 9, 2]) == [None, 2.0, None, 1.0, None, None]
    assert rates([], []) == []

"""Rows of the journal: what is written comes back, and what was changed on the disk does not."""

from __future__ import annotations

import math

from journals import record

from kernelbus.bus.broker.rows import COLUMNS, record_of, row_of


def test_a_record_comes_back() -> None:
    session = record("k", prompt="In[3]:= ", client="é", profile="p", evaluations=3)
    row = row_of(session)
    assert len(row) == len(COLUMNS)
    assert record_of(row) == session


def test_a_row_that_was_changed_is_known() -> None:
    row = row_of(record("k", prompt="In[3]:= "))
    for index, value in enumerate(row):
        other = f"{value}x" if isinstance(value, str) else value + 1  # type: ignore[operator]
        assert record_of([*row[:index], other, *row[index + 1 :]]) is None
        assert record_of(row[:index]) is None


def test_a_row_of_the_first_layout_has_no_sum_and_is_looked_at_value_by_value() -> None:
    row = row_of(record("k"))
    first = [row[0], *row[2:]]
    assert record_of(first) == record("k")
    assert record_of([*first[:4], "nonsense", *first[5:]]) is None
    assert record_of([*first[:-1], "5"]) is None
    assert record_of([*first[:3], b"h", *first[4:]]) is None


def test_a_row_of_a_later_layout_has_more_columns() -> None:
    from kernelbus.bus.broker.rows import _sum

    kernel, _, *rest = row_of(record("k"))
    rest += ["new", 7, None]
    assert record_of([kernel, _sum(kernel, rest), *rest]) == record("k")


def test_what_a_database_cannot_hold_is_replaced() -> None:
    row = row_of(record("k", prompt="\ud800", evaluations=10**30, changed=math.nan))
    again = record_of(row)
    assert again is not None
    assert (again.prompt, again.evaluations, again.changed) == ("\\ud800", 2**63 - 1, 0.0)

"""Which rows are shown: what a filter finds, so many at most, and never a whole id."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from schemas import faults
from statuses import ATTACHED, DETACHED, KERNEL, STATUS

from kernelbus.shell.operations.web.selection import content, find, select

SCHEMA = json.loads((Path(__file__).parents[5] / "docs" / "status.schema.json").read_text())
MANY = replace(
    STATUS, kernels=[replace(ATTACHED, kernel=f"k{number:05}xxSECRET", created=float(number), client="") for number in range(3000)]
)


def test_the_json_is_a_status_with_the_beginnings_of_ids() -> None:
    shown = content(STATUS)
    assert faults(SCHEMA, shown) == []
    assert {row["kernel"] for row in shown["kernels"]} == {kernel.kernel[:8] for kernel in STATUS.kernels}
    assert [row["kernel"] for row in shown["links"]] == [ATTACHED.kernel[:8]]
    assert not any(kernel.kernel[:9] in json.dumps(shown) for kernel in STATUS.kernels)
    counted = {"all": 3, "matching": 3, "shown": 3}
    assert shown["counts"] == {"sessions": counted, "kernels": counted, "links": {"all": 1, "matching": 1, "shown": 1}, "clients": 1}


def test_thousands_of_rows_are_limited_to_the_newest() -> None:
    found = select(MANY, limit=100)["sessions"]
    assert (found.all, found.matching, len(found.rows)) == (3000, 3000, 100)
    shown = content(MANY, limit=100)
    assert [row["kernel"] for row in shown["kernels"]] == [f"k{number:05}xx" for number in range(100)]
    assert shown["counts"]["kernels"] == {"all": 3000, "matching": 3000, "shown": 100}
    assert content(MANY, "K02999", 100)["counts"]["kernels"] == {"all": 3000, "matching": 1, "shown": 1}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", 3), ("nightly", 1), ("NIGHT detached", 1), ("nightly attached", 0), ("10.0.0.5", 1), ("busy", 1), ("main alpha", 2),
        ("awaited", 1), (ATTACHED.kernel[:8], 1), (ATTACHED.kernel[:9], 0), (ATTACHED.kernel, 0), ("no such thing", 0),
    ],
)  # fmt: skip
def test_a_filter_finds_what_the_table_shows_and_never_how_an_id_goes_on(words: str, found: int) -> None:
    assert select(STATUS, words)["sessions"].matching == found


def test_one_kernel_is_found_by_the_beginning_of_its_id() -> None:
    row = find(STATUS, DETACHED.kernel[:8])
    assert row is not None and row.kernel == DETACHED.kernel[:8]
    assert find(STATUS, DETACHED.kernel[:8] + "X") == row, "no more of it is looked at"
    assert find(STATUS, "abc") is None, "two begin so"
    assert find(STATUS, KERNEL.kernel[:5]) is not None

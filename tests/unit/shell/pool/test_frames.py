"""Tables of pandas as expressions, and back."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from kernelbus.shell.pool.frames import inward, outward, wanted
from kernelbus.shell.pool.values import to_expr, to_python
from wstp import Symbol, write_expression

pandas = pytest.importorskip("pandas")

MISSING = Symbol("Missing")("NotAvailable")


@pytest.mark.parametrize(
    "frame",
    [
        pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
        pandas.DataFrame({"a": [1.5, 2.5]}, index=["p", "q"]),
        pandas.DataFrame({1: [True, False]}),
        pandas.DataFrame(),
        pandas.DataFrame(index=range(2)),
        pandas.DataFrame({"a": [1, 2]}, index=pandas.MultiIndex.from_tuples([("x", 1), ("y", 2)])),
        pandas.DataFrame([[1, 2.5]], columns=pandas.MultiIndex.from_tuples([("x", "p"), ("x", "q")])),
    ],
)
def test_a_frame_comes_back(frame: Any) -> None:
    expr = to_expr(frame)
    assert expr.head == Symbol("Dataset")
    write_expression(expr)
    pandas.testing.assert_frame_equal(to_python(expr), frame, check_column_type=False, check_index_type=False)


def test_series_are_lists_or_associations() -> None:
    assert to_python(to_expr(pandas.Series([1, 2]))).tolist() == [1, 2]
    assert to_python(to_expr(pandas.Series([1.5, 2], index=["p", "q"]))) == {"p": 1.5, "q": 2.0}
    assert to_expr(pandas.Series(["a", None], dtype=object)) == ["a", None]
    assert to_expr(pandas.Series([1, None], dtype="Int64")) == [1, MISSING]
    assert to_expr(pandas.Series(["a", "b"], dtype="category")) == ["a", "b"]
    assert to_expr(pandas.Index([1, 2])) == [1, 2]
    assert to_expr([pandas.NA, pandas.NaT]) == [MISSING, MISSING]


def test_moments_are_dates() -> None:
    (moment,) = to_expr(pandas.Series(pandas.to_datetime(["2024-01-02"])))
    assert moment == Symbol("DateObject")([2024, 1, 2, 0, 0, 0.0], "Instant", "Gregorian", Symbol("None"))


@pytest.mark.parametrize(
    "value",
    [
        pandas.Series([1, 2], index=["p", "p"]),
        pandas.DataFrame([[1, 2]], columns=["a", "a"]),
        pandas.DataFrame({"a": [1, 2]}, index=[1, 1]),
    ],
)
def test_labels_that_name_nothing_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="repeated"):
        to_expr(value)


def test_what_is_no_table_stays_an_expression() -> None:
    twice = Symbol("Association")(Symbol("Rule")([1], 1), Symbol("Rule")([1.0], 1))
    for rows in ([1], [{"a": 1}, {"b": 1}], 5, [twice], Symbol("Association")(5)):
        assert inward(rows, to_python) is None
    dataset = Symbol("Dataset")(Symbol("Association")(Symbol("Rule")("a", 1)))
    assert to_python(dataset) == dataset
    assert wanted()
    assert outward([1]) is None


def test_missing_cells_come_back_as_such() -> None:
    frame = to_python(to_expr(pandas.DataFrame({"a": pandas.array([1, None], dtype="Int64")})))
    assert frame["a"].isna().tolist() == [False, True]
    frame = to_python(to_expr(pandas.DataFrame({"a": [numpy.arange(3.0)]})))
    assert frame["a"][0].tolist() == [0.0, 1.0, 2.0]

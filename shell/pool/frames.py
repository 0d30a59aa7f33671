"""Tables of pandas for expressions, and back. No I/O.

A frame is a `Dataset`: a list of its rows as associations, or an association of them by their
labels. pandas is not imported here: only a program that has it gets frames.
"""

from __future__ import annotations

import sys
from typing import Any

from wstp import Expr, Function, Symbol

__all__ = ["inward", "outward", "wanted"]


def wanted() -> bool:
    """Tell whether the program has imported pandas."""
    return "pandas" in sys.modules


def outward(value: Any) -> Any:
    """Return what travels in the place of a value of pandas; None for any other value.

    Raises:
        TypeError: labels are repeated, so that they name no rows.
    """
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or not hasattr(pandas, "DataFrame"):
        return None  # or it is being imported by another thread
    if value is pandas.NA or value is pandas.NaT:
        return Symbol("Missing")("NotAvailable")
    if isinstance(value, pandas.DataFrame):
        names = list(value.columns)
        if len(set(names)) < len(names):
            raise TypeError("the names of its columns are repeated")
        columns = [_elements(value[name]) for name in names]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)] if names else [{} for _ in range(len(value))]
        return Symbol("Dataset")(rows if _counts(value.index, pandas) else _by_label(value.index, rows))
    if isinstance(value, pandas.Series):
        if not _counts(value.index, pandas):
            return _by_label(value.index, _elements(value))
        return value.to_numpy() if value.dtype.kind in "iufcb" and not hasattr(value.dtype, "na_value") else _elements(value)
    if isinstance(value, pandas.Index):
        return _elements(value)
    if isinstance(value, pandas.Categorical | pandas.api.extensions.ExtensionArray):
        return list(value)
    return None


def _elements(values: Any) -> list[Any]:
    """Return the elements as values of Python where numpy has these."""
    return list(values.tolist())


def _counts(index: Any, pandas: Any) -> bool:
    """Tell whether an index only counts the rows."""
    return isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1


def _by_label(index: Any, values: list[Any]) -> dict[Any, Any]:
    labels = _elements(index)
    made = dict(zip(labels, values, strict=True))
    if len(made) < len(labels):
        raise TypeError("the labels of its rows are repeated: reset_index() makes them a column")
    return made


def inward(value: Any) -> Any:
    """Return a frame for what a `Dataset` holds, as Python values; None if it is no table."""
    pandas: Any = sys.modules["pandas"]
    rows = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        return None
    names = list(rows[0])
    cells = [[_cell(row[name], pandas) for name in names] for row in rows]
    return pandas.DataFrame(cells, columns=names, index=list(value) if isinstance(value, dict) else None)


def _cell(value: Expr, pandas: Any) -> Any:
    return pandas.NA if isinstance(value, Function) and value == Symbol("Missing")("NotAvailable") else value

"""Tables of pandas for expressions, and back. No I/O.

A frame is a `Dataset`: a list of its rows as associations, or an association of them by their
labels. pandas is not imported here: only a program that has it gets frames.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from kernelbus.shell.commands import name_of
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


def inward(value: Any, convert: Callable[[Expr], Any]) -> Any:
    """Return a frame for what a `Dataset` holds, as Python values; None if it is no table.

    Args:
        value: what it holds; associations that no dict can be are expressions still.
        convert: makes the value of an expression.
    """
    pandas: Any = sys.modules["pandas"]
    value = _mapping(value, convert)
    rows = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(rows, list):
        return None
    rows = [_mapping(row, convert) for row in rows]
    if not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        return None
    names = list(rows[0]) if rows else []
    cells = [[_cell(row[name], pandas) for name in names] for row in rows]
    index = _labels(list(value), pandas) if isinstance(value, dict) else None
    return pandas.DataFrame(cells, columns=_labels(names, pandas), index=index)


def _mapping(value: Any, convert: Callable[[Expr], Any]) -> Any:
    """Return an association as a dict, with tuples for keys that are lists; others as they are."""
    if not isinstance(value, Function) or name_of(value.head) != "Association":
        return value
    made = {}
    for rule in value.args:
        if not isinstance(rule, Function) or name_of(rule.head) != "Rule" or len(rule.args) != 2:
            return value
        key = convert(rule.args[0])
        made[tuple(key) if isinstance(key, list) else key] = convert(rule.args[1])
    return made if len(made) == len(value.args) else value


def _labels(labels: list[Any], pandas: Any) -> Any:
    """Return labels as pandas has them: tuples are those of several levels."""
    if labels and all(isinstance(label, tuple) for label in labels) and len({len(label) for label in labels}) == 1:
        return pandas.MultiIndex.from_tuples(labels)
    return labels


def _cell(value: Expr, pandas: Any) -> Any:
    return pandas.NA if isinstance(value, Function) and value == Symbol("Missing")("NotAvailable") else value

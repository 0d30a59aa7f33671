"""Read and write tables: the formats ``CSV``, ``TSV`` and ``Table``.

A field that looks like a number becomes one, as documented: ``7`` an integer, ``1.5`` and ``2e3``
machine reals. A text is quoted where it holds a separator, a quotation mark or a line end. No I/O,
no evaluation.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from mathics.core.atoms import Integer, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.forms.precision import machine_real

__all__ = ["SEPARATORS", "read_table", "write_table"]

#: The separator of each format; None: any white space, several as one.
SEPARATORS: dict[str, str | None] = {"CSV": ",", "TSV": "\t", "Table": None}

_INTEGER = re.compile(r"[+-]?\d{1,4000}", re.ASCII)
_REAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d{1,6})?", re.ASCII)
_RULE, _ASSOCIATION = Symbol("System`Rule"), Symbol("System`Association")


def read_table(text: str, separator: str | None, *, numeric: bool = True, skip: int = 0, empty: Any = None) -> list[list[Any]]:
    """Return the rows of a table, each a list of expressions.

    Args:
        text: the table.
        separator: what is between two fields; None for white space.
        numeric: whether a field that looks like a number becomes one.
        skip: how many lines at the beginning are left out.
        empty: what stands for an empty field; None for an empty string.
    """
    text = text.removeprefix("\ufeff")
    if separator is None:
        rows = [line.split() for line in text.splitlines()]
    elif len(separator) == 1:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    else:
        rows = [line.split(separator) for line in text.splitlines()]

    def field(value: str) -> Any:
        if value == "" and empty is not None:
            return empty
        return (_number(value) if numeric else None) or String(value)

    return [[field(value) for value in row] for row in rows[skip:]]


def _number(text: str) -> Any | None:
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped):
        return Integer(int(stripped))
    if _REAL.fullmatch(stripped):
        value = float(stripped)
        return machine_real(value) if math.isfinite(value) else None
    return None


def write_table(expr: Any, separator: str | None, show: Callable[[Any], str]) -> str:
    """Return a list of rows as a table; a row is a list, and anything else a row of one field.

    Associations become rows under a row of their keys.

    Args:
        expr: the list.
        separator: what is between two fields; None for a space.
        show: returns the text of a field that is no string.
    """
    rows = list(expr.elements) if expr.has_form("List", None) else [expr]
    if rows and all(row.has_form("Association", None) for row in rows):
        keys = [rule.elements[0] for rule in rows[0].elements]
        rows = [ListExpression(*keys), *(_values(row, keys) for row in rows)]
    between = " " if separator is None else separator
    lines = []
    for row in rows:
        fields = row.elements if row.has_form("List", None) else (row,)
        lines.append(between.join(_field(each, between, show) for each in fields) + "\n")
    return "".join(lines)


def _values(row: Any, keys: Sequence[Any]) -> Any:
    found = {rule.elements[0]: rule.elements[1] for rule in row.elements if rule.has_form(("Rule", "RuleDelayed"), 2)}
    return ListExpression(*(found.get(key, String("")) for key in keys))


def _field(value: Any, separator: str, show: Callable[[Any], str]) -> str:
    text = value.value if isinstance(value, String) else show(value)
    if any(mark in text for mark in (separator, '"', "\n", "\r")) and separator != " ":
        return '"' + text.replace('"', '""') + '"'
    return str(text)


def associations(rows: Sequence[Sequence[Any]]) -> Any:
    """Return rows as associations, whose keys are the fields of the first row."""
    if not rows:
        return ListExpression()
    keys = rows[0]
    made = (Expression(_ASSOCIATION, *(Expression(_RULE, key, value) for key, value in zip(keys, row, strict=False))) for row in rows[1:])
    return ListExpression(*made)

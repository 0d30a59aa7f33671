"""Lay out ``TableForm``, ``MatrixForm`` and ``Grid`` as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from mathics.core.atoms import Integer, String
from mathics.core.expression import Expression

from kernelbus.kernelhost.mathics.forms import layout
from kernelbus.kernelhost.mathics.forms.layout import Box

__all__ = ["grid", "table"]

_ALIGNED: Final = {"System`Left": "left", "System`Right": "right", "System`Center": "center"}
#: Options that have no effect on text.
_OPTIONS: Final = ("TableAlignments", "TableDepth", "TableDirections", "TableHeadings", "TableSpacing")


def _is_list(expr: Any) -> bool:
    return bool(expr.has_form("List", None))


def _options(elements: Sequence[Any]) -> dict[str, Any] | None:
    """Return the options behind the first argument, None if there is anything else."""
    found = {}
    for each in elements:
        if not each.has_form(("Rule", "RuleDelayed"), 2):
            return None
        found[(each.elements[0].get_string_value() or each.elements[0].get_name()).removeprefix("System`")] = each.elements[1]
    return found


def _aligned(value: Any) -> list[str]:
    """Return the alignment of columns; the option gives that of rows first."""
    if _is_list(value):
        value = value.elements[-1] if len(value.elements) > 1 else value
    if _is_list(value):
        return [_ALIGNED.get(each.get_name(), "left") for each in value.elements]
    return [_ALIGNED.get(value.get_name(), "left")]


def _spacing(value: Any) -> tuple[int, int]:
    """Return the empty lines between rows and the blanks between columns."""
    given = value.elements if _is_list(value) else (value,)
    numbers = [max(int(each.value), 0) if isinstance(each, Integer) else None for each in given]
    rows = numbers[0] if numbers and numbers[0] is not None else 1
    columns = numbers[1] if len(numbers) > 1 and numbers[1] is not None else 3
    return rows, columns


def _titles(value: Any, count: int) -> list[Any] | None:
    """Return the headings of rows or of columns, None for none."""
    if value.get_name() == "System`Automatic":
        return [Integer(number + 1) for number in range(count)]
    return list(value.elements) if _is_list(value) and value.elements else None


def table(elements: Sequence[Any], lay: Callable[[Any], Box], *, matrix: bool = False) -> Box | None:
    """Return the table of a list or a matrix; None for anything else.

    Args:
        elements: the arguments of ``TableForm`` or ``MatrixForm``.
        lay: lays out an entry.
        matrix: whether it is ``MatrixForm``, which goes two levels deep.
    """
    options = _options(elements[1:]) if elements else None
    if options is None or not _is_list(elements[0]) or not elements[0].elements or options.keys() - set(_OPTIONS):
        return None
    rows = list(elements[0].elements)
    across = options.get("TableDirections")
    flat = not any(map(_is_list, rows))
    if flat and across is not None and across.get_name() == "System`Row":
        cells = [rows]
    elif flat:
        cells = [[each] for each in rows]
    else:
        cells = [list(each.elements) if _is_list(each) else [each] for each in rows]
    if not any(cells):
        return None
    spacing = _spacing(options["TableSpacing"]) if "TableSpacing" in options else (1, 3)
    align = _aligned(options["TableAlignments"]) if "TableAlignments" in options else []
    entries = [[_entry(each, lay, matrix) for each in row] for row in cells]
    headings = options.get("TableHeadings")
    if headings is not None:
        pair = headings.elements if _is_list(headings) else (headings, headings)
        beside = _titles(pair[0], len(entries)) if pair else None
        above = _titles(pair[1], max(map(len, entries))) if len(pair) > 1 else None
        if beside is not None:
            titles = [lay(each) for each in beside[: len(entries)]]
            titles += [layout.text("")] * (len(entries) - len(titles))
            entries = [[title, *row] for title, row in zip(titles, entries, strict=True)]
            align = ["left", *align] if align else align
        if above is not None:
            entries = [[*([layout.text("")] if beside is not None else []), *map(lay, above)], *entries]
    return layout.cells(entries, align, spacing[1], spacing[0])


def _entry(expr: Any, lay: Callable[[Any], Box], matrix: bool) -> Box:
    """Return an entry; in ``TableForm`` a list is a column of its own."""
    if matrix or not _is_list(expr) or not expr.elements:
        return lay(expr)
    if any(map(_is_list, expr.elements)):
        return table([expr], lay) or lay(expr)
    return layout.cells([[lay(each)] for each in expr.elements], between_rows=1)


def grid(elements: Sequence[Any], lay: Callable[[Any], Box]) -> Box | None:
    """Return a grid as a table, whatever options it has; None if it is none."""
    if not elements or not _is_list(elements[0]) or not elements[0].elements:
        return None
    rows = [list(each.elements) if _is_list(each) else [each] for each in elements[0].elements]
    shown = [[layout.text("") if _spans(each) else lay(each) for each in row] for row in rows]
    return layout.cells(shown) if any(shown) else None


def _spans(expr: Any) -> bool:
    """Tell whether an entry stands for a part of another one, or for nothing."""
    name = expr.get_name() if not isinstance(expr, (Expression, String)) else ""
    return name in ("System`SpanFromLeft", "System`SpanFromAbove", "System`SpanFromBoth")

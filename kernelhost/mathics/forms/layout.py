"""Place text in two dimensions: boxes side by side on baselines, raised, in fractions, in tables.

:mod:`kernelbus.kernelhost.mathics.forms.outputform` decides which expression becomes which box. No
I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kernelbus.kernelhost.mathics.forms.operators import ATOM, DIVIDE, POWER

__all__ = ["Box", "between", "cells", "enclosed", "fraction", "least", "listed", "raised", "row", "text"]


@dataclass(frozen=True, slots=True)
class Box:
    """Hold text in two dimensions.

    Attributes:
        lines: the lines of text. They may be shorter than ``width``; none ends in blanks that are
            not shown.
        width: the width, characters.
        base: the index of the line that is the baseline.
        precedence: how tightly what is shown binds.
    """

    lines: tuple[str, ...]
    width: int
    base: int
    precedence: int = ATOM


def text(shown: str, precedence: int = ATOM) -> Box:
    """Return a line of text as a box."""
    return Box((shown,), len(shown), 0, precedence)


def row(boxes: Iterable[Box], precedence: int = ATOM) -> Box:
    """Place boxes side by side on their baselines."""
    parts = list(boxes)
    above = max((b.base for b in parts), default=0)
    below = max((len(b.lines) - b.base for b in parts), default=1)
    lines: list[list[str]] = [[] for _ in range(above + below)]
    filled = [0] * len(lines)
    column = 0
    for box in parts:
        for index, line in enumerate(box.lines, above - box.base):
            if line:
                lines[index] += (" " * (column - filled[index]), line)
                filled[index] = column + len(line)
        column += box.width
    return Box(tuple(map("".join, lines)), column, above, precedence)


def _stack(boxes: Sequence[Box], base: int, precedence: int = ATOM) -> Box:
    """Place boxes below each other, flush left."""
    lines = tuple(line for box in boxes for line in box.lines)
    return Box(lines, max(box.width for box in boxes), base, precedence)


def _indented(box: Box, columns: int) -> Box:
    lines = tuple(" " * columns + line if line else "" for line in box.lines)
    return Box(lines, box.width + columns, box.base, box.precedence)


def raised(base: Box, exponent: Box, precedence: int = POWER) -> Box:
    """Place an exponent after its base; its lowest line is the line above the base's baseline."""
    height = len(exponent.lines)
    return row([base, Box(exponent.lines, exponent.width, height)], precedence)


def fraction(over: Box, under: Box) -> Box:
    """Place a box over another, with a bar on the baseline between them."""
    width = max(over.width, under.width)
    over, under = (_indented(box, (width - box.width) // 2) for box in (over, under))
    return _stack([over, text("-" * width), under], len(over.lines), DIVIDE)


def enclosed(box: Box) -> Box:
    """Place parentheses, on the baseline, around a box."""
    return row([text("("), box, text(")")])


def least(box: Box, precedence: int) -> Box:
    """Place a box in parentheses if it binds less tightly than ``precedence``."""
    return box if box.precedence >= precedence else enclosed(box)


def listed(opening: str, boxes: Sequence[Box], closing: str, precedence: int = ATOM) -> Box:
    """Place boxes in brackets with commas between them."""
    return row([text(opening), *between(boxes, ", "), text(closing)], precedence)


def between(boxes: Sequence[Box], separator: str) -> list[Box]:
    """Return boxes with the same text between any two."""
    comma = text(separator)
    return [part for index, box in enumerate(boxes) for part in ((comma, box) if index else (box,))]


def cells(table: Sequence[Sequence[Box]], align: Sequence[str] = (), apart: int = 3, between_rows: int = 1) -> Box:
    """Return a table.

    Args:
        table: the rows; one that is shorter than the longest ends early.
        align: for each column "left", "right" or "center"; the last for all that follow; left for
            none.
        apart: the blanks between columns.
        between_rows: the empty lines between rows.
    """
    count = max(map(len, table))
    widths = [max((each[column].width for each in table if column < len(each)), default=0) for column in range(count)]
    lines: list[Box] = []
    for index, each in enumerate(table):
        padded = []
        for column, (cell, width) in enumerate(zip(each, widths, strict=False)):
            place = align[min(column, len(align) - 1)] if align else "left"
            before = {"right": width - cell.width, "center": (width - cell.width) // 2}.get(place, 0)
            moved = _indented(cell, before) if before else cell
            padded.append(Box(moved.lines, width + apart, moved.base))
        if index:
            lines += [text("")] * between_rows
        lines.append(row(padded))
    box = _stack(lines, lines[0].base)
    return Box(box.lines, box.width - apart, box.base)

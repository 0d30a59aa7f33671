"""Text placed in two dimensions."""

from __future__ import annotations

import pytest

from kernelbus.kernelhost.mathics.forms import layout
from kernelbus.kernelhost.mathics.forms.layout import Box, text
from kernelbus.kernelhost.mathics.forms.operators import DIVIDE, PLUS, POWER

HALF = layout.fraction(text("1"), text("2"))
SQUARE = layout.raised(text("x"), text("2"))


@pytest.mark.parametrize(
    ("box", "lines", "base"),
    [
        (HALF, ["1", "-", "2"], 1),
        (SQUARE, [" 2", "x"], 1),
        (layout.raised(text("e"), HALF), [" 1", " -", " 2", "e"], 3),
        (layout.fraction(text("a + b"), text("c")), ["a + b", "-----", "  c"], 1),
        (layout.row([text("a + "), HALF]), ["    1", "a + -", "    2"], 1),
        (layout.enclosed(HALF), [" 1", "(-)", " 2"], 1),
        (layout.listed("{", [HALF, SQUARE], "}"), [" 1   2", "{-, x }", " 2"], 1),
        (layout.cells([[text("a"), text("bc")], [SQUARE, text("d")]]), ["a    bc", "", " 2", "x    d"], 0),
        (layout.row([]), [""], 0),
    ],
)
def test_places(box: Box, lines: list[str], base: int) -> None:
    assert list(box.lines) == lines
    assert box.base == base
    assert box.width == max(map(len, lines))


def test_parentheses_are_for_what_binds_less() -> None:
    assert (HALF.precedence, SQUARE.precedence) == (DIVIDE, POWER)
    assert layout.least(HALF, PLUS) is HALF
    assert layout.least(SQUARE, POWER) is SQUARE
    assert layout.least(HALF, POWER).lines == layout.enclosed(HALF).lines

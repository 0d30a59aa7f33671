"""Assignments to symbols with and without a value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.speed import assigning


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1\nx = 2\nx", "2"),
        ("x = 1\n{x++, x, ++x, x--, --x, x += 4, x -= 1, x *= 3, x /= 2}", "{1, 2, 3, 3, 1, 5, 4, 12, 6}"),
        ("x = 1\ny := x\nx = 2\ny", "2"),
        ("x = 1\nBlock[{x = 5}, x = 6; x]\nx", "1"),
        ("x = {1, 2}\nx += 1\nx", "{2, 3}"),
        ("x = 1\nx = y\ny = 3\nx", "3"),
        ("x = 1\nProtect[x]\nx = 2\nv = x\nUnprotect[x]\nv", "1"),
        ("x = 1\nx =.\nx", "x"),
        ("x := RandomReal[]\nx = 3\nx", "3"),
        ("x = 1\nOwnValues[x]", "{HoldPattern[x] :> 1}"),
        ("x = 1\nk = OwnValues[x]\nx = 2\nk", "{HoldPattern[x] :> 1}"),
        ("Clear[q]\nq++", "q++"),
    ],
)
def test_values_of_symbols(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert assigning.install_assigning

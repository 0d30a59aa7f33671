"""Functions of bits: any number of arguments, negative numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import bits


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("{BitXor[], BitAnd[], BitOr[], BitXor[1, 2, 3, 4]}", "{0, -1, 0, 4}"),
        ("{BitXor[-1, 5, 3], BitOr[-4, 1, 2], BitAnd[-1, 5]}", "{-7, -1, 5}"),
        ("{BitAnd[3, x, 5], BitXor[{1, 2}, 3]}", "{BitAnd[1, x], {2, 1}}"),
        ("{BitShiftRight[-5, 1], BitShiftLeft[5, -1], BitShiftLeft[3], BitNot[5]}", "{-2, 2, 6, -6}"),
        ("{BitLength[-8], BitGet[5, 2], BitSet[5, 1], BitClear[7, 1], BitGet[5, -1]}", "{3, 1, 7, 5, 1}"),
        ("BitShiftLeft[1, 10^12]", "BitShiftLeft[1, 1000000000000]"),
    ],
)
def test_bits(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert bits.install_bits

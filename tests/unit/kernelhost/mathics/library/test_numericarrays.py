"""Numeric arrays: made, and taken as lists (kernelbus.kernelhost.mathics.library.numericarrays)."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('NumericArray[{1, 2}, "Real64"]', 'NumericArray[{1., 2.}, "Real64"]'),
        ("NumericArray[{{1, 2}, {3, 4}}]", 'NumericArray[{{1, 2}, {3, 4}}, "Integer64"]'),
        ('NumericArray[{1/2, 3}, "Real32"]', 'NumericArray[{0.5, 3.}, "Real32"]'),
        ('NumericArray[{1.4, 2.6}, "UnsignedInteger8"]', 'NumericArray[{1, 3}, "UnsignedInteger8"]'),
        ("NumericArray[ByteArray[{1, 255}]]", 'NumericArray[{1, 255}, "UnsignedInteger8"]'),
        ('NumericArray[NumericArray[{1, 2}], "Integer8"]', 'NumericArray[{1, 2}, "Integer8"]'),
        ('NumericArray[{1, 300}, "UnsignedInteger8"]', 'NumericArray[{1, 300}, "UnsignedInteger8"]'),  # too large: a call
        ("{NumericArrayQ[NumericArray[{1}]], NumericArrayQ[{1}]}", "{True, False}"),
        ('NumericArrayType[NumericArray[{1}, "Real32"]]', '"Real32"'),
        ("NumericArray[{x}]", "NumericArray[{x}]"),
        ("NumericArray[{}]", "NumericArray[{}]"),
        ("NumericArray[{{1}, {1, 2}}]", "NumericArray[{{1}, {1, 2}}]"),
        ("MatchQ[NumericArray[{1}], _NumericArray]", "True"),
        ("a = NumericArray[{{1, 2}, {3, 4}}];\n{Length[a], Dimensions[a], ArrayDepth[a], Head[a]}", "{2, {2, 2}, 2, NumericArray}"),
        ("Normal[NumericArray[{{1, 2}, {3, 4}}]]", "{{1, 2}, {3, 4}}"),
        (
            "a = NumericArray[{{1, 2}, {3, 4}}];\n{Total[a], Mean[a], Det[a], a . {1, 1}, Transpose[a]}",
            "{{4, 6}, {2, 3}, -2, {3, 7}, {{1, 3}, {2, 4}}}",
        ),
        (
            "a = NumericArray[{3, 1}];\n{2*a, a + a, a^2, Max[a], Sort[a], a[[1]], f /@ a}",
            "{{6, 2}, {6, 2}, {9, 1}, 3, {1, 3}, 3, {f[3], f[1]}}",
        ),
        ("g[NumericArray[{1}]]", 'g[NumericArray[{1}, "Integer64"]]'),
    ],
)
def test_numeric_arrays(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected

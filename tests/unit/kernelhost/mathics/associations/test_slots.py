"""Slots of pure functions: numbers, sequences and keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.associations import slots


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('#k & [<|"k" -> 3|>]', "3"),
        ('{#a, #2} & [<|"a" -> 1|>, 7]', "{1, 7}"),
        ('Select[{<|"n" -> 1|>, <|"n" -> 5|>}, #n > 2 &]', '{<|"n" -> 5|>}'),
        ('#k & [<|"l" -> 3|>]', "#k"),
        ("{##, ##2} & [1, 2]", "{1, 2, 2}"),
        ("If[# <= 1, 1, # #0[# - 1]] & [5]", "120"),
        ("(# + (# &)[2]) & [5]", "7"),
        ("Function[x, x + #] & [5][1]", "6"),
        ("#[1] & [f]", "f[1]"),
    ],
)
def test_slots_are_filled(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert slots.correct_slots

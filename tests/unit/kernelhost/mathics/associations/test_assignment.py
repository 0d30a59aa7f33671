"""Assignment to keys and parts of a symbol's value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.associations import assignment

START = 'a = <|"k" -> 1, "l" -> {1, 2}|>\n'


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('a["k"] = 7', '<|"k" -> 7, "l" -> {1, 2}|>'),
        ('a["n"] = 7', '<|"k" -> 1, "l" -> {1, 2}, "n" -> 7|>'),
        ('a["k"]++\na["k"] += 10', '<|"k" -> 12, "l" -> {1, 2}|>'),
        ('a[["l", 2]] = 7', '<|"k" -> 1, "l" -> {1, 7}|>'),
        ('a["l"][[1]] = 7', '<|"k" -> 1, "l" -> {7, 2}|>'),
        ("a[[1]] = 7", '<|"k" -> 7, "l" -> {1, 2}|>'),
        ('a["m"] = <||>\na["m"]["x"] = 7', '<|"k" -> 1, "l" -> {1, 2}, "m" -> <|"x" -> 7|>|>'),
        ('a["d"] := RandomReal[]', '<|"k" -> 1, "l" -> {1, 2}, "d" :> RandomReal[]|>'),
        ('AppendTo[a["l"], 3]', '<|"k" -> 1, "l" -> {1, 2, 3}|>'),
        ('AppendTo[a, "z" -> 0]', '<|"k" -> 1, "l" -> {1, 2}, "z" -> 0|>'),
        ('AssociateTo[a, {"k" -> 0}]', '<|"k" -> 0, "l" -> {1, 2}|>'),
        ('KeyDropFrom[a, {"k", "x"}]', '<|"l" -> {1, 2}|>'),
        ('a["k"] =.', '<|"l" -> {1, 2}|>'),
        ('a["x"]["y"] = 1', '<|"k" -> 1, "l" -> {1, 2}|>'),
        ('Do[a[i] = i, {i, 2}]', '<|"k" -> 1, "l" -> {1, 2}, 1 -> 1, 2 -> 2|>'),
    ],
)
def test_keys_are_assigned(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(START + code + "\na") == expected
    assert value(START + "kept = a\n" + code + "\nkept") == '<|"k" -> 1, "l" -> {1, 2}|>'


def test_other_symbols_get_definitions(value: Callable[[str], str]) -> None:
    assert value('f["k"] = 7\nf["k"]') == "7"
    assert value("g = 3\ng[1] = 2\ng") == "3"
    assert assignment.__doc__

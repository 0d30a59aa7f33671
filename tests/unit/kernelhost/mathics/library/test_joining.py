"""Strings that are padded, and that are joined with separators of several levels."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library.joining import padded


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('StringPadLeft["abc", 8, "xyz"]', '"yzxyzabc"'),
        ('{StringPadRight["ab", 8, "xyz"], StringPadRight["abcde", 3], StringPadLeft["abcde", 3]}', '{"abzxyzxy", "abc", "cde"}'),
        ('StringPadLeft[{"a", "bbb"}]', '{"  a", "bbb"}'),
        ("StringRiffle[{{a, b}, {c}}]", '"a b\\nc"'),
        ('StringRiffle[{{1, 2}, {3, 4}}, ";", ","]', '"1,2;3,4"'),
        ('StringRiffle[{{1, 2}, {3}}, {"[", ";", "]"}, {"<", ",", ">"}]', '"[<1,2>;<3>]"'),
        ("StringRiffle[{{{1, 2}, {3}}, {{4}}}]", '"1 2\\n3\\n\\n4"'),
        ('StringRiffle[{1, {2, 3}}, ", "]', '"1, {2, 3}"'),
    ],
)
def test_joining(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


def test_padding_lies_as_if_it_filled_the_whole() -> None:
    assert [padded("ab", n, "xyz", left=False) for n in (1, 2, 3, 4)] == ["a", "ab", "abz", "abzx"]

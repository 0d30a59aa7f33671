"""String functions that take patterns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import strings


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('StringReplace["abc", x_ :> "<" <> x <> ">"]', '"<a><b><c>"'),
        (
            'StringReplace["john smith", a : WordCharacter .. ~~ " " ~~ b : WordCharacter .. :> b <> " " <> a]',
            '"smith john"',
        ),
        (
            'StringCases["a1b2", x : LetterCharacter ~~ y : DigitCharacter :> {x, y}]',
            '{{"a", "1"}, {"b", "2"}}',
        ),
        ('StringReplace["abc", RegularExpression["(b)(c)"] -> "$2$1"]', '"acb"'),
        (
            'StringCases["key=val", RegularExpression["(\\\\w+)=(\\\\w+)"] -> {"$1", "$2"}]',
            '{{"key", "val"}}',
        ),
        ('StringReplace["aba", "a" :> f["a"]]', 'f["a"]~~"b"~~f["a"]'),
        ('StringReplace["aaa", "a" -> "b", 2]', '"bba"'),
        ('StringReplace[{"ab", "ba"}, {"a" -> "1", "b" -> "2"}]', '{"12", "21"}'),
        ('StringReplace["ABA", "a" -> "x", IgnoreCase -> True]', '"xBx"'),
        ('StringCases["x12y3", n : NumberString :> ToExpression[n]]', "{12, 3}"),
        ('StringCases["abc123", x__?DigitQ]', '{"123"}'),
        ('StringMatchQ["abc", x__ /; StringLength[x] > 2]', "True"),
        ('StringFreeQ["abc", _?DigitQ]', "True"),
        ('StringCases["abXcX", Shortest["a" ~~ __ ~~ "X"]]', '{"abX"}'),
        ('StringCases["abcd", _ ~~ _, 1]', '{"ab"}'),
        ('StringSplit["a,,b,", ","]', '{"a", "", "b"}'),
        ('StringSplit[",a", ","]', '{"a"}'),
        ('StringSplit[",a,", ",", All]', '{"", "a", ""}'),
        ('StringSplit["a-b-c", "-", 2]', '{"a", "b-c"}'),
        ('StringSplit["a-b", "-" -> "+"]', '{"a", "+", "b"}'),
        ('StringSplit[" a  b "]', '{"a", "b"}'),
        ('StringSplit["abc", ""]', '{"a", "b", "c"}'),
        ('StringSplit["", ","]', "{}"),
    ],
)
def test_values(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert strings.__doc__

"""Pattern objects that Mathics3 lacks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import patterns


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('MatchQ[<|"a" -> 1, "b" -> 2|>, KeyValuePattern[{"b" -> _, "a" -> _}]]', "True"),
        ('MatchQ[<|"a" -> 1|>, KeyValuePattern["b" -> _]]', "False"),
        ('Cases[{{"a" -> 1}, <|"a" -> 2|>, 3}, KeyValuePattern["a" -> x_] :> x]', "{1, 2}"),
        ('MatchQ[<|"a" -> 1, "b" -> 2|>, KeyValuePattern[{x_ -> 2, "a" -> _}]]', "True"),
        ("MatchQ[5, KeyValuePattern[{}]]", "False"),
        ("Replace[f[a, b, c], f[x : PatternSequence[_, _], y_] :> {{x}, y}]", "{{a, b}, c}"),
        ("MatchQ[f[a, 1], f[OrderlessPatternSequence[_Integer, _Symbol]]]", "True"),
        ("MatchQ[f[a, b], f[OrderlessPatternSequence[_Integer, _Symbol]]]", "False"),
        ("{MatchQ[{1, 2, 1, 2}, {PatternSequence[1, 2] ..}], MatchQ[{1, 2, 1}, {PatternSequence[1, 2] ..}]}", "{True, False}"),
        ("Replace[{0, 1, 2, 1, 2, 3}, {x_, y : PatternSequence[1, 2] .., z_} :> {x, {y}, z}]", "{0, {1, 2, 1, 2}, 3}"),
        ("MatchQ[{1, 2, 1, 2, 1, 2}, {Repeated[PatternSequence[1, 2], 2]}]", "False"),
        ("MatchQ[{}, {PatternSequence[1, 2] ...}]", "True"),
        ("Context[KeyValuePattern]", '"System`"'),
    ],
)
def test_patterns_match(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert patterns.add_patterns

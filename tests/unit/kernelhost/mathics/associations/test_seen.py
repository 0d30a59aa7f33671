"""Functions of lists see the values of associations, and keep the keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.associations.seen import SEEN

A = '<|"a" -> 5, "b" -> 1, "c" -> 3|>'


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Select[A, # > 2 &]", '<|"a" -> 5, "c" -> 3|>'),
        ("Select[A, # > 2 &, 1]", '<|"a" -> 5|>'),
        ("Sort[A]", '<|"b" -> 1, "c" -> 3, "a" -> 5|>'),
        ("Sort[A, Greater]", '<|"a" -> 5, "c" -> 3, "b" -> 1|>'),
        ("SortBy[A, -# &]", '<|"a" -> 5, "c" -> 3, "b" -> 1|>'),
        ("Reverse[A]", '<|"c" -> 3, "b" -> 1, "a" -> 5|>'),
        ("Take[A, -2]", '<|"b" -> 1, "c" -> 3|>'),
        ("TakeDrop[A, 1]", '{<|"a" -> 5|>, <|"b" -> 1, "c" -> 3|>}'),
        ("Rest[A]", '<|"b" -> 1, "c" -> 3|>'),
        ("First[A]", "5"),
        ("Total[A]", "9"),
        ("Mean[A]", "3"),
        ("f @@ A", "f[5, 1, 3]"),
        ("f /@ A", '<|"a" -> f[5], "b" -> f[1], "c" -> f[3]|>'),
        ("If[# > 2, #, Nothing] & /@ A", '<|"a" -> 5, "c" -> 3|>'),
        ("A + 1", '<|"a" -> 6, "b" -> 2, "c" -> 4|>'),
        ("A + A", '<|"a" -> 10, "b" -> 2, "c" -> 6|>'),
        ("Fold[f, A]", "f[f[5, 1], 3]"),
        ("Accumulate[A]", '<|"a" -> 5, "b" -> 6, "c" -> 9|>'),
        ('Append[A, "a" -> 0]', '<|"a" -> 0, "b" -> 1, "c" -> 3|>'),
        ('Prepend[A, "z" -> 0]', '<|"z" -> 0, "a" -> 5, "b" -> 1, "c" -> 3|>'),
        ('Join[A, <|"b" -> 0|>]', '<|"a" -> 5, "b" -> 0, "c" -> 3|>'),
        ('MapAt[f, A, {{"a"}, {Key["c"]}}]', '<|"a" -> f[5], "b" -> 1, "c" -> f[3]|>'),
        ('Delete[A, {{1}, {"c"}}]', '<|"b" -> 1|>'),
        ('Insert[A, "z" -> 0, 2]', '<|"a" -> 5, "z" -> 0, "b" -> 1, "c" -> 3|>'),
        ('ReplacePart[A, {"a" -> 0, 2 -> 9}]', '<|"a" -> 0, "b" -> 9, "c" -> 3|>'),
        ("GroupBy[A, # > 2 &, Length]", "<|True -> 2, False -> 1|>"),
        ("TakeLargest[A, 2]", '<|"a" -> 5, "c" -> 3|>'),
        ("MinimalBy[A, Identity]", '<|"b" -> 1|>'),
        ("Complement[A, <|\"a\" -> 5|>]", '<|"b" -> 1, "c" -> 3|>'),
        ("DeleteDuplicates[<|1 -> x, 2 -> x|>]", "<|1 -> x|>"),
        ("FirstPosition[A, 3]", '{Key["c"]}'),
        ("Transpose[<|a -> <|x -> 1|>, b -> <|x -> 2|>|>]", "<|x -> <|a -> 1, b -> 2|>|>"),
        ("AtomQ[A]", "True"),
        ("FreeQ[<|x -> 1|>, x]", "True"),
        ("h[A]", "h[A]"),
    ],
)
def test_values_are_seen(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code.replace("A]", f"{A}]").replace("A,", f"{A},").replace("A +", f"{A} +").replace("@ A", f"@ {A}").replace(
        "+ A", f"+ {A}"
    )) == expected.replace("A]", f"{A}]")


def test_a_function_without_an_own_sight_keeps_its_value(value: Callable[[str], str]) -> None:
    assert "Head" not in SEEN
    assert value(f"Head[{A}]") == "Association"

"""Functions of keys: what makes associations, and what looks at their keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.associations.keyed import FUNCTIONS


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("<|a -> 1, {b -> 2, <|a -> 3|>}|>", "<|a -> 3, b -> 2|>"),
        ("<|a -> 1, b|>", "Association[a -> 1, b]"),
        ("<|a -> Nothing, b :> Nothing|>", "<|b :> Nothing|>"),
        ("Association[Table[i -> i, {i, 2}]]", "<|1 -> 1, 2 -> 2|>"),
        ('<|"a" -> <|"b" -> 1|>|>["a", "b"]', "1"),
        ('<|"a" -> 1|>[Key["a"]]', "1"),
        ('Key["a"] /@ {<|"a" -> 1|>}', "{1}"),
        ("Keys[{<|a -> 1|>, {b -> 2}}, h]", "{{h[a]}, {h[b]}}"),
        ("Values[<|a -> 1|>]", "{1}"),
        ("Keys[3]", "Keys[3]"),
        ("KeyTake[{<|a -> 1, b -> 2|>, <|b -> 3|>}, b]", "{<|b -> 2|>, <|b -> 3|>}"),
        ("KeyDrop[{a -> 1, b -> 2}, {a}]", "<|b -> 2|>"),
        ("Lookup[{<|a -> 1|>, <||>}, a, 0]", "{1, 0}"),
        ("Lookup[<|{1} -> x|>, Key[{1}]]", "x"),
        ("Lookup[a][<|a -> 1|>]", "1"),
        ("Merge[{<|a -> 1|>, a -> 2}, f]", "<|a -> f[{1, 2}]|>"),
        ("GroupBy[{1, 2, 3, 4}, {OddQ, # > 2 &}, Total]", "<|True -> <|False -> 1, True -> 3|>, False -> <|False -> 2, True -> 4|>|>"),
        ("AssociationThread[{a, b} -> {1, 2}]", "<|a -> 1, b -> 2|>"),
        ("KeyUnion[{<|a -> 1|>, <|b -> 2|>}, f]", "{<|a -> 1, b -> f[b]|>, <|a -> f[a], b -> 2|>}"),
        ("KeyComplement[{<|a -> 1, b -> 2|>, <|a -> 3|>}]", "<|b -> 2|>"),
        ("MapIndexed[f, <|a -> {x}|>, {2}]", "<|a -> {f[x, {Key[a], 1}]}|>"),
        ("MapThread[f, {<|a -> 1|>, <|a -> 2|>}]", "<|a -> f[1, 2]|>"),
        ("f @@@ {<|a -> 1|>, {2}}", "{f[1], f[2]}"),
        ("Catenate[{<|a -> 1|>, {2}}]", "{1, 2}"),
        ("Extract[<|a -> {1, 2}|>, {Key[a], 2}, Hold]", "Hold[2]"),
    ],
)
def test_keys_are_looked_at(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


def test_a_default_is_evaluated_only_if_it_is_needed(value: Callable[[str], str]) -> None:
    assert "Lookup" in FUNCTIONS
    assert value("n = 0\nLookup[<|a -> 1|>, a, n++]\nn") == "0"
    assert value("n = 0\nLookup[<|a -> 1|>, b, n++]\nn") == "1"


def test_a_thousand_keys_take_no_time_that_grows_with_their_number(value: Callable[[str], str]) -> None:
    made = "big = AssociationThread[Range[2000] -> Range[2000]]\n"
    assert value(made + "Total[Lookup[big, Range[2000]]]") == "2001000"
    assert value(made + "Length[KeyTake[big, Range[2000]]]") == "2000"

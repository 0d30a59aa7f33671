"""Queries, and datasets that are asked by them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.associations import queries

ROWS = 'ds = Dataset[{<|"a" -> 1, "b" -> 2|>, <|"a" -> 3, "b" -> 4|>, <|"a" -> 1, "b" -> 5|>}];\n'


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('ds[1, "a"]', "1"),
        ('ds[All, "a"]', "Dataset[{1, 3, 1}]"),
        ("ds[Select[#a > 1 &]]", 'Dataset[{<|"a" -> 3, "b" -> 4|>}]'),
        ('Normal[ds[GroupBy["a"], Total, "b"]]', "<|1 -> 7, 3 -> 4|>"),
        ('ds[Total, "b"]', "11"),
        ('Normal[ds[SortBy["b"], "b"]]', "{2, 4, 5}"),
        ("ds[Select[#a == 1 &] /* Length]", "2"),
        ('Normal[ds[All, <|"s" -> (#a + #b &)|>]]', '{<|"s" -> 3|>, <|"s" -> 7|>, <|"s" -> 6|>}'),
        ('Normal[ds[2 ;; 3, {"b"}]]', '{<|"b" -> 4|>, <|"b" -> 5|>}'),
        ('Normal[ds[1 ;; 1, {"a" -> f}]]', '{<|"a" -> f[1], "b" -> 2|>}'),
        ('Normal[ds[MaximalBy["b"], "a"]]', "{1}"),
        ("{Length[ds], Total[ds[All, \"b\"]], ds[[1, \"b\"]]}", "{3, 11, 2}"),
        ("Map[#a &, ds]", "Dataset[{1, 3, 1}]"),
        ('ds["x"]', 'Missing["KeyAbsent", "x"]'),
        ('ds[Counts, "a"]', "Dataset[<|1 -> 2, 3 -> 1|>]"),
        ('Query["x", 2][<|"x" -> {4, 5, 6}|>]', "5"),
        ("{Query[All, Total][{{1, 2}, {3, 4}}], Query[Total, Total][{{1, 2}, {3, 4}}]}", "{{3, 7}, 10}"),
        ("Query[{Total, Length}][{1, 2, 3}]", "{6, 3}"),
        ('Query[All, "a"][Dataset[{<|"a" -> 1|>}]]', "Dataset[{1}]"),
    ],
)
def test_queries(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(ROWS + code) == expected
    assert queries.query

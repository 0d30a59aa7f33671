"""Chains of different comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.forms.outputform import output_form
from kernelbus.kernelhost.mathics.library.inequalities import comparisons


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("1 < x <= 3", "Inequality[1, Less, x, LessEqual, 3]"),
        ("Inequality[a, Less, b, Less, c]", "a < b < c"),
        ("{1 < 2 <= x, 1 < x <= 3 <= 5}", "{2 <= x, Inequality[1, Less, x, LessEqual, 3]}"),
        ("x < 1 <= 2 < y", "Inequality[x, Less, 1, LessEqual, 2, Less, y]"),
        ("{3 < x <= 2 < 1, 1 < Pi <= 4}", "{False, True}"),
        ("{a < b > c, a < b <= c > d}", "{a < b && b > c, Inequality[a, Less, b, LessEqual, c] && c > d}"),
        ("a != b < c != d == e", "a != b && b < c && c != d && d == e"),
        ("a == b < c", "Inequality[a, Equal, b, Less, c]"),
        ("1 < x <= 3 /. {{x -> 2}, {x -> 5}}", "{True, False}"),
        ("Integrate[Piecewise[{{1, 0 <= x < 1}}], {x, 0, 2}]", "1"),
        ("{Inequality[a], Inequality[a, q, b]}", "{True, Inequality[a, q, b]}"),
    ],
)
def test_chains_stay_together(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


def test_a_chain_is_printed_with_operators(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    chain = evaluation.parse("1 < x + 1 <= 3").evaluate(evaluation)
    assert output_form(chain, evaluation) == "1 < 1 + x <= 3"
    assert len(list(comparisons(chain))) == 2

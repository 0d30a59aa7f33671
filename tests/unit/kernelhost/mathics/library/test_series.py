"""Power series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.library import series


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Series[Sin[x]/x, {x, 0, 4}]", "SeriesData[x, 0, {1, 0, -1/6, 0, 1/120}, 0, 5, 1]"),
        ("Series[1/Sin[x], {x, 0, 3}]", "SeriesData[x, 0, {1, 0, 1/6, 0, 7/360}, -1, 4, 1]"),
        ("Series[Sqrt[Sin[x]], {x, 0, 3}]", "SeriesData[x, 0, {1, 0, 0, 0, -1/12}, 1, 7, 2]"),
        ("Series[x^x, {x, 0, 2}]", "SeriesData[x, 0, {1, Log[x], Log[x]^2/2}, 0, 3, 1]"),
        ("Series[Tan[x], {x, Pi/2, 1}]", "SeriesData[x, Pi/2, {-1, 0, 1/3}, -1, 2, 1]"),
        ("Series[1/(x + 1), {x, Infinity, 2}]", "SeriesData[x, Infinity, {1, -1}, 1, 3, 1]"),
        ("Series[f[x], {x, a, 2}]", "SeriesData[x, a, {f[a], Derivative[1][f][a], Derivative[2][f][a]/2}, 0, 3, 1]"),
        ("Series[(1 + x)^n, {x, 0, 2}]", "SeriesData[x, 0, {1, n, ((-1 + n)*n)/2}, 0, 3, 1]"),
        ("Series[Gamma[x], {x, 0, 0}]", "SeriesData[x, 0, {1, -EulerGamma}, -1, 1, 1]"),
        ("Series[a^x, {x, 0, 1}]", "SeriesData[x, 0, {1, Log[a]}, 0, 2, 1]"),
        ("Series[f[x, 2*x], {x, 0, 0}]", "SeriesData[x, 0, {f[0, 0]}, 0, 1, 1]"),
        ("Series[Exp[1/x], {x, 0, 2}]", "Series[E^x^(-1), {x, 0, 2}]"),
        ("Series[Sin[x]/x, x -> 0]", "SeriesData[x, 0, {1}, 0, 2, 1]"),
        ("Series[{E^x, 3}, {x, 0, 1}]", "{SeriesData[x, 0, {1, 1}, 0, 2, 1], 3}"),
        ("Series[E^(x*y), {x, 0, 1}, {y, 0, 1}]", "SeriesData[x, 0, {1, SeriesData[y, 0, {1}, 1, 2, 1]}, 0, 2, 1]"),
        ("Series[E^x, {x, 0, 3}]^2", "SeriesData[x, 0, {1, 2, 2, 4/3}, 0, 4, 1]"),
        ("{Sin[x] + O[x]^4, 1/(1 - x + O[x]^2)}", "{SeriesData[x, 0, {1, 0, -1/6}, 1, 4, 1], SeriesData[x, 0, {1, 1}, 0, 2, 1]}"),
        ("Log[Series[E^x, {x, 0, 3}]] - 1", "SeriesData[x, 0, {-1, 1}, 0, 4, 1]"),
        ("Normal[Cos[x + O[x]^5]]", "1 - x^2/2 + x^4/24"),
        ("{SeriesCoefficient[Sin[x]/x, {x, 0, 4}], SeriesCoefficient[Series[E^x, {x, 0, 5}], 3]}", "{1/120, 1/6}"),
        ("SeriesCoefficient[Series[E^x, {x, 0, 2}], 3]", "Indeterminate"),
        ("D[Series[Sin[x], {x, 0, 3}], x]", "SeriesData[x, 0, {1, 0, -1/2}, 0, 3, 1]"),
        ("O[x]*O[x, a]", "SeriesData[x, 0, {}, 1, 1, 1]*SeriesData[x, a, {}, 1, 1, 1]"),
    ],
)
def test_series(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


@pytest.mark.parametrize("code", ["Sqrt[x + x^2]*E^x", "Log[1 + x]/x^2", "x/(E^x - 1)", "Cos[Sin[x]]^3", "(1 + x)^(1/3)/(1 - x)"])
def test_a_series_is_near_its_function(code: str, value: Callable[[str], str]) -> None:
    assert value(f"Abs[({code} - Normal[Series[{code}, {{x, 0, 7}}]]) /. x -> 0.01] < 10^-12") == "True"


def test_nothing_is_said_about_infinities(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    evaluation.parse("Series[Gamma[x]*Cot[x], {x, 0, 1}]").evaluate(evaluation)
    assert evaluation.out == []


def test_a_series_is_printed_in_order(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    found = evaluation.parse("SeriesData[x, 1, {2, a}, -1, 2, 1]").evaluate(evaluation)
    terms = series._shown(found, evaluation).elements[0].elements
    expected = [evaluation.parse(text).evaluate(evaluation) for text in ("2/(x - 1)", "a")]
    assert [each.sameQ(other) for each, other in zip(terms, expected, strict=False)] == [True, True]
    assert terms[2].get_head_name() == "System`Power"
    assert terms[2].elements[0].get_head_name() == "System`O"

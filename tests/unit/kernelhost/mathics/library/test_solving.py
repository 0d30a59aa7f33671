"""Solutions over domains and with inequalities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.library import solving


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Solve[x^2 + y^2 == 25 && x > 0 && y > 0, {x, y}, Integers]", "{{x -> 3, y -> 4}, {x -> 4, y -> 3}}"),
        ("Solve[x^2 + y^2 == 3, {x, y}, Integers]", "{}"),
        ("Solve[x + y == 5 && 0 <= x <= y, {x, y}, Integers]", "{{x -> 0, y -> 5}, {x -> 1, y -> 4}, {x -> 2, y -> 3}}"),
        ("Solve[{x*y == 6, x < y}, {x, y}, PositiveIntegers]", "{{x -> 1, y -> 6}, {x -> 2, y -> 3}}"),
        ("Solve[4*x + 6*y == 7, {x, y}, Integers]", "{}"),
        ("Solve[x + y == 8 && x <= y, {x, y}, Primes]", "{{x -> 3, y -> 5}}"),
        ("Solve[x^3 == 8, x, Integers]", "{{x -> 2}}"),
        ("Solve[x^2 == 2, x, Integers]", "{}"),
        ("Solve[E^x == 2, x, Reals]", "{{x -> Log[2]}}"),
        ("Solve[2^x == 8, x, Reals]", "{{x -> 3}}"),
        ("Solve[Tan[x] == 1 && 0 < x < 5, x]", "{{x -> Pi/4}, {x -> (5*Pi)/4}}"),
        ("Solve[Sin[x] == 0 && 0 < x < 10, x]", "{{x -> Pi}, {x -> 2*Pi}, {x -> 3*Pi}}"),
        ("Solve[x^4 == 1, x, Reals]", "{{x -> -1}, {x -> 1}}"),
        ("Solve[x^2 + y^2 == 2 && x == y, {x, y}, Reals]", "{{x -> -1, y -> -1}, {x -> 1, y -> 1}}"),
        ("Solve[x^2 == 4 && x > 0, x]", "{{x -> 2}}"),
        ("Solve[{x^2 == 2, x != Sqrt[2]}, x]", "{{x -> -Sqrt[2]}}"),
        ("Solve[False, x]", "{}"),
    ],
)
def test_solve(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


def test_a_linear_equation_has_a_parameter(value: Callable[[str], str]) -> None:
    one, other = (f"ConditionalExpression[{each}, Element[C[1], Integers]]" for each in ("2 + 3*C[1]", "1 - 2*C[1]"))
    assert value("Solve[2*x + 3*y == 7, {x, y}, Integers]") == f"{{{{x -> {one}, y -> {other}}}}}"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Reduce[x^2 - 7*x + 12 > 0 && 0 < x < 5, x]", "0 < x < 3 || 4 < x < 5"),
        ("Reduce[x^2 > 4 || x < 0, x]", "x < 0 || x > 2"),
        ("Reduce[x^2 <= 9 && x != 0, x]", "Inequality[-3, LessEqual, x, Less, 0] || Inequality[0, Less, x, LessEqual, 3]"),
        ("Reduce[1/x >= 2, x]", "Inequality[0, Less, x, LessEqual, 1/2]"),
        ("Reduce[x > 5 && x < 2, x]", "False"),
        ("Reduce[x^2 >= 0, x]", "True"),
        ("Reduce[(x - 1)^2 <= 0 || x >= 4, x, Reals]", "x == 1 || x >= 4"),
        ("Reduce[x + 2*y == 7 && x > 0 && y > 0, {x, y}, Integers]", "(x == 1 && y == 3) || (x == 3 && y == 2) || (x == 5 && y == 1)"),
        ("Reduce[x^2 + y^2 == 3, {x, y}, Integers]", "False"),
    ],
)
def test_reduce(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


def test_what_is_no_equation_is_said(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    query = evaluation.parse("Solve[x + 1, x]")
    assert query.evaluate(evaluation).elements[0].get_head_name() == "System`Plus"
    said = "1 + x is not a quantified system of equations and inequalities."
    assert [(each.tag, each.text) for each in evaluation.out] == [("naqs", said)]


def test_a_search_without_bounds_is_not_begun(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    one, other, both = (evaluation.parse(text).evaluate(evaluation) for text in ("x", "y", "x - y"))
    with pytest.raises(solving._Unknown):
        solving._Search([("System`Equal", both, one)], [one, other], 0).solutions()

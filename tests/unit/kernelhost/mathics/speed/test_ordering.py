"""The order of sums and products."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.speed.ordering import compared, sorted_terms


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Cos[x]*E^x + Sin[x]*E^x", "E^x*Cos[x] + E^x*Sin[x]"),
        ("x*(a + b) + c", "c + (a + b)*x"),
        ("Expand[(a + b + c)^2]", "a^2 + 2*a*b + b^2 + 2*a*c + 2*b*c + c^2"),
        ("x*Dt[y] + y*Dt[x]", "y*Dt[x] + x*Dt[y]"),
        ("Derivative[1][y][x] + y[x] + g", "g + y[x] + Derivative[1][y][x]"),
        ("x + Sqrt[2] + Pi + 1 + I*x", "1 + Sqrt[2] + Pi + (1 + I)*x"),
        ("x^n + x^2 + 1/x", "x^(-1) + x^2 + x^n"),
        ("{(c + d)*(a + b)*x, (1 + x)^2*x, z*(x + y), a*(x + y)}", "{(a + b)*(c + d)*x, x*(1 + x)^2, (x + y)*z, a*(x + y)}"),
        ("B + b + A + a", "a + A + b + B"),
        ("f[x, y] + g[x] + f[x]", "f[x] + g[x] + f[x, y]"),
        ("{2*x + 3*x, x*y - y*x, x^2*x^3*y*y, 2*x*y + 3*y*x + 1.5*x*y}", "{5*x, 0, x^5*y^2, 6.5*x*y}"),
        ("{-(a + b), -(a + b)*c, -x/2, -2*(a + b)/3}", "{-a - b, -((a + b)*c), -1/2*x, (-2*(a + b))/3}"),
        ("{a*a^(-a), a^(-a)*a, x*x^2*x^n, a^b*a^(-b)}", "{a^(1 - a), a^(1 - a), x^(3 + n), 1}"),
        ("{a*b /. b*a -> 5, a + b /. b + a -> 7}", "{5, 7}"),
    ],
)
def test_sums_and_products_stand_in_order(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


def test_the_order_is_one(definitions: Any) -> None:
    """Of any three expressions, the order of two follows from those with the third."""
    evaluation = Evaluation(definitions, format="unformatted")
    texts = "{2, 2.5, I, \"s\", a, A, b, a^2, a^b, 2*a, a*b, a + b, (a + b)^2, f[a], f[b], g[a], f[a, b], b*f[a], b/a, a[1][2], Sqrt[2]}"
    items = evaluation.parse(texts).evaluate(evaluation).elements
    for one, two in itertools.product(items, items):
        assert compared(one, two) == -compared(two, one)
        assert (compared(one, two) == 0) == one.sameQ(two)
    for one, two, three in itertools.permutations(items, 3):
        if compared(one, two) < 0 and compared(two, three) < 0:
            assert compared(one, three) < 0, (one, two, three)


def test_what_is_nested_too_deeply_is_left_to_mathics(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    deep = evaluation.parse("{Nest[f, a, 300], Nest[f, b, 300]}").evaluate(evaluation).elements
    assert sorted_terms([*deep[::-1]]) == [*deep]

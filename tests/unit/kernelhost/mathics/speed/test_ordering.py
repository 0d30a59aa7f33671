"""The canonical order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.speed import ordering
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
        ("{x*(x - 1), x*(x + 1), n*(n - 1)*(n + 1), (a + x)*x, 2*(x - 1)*x}",
         "{(-1 + x)*x, x*(1 + x), (-1 + n)*n*(1 + n), x*(a + x), 2*(-1 + x)*x}"),
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


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('Sort[{f[2], f[1], {1}, 2, 1/2, 0.3, Pi, "z", g[], x}]', '{0.3, 1/2, 2, "z", Pi, x, g[], f[1], f[2], {1}}'),
        ('Sort[{"b1", "a_", "a", "A", "ab", "é", "f", "e", "Z", "1", "_"}]', '{"_", "1", "a", "A", "a_", "ab", "b1", "e", "é", "f", "Z"}'),
        ("Sort[{I, -I, 1., 1, 2 - 3*I, 2 + I, 2, -5}]", "{-5, -I, I, 1, 1., 2, 2 + I, 2 - 3*I}"),
        ("Sort[{x^3, x*y, y, x, 3, a*x, 2*x^2, x^2*y}]", "{3, x, a*x, 2*x^2, x^3, y, x*y, x^2*y}"),
        ("Union[{b, a[1], A, a, 3, {1}, a[1]}, {B}]", "{3, a, A, b, B, a[1], {1}}"),
        ('SetAttributes[o, Orderless]; o[z, {1, 2}, "s", a[1], 4, A, a, {3}]', 'o[4, "s", a, A, z, a[1], {3}, {1, 2}]'),
        ('{Order[{1, 2}, {3}], Order[x, x^2], Order[3, "a"], Order[a, a], OrderedQ[{{3}, {1, 2}}]}', "{-1, 1, 1, 0, True}"),
        ("Sort[{<|a -> 1|>, <||>, x, 1, {2}}]", "{1, x, <||>, <|a -> 1|>, {2}}"),
        ("Ordering[{{1, 2}, {3}, x, 5}]", "{4, 3, 2, 1}"),
        ("Sort[Table[Nest[f, i, 150], {i, 3, 1, -1}]] === Table[Nest[f, i, 150], {i, 3}]", "True"),
    ],
)
def test_everything_has_its_place(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


def test_the_order_is_one(definitions: Any) -> None:
    """Of any three expressions, the order of two follows from those with the third."""
    evaluation = Evaluation(definitions, format="unformatted")
    items = evaluation.parse("{a - 1, a + 1, a*(a - 1), a - 1/2, a}").evaluate(evaluation).elements
    texts = "{2, 2.5, I, \"s\", a, A, b, a^2, a^b, 2*a, a*b, a + b, (a + b)^2, f[a], f[b], g[a], f[a, b], b*f[a], b/a, a[1][2], Sqrt[2]}"
    items = *items[:4], *evaluation.parse(texts).evaluate(evaluation).elements
    for one, two in itertools.product(items, items):
        assert compared(one, two) == -compared(two, one)
        assert (compared(one, two) == 0) == one.sameQ(two)
    for one, two, three in itertools.permutations(items, 3):
        if compared(one, two) < 0 and compared(two, three) < 0:
            assert compared(one, three) < 0, (one, two, three)


def test_what_is_nested_too_deeply_is_left_to_mathics(definitions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "_DEEPEST", 20)
    evaluation = Evaluation(definitions, format="unformatted")
    deep = evaluation.parse("{Nest[f, a, 40], Nest[f, b, 40]}").evaluate(evaluation).elements
    assert sorted_terms([*deep[::-1]]) == [*deep]

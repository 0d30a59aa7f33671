"""Two values of an expression are compared in numbers."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.engine.agreement import agree


@pytest.mark.parametrize(
    ("question", "one", "other", "expected"),
    [
        ("f[x]", "Sin[2*x]", "2*Sin[x]*Cos[x]", True),
        ("f[x]", "Sin[2*x]", "2*Sin[x]*Cos[x] + 10^-4", False),
        ("f[x]", "{x, y -> a*(b + c)}", "{x, y -> a*b + a*c}", True),
        ("f[x]", "{x, y}", "{y, x}", False),
        ("f[x]", "g[x]", "g[x]", True),
        ("f[x]", "Infinity", "-Infinity", False),
        ("Solve[x^2 == a, x]", "{{x -> Sqrt[a]}, {x -> -Sqrt[a]}}", "{{x -> -a^(1/2)}, {x -> a^(1/2)}}", True),
        ("Solve[x^2 == a, x]", "{{x -> Sqrt[a]}, {x -> -Sqrt[a]}}", "{{x -> Sqrt[a]}}", False),
        ("Solve[x^2 == a, x]", "{{x -> Sqrt[a]}, {x -> -Sqrt[a]}}", "{{x -> Sqrt[a]}, {x -> Sqrt[a]}}", False),
        ("Solve[Sin[x] == 0, x]", "{{x -> 0}}", "{{x -> ConditionalExpression[Pi*C[1], Element[C[1], Integers]]}}", True),
        ("Solve[Sin[x] == 0, x]", "{{x -> 0}}", "{{x -> ConditionalExpression[1 + Pi*C[1], Element[C[1], Integers]]}}", False),
        ("Integrate[Sin[x]*Cos[x], x]", "Sin[x]^2/2", "-Cos[x]^2/2", True),
        ("Integrate[Sin[x]*Cos[x], x]", "Sin[x]^2/2", "Cos[x]^2/2", False),
        ("Integrate[Tan[x]^2, x]", "Tan[x] - x", "Tan[x] - ArcTan[Tan[x]]", False),
        ("Integrate[x, {x, 0, a}]", "a^2/2", "a^2/2 + 1", False),
        ("DSolve[y'[x] == y[x], y[x], x]", "{{y[x] -> C[1]*E^x}}", "{{y[x] -> 2*E^x*C[1]}}", True),
        ("DSolve[y'[x] == y[x], y[x], x]", "{{y[x] -> C[1]*E^x}}", "{{y[x] -> E^x}}", False),
        ("DSolve[y'[x] == y[x], y, x]", "{{y -> Function[{x}, C[1]*E^x]}}", "{{y -> Function[{x}, C[1]*E^(2*x)]}}", False),
        ("DSolve[y''[x] == -y[x], y, x]", "{{y -> Function[{x}, C[2]*Cos[x] + C[1]*Sin[x]]}}",
         "{{y -> Function[{x}, C[1]*Cos[x] + C[2]*Sin[x]]}}", True),
    ],
)  # fmt: skip
def test_values_agree(definitions: Any, question: str, one: str, other: str, expected: bool) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    first, second = (evaluation.parse(text).evaluate(evaluation) for text in (one, other))
    evaluation.out = []
    assert agree(evaluation.parse(question), first, second, evaluation) is expected
    assert evaluation.out == []

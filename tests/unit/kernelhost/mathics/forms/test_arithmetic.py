"""Products and sums, taken apart as they are written."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.forms.arithmetic import inverse, is_call, is_rule, quotient, without_minus
from kernelbus.kernelhost.mathics.forms.inputform import input_form


def held(text: str, definitions: Any) -> Any:
    """Return the evaluated expression of a text."""
    evaluation = Evaluation(definitions, format="unformatted")
    return evaluation.parse(text).evaluate(evaluation)


@pytest.mark.parametrize(
    ("text", "over", "under"),
    [
        ("2 x/3", ["2", "x"], ["3"]),
        ("x/2", ["x"], ["2"]),
        ("-2 x/3", ["-2", "x"], ["3"]),
        ("x y/(z^2 w)", ["x", "y"], ["w", "z^2"]),
        ("a E^-x", ["a"], ["E^x"]),
        ("2 x y", ["2", "x", "y"], []),
        ("1/(x y)", [], ["x", "y"]),
    ],
)
def test_quotient(text: str, over: list[str], under: list[str], definitions: Any) -> None:
    found = quotient(held(text, definitions).elements)
    assert [sorted(map(input_form, factors)) for factors in found] == [sorted(over), sorted(under)]


@pytest.mark.parametrize(
    ("text", "positive"),
    [("-3", "3"), ("-x", "x"), ("-2 x", "2*x"), ("-I", "I"), ("-2.5 x y", "2.5*x*y"), ("x", None), ("2 x", None), ("1 - I", None)],
)
def test_without_minus(text: str, positive: str | None, definitions: Any) -> None:
    found = without_minus(held(text, definitions))
    assert (found if found is None else input_form(found)) == positive


@pytest.mark.parametrize(
    ("text", "divisor"), [("1/x", "x"), ("x^-2", "x^2"), ("E^-x", "E^x"), ("x^(-2 y)", "x^(2*y)"), ("x^2", None), ("x", None)]
)
def test_inverse(text: str, divisor: str | None, definitions: Any) -> None:
    found = inverse(held(text, definitions))
    assert (found if found is None else input_form(found)) == divisor


def test_calls_and_rules(definitions: Any) -> None:
    rule, call = held("a -> b", definitions), held("f[x, y]", definitions)
    assert is_rule(rule)
    assert is_rule(held("a :> b", definitions))
    assert not is_rule(call)
    assert is_call(call, "Global`f")
    assert is_call(call, "Global`f", 2)
    assert not is_call(call, "Global`f", 1)
    assert not is_call(held("f[x][y]", definitions), "Global`f")

"""Compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.library import compiling


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Compile[{{n, _Integer}}, Module[{s = 0}, Do[s += i, {i, n}]; s]][100]", "5050"),
        ("Compile[{{x, _Real}}, x^2 + 1][2]", "5."),
        ("Compile[{x, y}, x + 2*y][1, 2]", "5."),
        ("Compile[{{v, _Real, 1}}, Total[v^2]][{1, 2, 3}]", "14."),
        ("Compile[{{m, _Integer, 2}}, Tr[m]][{{1, 2}, {3, 4}}]", "5"),
        ('Compile[{{x, _Real}}, x + 1, RuntimeAttributes -> {Listable}, CompilationTarget -> "C"][{0, 1}]', "{1., 2.}"),
        ("x = 7; Compile[{{x, _Integer}}, x + 1][2] + x", "10"),
        ("Compile[{{b, True | False}}, If[b, 1, 0]][True]", "1"),
        ("Compile[{{n, _Integer}}, Sqrt[n]][4] + Compile[{{n, _Integer}}, n/4][1]", "2.25"),
        ("Compile[{{z, _Complex}}, z^2][1. + I]", "0. + 2.*I"),
        ("Head[Compile[{x}, x]]", "CompiledFunction"),
        ("Compile[{}, 3][]", "3"),
        ("Compile[{{x, _Real}}, x^2][a]", "a^2"),
    ],
)
def test_a_compiled_function_computes(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("Compile[{x}, x][1, 2]", "Number of arguments 2 does not match the length 1 of the argument template."),
        ("Compile[{{n, _Integer}}, n][2.5]", "Argument 2.5 at position 1 should be a machine-size integer."),
        ("Compile[{3}, 1]", "Variable 3 should be {symbol, type} annotation."),
        ("Compile[{x, x}, x]", "Duplicate parameter x found in {x, x}."),
        ("Compile[x, x]", "Variables should be a list of {symbol, type} annotations."),
    ],
)
def test_what_is_wrong_is_said(code: str, said: str, definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    evaluation.parse(code).evaluate(evaluation)
    assert [each.text for each in evaluation.out] == [said]


def test_the_module_is_this_one(definitions: Any) -> None:
    assert definitions.builtin["System`Compile"].downvalues[0].function.__module__ == compiling.__name__

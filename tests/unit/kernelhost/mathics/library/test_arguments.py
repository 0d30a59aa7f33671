"""Calls with too few or too many arguments."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.library import arguments


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("Sin[1, 2]", "Sin::argx: Sin called with 2 arguments; 1 argument is expected."),
        ("Length[]", "Length::argx: Length called with 0 arguments; 1 argument is expected."),
        ("Divide[1]", "Divide::argr: Divide called with 1 argument; 2 arguments are expected."),
        ("Nest[f, x]", "Nest::argrx: Nest called with 2 arguments; 3 arguments are expected."),
        ("Mod[1]", "Mod::argtu: Mod called with 1 argument; 2 or 3 arguments are expected."),
        ("First[1, 2, 3]", "First::argt: First called with 3 arguments; 1 or 2 arguments are expected."),
    ],
)
def test_the_number_of_arguments_is_wrong(code: str, said: str, definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    query = evaluation.parse(code)
    assert query.evaluate(evaluation).sameQ(query)
    assert [f"{each.symbol}::{each.tag}: {each.text}" for each in evaluation.out] == [said]


def test_other_numbers_of_arguments() -> None:
    said: list[Any] = []

    class Running:
        def message(self, *given: Any) -> None:
            said.append([str(each) for each in given])

    class Head:
        def get_name(self, short: bool = False) -> str:
            return "f" if short else "Global`f"

    class Call:
        def __init__(self, count: int) -> None:
            self.head, self.elements = Head(), [None] * count

    for least, most, given in ((2, None, 0), (2, None, 1), (1, 3, 4), (2, 4, 1), (2, 4, 3), (1, None, 9)):
        arguments._Count(least, most)(Call(given), Running())
    assert [each[1:2] + each[3:] for each in said] == [["argm", "0", "2"], ["argmu", "2"], ["argb", "4", "1", "3"], ["argbu", "2", "4"]]

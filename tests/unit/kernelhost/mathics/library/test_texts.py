"""The texts of messages."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.library import texts


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("{1, 2} + {1, 2, 3}", "Thread::tdlen: Objects of unequal length in {1, 2} + {1, 2, 3} cannot be combined."),
        ("{1, 2} . {1, 2, 3}", "Dot::dotsh: Tensors {1, 2} and {1, 2, 3} have incompatible shapes."),
        ("{{1, 2}} . {{1, 2}}", "Dot::dotsh: Tensors {{1, 2}} and {{1, 2}} have incompatible shapes."),
        ("Inverse[{{1, 2}, {2, 4}}]", "Inverse::sing: Matrix {{1, 2}, {2, 4}} is singular."),
        ("Nest[f, x, -1]", "Nest::intnm: Non-negative machine-sized integer expected at position 3 in Nest[f, x, -1]."),
        ("Table[i, {i, 1, x}]", "Table::iterb: Iterator {i, 1, x} does not have appropriate bounds."),
        ("Do[i, {i, y}]", "Do::iterb: Iterator {i, y} does not have appropriate bounds."),
        ("Most[{}]", "Most::nomost: Cannot take Most of expression {} with length zero."),
        ("Range[1, 5, 0]", "Range::range: Range specification in Range[1, 5, 0] does not have appropriate bounds."),
        ("Range[x]", "Range::range: Range specification in Range[x] does not have appropriate bounds."),
        ("Det[{{1, 2}}]", "Det::matsq: Argument {{1, 2}} at position 1 is not a non-empty square matrix."),
        ("Message[f::nothing, 1]", "f::nothing: -- Message text not found --"),
    ],
)
def test_the_texts(code: str, said: str, definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    query = evaluation.parse(code)
    result = query.evaluate(evaluation)
    assert [f"{each.symbol}::{each.tag}: {each.text}" for each in evaluation.out] == [said]
    assert result.sameQ(query) or code.startswith("Message")


def test_a_range_of_symbols(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    found = evaluation.parse("{Range[a, a + 2], Range[Pi], Range[0, 1, 1/2], Range[0, 1, 0.5], Range[1, 2.5]}").evaluate(evaluation)
    expected = "{{a, 1 + a, 2 + a}, {1, 2, 3}, {0, 1/2, 1}, {0., 0.5, 1.}, {1, 2}}"
    assert found.sameQ(evaluation.parse(expected).evaluate(evaluation))
    assert evaluation.parse("Table[k, {k, 0, 1, 0.5}]").evaluate(evaluation).sameQ(evaluation.parse("{0., 0.5, 1.}"))


def test_string_join_names_what_is_no_string(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    evaluation.parse('StringJoin["a", 2, x]').evaluate(evaluation)
    assert [each.text.split(" in ")[0] for each in evaluation.out] == ["String expected at position 2", "String expected at position 3"]


def test_the_dimensions_of_arrays(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    arrays = {"{}": (0,), "{1}": (1,), "{{1, 2}, {3, 4}}": (2, 2), "{{1}, 2}": (2,), "{{1, 2}, {3}}": (2,), "3": ()}
    for code, expected in arrays.items():
        assert texts._dimensions(evaluation.parse(code).evaluate(evaluation)) == expected

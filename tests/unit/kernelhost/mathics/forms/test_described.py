"""Texts that stand for expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mathics.core.atoms import Integer
from mathics.core.evaluation import Evaluation
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.forms import described as module
from kernelbus.kernelhost.mathics.forms.described import describe, described
from kernelbus.kernelhost.mathics.forms.inputform import input_form
from kernelbus.kernelhost.mathics.forms.outputform import output_form

HEAD = "System`Told"
EXPR = Expression(Symbol(HEAD), Integer(1))


@pytest.fixture(autouse=True)
def told() -> Iterator[None]:
    describe(HEAD, lambda expr, evaluation: "one" if expr.elements else None)
    yield
    del module._MAKERS[HEAD]


def test_both_forms_show_the_text(definitions: Any) -> None:
    evaluation = Evaluation(definitions)
    assert described(EXPR, evaluation) == input_form(EXPR, evaluation) == output_form(EXPR, evaluation) == "one"
    assert input_form(ListExpression(EXPR), evaluation) == "{one}"


def test_an_expression_without_a_text_is_shown_as_any_other(definitions: Any) -> None:
    evaluation = Evaluation(definitions)
    assert input_form(Expression(Symbol(HEAD)), evaluation) == "Told[]"
    assert described(EXPR, None) is None

"""Boxes that are read as expressions."""

from __future__ import annotations

import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.boxes import linear


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('ToExpression[FractionBox["p", "q"]]', "p/q"),
        ('ToExpression[RowBox[{"1", "+", SuperscriptBox["2", "3"]}]]', "9"),
        ('ToExpression[RowBox[{"1", "+", "2"}], StandardForm, Hold]', "Hold[1 + 2]"),
        ('ToExpression[RadicalBox["8", "3"]]', "2"),
        ('ToExpression[RowBox[{"{", RowBox[{SqrtBox["4"], ",", SubscriptBox["p", "1"]}], "}"}]]', "{2, Subscript[p, 1]}"),
        ('ToExpression[StyleBox["5", Bold]]', "5"),
        ('ToExpression[GridBox[{{"1", "2"}}]]', "{{1, 2}}"),
        ('MakeExpression[RowBox[{"1", "+", "2"}], StandardForm]', "HoldComplete[1 + 2]"),
        ("ToExpression[ToBoxes[p -> q^2 && r <= 3]]", "p -> q^2 && r <= 3"),
        ("ToExpression[ToBoxes[{p/q, Sqrt[2], f[x, 1.5], x == y, \"text\"}]]", '{p/q, Sqrt[2], f[x, 1.5], x == y, "text"}'),
        ("ToBoxes[p == q && r]", 'RowBox[{RowBox[{"p", "==", "q"}], "&&", "r"}]'),
        ('ToExpression["1+1"]', "2"),
        ("ToExpression[5]", "5"),
    ],
)
def test_values(loaded: Loaded, code: str, expected: str) -> None:
    assert text_of(loaded, code) == expected


def test_what_is_no_box() -> None:
    from mathics.core.atoms import Integer

    assert linear(Integer(5)) is None

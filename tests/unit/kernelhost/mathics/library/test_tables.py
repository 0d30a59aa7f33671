"""Tables."""

from __future__ import annotations

import pytest
from mathics.core.atoms import Integer, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.forms.inputform import input_form
from kernelbus.kernelhost.mathics.library.tables import associations, read_table, write_table


def shown(rows: list[list[object]]) -> list[list[str]]:
    return [[input_form(field) for field in row] for row in rows]


@pytest.mark.parametrize(
    ("field", "value"),
    [("7", "7"), ("-7", "-7"), (" 7 ", "7"), ("1.5", "1.5"), (".5", "0.5"), ("2e3", "2000."), ("1e999", '"1e999"'), ("1-2", '"1-2"'),
     ("inf", '"inf"'), ("٣", '"٣"'), ("x", '"x"'), ("", '""')],
)  # fmt: skip
def test_a_field_that_looks_like_a_number_is_one(field: str, value: str) -> None:
    assert shown(read_table(f"a,{field}", ",")) == [['"a"', value]]


def test_reading() -> None:
    assert shown(read_table('"x,y",1\r\n"two\nlines",2\n', ",")) == [['"x,y"', "1"], ['"two\\nlines"', "2"]]
    assert shown(read_table("1  2\n 3 4\n", None)) == [["1", "2"], ["3", "4"]]
    assert shown(read_table("head\n1::2\n", "::", numeric=False, skip=1)) == [['"1"', '"2"']]
    assert shown(read_table("1,\n", ",", empty=Integer(0))) == [["1", "0"]]


def test_writing() -> None:
    table = ListExpression(ListExpression(Integer(1), String('a,"b'), Symbol("Global`x")), Integer(2))
    assert write_table(table, ",", input_form) == '1,"a,""b",x\n2\n'
    assert write_table(table, "\t", input_form) == '1\t"a,""b"\tx\n2\n'
    assert write_table(Integer(5), None, input_form) == "5\n"


def test_associations_have_a_row_of_keys() -> None:
    rule = Symbol("System`Rule")
    first = Expression(Symbol("System`Association"), Expression(rule, String("a"), Integer(1)), Expression(rule, String("b"), Integer(2)))
    second = Expression(Symbol("System`Association"), Expression(rule, String("b"), Integer(3)))
    assert write_table(ListExpression(first, second), ",", input_form) == "a,b\n1,2\n,3\n"
    assert input_form(associations(read_table("a,b\n1,2\n", ","))) == '{<|"a" -> 1, "b" -> 2|>}'
    assert input_form(associations([])) == "{}"

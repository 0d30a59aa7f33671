"""JSON."""

from __future__ import annotations

import pytest
from mathics.core.atoms import Complex, Integer, MachineReal, Rational, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.forms.inputform import input_form
from kernelbus.kernelhost.mathics.library.jsontext import JSONError, read_json, write_json

RULE, ASSOCIATION = Symbol("System`Rule"), Symbol("System`Association")


def rules(*pairs: tuple[str, object]) -> list[Expression]:
    return [Expression(RULE, String(key), value) for key, value in pairs]


def test_objects_are_indented_by_tabs() -> None:
    expr = Expression(ASSOCIATION, *rules(("n", ListExpression(Integer(1), ListExpression())), ("e", Expression(ASSOCIATION))))
    assert write_json(expr, "RawJSON") == '{\n\t"n":[\n\t\t1,\n\t\t[]\n\t],\n\t"e":{}\n}'
    assert write_json(expr, "RawJSON", compact=True) == '{"n":[1,[]],"e":{}}'


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (MachineReal(2.0), "RawJSON", "2.0"),
        (MachineReal(1e30), "RawJSON", "1.0e30"),
        (MachineReal(1.5e-7), "RawJSON", "1.5e-7"),
        (String('a"é\n'), "RawJSON", '"a\\"é\\n"'),
        (Symbol("System`Null"), "RawJSON", "null"),
        (Rational(1, 4), "JSON", "0.25"),
        (Symbol("Global`x"), "JSON", '"x"'),
        (Expression(Symbol("System`Missing"), String("x")), "JSON", "null"),
        (ListExpression(*rules(("a", Integer(1)))), "JSON", '{"a":1}'),
        (Expression(Symbol("Global`f"), Integer(1), String("s"), Rational(1, 2)), "ExpressionJSON",
         '["Global`f",1,"\'s\'",["Rational",1,2]]'),
        (Complex(Integer(1), Integer(2)), "ExpressionJSON", '["Complex",1,2]'),
    ],
)  # fmt: skip
def test_writing(value: object, form: str, text: str) -> None:
    assert write_json(value, form, compact=True) == text


@pytest.mark.parametrize("value", [Symbol("Global`x"), Rational(1, 2), ListExpression(*rules(("a", Integer(1))))])
def test_what_raw_json_has_not(value: object) -> None:
    with pytest.raises(JSONError, match="a part of it"):
        write_json(value, "RawJSON")


def test_what_is_too_deep_is_refused() -> None:
    deep = Integer(1)
    for _ in range(600):
        deep = ListExpression(deep)
    with pytest.raises(JSONError, match="nested"):
        write_json(deep, "RawJSON")


@pytest.mark.parametrize(
    ("text", "form", "value"),
    [
        ('{"n": [1, 2.5, null, true, {"a": "\\u00e9"}]}', "RawJSON", '<|"n" -> {1, 2.5, Null, True, <|"a" -> "é"|>}|>'),
        ('{"n": 1, "n": 2}', "RawJSON", '<|"n" -> 2|>'),
        ('{"n": 1, "n": 2}', "JSON", '{"n" -> 1, "n" -> 2}'),
        ("12345678901234567890", "JSON", "12345678901234567890"),
        ("1e400", "JSON", "1.`15.954589770191003*^400"),
        ("\ufeff[]", "JSON", "{}"),
        ('["Plus", 1, "Global`x", ["Rational", 1, 2], "\'s\'", ["List"]]', "ExpressionJSON", 'Plus[1, x, 1/2, "s", {}]'),
    ],
)
def test_reading(text: str, form: str, value: str) -> None:
    shown = input_form(read_json(text, form))
    assert shown == value or (form == "ExpressionJSON" and shown == '1 + x + 1/2 + "s" + {}')


@pytest.mark.parametrize("text", ["{n}", "[1,]", "", "NaN", "[" * 100_000])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(JSONError):
        read_json(text, "RawJSON")


def test_an_object_is_no_expression() -> None:
    with pytest.raises(JSONError, match="no expression"):
        read_json("{}", "ExpressionJSON")

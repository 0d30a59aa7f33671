"""OutputForm in two dimensions, as Wolfram kernels print it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.forms.convert import to_mathics
from kernelbus.kernelhost.mathics.forms.outputform import broken, output_form, page_width
from wstp import Function, Symbol

# An input to evaluate, and the lines of its value.
SHOWN: list[tuple[str, list[str]]] = [
    ("x^2", [" 2", "x"]),
    ("x^2 y", [" 2", "x  y"]),
    ("Expand[(x+y)^3]", [" 3      2          2    3", "x  + 3 x  y + 3 x y  + y"]),
    ("x^-2", [" -2", "x"]),
    ("x^y^2", ["  2", " y", "x"]),
    ("x^(a/b)", [" a/b", "x"]),
    ("E^(x^2/2)", ["  2", " x /2", "E"]),
    ("Exp[-x^2]", ["   2", " -x", "E"]),
    ("Sin[x^2]^2", ["     2 2", "Sin[x ]"]),
    ("(1+1/x)^x", ["     1 x", "(1 + -)", "     x"]),
    ("(a+b)^2", ["       2", "(a + b)"]),
    ("x!^2", ["  2", "x!"]),
    ("1/2", ["1", "-", "2"]),
    ("-1/2", ["  1", "-(-)", "  2"]),
    ("1/x", ["1", "-", "x"]),
    ("-x/y", ["  x", "-(-)", "  y"]),
    ("-2 x/y", ["-2 x", "----", " y"]),
    ("a E^-x", ["a", "--", " x", "E"]),
    ("x/(y z)", [" x", "---", "y z"]),
    ("(a+b)/c^2", ["a + b", "-----", "  2", " c"]),
    ("a - x/2", ["    x", "a - -", "    2"]),
    ("Sqrt[1+x^2]", ["          2", "Sqrt[1 + x ]"]),
    ("1/Sqrt[x]", ["   1", "-------", "Sqrt[x]"]),
    ("1/(1 + 1/(1 + x))", ["    1", "---------", "      1", "1 + -----", "    1 + x"]),
    ("2 x y", ["2 x y"]),
    ("2 (x+y)", ["2 (x + y)"]),
    ("-x y", ["-(x y)"]),
    ("a - b", ["a - b"]),
    ("1/2 + I/2", ["1   I", "- + -", "2   2"]),
    ("I x/2", ["I", "- x", "2"]),
    ("3 - 2 I", ["3 - 2 I"]),
    ("N[Pi]", ["3.14159"]),
    ("1.5*^10", ["      10", "1.5 10"]),
    ("-2.*^-7 x", ["      -7", "-2. 10   x"]),
    ("{100000., 0.00001, 1.*^6}", [" " * 24 + "6", "{100000., 0.00001, 1. 10 }"]),
    ("{1/2, {x^2, b}, \"s\"}", [" 1    2", "{-, {x , b}, s}", " 2"]),
    ("f[x^2, y][z/2]", ["   2     z", "f[x , y][-]", "         2"]),
    ("a -> b/2", ["     b", "a -> -", "     2"]),
    ("x^2 == 4 && !y", [" 2", "x  == 4 && !y"]),
    ("<|a -> x^2|>", ["        2", "<|a -> x |>"]),
    ("{-Infinity, ComplexInfinity}", ["{-Infinity, ComplexInfinity}"]),
    ("#^2 &", ["  2", "#1  & "]),
    ("HoldForm[a/b]", ["a", "-", "b"]),
    ("Row[{x^2, \" is \", y}]", [" 2", "x  is y"]),
    ("Row[{x^2, y}, \", \"]", [" 2", "x , y"]),
    ("Subscript[x, 1]", ["x", " 1"]),
    ("MatrixForm[{{a, 22}, {1/x, 4}}]", ["a   22", "", "1", "-   4", "x"]),
    ("TableForm[{1, 2}]", ["1", "", "2"]),
    ("{InputForm[x^2], y^2}", ["       2", "{x^2, y }"]),
    ("f'[x]/2", ["f'[x]", "-----", "  2"]),
    ("Format[g[u_]] := shown[u, u^2]; g[z]", ["          2", "shown[z, z ]"]),
    ("Nest[1/# &, f[x], 0]", ["f[x]"]),
]


def evaluated(text: str, definitions: Any) -> tuple[Any, Any]:
    evaluation = Evaluation(definitions, format="unformatted", catch_interrupt=False)
    return evaluation.parse(text).evaluate(evaluation), evaluation


@pytest.mark.parametrize(("text", "lines"), SHOWN, ids=[text for text, _ in SHOWN])
def test_layout(text: str, lines: list[str], definitions: Any) -> None:
    value, evaluation = evaluated(text, definitions)
    assert (output_form(value, evaluation) or "").split("\n") == lines


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("a + x^2", 6, "     2\na + x"),
        ("a + x^2", "Infinity", "     2\na + x"),
        ("a + x^2", 5, "a + \n \n      2\n>    x"),
        ("Expand[(a + b)^3]", 13, " 3      2\na  + 3 a  b + \n \n          2\n>    3 a b  + \n \n      3\n>    b"),
        ("1/2 - x/2 - x^2", 7, "1   x\n- - - - \n2   2\n \n      2\n>    x"),
        ("{1/b, x, f[y, z^2]}", 9, " 1\n{-, x, \n b\n \n>    f[y, \n \n      2\n>    z ]}"),
        # No exponent is cut, and what has no place to break is in one line.
        ("y + x^(a + b + c)", 8, " a + b + c\nx          + \n \n>    y"),
        ("x^(a + b + c)", 8, "x ^ (a + b + c)"),
    ],
)
def test_what_is_wider_than_the_page_is_broken(text: str, width: int | str, shown: str, definitions: Any) -> None:
    value, _ = evaluated(f"ToString[{text}, PageWidth -> {width}]", definitions)
    assert value.value == shown


@pytest.mark.parametrize(
    "text", ['"a  "', '{"a\\nb", x^2}']
)
def test_no_layout(text: str, definitions: Any) -> None:
    value, evaluation = evaluated(text, definitions)
    assert output_form(value, evaluation) is None
    if not text.startswith("TableForm"):
        assert evaluated(f"ToString[{text}]", definitions)[0].value == evaluation.format_output(value, "text")


@pytest.mark.parametrize(
    "text", ["Range[3100]", 'Flatten[Table[{i, i/7, N[i], 10.^i, x, "s t", {i, {}}, -i, 2 x + 1}, {i, 240}], 1]']
)
def test_a_list_too_long_to_lay_out_is_in_one_line_as_mathics_writes_it(text: str, definitions: Any) -> None:
    value, evaluation = evaluated(text, definitions)
    assert output_form(value, evaluation) == evaluation.format_output(value, "text")
    lines = (output_form(value, evaluation, 78) or "").split("\n")
    assert len(lines) > 300 and max(len(line.rstrip()) for line in lines) <= 78


def test_depth_is_bounded(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    value: Any = Symbol("x")
    for _ in range(50_000):
        value = Function("f", value)
    assert output_form(to_mathics(value, definitions), evaluation) is None


def test_strings_stay_as_they_are(definitions: Any) -> None:
    value, _ = evaluated('ToString["  a\\n b  "]', definitions)
    assert value.value == "  a\n b  "


def test_a_line_wider_than_the_page_is_broken_behind_a_space() -> None:
    assert broken("{1, 22, 333}", 8) == "{1, 22, \n \n>    333}"
    assert broken("{1, 2}", 8) == "{1, 2}"
    assert broken("abcdefghij", 8) == "abcdefghij"
    assert broken("abcdefghij k lmnop qrst", 8) == "abcdefghij \n \n>    k \n \n>    lmnop \n \n>    qrst"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Short[Range[100]]", "{1, 2, 3, 4, 5, 6, 7, 8, 9, <<82>>, 92, 93, 94, 95, 96, 97, 98, 99, 100}"),
        ("Short[{1, 2}]", "{1, 2}"),
        ("Column[{a, bb}]", "a\nbb"),
        ("Column[{a, bb}, Right]", " a\nbb"),
        ("PaddedForm[{1, 22}, 3]", "{   1,   22}"),
        ("ScientificForm[{0.5, 3, x}]", "        -1\n{5. × 10  , 3, x}"),
        ("NumberForm[{x + 1.23456789, 123456789.}, 3]", "                    8\n{1.23 + x, 1.23 × 10 }"),
        ("BaseForm[{2, x}, 2]", "{10 , x}\n   2"),
        ("HoldForm[f[x_?EvenQ] := x^2]", "                2\nf[x_?EvenQ] := x"),
        ("HoldForm[a; f /@ b]", "a; f /@ b"),
        ("Defer[1 + 1]", "1 + 1"),
        ("{Prefix[f[x]], Postfix[f[x]]}", "{f @ x, x // f}"),
        ("ColumnForm[{a, b}]", "a\nb"),
    ],
)
def test_layouts(code: str, expected: str, definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    assert output_form(evaluation.parse(code).evaluate(evaluation), evaluation) == expected


def test_the_width_of_standard_output_can_be_set(value: Callable[[str], str], definitions: Any) -> None:
    evaluation = Evaluation(definitions)
    assert page_width(evaluation) == 78
    assert value("SetOptions[$Output, PageWidth -> 40]") == "{FormatType -> OutputForm, PageWidth -> 40}"
    assert page_width(evaluation) == 40 and value('Options["stdout", PageWidth]') == "{PageWidth -> 40}"
    value('SetOptions["stdout", {PageWidth -> Infinity}]')
    assert page_width(evaluation) is None

"""InputForm as the Wolfram Language prints it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.forms.convert import to_mathics
from kernelbus.kernelhost.mathics.forms.inputform import input_form, string_text
from wstp import Function, Symbol

# An input to evaluate, and the InputForm of its value.
EVALUATED = [
    ("Expand[(x+y)^3]", "x^3 + 3*x^2*y + 3*x*y^2 + y^3"),
    ("x^2/3", "x^2/3"),
    ("-x", "-x"),
    ("-x y", "-(x*y)"),
    ("-2 x y", "-2*x*y"),
    ("-x/y", "-(x/y)"),
    ("x y/z", "(x*y)/z"),
    ("x/(y z)", "x/(y*z)"),
    ("1/(x y)", "1/(x*y)"),
    ("2 x/3", "(2*x)/3"),
    ("-2 x/3", "(-2*x)/3"),
    ("x/2", "x/2"),
    ("-x/2", "-1/2*x"),
    ("-x y/2", "-1/2*(x*y)"),
    ("-1/(2 x^2)", "-1/2*1/x^2"),
    ("3/(2 x)", "3/(2*x)"),
    ("-2/x", "-2/x"),
    ("a - b", "a - b"),
    ("a - x/2", "a - x/2"),
    ("a - 2 x y", "a - 2*x*y"),
    ("a - 2.5 x", "a - 2.5*x"),
    ("x - 1/3", "-1/3 + x"),
    ("2 (x+y)", "2*(x + y)"),
    ("(a+b)/(c+d)", "(a + b)/(c + d)"),
    ("(x+y)^2", "(x + y)^2"),
    ("x^-1", "x^(-1)"),
    ("x^-2", "x^(-2)"),
    ("-1/x", "-x^(-1)"),
    ("x^(a+b)", "x^(a + b)"),
    ("x^(3/2)", "x^(3/2)"),
    ("x^(2 y)", "x^(2*y)"),
    ("x^-y", "x^(-y)"),
    ("a E^-x", "a/E^x"),
    ("(x^a)^b", "(x^a)^b"),
    ("x^a^b", "x^a^b"),
    ("(-2)^n", "(-2)^n"),
    ("Sqrt[x]", "Sqrt[x]"),
    ("1/Sqrt[x]", "1/Sqrt[x]"),
    ("-1/Sqrt[x]", "-(1/Sqrt[x])"),
    ("x/Sqrt[y]", "x/Sqrt[y]"),
    ("1/3", "1/3"),
    ("-1/3", "-1/3"),
    ("I", "I"),
    ("-I", "-I"),
    ("2 I", "2*I"),
    ("I/2", "I/2"),
    ("3 I/2", "(3*I)/2"),
    ("1 + 2 I", "1 + 2*I"),
    ("1 - I", "1 - I"),
    ("1.5 - 2.5 I", "1.5 - 2.5*I"),
    ("(1+2I) x", "(1 + 2*I)*x"),
    ("I x", "I*x"),
    ("-I x", "(-I)*x"),
    ("a - I x", "a - I*x"),
    ("1 + 2 I + x", "(1 + 2*I) + x"),
    ("0.1", "0.1"),
    ("10.^20", "1.*^20"),
    ("3.14`20", "3.14`20."),
    ("N[1/3, 20]", "0.3333333333333333333335`20."),
    ("{a, {1, -1}, {}}", "{a, {1, -1}, {}}"),
    ("f[x, y][z]", "f[x, y][z]"),
    ("f[]", "f[]"),
    ('<|"a" -> 1, b :> 2|>', '<|"a" -> 1, b :> 2|>'),
    ("a -> -1", "a -> -1"),
    ("Infinity", "Infinity"),
    ("-Infinity", "-Infinity"),
    ("f'[x]", "Derivative[1][f][x]"),
    ("(a && b) || c", "(a && b) || c"),
    ("!(a && b)", "!(a && b)"),
    ("a != b != c", "a != b != c"),
    ("a < b < c", "a < b < c"),
    ("foo`bar", "foo`bar"),
    ("Out[100]", "%100"),
    ("ByteArray[{1, 2}]", 'ByteArray["AQI="]'),
    ('"a\\"b\\\\c\\n\\té"', '"a\\"b\\\\c\\n\\té"'),
    ("Function[{x}, x^2]", "Function[{x}, x^2]"),
]
# Expressions that are printed as they are typed.
HELD = [
    "a/b",
    "-2/x",
    "a = b",
    "a = b = c",
    "f[x_] := x^2",
    "f[x] ^= y",
    "a /: f[a] = 3",
    "x =. ",
    "a; b",
    "a; ",
    "(a; b) + 1",
    "a += 1",
    "x++",
    "++x",
    "a /. b -> c",
    "a /. b /. c",
    "a //. b",
    "a -> b -> c",
    "(a -> b) -> c",
    "a :> b",
    "x_ /; x > 0",
    "x:a | b",
    "x_",
    "x__Integer",
    "x___",
    "x_:1",
    "x_.",
    "_?f",
    "(x_)?NumberQ",
    "a..",
    "(_)..",
    '"a"~~b',
    "a<>b",
    "a . b",
    "a**b",
    "f /@ x",
    "f @@ x",
    "f @@@ x",
    "a @* b",
    "a /* b",
    "a!",
    "a!!",
    "(a!)!",
    "#1 + 1 & ",
    "(#1 & )[x]",
    "(#1 & ) /@ x",
    "##1",
    "#name",
    "a[[1,2]]",
    "f::tag",
    "1 ;; 2",
    "%5",
    "%",
    "a === b",
    "a =!= b",
    "a*(-2)",
    "a - (b + c)",
    "-(a + b)",
    "a/(b/c)",
    "(a + b)[x]",
    "Inequality[a, Less, b, LessEqual, c]",
]


def evaluated(text: str, definitions: Any) -> tuple[Any, Any]:
    evaluation = Evaluation(definitions, format="unformatted")
    query = evaluation.parse(text)
    assert query is not None, f"{text} cannot be read"
    return query.evaluate(evaluation), evaluation


@pytest.mark.parametrize(("text", "form"), EVALUATED, ids=[text for text, _ in EVALUATED])
def test_values(text: str, form: str, definitions: Any) -> None:
    value, evaluation = evaluated(text, definitions)
    assert input_form(value, evaluation) == form
    again, _ = evaluated(form, definitions)
    assert again.sameQ(value)


@pytest.mark.parametrize("text", HELD)
def test_notation(text: str, definitions: Any) -> None:
    value, evaluation = evaluated(f"Hold[{text}]", definitions)
    assert input_form(value, evaluation) == f"Hold[{text}]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ToString[Expand[(x+y)^3], InputForm]", "x^3 + 3*x^2*y + 3*x*y^2 + y^3"),
        ("ToString[a/b, FormatType -> InputForm, PageWidth -> Infinity]", "a/b"),
        ("ToString[a/b, FormatType -> OutputForm, PageWidth -> 40]", "a\n-\nb"),
        ("ToString[a/b]", "a\n-\nb"),
        ('ToString["x", InputForm]', '"x"'),
        ("ToString[a != b && c -> d]", "a != b && c -> d"),
        ("ToString[{InputForm[a^2/3], b^2}]", "         2\n{a^2/3, b }"),
        ("ToString[InputForm[1/3]]", "1/3"),
        ("Format[f[x_], InputForm] := g[x]; ToString[{f[1]}, InputForm]", "{g[1]}"),
    ],
)
def test_to_string_prints_it(text: str, shown: str, definitions: Any) -> None:
    value, _ = evaluated(text, definitions)
    assert value.value == shown


def test_names_are_shortened_by_context(definitions: Any) -> None:
    value, evaluation = evaluated("{Global`x, System`Sin, mine`y}", definitions)
    assert input_form(value, evaluation) == "{x, Sin, mine`y}"
    definitions.set_current_context("mine`")
    assert input_form(value, evaluation) == "{x, Sin, y}"
    assert input_form(value) == "{x, Sin, mine`y}"


def test_control_characters_are_escaped() -> None:
    assert string_text('a"\\\n\t\r\x01\x7f\uf74cé') == '"a\\"\\\\\\n\\t\\r\\.01\\.7f\uf74cé"'


@pytest.mark.parametrize("head", ["f", "Plus", "Times", "Power", "List", "Function", "Not"])
def test_depth_costs_no_stack(head: str, definitions: Any) -> None:
    value: Any = Symbol("x")
    for _ in range(50_000):
        value = Function(head, 2, value) if head in ("Plus", "Times", "Power") else Function(head, value)
    text = input_form(to_mathics(value, definitions))
    assert "x" in text
    assert len(text) > 50_000


names = st.sampled_from(["a", "b", "x"]).map(Symbol)
# Few digits: Mathics3 reads 17 digits as more than a machine number.
reals = st.integers(-(10**6), 10**6).filter(bool).map(lambda n: n / 64)
HEADS = [
    "Plus",
    "Times",
    "Power",
    "Rule",
    "And",
    "Or",
    "Equal",
    "Less",
    "Set",
    "Alternatives",
    "Map",
    "Apply",
    "Dot",
]
notations = st.recursive(
    st.one_of(st.integers(0, 20), reals.map(abs), names, st.text('ab\\"\n', max_size=3)),
    lambda inner: st.one_of(
        st.builds(Function, st.sampled_from(HEADS).map(Symbol), inner, inner),
        st.builds(Function, st.sampled_from(["Not", "Function"]).map(Symbol), inner),
        st.builds(Function, st.just(Symbol("g")), inner, inner),
        st.builds(Function, inner.filter(lambda head: not isinstance(head, str)), inner),
        st.lists(inner, max_size=3),
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(value=notations)
def test_notation_reads_back(value: Any, definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    text = input_form(to_mathics(Function("Hold", value), definitions), evaluation)
    again = evaluation.parse(text)
    assert again is not None, text
    assert input_form(again, evaluation) == text


numbers = st.one_of(
    st.integers(-20, 20),
    st.builds(lambda p, q: Function("Rational", p, q), st.integers(-9, 9).filter(bool), st.integers(2, 9)),
    reals,
    st.builds(lambda re, im: Function("Complex", re, im), st.integers(-3, 3), st.integers(1, 3)),
)
arithmetic = st.recursive(
    st.one_of(numbers, names),
    lambda inner: st.one_of(
        st.builds(Function, st.sampled_from(["Plus", "Times"]).map(Symbol), inner, inner),
        st.builds(
            lambda base, n: Function("Power", base, n), names, st.sampled_from([-2, -1, 2, Symbol("a")])
        ),
        st.builds(lambda base: Function("Power", base, Function("Rational", -1, 2)), names),
        st.builds(lambda base, n: Function("Power", base, Function("Times", -1, n)), names, names),
        st.builds(Function, st.just(Symbol("g")), inner),
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(value=arithmetic)
def test_arithmetic_reads_back(value: Any, definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    # Evaluate twice: some sums are not final after one evaluation.
    expr = to_mathics(value, definitions).evaluate(evaluation).evaluate(evaluation)
    text = input_form(expr, evaluation)
    again = evaluation.parse(text)
    assert again is not None, text
    assert input_form(again.evaluate(evaluation), evaluation) == text

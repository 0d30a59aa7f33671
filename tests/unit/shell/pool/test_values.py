"""Expressions as Python values, and back."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from kernelbus.shell.pool.values import to_expr, to_python
from wstp import BigReal, Expr, Function, Symbol, same, write_expression

RATIONAL, COMPLEX, RULE, ASSOCIATION = map(Symbol, ["Rational", "Complex", "Rule", "Association"])


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        (1, 1),
        ("text", "text"),
        (Symbol("True"), True),
        (Symbol("System`False"), False),
        (Symbol("Null"), None),
        (Symbol("x"), Symbol("x")),
        (BigReal("1.5`20."), BigReal("1.5`20.")),
        (RATIONAL(1, 3), Fraction(1, 3)),
        (Symbol("System`Rational")(-1, 3), Fraction(-1, 3)),
        (COMPLEX(1.5, -2.0), 1.5 - 2j),
        (COMPLEX(1, 2), 1 + 2j),
        ([Symbol("True"), [RATIONAL(1, 2)], []], [True, [Fraction(1, 2)], []]),
        (ASSOCIATION(RULE("a", 1), RULE(2, [Symbol("Null")])), {"a": 1, 2: [None]}),
        (ASSOCIATION(), {}),
    ],
)
def test_what_has_a_counterpart_in_python(expr: Expr, value: object) -> None:
    got = to_python(expr)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    "expr",
    [
        Symbol("f")(Symbol("True"), RATIONAL(1, 2)),
        COMPLEX(10**30 + 1, 0),
        COMPLEX(10**400, 0),
        COMPLEX(RATIONAL(1, 2), 1),
        RATIONAL(1, Symbol("x")),
        RATIONAL(1, 0),
        ASSOCIATION(RULE([1], 2)),
        ASSOCIATION(RULE(1, "a"), RULE(1.0, "b")),
        ASSOCIATION(Symbol("RuleDelayed")(1, 2)),
        ASSOCIATION(3),
        Symbol("List"),
    ],
)
def test_what_has_none_stays_as_it_is(expr: Expr) -> None:
    assert same(to_python(expr), expr)


def test_arrays_are_left_alone() -> None:
    array = np.arange(3)
    assert to_python(array) is array
    assert to_expr(array) is array
    assert to_python([1, array])[1] is array


@pytest.mark.parametrize(
    ("value", "expr"),
    [
        (Fraction(1, 3), RATIONAL(1, 3)),
        (Fraction(4), 4),
        (range(3), [0, 1, 2]),
        ([range(2), (Fraction(1, 2), 1)], [[0, 1], [RATIONAL(1, 2), 1]]),
        ({"a": Fraction(1, 2)}, ASSOCIATION(RULE("a", RATIONAL(1, 2)))),
        (Symbol("f")(range(1), [Fraction(1, 2)]), Symbol("f")([0], [RATIONAL(1, 2)])),
        (None, None),
        (1.5 + 2j, 1.5 + 2j),
    ],
)
def test_what_python_has_besides(value: object, expr: Expr) -> None:
    assert to_expr(value) == expr
    write_expression(to_expr(value))


def test_what_stands_for_nothing_is_left_to_the_writer_to_refuse() -> None:
    with pytest.raises(TypeError):
        write_expression(to_expr([{1, 2}]))


def test_depth_is_no_matter() -> None:
    deep: Expr = Symbol("True")
    for _ in range(100_000):
        deep = [deep]
    got = to_python(deep)
    for _ in range(100_000):
        (got,) = got
    assert got is True
    deep = Fraction(1, 2)
    for _ in range(100_000):
        deep = Function("f", deep)
    assert len(write_expression(to_expr(deep))) > 0

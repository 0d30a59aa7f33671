"""Expressions as Python values, and back."""

from __future__ import annotations

import collections
import dataclasses
import enum
import math
import pathlib
import re
import threading
import types
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from kernelbus.shell.pool import values
from kernelbus.shell.pool.picture import Picture
from kernelbus.shell.pool.values import register_converter, to_expr, to_python
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
        (BigReal("1.5`4."), Decimal("1.500")),
        (Symbol("DirectedInfinity")(-1), -math.inf),
        (Symbol("DirectedInfinity")(COMPLEX(0, 1)), Symbol("DirectedInfinity")(COMPLEX(0, 1))),
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


@dataclasses.dataclass
class Point:
    x: int
    rest: list[Any]


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Length:
    def __init__(self, metres: float) -> None:
        self.metres = metres


@pytest.mark.parametrize(
    ("value", "expr"),
    [
        (math.inf, Symbol("DirectedInfinity")(1)),
        ([1.0, -math.inf], [1.0, Symbol("DirectedInfinity")(-1)]),
        ([1, 2.5, math.nan], [1, 2.5, Symbol("Indeterminate")]),
        ([1e308, 1e308], [1e308, 1e308]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset(), []),
        (Point(1, [Fraction(1, 2)]), ASSOCIATION(RULE("x", 1), RULE("rest", [RATIONAL(1, 2)]))),
        ([Colour.RED, Level.LOW], ["red", 1]),
        (collections.OrderedDict(a=1), ASSOCIATION(RULE("a", 1))),
        (types.MappingProxyType({"a": 1}), ASSOCIATION(RULE("a", 1))),
        (collections.deque([1, 2]), [1, 2]),
        (collections.namedtuple("Pair", "a b")(1, 2), [1, 2]),
        ([True, np.True_, bytearray(b"x")], [True, True, b"x"]),
        (pathlib.PurePosixPath("a/b"), "a/b"),
    ],
)
def test_what_travels_as_something_else(value: object, expr: Expr) -> None:
    assert same(to_expr(value), expr)
    write_expression(to_expr(value))


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (object(), "the value is of type object, which cannot travel"),
        ([1, {"a": [2, object()]}, 3], "the value, at [1]['a'][1], is of type object,"),
        (Point(1, [lambda: 0]), "the value, at .rest[0], is of type function,"),
        (Symbol("f")(1, [[], object()]), "the value, at [1][1], is of type object,"),
        ({object: 1}, "the value, at  key <class 'object'>, is of type type"),
        ([threading.Lock()], "register_converter(_thread.lock, function)"),
    ],
)
def test_what_cannot_travel_is_named_with_its_place(value: object, where: str) -> None:
    with pytest.raises(TypeError, match=re.escape(where)):
        to_expr(value)


def test_what_holds_itself_cannot_travel() -> None:
    own: list[Any] = [1]
    own.append([own])
    point = Point(1, [])
    point.rest.append(point)
    for value in (own, point):
        with pytest.raises(TypeError, match="holds itself"):
            to_expr(value)
    twice = [1.5]
    assert to_expr([twice, twice]) == [[1.5], [1.5]]


def test_a_program_adds_types_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "_converters", {})
    monkeypatch.setattr(values, "_readers", {})
    metres = Symbol("Metres")
    register_converter(Length, lambda length: metres(length.metres), head="Metres", from_expr=Length)
    assert to_expr([Length(1.5), Point(1, [Length(math.inf)])])[0] == metres(1.5)
    assert to_python([metres(2.5)])[0].metres == 2.5
    assert to_python(metres(1, 2)) == metres(1, 2)  # which from_expr refuses
    register_converter(Length, lambda length: 1 / 0)
    with pytest.raises(TypeError, match="whose converter failed: ZeroDivisionError"):
        to_expr([Length(1)])
    register_converter(Length, lambda length: length)
    with pytest.raises(TypeError, match="again and again"):
        to_expr(Length(1))


def test_a_converter_that_can_have_no_effect_is_refused() -> None:
    for wrong in (int, "int"):
        with pytest.raises(TypeError, match="converter"):
            register_converter(wrong, str)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="go together"):
        register_converter(Length, str, head="x")


def test_pictures_are_drawn_when_they_are_looked_at() -> None:
    asked: list[object] = []
    (picture, number) = to_python([Symbol("Graphics")([]), 1], lambda expr, form: asked.append((expr, form)) or "<svg/>")
    assert isinstance(picture, Picture) and number == 1 and asked == []
    assert picture.svg == picture.svg == "<svg/>"
    assert asked == [(Symbol("Graphics")([]), "SVG")]
    assert same(to_expr([picture])[0], Symbol("Graphics")([]))
    assert type(to_expr([picture])[0]) is Function
    write_expression([picture])


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

"""Values: equality, hashes, copies, bounds of repr, depth."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from wstp import BigReal, Function, Symbol, same
from wstp.expr import real_text

f, g = Symbol("f"), Symbol("g")


def nest(levels: int, leaf: Any = 1) -> Function:
    made = f(leaf)
    for _ in range(levels):
        made = g(made)
    return made


def test_symbols_and_functions() -> None:
    assert f(1, 2) == Function(f, 1, 2) == Function("f", 1, 2)
    assert (f(1, 2).head, f(1, 2).args, len(f(1, 2)), f(1, 2)[1], list(f(1, 2))) == (f, (1, 2), 2, 2, [1, 2])
    assert bool(f())
    assert Symbol("Derivative")(1)(f)(Symbol("x")).head == Symbol("Derivative")(1)(f)
    assert repr(f(1)("a")) == "Symbol('f')(1)('a')"
    assert str(f) == "f"
    for wrong, error in [("", ValueError), (1, TypeError)]:
        with pytest.raises(error):
            Symbol(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [f, f(1), BigReal("1.`20.")])
def test_values_cannot_be_changed(value: Any) -> None:
    name = value.__slots__[0] if isinstance(value.__slots__, tuple) else value.__slots__
    with pytest.raises(AttributeError):
        setattr(value, name, 1)
    with pytest.raises(AttributeError):
        delattr(value, name)
    assert copy.copy(value) == value
    assert copy.deepcopy(value) == value
    assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize(
    ("left", "right"),
    [(f(1), f(1.0)), (f(1), f(True)), (f(1), f("1")), (f(f), f("f")), (f(1), f(1, 1)), (f(1), g(1)), (f([1]), f(f(1))),
     (f(np.array([1])), f([1])), (f(np.array([1])), f(np.array([1.0]))), (f(np.array([1])), f(np.array([[1]])))],
)  # fmt: skip
def test_different(left: Function, right: Function) -> None:
    assert left != right
    assert not same(left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [(f([1, 2]), f((1, 2))), (f(np.array([1.5])), f(np.array([1.5]))), (f(0.0), f(-0.0)), (f(np.float32([0.5])), f(np.array([0.5])))],
)
def test_equal(left: Function, right: Function) -> None:
    assert left == right
    assert hash(left) == hash(right)


def test_same_is_bit_by_bit() -> None:
    nan = float("nan")
    assert same([nan, f(nan)], [-nan, f(nan)])
    assert not same(0.0, -0.0)
    assert not same(np.float32([0.5]), np.array([0.5]))
    assert same(np.array([nan]), np.array([nan]))
    assert f(1) != 1


def test_a_hundred_thousand_levels() -> None:
    one, other = nest(100_000), nest(100_000)
    assert one == other
    assert hash(one) == hash(other)
    assert one != nest(100_000, 2)
    assert len(repr(one)) < 20_000
    assert copy.deepcopy(one) == one
    heads = f
    for _ in range(100_000):
        heads = heads()  # type: ignore[assignment]
    assert heads != one
    lists: Any = []
    for _ in range(100_000):
        lists = [f(lists)]
    assert same(lists, lists[:])
    del one, other, heads, lists


def test_copies_share_nothing_that_can_change() -> None:
    inner = [1, np.zeros(2)]
    copied = copy.deepcopy(f(inner))
    inner[1][0] = 5
    inner.append(2)
    assert copied.args[0][1][0] == 0
    assert len(copied.args[0]) == 2


def test_repr_is_bounded() -> None:
    for value in [f("x" * 10**6), f(*range(10**5)), f(np.zeros(10**6)), f(10**5000), f(b"x" * 10**5), f(BigReal("1" * 10**5 + "."))]:
        assert len(repr(value)) < 20_000


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5`20.", 1.5), ("-2.`3*^2", -200.0), ("0``30.", 0.0), ("1.`20.*^-1000", 0.0), ("1.`*^999", float("inf"))],
)
def test_big_reals(text: str, value: float) -> None:
    assert float(BigReal(text)) == value
    assert BigReal(text) == BigReal(text)
    assert BigReal(text) != text


@pytest.mark.parametrize(("text", "plain"), [("1.5*^+3", "1.5*^3"), ("+1.5`20*^+07", "1.5`20*^07"), ("+.5", ".5")])
def test_a_plus_sign_is_left_out(text: str, plain: str) -> None:
    assert BigReal(text).text == plain


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1.5e3\0`20.", "1.5`20.*^3"),
        ("-1.5E-03\0``20", "-1.5``20*^-3"),
        ("1.5e3\0", "1.5*^3"),
        ("1.5\0", "1.5"),
        ("1.5\0`", "1.5`"),
        ("1.5\0`20.\0", "1.5`20."),
        ("1.5e3\0\ufffd\x01`20.", "1.5`20.*^3"),
        ("1.5e3\ufffd\ufffd", "1.5*^3"),
        ("1.e400", "1.*^400"),
        ("+5e+0", "5*^0"),
        ("1.5`20e3", None),
        ("1.5e3`20", None),
        ("1.5\0" + "`20.e3", "1.5"),
        ("\0`20.", None),
        ("12x", None),
        ("", None),
    ],
)
def test_reals_put_as_text(text: str, read: str | None) -> None:
    assert real_text(text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("3.14159265358979323846\0`2", "3.14159265358979323846`21."),
        ("3.14159265358979323846\0`20", "3.14159265358979323846`20"),
        ("0.00125\0`2", "0.00125`2"),
        ("3.14159265358979323846\0``2", "3.14159265358979323846``2"),
        ("3.14159265358979323846e5\0`2", "3.14159265358979323846`2*^5"),
    ],
)
def test_a_precision_whose_last_digit_was_cut_off_counts_no_less_than_the_digits(text: str, read: str) -> None:
    assert real_text(text, cut=True) == read


@pytest.mark.parametrize("text", ["", "x", "1.5*", "1..5", "--1", "1`2`3", "1*^", "1 ", "١", "++1", "1*^+", "1e5"])
def test_texts_that_are_no_reals(text: str) -> None:
    with pytest.raises(ValueError, match="InputForm"):
        BigReal(text)

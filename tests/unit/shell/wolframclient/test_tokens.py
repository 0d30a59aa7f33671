"""Expressions as the tokens of WXF, read by wolframclient's consumers."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pytest
from wolframclient.deserializers import WXFConsumer, WXFConsumerNumpy, binary_deserialize
from wolframclient.language import Global, wl
from wolframclient.utils.packedarray import PackedArray

from kernelbus.shell.wolframclient.tokens import SYSTEM, tokens, unqualified, write_wxf
from wstp import BigReal, Expr, Function, Symbol

RULE, DELAYED, ASSOCIATION = Symbol("Rule"), Symbol("RuleDelayed"), Symbol("Association")


def read(expr: Expr, consumer: Any = None, **contexts: str) -> Any:
    """Read an expression, and check that its WXF reads the same."""
    consumer = WXFConsumerNumpy() if consumer is None else consumer
    value = consumer.next_expression(tokens(expr, contexts))
    again = binary_deserialize(write_wxf(tokens(expr, contexts)), consumer=consumer)
    assert repr(again) == repr(value)
    return value


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        *((number, number) for number in (0, 127, -128, 128, 2**15, -(2**31), 2**63 - 1, -(2**63), 2**63, -(10**50))),
        *((1.5, 1.5), ("é\0", "é\0"), (b"\xff", b"\xff"), ([], ()), ([1, [2, "x"]], (1, (2, "x")))),
        *((Symbol("True"), True), (Symbol("System`False"), False), (Symbol("Null"), None), (Symbol("None"), None)),
        (BigReal("3.14`30.*^20"), decimal.Decimal("3.14e20")),
        (Symbol("Rational")(1, 3), wl.Rational(1, 3)),
        (Symbol("f")(1)(Symbol("Pi")), wl.f(1)(wl.Pi)),
        (ASSOCIATION(RULE("a", 1), DELAYED(2, [3])), {"a": 1, 2: (3,)}),
        (Symbol("System`Association")(), {}),
        (ASSOCIATION(1), wl.Association(1)),
        (RULE(1, 2), wl.Rule(1, 2)),
        (np.zeros((2, 0)), ((), ())),
    ],
)
def test_an_expression_is_what_wxf_would_be(expr: Expr, value: Any) -> None:
    assert read(expr) == value


def test_arrays_are_numpys_or_lists_as_the_consumer_likes() -> None:
    array = np.arange(6.0).reshape(2, 3)
    made = read(array)
    assert isinstance(made, PackedArray) and np.array_equal(made, array) and made.dtype == np.float64
    assert read(array, WXFConsumer()) == array.tolist()
    assert read(np.array([1, 2], ">u2")).dtype == np.int64  # there are no unsigned packed arrays
    assert read(np.array([1 + 2j], "c8")).dtype == np.complex64


@pytest.mark.parametrize(
    ("values", "named", "dtype"),
    [
        ([1, 255], "UnsignedInteger8", "u1"),
        ([[1, 2], [3, 4]], Symbol("System`Real32"), "f4"),
        ([Symbol("Complex")(1.0, 2.0), 3.0], "ComplexReal64", "c16"),
        (np.arange(3), "Integer16", "i2"),
    ],
)
def test_numeric_arrays_are_arrays(values: Expr, named: Expr, dtype: str) -> None:
    made = read(Symbol("NumericArray")(values, named))
    assert made.dtype == dtype and not isinstance(made, PackedArray)
    assert made.shape == np.shape(np.asarray(values, object))


@pytest.mark.parametrize("args", [([1], "Nonsense"), ([Symbol("x")], "Real64"), (3, "Real64"), ([], "Real64"), ([[1], [2, 3]], "Real64")])
def test_what_is_no_numeric_array_stays_a_function(args: tuple[Expr, ...]) -> None:
    assert read(Function(Symbol("NumericArray"), *args)).head == wl.NumericArray


def test_names_get_their_contexts() -> None:
    expr = [Symbol("x"), Symbol("Plot")(Symbol("A`y")), ASSOCIATION(RULE(Symbol("key"), Symbol("True")))]
    assert unqualified(expr, SYSTEM) == {"x", "Plot", "key"}
    value = read(expr[:2], x="Global`", Plot="System`")
    assert value == (Global.x, wl.Plot(wl.A.y))
    assert read(Symbol("A`System`x")) == wl.A.System.x


def test_programs_consumers_are_called_as_for_wxf() -> None:
    class Own(WXFConsumer):  # type: ignore[misc]
        def build_function(self, head: Any, arg_list: Any, **kwargs: Any) -> Any:
            return complex(*arg_list) if head == wl.Complex else super().build_function(head, arg_list, **kwargs)

        def consume_string(self, current_token: Any, tokens: Any, **kwargs: Any) -> str:
            return f"<{current_token.data}>"

    assert read([Symbol("Complex")(1, 2), "a", ASSOCIATION(RULE("k", 1))], Own()) == (1 + 2j, "<a>", {"<k>": 1})


def test_large_and_deep_expressions() -> None:
    big = 10**5000
    assert WXFConsumer().next_expression(tokens(big)) == big
    assert write_wxf(tokens(big)) == b"8:I\x89\x27" + b"1" + b"0" * 5000
    deep: Expr = 1
    for _ in range(50_000):
        deep = [deep]
    assert len(write_wxf(tokens(deep))) == 2 + 50_000 * 8 + 2
    with pytest.raises(TypeError, match="object stands for no expression"):
        list(tokens([object()]))

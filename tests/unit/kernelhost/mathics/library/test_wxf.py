"""WXF, beside bytes that wolframclient 1.4 has written."""

from __future__ import annotations

import numpy as np
import pytest
from mathics.core.atoms import ByteArray, Integer, NumericArray, PrecisionReal, Rational, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.forms.inputform import input_form
from kernelbus.kernelhost.mathics.forms.precision import complex_number, machine_real
from kernelbus.kernelhost.mathics.library.wxf import WXFError, read_wxf, write_wxf

RULE, DELAYED, ASSOCIATION = Symbol("System`Rule"), Symbol("System`RuleDelayed"), Symbol("System`Association")

RECORDED = [
    ("383a66057308476c6f62616c60667308476c6f62616c607843016a2c0169701101004c0000000000010000", "f[x, 1, 300, 70000, 1099511627776]"),
    ("383a660473044c697374430143ff7200000000000004405302c3a9", '{1, -1, 2.5, "é"}'),
    ("383a41022d53016143012d530162660273044c69737473045472756573044e756c6c", '<|"a" -> 1, "b" -> {True, Null}|>'),
    ("383a660173044c697374491f31323637363530363030323238323239343031343936373033323035333736", "{1267650600228229401496703205376}"),
    ("383a42020102", 'ByteArray["AQI="]'),
    ("383a66027308526174696f6e616c43014302", "1/2"),
    ("383a66027307436f6d706c657872000000000000f03f720000000000000040", "1. + 2.*I"),
]


@pytest.mark.parametrize(("recorded", "shown"), RECORDED)
def test_recorded_bytes_are_read_and_written(recorded: str, shown: str) -> None:
    data = bytes.fromhex(recorded)
    expr = read_wxf(data)
    assert input_form(expr) == shown
    assert write_wxf(expr) == data


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("383a660173044c697374c2230102000000000000f83f0000000000000440", '{NumericArray[{1.5, 2.5}, "Real64"]}'),
        ("383ac1010202020100020003000400", "{{1, 2}, {3, 4}}"),
        ("383a5207312e3560603238", "1.5``28."),
        ("38433a789c4b632d66f1c92c2e71668441002acf03d3", "{1, 1, 1, 1, 1}"),
    ],
)
def test_other_recorded_bytes_are_read(recorded: str, shown: str) -> None:
    shown_here = input_form(read_wxf(bytes.fromhex(recorded)))
    assert shown_here == shown or (shown.startswith("1.5``") and shown_here.startswith("1.5`28.17"))


@pytest.mark.parametrize(
    "expr",
    [
        Expression(ASSOCIATION, Expression(RULE, Integer(1), Expression(ASSOCIATION)), Expression(DELAYED, String("b"), Integer(2))),
        Expression(Expression(Symbol("Global`f"), Integer(1)), Integer(2)),
        Expression(ASSOCIATION, Integer(1)),
        ListExpression(*map(Integer, (127, 128, -128, -129, 2**15, -(2**31) - 1, 2**63, -(2**63) - 1))),
        ListExpression(String("x" * 200), Rational(-3, 7), complex_number(Integer(1), Rational(1, 2)), machine_real(-0.0)),
        ListExpression(PrecisionReal("1.5"), ByteArray(b""), Symbol("a`b`c")),
    ],
)
def test_what_is_written_is_read(expr: object) -> None:
    for compress in (False, True):
        assert input_form(read_wxf(write_wxf(expr, compress=compress))) == input_form(expr)


def test_arrays() -> None:
    array = np.arange(6, dtype="int16").reshape(2, 3)
    read = read_wxf(write_wxf(NumericArray(array)))
    assert (read.value == array).all()
    assert read.value.dtype == np.int16


def test_a_deep_expression() -> None:
    expr = Integer(1)
    for _ in range(20_000):
        expr = ListExpression(expr)
    assert write_wxf(read_wxf(write_wxf(expr))) == write_wxf(expr)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "do not begin"),
        (b"7:C\x01", "do not begin"),
        (b"8:", "too early"),
        (b"8:f", "too early"),
        (b"8:f\x02s\x04ListC\x01", "too early"),
        (b"8:C\x01C", "left behind"),
        (b"8:Q", "begins no expression"),
        (b"8:S\xff\xff\xff\xff\x7fx", "larger than what follows"),
        (b"8:f" + b"\xff" * 9 + b"\x01", "too large"),
        (b"8:I\x02ab", "is not a number"),
        (b"8:A\x01C\x01C\x01", "larger than what follows|rule"),
        (b"8:A\x01CC\x01C\x01", "a rule"),
        (b"8:S\x01\xff", "not UTF-8"),
        (b"8:\xc1\x77\x01\x01a", "not a type"),
        (b"8C:abc", "compressed"),
    ],
)
def test_what_is_no_wxf(data: bytes, why: str) -> None:
    with pytest.raises(WXFError, match=why):
        read_wxf(data)


def test_every_cut_is_noticed() -> None:
    data = write_wxf(ListExpression(String("abc"), Integer(300), Expression(ASSOCIATION, Expression(RULE, Integer(1), Integer(2)))))
    for end in range(len(data)):
        with pytest.raises(WXFError):
            read_wxf(data[:end])

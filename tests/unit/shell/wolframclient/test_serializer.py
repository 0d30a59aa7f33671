"""Python values as expressions, by wolframclient's encoders."""

from __future__ import annotations

import datetime
import decimal
import fractions
from collections import OrderedDict
from types import GeneratorType
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image
from wolframclient.deserializers import binary_deserialize
from wolframclient.language import Global, wl, wlexpr
from wolframclient.language.array import NumericArray
from wolframclient.serializers import export, wolfram_encoder
from wolframclient.utils.packedarray import PackedArray

from kernelbus.shell.wolframclient.serializer import WSTPSerializer
from kernelbus.shell.wolframclient.tokens import tokens, write_wxf
from wstp import Function, Symbol, same

VALUES = [
    *(0, -1, 127, 128, -129, 2**31, -(2**63), 2**63, 10**300),
    *(1.5, -0.0, float("inf"), float("-inf"), float("nan"), 1 + 2j),
    *("", "é\0\U0001f600", b"", b"\x00\xff", bytearray(b"ab"), memoryview(b"ab")),
    *(True, False, None),
    *([], [1, [2.0, "x"]], (1, 2), {1, 2}, {"a": {"b": None}}, OrderedDict(a=1), range(3), (number for number in (1, 2))),
    *(fractions.Fraction(1, 3), decimal.Decimal("1.25"), decimal.Decimal("-Infinity"), decimal.Decimal("NaN")),
    *(wl.Plus(1, Global.x), wl.f(1, a=2), wl.f(1)(2), wlexpr("#^2 &"), wl.ABC.x),
    datetime.datetime(2020, 2, 3, 4, 5, 6, 700000),
    datetime.datetime(2020, 2, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    *(datetime.date(2020, 2, 3), datetime.time(1, 2, 3), datetime.timedelta(seconds=90)),
    *(np.float32(0.5), np.float64(2.5), np.int16(7), np.complex64(1j), np.arange(3).view(PackedArray), np.eye(2).view(PackedArray)),
]


@pytest.mark.parametrize("value", VALUES, ids=[f"{at}-{type(value).__name__}" for at, value in enumerate(VALUES)])
def test_a_value_is_what_wolframclients_own_serializer_makes_of_it(value: Any) -> None:
    if isinstance(value, GeneratorType):
        value = list(value)
    assert write_wxf(tokens(WSTPSerializer().export(value))) == export(value, target_format="wxf")


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16"])
def test_an_array_is_a_numeric_array(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    match WSTPSerializer().export(array):
        case Function(head=Symbol(name="System`BinaryDeserialize"), args=(bytes(data),)):
            assert np.array_equal(binary_deserialize(data), array)
        case other:
            pytest.fail(repr(other))
    assert WSTPSerializer().export(NumericArray([1, 2], "Integer8")).head == Symbol("System`BinaryDeserialize")


def test_an_image_is_an_image() -> None:
    made = WSTPSerializer().export(Image.new("RGB", (3, 2)))
    assert made.head == Symbol("System`Image") and made.args[1] == "Byte"
    other = WSTPSerializer().export(Image.new("P", (3, 2)))
    assert other.head == Symbol("System`ImportByteArray") and other.args[1] == "PNG"


def test_symbols_without_a_context_are_the_systems() -> None:
    made = WSTPSerializer().export(wl.f(wl.Global.x, wl.A.B.y))
    assert made == Symbol("System`f")(Symbol("Global`x"), Symbol("A`B`y"))


def test_encoders_of_programs_serve() -> None:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    @wolfram_encoder.dispatch(Point)
    def encode_point(serializer: Any, point: Point) -> Any:
        return serializer.serialize_function(serializer.serialize_symbol(b"Point"), (serializer.encode([point.x, 0]),))

    try:
        assert WSTPSerializer().export([Point(3)]) == [Symbol("System`Point")([3, 0])]
    finally:
        wolfram_encoder.unregister(Point)
    with pytest.raises(NotImplementedError, match="Point"):
        WSTPSerializer().export(Point(3))
    assert WSTPSerializer(object_processor=lambda serializer, value: serializer.encode(value.x)).export(Point(3)) == 3
    assert WSTPSerializer(normalizer=lambda value: 5 if isinstance(value, Point) else value).export([Point(3)]) == [5]


def test_options_reach_the_encoders() -> None:
    series = pandas.Series([1], index=["a"])
    rule = Symbol("System`Rule")("a", 1)
    assert same(WSTPSerializer(pandas_series_head="list").export(series), [rule])
    assert WSTPSerializer(pandas_series_head="dataset").export(series) == Symbol("System`Dataset")(Symbol("System`Association")(rule))
    frame = WSTPSerializer().export(pandas.DataFrame({"x": [1]}))
    inner = Symbol("System`Association")(Symbol("System`Rule")("x", 1))
    assert frame == Symbol("System`Dataset")(Symbol("System`Association")(Symbol("System`Rule")(0, inner)))


def test_no_bytes_are_made() -> None:
    with pytest.raises(NotImplementedError, match="export"):
        WSTPSerializer().generate_bytes(1)
    with pytest.raises(ValueError, match="UnsignedInteger8"):
        WSTPSerializer().serialize_packed_array(b"", (0,), "UnsignedInteger8")

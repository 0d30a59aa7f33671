"""Every kind of expression between `wstp` and a C library, in both directions.

Each is passed whole, and by every call that reads or puts it.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cdriver import pattern
from clibrary import FlatToken
from clinks import TIMEOUT, Pair
from flat import flat_expression, flat_record, unflatten

import wstp
from wstp import BigReal, Expr, Function, Symbol

RECORDS = [
    record
    for record in json.loads(
        (Path(__file__).parents[1] / "recordings" / "tokens.json").read_text(encoding="utf-8")
    )["records"]
    if record["expr"] is not None
]
TEXTS = [
    "",
    "plain",
    "a\\b",
    'say "hi"',
    "line\nnext\r\t\0]",
    "é",
    "αβγ",
    "日本語",
    "😀",
    'a😀α\n"\t\0\\:d83d é\x7f😀😀',
    "😀" * 40,
    "\uf7d9",
    "x" * 63,
    "x" * 64,
    "x" * 5000,
    "é" * 64,
    "日" * 65,
]
REAL, INTEGER = 42, 43
"""The library's token types of numbers."""
LARGE = 8 * 2**20
"""Machine reals of 64 MiB."""


@pytest.fixture
def link(pair: Pair) -> wstp.Link:
    return pair.link


def to_c(pair: Pair, expression: Expr) -> None:
    pair.link.put(expression, end_packet=True)
    pair.link.flush(TIMEOUT)


def digest(values: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()


# -- every recording


def test_recordings_written_by_us_are_read_by_the_library(pair: Pair) -> None:
    for record in RECORDS:
        flat = flat_record(record["expr"])
        to_c(pair, unflatten(flat))
        assert pair.c("get") == flat, record["label"]


def test_recordings_decoded_and_written_again_are_read_by_the_library(pair: Pair) -> None:
    """Pass packed data as numpy arrays, not number by number."""
    for record in RECORDS:
        reader = wstp.ExpressionReader()
        reader.feed(bytes.fromhex(record["hex"]))
        to_c(pair, reader.next())
        assert pair.c("get") == flat_record(record["expr"]), record["label"]


def test_recordings_put_by_the_library_are_read_by_us(pair: Pair) -> None:
    for record in RECORDS:
        flat = flat_record(record["expr"])
        pair.c("put_flat", tokens=flat, end_packet=True)
        assert flat_expression(pair.link.get(TIMEOUT)) == flat, record["label"]


# -- numbers

INTEGERS = [
    0,
    1,
    -1,
    200,
    255,
    2**15 - 1,
    -(2**15),
    2**31 - 1,
    -(2**31),
    2**31,
    2**63 - 1,
    -(2**63),
    2**63,
    10**30,
    -(10**400),
]
REALS = [0.0, -0.0, 0.1, -2.5e300, 5e-324, math.pi, math.inf, -math.inf, math.nan]
BIG_REALS = ["1.`20.*^-1000", "3.14159265358979323846264338327950288`35.", "0``30.", "-2.5`17.*^400"]


@pytest.mark.parametrize("value", INTEGERS)
def test_integers(pair: Pair, value: int) -> None:
    to_c(pair, value)
    assert pair.c("get") == [["i", str(value)]]
    pair.c("put_flat", tokens=[["i", str(value)]], end_packet=True)
    assert pair.link.get(TIMEOUT) == value


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("Integer8", [0, 5, 200, 255]),
        ("Integer16", [0, 300, -300, -(2**15)]),
        ("Integer32", [2**31 - 1, -(2**31)]),
        ("Integer64", [2**63 - 1, -(2**63), 7]),
        ("Real32", [0.5, -1.5]),
        ("Real64", [0.1, -0.0, 5e-324, math.inf]),
    ],
)
def test_numbers_by_width(pair: Pair, kind: str, values: list[float]) -> None:
    for value in values:
        pair.c("put", puts=[[kind, value], ["EndPacket"]])
        assert repr(pair.link.get(TIMEOUT)) == repr(value)
        to_c(pair, value)
        assert pair.c("get_number", kind=kind) == repr(value)


@pytest.mark.parametrize("value", REALS)
def test_reals(pair: Pair, value: float) -> None:
    to_c(pair, value)
    assert pair.c("get") == [["r", repr(value)]]
    pair.c("put_flat", tokens=[["r", repr(value)]], end_packet=True)
    assert repr(pair.link.get(TIMEOUT)) == repr(value)


@pytest.mark.parametrize("text", BIG_REALS)
def test_arbitrary_precision(pair: Pair, text: str) -> None:
    to_c(pair, BigReal(text))
    assert pair.c("get") == [["R", text]]
    for call in ("String", "UTF8String", "UCS2String", "UTF32String"):
        pair.c("put", puts=[["Next", REAL], [call, text], ["EndPacket"]])
        assert pair.link.get(TIMEOUT) == BigReal(text), call


# What is left of a number that is put by these calls: they cut the last character off a precision
# that no exponent follows.
CUT = {"1.5`20.": "1.5`20", "1.5``20.": "1.5``20", "17.`30.2304": "17.`30.230"}
REALS_AS_TEXT = {
    text: text for text in (*CUT, "1.5", "-3", "1.5*^400", "12345678901234567890", "-1.5`20.*^-3")
}
REALS_AS_TEXT |= {"1.5*^+3": "1.5*^3", "1.5e-07": "1.5*^-7", "1.e400": "1.*^400"}


@pytest.mark.parametrize(("text", "read"), REALS_AS_TEXT.items())
def test_reals_put_as_text(pair: Pair, text: str, read: str) -> None:
    for unit in ("", "Byte", "UCS2", "UTF8", "UTF16", "UTF32"):
        pair.c("put", puts=[[f"RealNumberAs{unit}String", text], ["EndPacket"]])
        expected = CUT.get(text, read) if unit in {"UTF8", "UTF16", "UTF32"} else read
        assert pair.link.get(TIMEOUT) == BigReal(expected), unit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5`20.*^3", 1500.0),
        ("1.5``20.", 1.5),
        ("17.`30.2304", 17.0),
        ("0``30.", 0.0),
        ("-2.5`17.*^-400", -0.0),
        ("1.5*^3", 1500.0),
    ],
)
def test_a_precision_is_read_by_every_call_for_numbers(pair: Pair, text: str, value: float) -> None:
    to_c(pair, BigReal(text))
    assert pair.c("get_number", kind="Real64") == repr(value)
    to_c(pair, BigReal(text))
    assert pair.c("get_number", kind="Integer32") == repr(round(value))
    for unit in ("", "Byte", "UTF8", "UCS2", "UTF32"):
        to_c(pair, BigReal(text))
        assert pair.c("get_text", name=f"NumberAs{unit}String") == text, unit


@pytest.mark.parametrize(
    "call", ["String", "ByteString", "UTF8String", "UCS2String", "UTF16String", "UTF32String"]
)
def test_integers_put_as_text(pair: Pair, call: str) -> None:
    for text in ("5", "-5", "+5", "12345678901234567890123", "-" + "7" * 70):
        pair.c("put", puts=[["Next", INTEGER], [call, text], ["EndPacket"]])
        assert pair.link.get(TIMEOUT) == int(text), text


# -- text


def fits(call: str, text: str) -> bool:
    return call != "ByteString" or all(ord(character) < 0x100 for character in text)


@pytest.mark.parametrize("call", ["ByteString", "UCS2String", "UTF8String", "UTF16String", "UTF32String"])
def test_strings(pair: Pair, call: str) -> None:
    for text in filter(lambda text: fits(call, text), TEXTS):
        pair.c("put", puts=[[call, text], ["EndPacket"]])
        assert pair.link.get(TIMEOUT) == text
        to_c(pair, text)
        read = pair.c("get_text", name=call)
        if call == "UTF32String" and pair.link.peer_features.version < 6:
            # That library puts a byte order mark behind the 32nd character of a text in A.
            read = read.replace("\ufeff", "")
        assert read == text


@pytest.mark.parametrize(
    ("escaped", "meaning"),
    [
        ("a\\\\b", "a\\b"),
        ("x\\:d83d\\:de00y", "x😀y"),
        ("\\:D83D", "\ud83d"),
        ("\\|01f600", "😀"),
        ("a\\\nb", "ab"),
        ("\\:00e9 \\:03b1", "é α"),
        ("\\:65e5", "日"),
        ("\\351", "é"),
        ("\\.e9", "é"),
    ],
)
def test_strings_with_escapes(pair: Pair, escaped: str, meaning: str) -> None:
    pair.c("put", puts=[["String", escaped], ["EndPacket"]])
    assert pair.link.get(TIMEOUT) == meaning


@pytest.mark.parametrize("text", ["x\ud83dy", "\ude00", "😀\ud83d"])
def test_surrogates_without_their_other_half(pair: Pair, text: str) -> None:
    """Only the calls for UCS-2 and UTF-32 take and give such texts."""
    to_c(pair, text)
    assert pair.c("get_text", name="UCS2String") == text
    pair.c("put", puts=[["UCS2String", text], ["EndPacket"]])
    assert pair.link.get(TIMEOUT) == text


@pytest.mark.parametrize("call", ["Symbol", "UCS2Symbol", "UTF8Symbol", "UTF16Symbol", "UTF32Symbol"])
@pytest.mark.parametrize(
    "name", ["x", "Global`x", "System`Plus", "a$1", "α", "My`Pkg`Private`ü", "x😀", "y" * 70]
)
def test_symbols(pair: Pair, call: str, name: str) -> None:
    if call != "Symbol" or name.isascii():
        pair.c("put", puts=[[call, name], ["EndPacket"]])
        assert pair.link.get(TIMEOUT) == Symbol(name)
        to_c(pair, Symbol(name))
        assert pair.c("get_text", name=call) == name
    to_c(pair, Symbol(name)())
    assert pair.c("get") == [["F", 0], ["#", name]]


# -- functions

F, X = Symbol("f"), Symbol("x")
FUNCTIONS = [
    F(),
    F(1),
    F(*range(100)),
    Function(Function(Symbol("Derivative"), 1), F),
    Function(Function(Function(Symbol("Derivative"), 1), F), X),
    Function(3, 4),
    Function("a string"),
    Function(Function(F)),
    [],
    [[[]]],
    [1, [2.5, ["s", [X]]]],
    [1, 2.5, 3],
    list(range(500)),
]


@pytest.mark.parametrize(
    "expression", [pytest.param(one, id=f"{number}") for number, one in enumerate(FUNCTIONS)]
)
def test_functions(pair: Pair, expression: Expr) -> None:
    # Function("name") stands for a function whose head is the symbol; the test looks at what the
    # library reads.
    flat = flat_expression(expression)
    to_c(pair, expression)
    assert pair.c("get") == flat
    pair.c("put_flat", tokens=flat, end_packet=True)
    assert flat_expression(pair.link.get(TIMEOUT)) == flat


def test_functions_put_by_name_and_as_composites(pair: Pair) -> None:
    puts: list[list[Any]] = [["Function", "f", 2], ["UTF8Function", "gα", 0], ["Composite", 1]]
    puts += [["Function", "h", 1], ["Integer32", 1], ["String", "x"], ["EndPacket"]]
    pair.c("put", puts=puts)
    assert pair.link.get(TIMEOUT) == F(Symbol("gα")(), Symbol("h")(1)("x"))


def test_deep_nesting(pair: Pair) -> None:
    depth = 5000
    level: list[FlatToken] = [["F", 1], ["#", "f"]]
    flat = level * depth
    flat.append(["i", "7"])
    to_c(pair, unflatten(flat))
    assert pair.c("get") == flat
    pair.c("put_flat", tokens=flat, end_packet=True)
    assert flat_expression(pair.link.get(TIMEOUT)) == flat


def test_deep_heads(pair: Pair) -> None:
    nothing: FlatToken = ["F", 0]
    flat: list[FlatToken] = [*([nothing] * 2000), ["#", "f"]]
    to_c(pair, unflatten(flat))
    assert pair.c("get") == flat
    pair.c("put_flat", tokens=flat, end_packet=True)
    assert flat_expression(pair.link.get(TIMEOUT)) == flat


# -- lists and arrays

KINDS = ["Integer8", "Integer16", "Integer32", "Integer64", "Real32", "Real64"]
SHAPES = [[1], [3], [63], [64], [300], [2, 3], [100, 3], [2, 3, 4], [2, 1, 2, 1, 2]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 3, 63, 64, 300, 5000])
def test_lists(pair: Pair, kind: str, count: int) -> None:
    values = pattern(kind, [count])
    pair.c("put", puts=[[f"{kind}List", values.tolist()], ["EndPacket"]])
    assert flat_expression(pair.link.get(TIMEOUT)) == flat_expression(values)
    to_c(pair, values)
    assert pair.c("get_list", kind=kind) == [repr(value) for value in values.tolist()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_arrays(pair: Pair, kind: str, shape: list[int]) -> None:
    values = pattern(kind, shape)
    pair.c("put_pattern", kind=kind, shape=shape, heads=None)
    got = pair.link.get(TIMEOUT)
    assert isinstance(got, np.ndarray)
    assert got.dtype.kind == values.dtype.kind
    assert got.shape == tuple(shape)
    assert np.array_equal(got, values)
    to_c(pair, values)
    assert pair.c("get_array", kind=kind) == [digest(values), shape, ["List"] * len(shape)]
    to_c(pair, values)
    assert pair.c("get") == flat_expression(values)


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16", ">i4", ">f8"]
)
def test_numpy_types(pair: Pair, dtype: str) -> None:
    values = np.arange(12).reshape(3, 4).astype(dtype)
    for array in (values, values[0], values[:, ::2], values.T):
        to_c(pair, array)
        assert pair.c("get") == flat_expression(array)


@pytest.mark.parametrize(
    ("kind", "shape", "heads"),
    [
        ("Real64", [2, 2], ["List", "Complex"]),
        ("Real64", [2], ["Complex"]),
        ("Real64", [3, 4, 2], ["List", "List", "Complex"]),
        ("Integer32", [2, 3], ["f", "g"]),
        ("Integer32", [2, 3], ["List", "f"]),
        ("Integer64", [4], ["f"]),
        ("Integer8", [3], ["ByteArray"]),
        ("Integer8", [300], ["ByteArray"]),
    ],
    ids=str,
)
def test_arrays_with_heads(pair: Pair, kind: str, shape: list[int], heads: list[str]) -> None:
    expected = flat_with_heads(pattern(kind, shape), heads)
    pair.c("put_pattern", kind=kind, shape=shape, heads=heads)
    got = pair.link.get(TIMEOUT)
    assert flat_expression(got) == expected
    to_c(pair, got)
    assert pair.c("get") == expected


def flat_with_heads(values: np.ndarray[Any, Any], heads: list[str]) -> list[FlatToken]:
    if values.ndim == 0:
        return flat_expression(values.item())
    flat: list[FlatToken] = [["F", len(values)], ["#", heads[0]]]
    return flat + [token for part in values for token in flat_with_heads(np.asarray(part), heads[1:])]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 5000])
def test_byte_arrays(pair: Pair, size: int) -> None:
    data = bytes(number % 256 for number in range(size))
    to_c(pair, data)
    assert pair.c("get") == flat_expression(data)
    if size:
        pair.c("put", puts=[["Integer8Array", list(data), ["ByteArray"]], ["EndPacket"]])
        assert pair.link.get(TIMEOUT) == data


def test_a_large_array_passes_both_ways(pair: Pair) -> None:
    values = pattern("Real64", [LARGE])
    sent = pair.c("put_pattern", kind="Real64", shape=[4], heads=None)
    assert sent == digest(pair.link.get(TIMEOUT))
    pair.post("put_pattern", kind="Real64", shape=[LARGE], heads=None)
    got = pair.link.get(timeout=60)
    assert pair.result(60) == digest(got) == digest(values)
    pair.post("get_array", kind="Real64")
    to_c(pair, values)
    assert pair.result(60) == [digest(values), [LARGE], ["List"]]


def test_a_large_array_is_echoed(pair: Pair) -> None:
    """Let both ends write before they read."""
    pair.post("echo_array", count=LARGE)
    packet = pair.link.next_packet(timeout=60)
    pair.link.put(Symbol("ReturnPacket")(*packet.args), end_packet=True)
    pair.link.flush(timeout=60)
    assert pair.result(60) > 0

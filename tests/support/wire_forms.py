"""Hypothesis strategies for expressions and for their many forms on the wire, with small tools.

`expressions()` are values in the form in which `get` returns them. `streams()` are legal token
bytes in every form that a peer may choose; this module writes them, and not the library's writer.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from wstp import BigReal, ExpressionReader, Function, Symbol, write_expression

RECORDINGS = Path(__file__).parent.parent / "recordings"
LIST = Symbol("List")


# -- recordings


def expression_of(tree: dict[str, Any]) -> Any:
    """Build the expression that a record of tokens.json means."""
    if "integer" in tree:
        return int(tree["integer"])
    if "real" in tree:
        return float(tree["real"])
    if "bigreal" in tree:
        return BigReal(tree["bigreal"])
    if "string" in tree:
        return tree["string"]
    if "symbol" in tree:
        return Symbol(tree["symbol"])
    head = expression_of(tree["head"])
    args = [expression_of(arg) for arg in tree["args"]]
    return args if head == LIST else Function(head, *args)


def token_records() -> list[tuple[str, bytes, Any]]:
    """Return (label, bytes, expression) of each record that is an expression."""
    records = json.loads((RECORDINGS / "tokens.json").read_text())["records"]
    return [(r["label"], bytes.fromhex(r["hex"]), expression_of(r["expr"])) for r in records if r["expr"] is not None]


def jlink_records() -> list[tuple[str, bytes]]:
    """Return (call, bytes) of each packet recorded from a Java client."""
    records = json.loads((RECORDINGS / "jlink.json").read_text())["records"]
    return [(r["call"], bytes.fromhex(r["hex"])) for r in records]


def same_as_recorded(data: bytes) -> bool:
    """Tell whether what is read from `data` is written as the same bytes."""
    reader = ExpressionReader()
    reader.feed(data)
    return b"".join(write_expression(reader.next())) == data


def plain(value: Any) -> Any:
    """Rewrite what `get` returns with integers, reals, texts, symbols, lists and functions only."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, complex):
        return Symbol("Complex")(value.real, value.imag)
    if isinstance(value, bytes):
        return Symbol("ByteArray")(*value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Function):
        return Function(plain(value.head), *(plain(arg) for arg in value.args))
    return value


# -- segmentation


def pieces(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """Cut `data` at the given places (taken modulo its length)."""
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    start = 0
    for place in (*places, len(data)):
        yield data[start:place]
        start = place


cuts = st.lists(st.integers(0, 1 << 16), max_size=8)


# -- values

integers = st.one_of(
    st.integers(-300, 300),
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.sampled_from([1 << 31, -(1 << 31) - 1, (1 << 63) - 1, 1 << 63, -(1 << 63), -(1 << 63) - 1, 10**60]),
    st.integers(-(1 << 80), 1 << 80),
)
reals = st.floats(allow_nan=True, allow_infinity=True)


def _is_decodable(text: str) -> bool:
    # A lone high surrogate before a lone low one is a single character to a reader of UTF-16.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass") == text


texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=80),
    st.text(st.sampled_from('aä€😀\\\n"]\ud800 '), max_size=80).filter(_is_decodable),
    st.integers(40, 90).map(lambda size: "x" * size),
)
names = st.one_of(
    st.sampled_from(["x", "List", "Plus", "Global`x", "EvaluatePacket", "α", "Complex"]),
    st.text(st.sampled_from("abcdefgh`$日é😀"), min_size=1, max_size=70),
)
symbols = names.map(Symbol)
precision_marks = st.one_of(
    st.just(""), st.builds(lambda mark, digits: f"{mark}{digits:.4f}", st.sampled_from(["`", "``"]), st.floats(0, 9000))
)
big_reals = st.one_of(
    st.sampled_from(["1.5`20.", "-0``30.", "3.14159265358979323846264338327950288`35.", "1.`20.*^-1000", "12.", "1.`"]),
    st.builds(
        lambda sign, whole, part, mark, power: f"{sign}{whole}.{part}{mark}{f'*^{power}' if power else ''}",
        st.sampled_from(["", "-"]), st.integers(0, 10**9), st.text("0123456789", max_size=40), precision_marks,
        st.one_of(st.just(0), st.integers(-2000, 2000)),
    ),
).map(BigReal)  # fmt: skip
_shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """Draw packed arrays of every kind that the wire has."""
    dtype = np.dtype(draw(st.sampled_from(["u1", "<i2", "<i4", "<i8", "<f4", "<f8", "<c8", "<c16"])))
    shape = tuple(draw(st.one_of(_shapes, st.tuples(st.integers(1, 400)))))
    size = int(np.prod(shape)) * dtype.itemsize
    seed = draw(st.integers(0, 1 << 32))
    return np.frombuffer(np.random.default_rng(seed).bytes(size), dtype=dtype).reshape(shape)


atoms = st.one_of(integers, reals, texts, symbols, big_reals, st.binary(max_size=80), arrays())
# `List` as a head is written as a list, and comes back as one.
_heads = st.one_of(symbols.filter(lambda symbol: symbol != LIST), integers, texts)


def expressions() -> st.SearchStrategy[Any]:
    """Return expressions as `get` returns them."""
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.lists(inner, max_size=6),
            st.builds(lambda head, args: Function(Symbol(head), *args), names.filter(lambda n: n != "List"), st.lists(inner, max_size=5)),
            st.builds(lambda head, args: Function(head, *args) if not isinstance(head, str) else Symbol("f")(head, *args),
                      inner.filter(lambda v: v != LIST if isinstance(v, Symbol) else True), st.lists(inner, max_size=3)),
            st.lists(st.integers(-5, 5), min_size=30, max_size=90),
            st.lists(reals, min_size=30, max_size=40),
        ),
        max_leaves=12,
    )  # fmt: skip


# -- bytes, written by hand


def count(number: int, digits: bool = False) -> bytes:
    """Write a count; `digits` asks for digits even where one byte serves (real peers take them)."""
    return b"%d " % number if digits or number >= 64 else bytes((0x40 + number,))


def text_token(lead: bytes, text: str, encoding: str) -> bytes:
    """Write a text in one of the six encodings, which must be able to hold it."""
    chars = len(text)
    if encoding == "A":
        data = b"".join(_escaped(character) for character in text)
    elif encoding == "B":
        data = text.encode("latin-1")
    elif encoding == "C":
        data = text.encode("utf-16-be", "surrogatepass")
        chars = len(data) // 2
    else:
        data = text.encode({"D": "utf-8", "E": "utf-16-le", "F": "utf-32-le"}[encoding])
    # From 64 characters on, encodings with characters of one size have a space for the number.
    counted = b" " if chars >= 64 and encoding in "BCF" else count(chars)
    return lead + count(len(data) + len(counted) + 2) + encoding.encode() + b"~" + counted + data + b"\n"


def _escaped(character: str) -> bytes:
    code = ord(character)
    if character == "\\":
        return b"\\\\"
    if code < 0x80:
        return bytes((code,))
    if code < 0x100:
        return b"\\%03o" % code if code % 2 else b"\\.%02x" % code
    return b"\\:%04x" % code if code < 0x10000 else b"\\|%06x" % code


_wire_text = st.one_of(
    st.text(st.sampled_from("ab\\\n]é€😀 "), max_size=70),
    st.builds(lambda one, size: one * size, st.sampled_from("aé€😀"), st.integers(60, 70)),
)
_NUMBERS = {0xA0: "<b", 0xA1: "<B", 0xE2: "<h", 0xE3: "<H", 0xE4: "<i", 0xE5: "<I", 0xE6: "<q", 0xE7: "<Q", 0xF4: "<f", 0xF6: "<d"}
_WIDTH = {**{token: struct.calcsize(form) for token, form in _NUMBERS.items()}, 0xF8: 16}


@st.composite
def _text(draw: st.DrawFn) -> bytes:
    text = draw(_wire_text)
    encoding = draw(st.sampled_from("ACDEF" if any(ord(c) > 255 for c in text) else "ABCDEF"))
    lead = draw(st.sampled_from([b'"', b"#"]))
    return text_token(lead, text or "x", encoding)


@st.composite
def _number(draw: st.DrawFn) -> bytes:
    kind = draw(st.integers(0, 12))
    if kind == 11:
        return text_token(b"+", str(draw(integers)), draw(st.sampled_from("ABCDEF")))
    if kind == 12:
        return text_token(b"*", draw(big_reals).text, draw(st.sampled_from("ABCDEF")))
    token = draw(st.sampled_from(sorted(_WIDTH)))
    return bytes((token,)) + draw(st.binary(min_size=_WIDTH[token], max_size=_WIDTH[token])) + b"\n"


@st.composite
def _packed(draw: st.DrawFn, number: int) -> bytes:
    token = draw(st.sampled_from(sorted(_WIDTH)))
    data = np.random.default_rng(draw(st.integers(0, 99))).bytes(number * _WIDTH[token])
    return b"P" + count(number) + bytes((token,)) + data + b"\n"


@st.composite
def _parts(draw: st.DrawFn, number: int, item: st.SearchStrategy[bytes]) -> bytes:
    """Draw `number` arguments (or leaves), some of them in packed runs."""
    parts = []
    while number:
        if draw(st.booleans()):
            run = draw(st.integers(1, number))
            parts.append(draw(_packed(run)))
            number -= run
        else:
            parts.append(draw(item))
            number -= 1
    return b"".join(parts)


@st.composite
def _array(draw: st.DrawFn) -> bytes:
    shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    heads = [draw(st.sampled_from(["List", "List", "Complex", "ByteArray", "f", "α"])) for _ in shape]
    header = b"".join(
        b"F" + count(size, draw(st.booleans())) + text_token(b"#", head, "D") for size, head in zip(shape, heads, strict=True)
    )
    leaves = int(np.prod(shape))
    return b"A" + count(leaves) + b"D" + count(len(header) + 1) + header + b".\n" + draw(_parts(leaves, _number()))


@st.composite
def _function(draw: st.DrawFn, item: st.SearchStrategy[bytes]) -> bytes:
    number = draw(st.one_of(st.integers(0, 4), st.integers(0, 30)))
    head = draw(st.one_of(st.just(b"#GA~DList\n"), st.just(text_token(b"#", "Complex", "C")), item))
    digits = draw(st.booleans())
    if draw(st.booleans()):
        return b"F" + count(number, digits) + head + draw(_parts(number, item))
    one = draw(item)
    return b"F" + count(number, digits) + head + one * number


_wire_atoms = st.one_of(_text(), _number(), _array())
_expression = st.recursive(_wire_atoms, lambda inner: _function(inner), max_leaves=8)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Draw legal token bytes: some expressions, with or without ends of packets after each."""
    parts = draw(st.lists(st.tuples(_expression, st.sampled_from([b"", b"]", b"]"])), min_size=1, max_size=4))
    return b"".join(expression + end for expression, end in parts)

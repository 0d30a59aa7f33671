"""Bytes as tokens and back, one at a time (PROTOCOL.md section 5). No I/O.

This module knows nothing of expressions. The reader takes pieces of any size. It can give long
bodies in chunks, so that a packed run of any size passes in bounded memory.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from wstp.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError, WSTPError
from wstp.expr import BigReal, Symbol, real_text
from wstp.features import OURS, Features
from wstp.lexer import (
    ARRAY,
    END_PACKET,
    FUNCTION,
    INTEGER_TEXT,
    PACKED,
    REAL_TEXT,
    STRING,
    SYMBOL,
    TEXT_TOKENS,
    ArrayHeader,
    Buffer,
    Header,
    encode_count,
    encode_text_count,
    read_header,
)
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.numbers import decimal_to_int, extended_to_float, extended_to_real_text, int_to_decimal
from wstp.text import TextError, decode_number, decode_text, encode_text

__all__ = [
    "NEED_DATA",
    "ArrayToken",
    "BigRealToken",
    "BodyChunk",
    "BodyEnd",
    "BodyStart",
    "EndPacketToken",
    "FunctionToken",
    "IntegerToken",
    "MisreadToken",
    "NeedData",
    "PackedToken",
    "RealToken",
    "StringToken",
    "SymbolToken",
    "Token",
    "TokenReader",
    "TokenWriter",
]

IntegerArray: TypeAlias = np.ndarray[Any, Any]


class NeedData(Enum):
    """The type of `NEED_DATA`."""

    NEED_DATA = "need data"

    def __repr__(self) -> str:
        return "NEED_DATA"


# Readers return it when what they have is right so far, but not complete.
NEED_DATA: Final = NeedData.NEED_DATA


@dataclass(frozen=True, slots=True)
class FunctionToken:
    """The start of a function; its head and `arguments` arguments follow."""

    arguments: int


@dataclass(frozen=True, slots=True)
class SymbolToken:
    """A symbol."""

    name: str


@dataclass(frozen=True, slots=True)
class StringToken:
    """A string."""

    text: str


@dataclass(frozen=True, slots=True)
class IntegerToken:
    """An integer of any size, sent in binary or as text."""

    value: int


@dataclass(frozen=True, slots=True)
class RealToken:
    """A machine real."""

    value: float


@dataclass(frozen=True, slots=True)
class BigRealToken:
    """A real as its text in InputForm."""

    text: str


@dataclass(frozen=True, slots=True)
class MisreadToken:
    """A text that cannot be decoded, is no number, or names no symbol.

    Attributes:
        token: the token's byte.
        text: at most 40 characters of it, as far as it can be decoded.
        problem: what is wrong, as a phrase that names the token.
        offset: the offset of the token's first byte.
    """

    token: int
    text: str
    problem: str
    offset: int


@dataclass(frozen=True, slots=True)
class PackedToken:
    """A packed run.

    Attributes:
        type: the type byte of its numbers.
        values: a one-dimensional array; reals of type 0xF8 are rounded to machine reals.
    """

    type: int
    values: np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class ArrayToken:
    """The start of an array; its `leaves` numbers follow as packed runs or single numbers."""

    leaves: int
    dimensions: tuple[int, ...]
    heads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndPacketToken:
    """The end of a packet."""


@dataclass(frozen=True, slots=True)
class BodyStart:
    """The start of a body that comes in chunks (only from a reader with `chunked=True`).

    Attributes:
        token: the token's byte: a packed run (0x50), a string (0x22), a symbol or a number as text.
        count: the number of numbers or characters; `wstp.lexer.NO_COUNT` for one that cannot be
            read.
        detail: the type byte of a packed run, or the letter of a text's encoding as a byte.
        size: the number of bytes that follow in `BodyChunk`s.
    """

    token: int
    count: int
    detail: int
    size: int


@dataclass(frozen=True, slots=True)
class BodyChunk:
    """Some bytes of a body, as they came on the wire."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The end of a body that came in chunks."""


Token: TypeAlias = (
    FunctionToken
    | SymbolToken
    | StringToken
    | IntegerToken
    | RealToken
    | BigRealToken
    | MisreadToken
    | PackedToken
    | ArrayToken
    | EndPacketToken
    | BodyStart
    | BodyChunk
    | BodyEnd
)

DTYPES: Final[dict[int, np.dtype[Any]]] = {
    0xA0: np.dtype("i1"), 0xA1: np.dtype("u1"), 0xE2: np.dtype("<i2"), 0xE3: np.dtype("<u2"), 0xE4: np.dtype("<i4"),
    0xE5: np.dtype("<u4"), 0xE6: np.dtype("<i8"), 0xE7: np.dtype("<u8"), 0xF4: np.dtype("<f4"), 0xF6: np.dtype("<f8"),
}  # fmt: skip
_SCALARS: Final = {
    0xA0: struct.Struct("<b"), 0xA1: struct.Struct("<B"), 0xE2: struct.Struct("<h"), 0xE3: struct.Struct("<H"),
    0xE4: struct.Struct("<i"), 0xE5: struct.Struct("<I"), 0xE6: struct.Struct("<q"), 0xE7: struct.Struct("<Q"),
    0xF4: struct.Struct("<f"), 0xF6: struct.Struct("<d"),
}  # fmt: skip
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_CUT: Final = b"DEF"  # the encodings in which the C library cuts the end off a real put as text
_KINDS: Final = {SYMBOL: "a symbol", STRING: "a string", INTEGER_TEXT: "an integer", REAL_TEXT: "a real number"}
_SHOWN: Final = 40
# Bodies longer than this are collected in a buffer of their own, so that no byte is copied twice or
# read again.
_BULK: Final = 1 << 16


def decode_packed(type_byte: int, data: Buffer) -> np.ndarray[Any, Any]:
    """Return the numbers of a packed run, as a view of `data` where that is possible."""
    dtype = DTYPES.get(type_byte)
    if dtype is not None:
        return np.frombuffer(data, dtype=dtype)
    raw = bytes(data)
    return np.array([extended_to_float(raw[at : at + 16]) for at in range(0, len(raw), 16)], dtype="<f8")


class TokenReader:
    """Read tokens from pieces of a stream.

    With `chunked=True` every packed run, and every text of more than 64 KiB, comes as `BodyStart`,
    `BodyChunk`s and `BodyEnd`, and is never assembled. A text that cannot be read comes as a
    `MisreadToken`, and reading goes on behind it.

    >>> reader = TokenReader()
    >>> reader.feed(b"FA#GA~DPlus\\n")
    >>> reader.next_token(), reader.next_token(), reader.next_token()
    (FunctionToken(arguments=1), SymbolToken(name='Plus'), NEED_DATA)
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, chunked: bool = False) -> None:
        """Start at offset 0."""
        self.limits = limits
        self._chunked = chunked
        self.buffer: bytes | bytearray = b""
        self.at = 0
        self._base = 0  # the stream's offset of buffer[0]
        self._bulk: bytearray | None = None
        self._bulk_header: Header | None = None
        self._bulk_left = 0
        self._error: WSTPError | None = None

    @property
    def offset(self) -> int:
        """Return the offset just after the last token returned (or the last chunk)."""
        return self._base + self.at

    @property
    def unread(self) -> int:
        """Return how many bytes wait to be read."""
        return len(self.buffer) - self.at + (len(self._bulk) if self._bulk is not None else 0)

    @property
    def plain(self) -> bool:
        """Tell whether a token begins at `buffer[at]`: there is no open body, and no error."""
        return self._bulk_header is None and self._error is None

    def feed(self, data: Buffer) -> None:
        """Take the next bytes."""
        if self._bulk is not None and not self._chunked and self._bulk_left:
            taken = min(self._bulk_left, len(data))
            self._bulk_left -= taken
            if taken == len(data):
                self._bulk += data
                return
            self._bulk += memoryview(data)[:taken]
            data = memoryview(data)[taken:]
        if self.at == len(self.buffer):
            self._base += self.at
            self.at = 0
            self.buffer = data if isinstance(data, bytes) else bytes(data)
            return
        if (self.at > _BULK and 2 * self.at > len(self.buffer)) or isinstance(self.buffer, bytes):
            self._base += self.at
            self.buffer = bytearray(memoryview(self.buffer)[self.at :])
            self.at = 0
        self.buffer += data

    def fail(self, error: WSTPError) -> WSTPError:
        """Put the reader into the error state for good, and return the error."""
        self._error = error
        return error

    def next_token(self) -> Token | Literal[NeedData.NEED_DATA]:
        """Return the next token, or NEED_DATA.

        Raises:
            RemoteProtocolError: a byte is wrong. Every later call raises it too.
            LimitExceeded: a bound was passed. Every later call raises it too.
        """
        if self._error is not None:
            raise self._error
        try:
            return self._next()
        except (RemoteProtocolError, LimitExceeded) as error:
            self._error = error
            raise

    def _next(self) -> Token | Literal[NeedData.NEED_DATA]:
        if self._bulk_header is not None:
            return self._next_chunk() if self._chunked else self._next_bulk()
        at = self.at
        buffer = self.buffer
        end = len(buffer)
        if at >= end:
            return NEED_DATA
        header = read_header(buffer, at, end, self._base, self.limits)
        if header is None:
            return NEED_DATA
        token, body, size, count, _ = header
        if token == FUNCTION:
            self.at = body
            return FunctionToken(count)
        if token == END_PACKET:
            self.at = body
            return EndPacketToken()
        if self._chunked and (token == PACKED or (token in TEXT_TOKENS and size > _BULK)):
            self._bulk_header = header
            self._bulk_left = size - 1
            self.at = body
            return BodyStart(token, count, header.detail, size - 1)
        if body + size > end:
            if size > _BULK and token != ARRAY:
                self._bulk_header = header
                self._bulk = bytearray(memoryview(buffer)[body:])
                self._bulk_left = size - len(self._bulk)
                self._base += body
                self.buffer, self.at = b"", 0
            return NEED_DATA
        after = body + size
        if buffer[after - 1] != 0x0A:
            raise RemoteProtocolError("no newline after a token", self._base + after - 1)
        if token == ARRAY:
            array = ArrayHeader(count, size - 1, self._base + body, self.limits)
            array.feed(buffer[body:after])
            self.at = after
            return ArrayToken(count, tuple(array.dimensions), tuple(array.heads))
        made = self._make(header, bytes(memoryview(buffer)[body : after - 1]), self._base + at)
        self.at = after
        return made

    def _next_bulk(self) -> Token | Literal[NeedData.NEED_DATA]:
        header, bulk = self._bulk_header, self._bulk
        assert header is not None and bulk is not None
        if self._bulk_left:
            return NEED_DATA
        offset = self._base + self.at
        if bulk[-1] != 0x0A:
            raise RemoteProtocolError("no newline after a token", offset + len(bulk) - 1)
        self._bulk_header = self._bulk = None
        del bulk[-1]
        self._base += header.size
        return self._make(header, bulk, offset)

    def _next_chunk(self) -> Token | Literal[NeedData.NEED_DATA]:
        available = len(self.buffer) - self.at
        if available <= 0:
            return NEED_DATA
        if self._bulk_left:
            taken = min(available, self._bulk_left)
            data = bytes(memoryview(self.buffer)[self.at : self.at + taken])
            self.at += taken
            self._bulk_left -= taken
            return BodyChunk(data)
        if self.buffer[self.at] != 0x0A:
            raise RemoteProtocolError("no newline after a token", self._base + self.at)
        self.at += 1
        self._bulk_header = None
        return BodyEnd()

    def _make(self, header: Header, body: bytes | bytearray, offset: int) -> Token:
        token = header.token
        packer = _SCALARS.get(token)
        if packer is not None:
            (value,) = packer.unpack(body)
            return IntegerToken(value) if token < 0xF0 else RealToken(value)
        if token == PACKED:
            return PackedToken(header.detail, decode_packed(header.detail, body))
        if token == 0xF8:
            exact = extended_to_real_text(bytes(body))
            return RealToken(extended_to_float(bytes(body))) if exact is None else BigRealToken(exact)
        decode = decode_text if token in (STRING, SYMBOL) else decode_number
        try:
            text = decode(header.detail, body if isinstance(body, bytes) else bytes(body), header.number)
        except TextError as error:
            shown = bytes(memoryview(body)[:_SHOWN]).decode("ascii", "replace")
            return MisreadToken(token, shown, f"{_KINDS[token]}'s {error}", offset)
        if token == STRING:
            return StringToken(text)
        if token == SYMBOL:
            return SymbolToken(text) if text else MisreadToken(token, "", "a symbol has no name", offset)
        if token == INTEGER_TEXT:
            digits = len(text) - text.startswith(("-", "+"))
            if not _INTEGER.fullmatch(text):
                return _no_number(token, text, offset)
            if digits > self.limits.integer_digits:
                problem = f"an integer has {digits} digits, over {self.limits.integer_digits} (integer_digits)"
                return MisreadToken(token, text[:_SHOWN], problem, offset)
            return IntegerToken(decimal_to_int(text))
        number = real_text(text, header.detail in _CUT)
        return _no_number(token, text, offset) if number is None else BigRealToken(number)


def _no_number(token: int, text: str, offset: int) -> MisreadToken:
    shown = text[:_SHOWN]
    quoted = json.dumps(shown + ("..." if len(text) > _SHOWN else ""), ensure_ascii=False)
    return MisreadToken(token, shown, f"{quoted} was sent as a number, and is none that can be read", offset)


# -- writing

# Arrays of this size or more are handed over as they are; smaller ones are copied into the bytes
# around them.
_PASS_THROUGH: Final = 1 << 14
_symbols: dict[tuple[str, bool], bytes] = {}
_INT32: Final = struct.Struct("<cic")
_INT64: Final = struct.Struct("<cqc")
_REAL64: Final = struct.Struct("<cdc")


def _text(lead: bytes, letter: bytes, data: bytes, chars: int) -> bytes:
    counted = encode_text_count(letter, chars)
    size = len(data) + len(counted) + 2
    return b"%b%b%b~%b%b\n" % (lead, encode_count(size), letter, counted, data)


def encode_string(text: str, features: Features = OURS) -> bytes:
    """Return a string's token."""
    return _text(b'"', *encode_text(text, features))


def encode_symbol(name: str, features: Features = OURS, head: bool = False) -> bytes:
    """Return a symbol's token; `head` tells whether it heads a function.

    The libraries write heads in seven bits.
    """
    key = (name, head)
    if features.utf8:
        found = _symbols.get(key)
        if found is not None:
            return found
    if not name:
        raise LocalProtocolError("a symbol's name is empty")
    if head and name.isascii() and "\\" not in name:
        made = _text(b"#", b"A", name.encode("ascii"), len(name))
    else:
        made = _text(b"#", *encode_text(name, features))
    if features.utf8 and len(name) < 128:
        if len(_symbols) >= 4096:
            _symbols.clear()
        _symbols[key] = made
    return made


def encode_integer(value: int) -> bytes:
    """Return an integer's token: 32 or 64 bits, or decimal text beyond."""
    if -0x80000000 <= value <= 0x7FFFFFFF:
        return _INT32.pack(b"\xe4", value, b"\n")
    if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        return _INT64.pack(b"\xe6", value, b"\n")
    text = int_to_decimal(value).encode("ascii")
    return _text(b"+", b"A", text, len(text))


def encode_real(value: float) -> bytes:
    """Return a machine real's token."""
    return _REAL64.pack(b"\xf6", value, b"\n")


def encode_big_real(text: str) -> bytes:
    """Return the token of a real in InputForm."""
    data = text.encode("ascii")
    return _text(b"*", b"A", data, len(data))


def encode_singles(values: np.ndarray[Any, Any]) -> bytes:
    """Return an array's numbers as single tokens, for a peer that does not take their type packed.

    The tokens are 32-bit and 64-bit integers, bytes and 64-bit reals, as the libraries write them;
    smaller types are widened.
    """
    kind = values.dtype.kind
    if kind == "u" and values.dtype.itemsize == 1:
        token, code = 0xA1, "u1"
    elif kind in "iu":
        token, code = (0xE4, "<i4") if values.dtype.itemsize <= 4 else (0xE6, "<i8")
    else:
        token, code = 0xF6, "<f8"
    record = np.empty(values.size, dtype=[("token", "u1"), ("value", code), ("end", "u1")])
    record["token"] = token
    with np.errstate(invalid="ignore"):  # a signalling NaN may be widened without a warning
        record["value"] = values.ravel()
    record["end"] = 0x0A
    return record.tobytes()


TYPE_BYTES: Final = {"u1": 0xA1, "i2": 0xE2, "i4": 0xE4, "i8": 0xE6, "f4": 0xF4, "f8": 0xF6}


def type_byte_of(values: np.ndarray[Any, Any]) -> int | None:
    """Return the type byte that an array's numbers have on the wire; None when there is none."""
    return TYPE_BYTES.get(values.dtype.str[1:])


class TokenWriter:
    """Write tokens for a peer with given features; `take()` returns the buffers so far.

    The caller sees to it that functions get their arguments; `wstp.write_expression` does.

    >>> writer = TokenWriter()
    >>> writer.function(2)
    >>> writer.symbol("Plus", head=True)
    >>> writer.integer(2)
    >>> writer.integer(2)
    >>> writer.end_packet()
    >>> writer.take()
    [b'FB#GA~DPlus\\n\\xe4\\x02\\x00\\x00\\x00\\n\\xe4\\x02\\x00\\x00\\x00\\n]']
    """

    def __init__(self, features: Features = OURS) -> None:
        """Start with nothing written."""
        self.features = features
        self._parts: list[bytes] = []
        self._buffers: list[Buffer] = []

    def function(self, arguments: int) -> None:
        """Open a function."""
        self._parts.append(b"F" + encode_count(arguments))

    def symbol(self, symbol: Symbol | str, head: bool = False) -> None:
        """Put a symbol; `head` tells whether it heads a function."""
        self._parts.append(encode_symbol(str(symbol), self.features, head))

    def string(self, text: str) -> None:
        """Put a string."""
        self._parts.append(encode_string(text, self.features))

    def integer(self, value: int) -> None:
        """Put an integer of any size."""
        self._parts.append(encode_integer(value))

    def real(self, value: float) -> None:
        """Put a machine real; NaN and infinities are sent as such."""
        self._parts.append(encode_real(value))

    def big_real(self, real: BigReal) -> None:
        """Put a real in InputForm."""
        self._parts.append(encode_big_real(real.text))

    def end_packet(self) -> None:
        """End a packet."""
        self._parts.append(b"]")

    def raw(self, data: bytes) -> None:
        """Put bytes that are tokens already."""
        self._parts.append(data)

    def packed(self, values: np.ndarray[Any, Any]) -> None:
        """Put a one-dimensional array's numbers, as a packed run if the peer takes their type.

        A big array is not copied: do not change it before its bytes have been written.

        Raises:
            LocalProtocolError: the wire has no type for the numbers.
        """
        type_byte = type_byte_of(values)
        if type_byte is None:
            raise LocalProtocolError(f"no packed type for an array of {values.dtype}")
        if not self.features.takes_packed(type_byte):
            self._parts.append(encode_singles(values))
            return
        self._parts.append(b"P%b%c" % (encode_count(values.size), type_byte))
        flat = np.ascontiguousarray(values).reshape(-1)
        if flat.nbytes >= _PASS_THROUGH:
            self._flush()
            self._buffers.append(flat.view(np.uint8).data)
        else:
            self._parts.append(flat.tobytes())
        self._parts.append(b"\n")

    def array(self, values: np.ndarray[Any, Any], heads: Sequence[str]) -> None:
        """Put an array with one head for each dimension.

        Dimensions after one of length 0 are left out, as the libraries do: they hold nothing.

        Raises:
            LocalProtocolError: the wire has no type for the numbers, or the number of heads is not
                that of the dimensions.
        """
        if len(heads) != values.ndim or not values.ndim:
            raise LocalProtocolError(f"an array of rank {values.ndim} with {len(heads)} heads")
        dimensions: Iterable[int] = values.shape
        if not values.size:
            dimensions = values.shape[: values.shape.index(0) + 1]
        header = b"".join(
            b"F%b%b" % (encode_count(dimension), encode_symbol(head, self.features, True))
            for dimension, head in zip(dimensions, heads, strict=False)
        )
        self._parts.append(
            b"A%bD%b%b.\n" % (encode_count(values.size), encode_count(len(header) + 1), header)
        )
        if values.size:
            self.packed(values.reshape(-1))

    def _flush(self) -> None:
        if self._parts:
            self._buffers.append(b"".join(self._parts))
            self._parts.clear()

    def take(self) -> list[Buffer]:
        """Return the buffers written so far, and forget them."""
        self._flush()
        buffers, self._buffers = self._buffers, []
        return buffers

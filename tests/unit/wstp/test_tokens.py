"""Tokens in both directions: one table, each case whole, byte by byte and with bytes after it."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from wstp import (
    NEED_DATA,
    BigReal,
    LimitExceeded,
    Limits,
    RemoteProtocolError,
    Symbol,
    same,
)
from wstp.tokens import (
    DTYPES,
    ArrayToken,
    BigRealToken,
    BodyChunk,
    BodyEnd,
    BodyStart,
    EndPacketToken,
    FunctionToken,
    IntegerToken,
    MisreadToken,
    PackedToken,
    RealToken,
    StringToken,
    SymbolToken,
    Token,
    TokenReader,
    TokenWriter,
)

# Tokens in both directions: (token, bytes, the writer's call).
BOTH: list[tuple[Token, bytes, Any]] = [
    (FunctionToken(0), b"F@", lambda w: w.function(0)),
    (FunctionToken(63), b"F\x7f", lambda w: w.function(63)),
    (FunctionToken(64), b"F64 ", lambda w: w.function(64)),
    (SymbolToken("List"), b"#GA~DList\n", lambda w: w.symbol("List", head=True)),
    (SymbolToken("List"), b"#GD~DList\n", lambda w: w.symbol(Symbol("List"))),
    (StringToken("é"), b'"ED~A\xc3\xa9\n', lambda w: w.string("é")),
    (StringToken("a\n]"), b'"FD~Ca\n]\n', lambda w: w.string("a\n]")),
    (IntegerToken(-1), b"\xe4\xff\xff\xff\xff\n", lambda w: w.integer(-1)),
    (IntegerToken(1 << 31), b"\xe6\x00\x00\x00\x80\x00\x00\x00\x00\n", lambda w: w.integer(1 << 31)),
    (IntegerToken(1 << 63), b"+VA~S9223372036854775808\n", lambda w: w.integer(1 << 63)),
    (RealToken(1.5), b"\xf6" + struct.pack("<d", 1.5) + b"\n", lambda w: w.real(1.5)),
    (BigRealToken("1.`20."), b"*IA~F1.`20.\n", lambda w: w.big_real(BigReal("1.`20."))),
    (StringToken("\ud800" * 64), b'"131 C~ ' + b"\xd8\0" * 64 + b"\n", lambda w: w.string("\ud800" * 64)),
    (EndPacketToken(), b"]", lambda w: w.end_packet()),
]
# Tokens that only peers write.
READ: list[tuple[Token, bytes]] = [
    (FunctionToken(5), b"F5 "),
    (FunctionToken(65), b"F065 "),
    (IntegerToken(-1), b"\xa0\xff\n"),
    (IntegerToken(255), b"\xa1\xff\n"),
    (IntegerToken(-2), b"\xe2\xfe\xff\n"),
    (IntegerToken(65534), b"\xe3\xfe\xff\n"),
    (IntegerToken(0xFFFFFFFF), b"\xe5\xff\xff\xff\xff\n"),
    (IntegerToken((1 << 64) - 1), b"\xe7" + b"\xff" * 8 + b"\n"),
    (RealToken(0.5), b"\xf4" + struct.pack("<f", 0.5) + b"\n"),
    # C's long double as recorded: 80 bits, and six bytes without meaning.
    (RealToken(1.5), b"\xf8\x00\x00\x00\x00\x00\x00\x00\xc0\xff?~\xe8\xdf\x7f\x00\x00\n"),
    (RealToken(0.1), b"\xf8\x00\xd0\xcc\xcc\xcc\xcc\xcc\xcc\xfb?~\xe8\xdf\x7f\x00\x00\n"),
    (RealToken(float("-inf")), b"\xf8" + bytes(7) + b"\x80\xff\xff" + bytes(6) + b"\n"),
    (RealToken(0.0), b"\xf8" + bytes(16) + b"\n"),
    (BigRealToken("1.00000000000000000011`19.27*^0"), b"\xf8\x01\x00\x00\x00\x00\x00\x00\x80\xff?" + bytes(6) + b"\n"),
    # Reals as C's printf writes them; the first is recorded.
    (BigRealToken("1.5*^400"), b"*JA~G1.5e400\n"),
    (BigRealToken("-.5*^-7"), b"*JA~G-.5E-07\n"),
    (BigRealToken("1.5*^300"), b"*KA~H1.5e+300\n"),
    (BigRealToken("2*^0"), b"*HA~E2e+00\n"),
    (StringToken("a\\bé"), b'"MA~Da\\\\b\\:00e9\n'),
    (StringToken("é€😀\\[Foo]α\t\"x"), b'"hA~H\\351\\:20ac\\|01f600\\[Foo]\\[Alpha]\\t\\"x\n'),
    (StringToken("😀"), b'"GC~B\xd8=\xde\x00\n'),
    (StringToken("\ud83d"), b'"EC~A\xd8=\n'),
    (StringToken("caf\xe9"), b'"GB~Dcaf\xe9\n'),
    # Recorded: 63 and 64 characters of one byte each, then of two and of four.
    (StringToken("y" * 63), b'"66 B~\x7f' + b"y" * 63 + b"\n"),
    (StringToken("y" * 64), b'"67 B~ ' + b"y" * 64 + b"\n"),
    (StringToken("y" * 64), b'"131 C~ ' + b"\0y" * 64 + b"\n"),
    (StringToken("y" * 64), b'"259 F~ ' + b"y\0\0\0" * 64 + b"\n"),
    (StringToken("y"), b'"DB~ y\n'),
    (SymbolToken("y" * 64), b"#131 C~ " + b"\0y" * 64 + b"\n"),
    (ArrayToken(6, (2, 3), ("List", "List")), b"AFDYFB#GA~DList\nFC#GA~DList\n.\n"),
    (ArrayToken(0, (0,), ("List",)), b"A@DMF@#GA~DList\n.\n"),
]  # fmt: skip

# Texts whose end is known, and that cannot be read.
MISREAD = [
    (b'"ED~B\xc3\xa9\n', "a string's text of 1 characters claims to have 2"),
    (b'"DD~A\xff\n', "a string's text is not utf-8"),
    (b'"FD~A\xed\xa0\xbd\n', "a string's text is not utf-8"),  # a surrogate is no UTF-8
    (b'"EC~B\x00a\n', "1 UCS-2 characters claims to have 2"),
    (b'"DE~Aa\n', "a string's text is not utf-16-le"),
    (b'"EE~A\x00\xdc\n', "a string's text is not utf-16-le"),
    (b'"GF~A\x00\x00\xff\xff\n', "a string's text is not utf-32-le"),
    (b'"FF~A\x00\x00\x00\n', "a string's text is not utf-32-le"),
    (b'"GF~A\x00\x00\x00a\n', "a string's text is not utf-32-le"),  # big-endian, from a program without a byte order mark
    (b'"KA~A\\|ffffff\n', "which is no character"),
    (b'"HG~Ehello\n', "a string's text has the unknown encoding 0x47"),
    (b'"BD~\n', "a count of characters that cannot be read"),
    (b'"CD~6\n', "a count of characters that cannot be read"),
    (b'"ED~64 \n', "claims to have 64"),
    (b'"67 D~ ' + b"y" * 64 + b"\n", "a count of characters that cannot be read"),
    (b'"69 B~64 ' + b"y" * 64 + b"\n", "a count of characters that cannot be read"),
    (b'"130 C~ ' + b"y" * 127 + b"\n", "a count of characters that cannot be read"),
    (b'"UD~' + b"1" * 19 + b"\n", "a count of characters that cannot be read"),
    (b"#CD~@\n", "a symbol has no name"),
    (b"#DD~A\xff\n", "a symbol's text is not utf-8"),
    (b"+DA~Ax\n", '"x" was sent as a number'),
    (b"+CA~@\n", '"" was sent as a number'),
    (b"+FA~C12x\n", '"12x" was sent as a number'),
    (b"+DD~A\xff\n", "an integer's text is not utf-8"),
    (b"+ND~K12345678901\n", "an integer has 11 digits, over 10 (integer_digits)"),
    (b"+lA~i" + b"9a" * 20 + b"9\n", '9a..." was sent'),
    (b"*DA~Ax\n", '"x" was sent as a number'),
    (b"*DA~A\n\n", '"\\n" was sent as a number'),
]


@pytest.mark.parametrize(("token", "data"), [(token, data) for token, data, _ in BOTH] + READ)
def test_reading(token: Token, data: bytes) -> None:
    for step in (len(data), 1):
        reader = TokenReader()
        for at in range(0, len(data), step):
            assert reader.next_token() is NEED_DATA
            reader.feed(data[at : at + step])
        assert reader.next_token() == token
        assert reader.next_token() is NEED_DATA
        assert (reader.offset, reader.unread) == (len(data), 0)
    reader = TokenReader()
    reader.feed(data + b'"HD~Ehello\n')
    assert [reader.next_token(), reader.next_token()] == [token, StringToken("hello")]


@pytest.mark.parametrize(("data", "ask"), [(data, ask) for _, data, ask in BOTH])
def test_writing(data: bytes, ask: Any) -> None:
    writer = TokenWriter()
    ask(writer)
    assert b"".join(writer.take()) == data
    assert writer.take() == []


def test_packed_runs_of_every_type() -> None:
    for token, dtype in DTYPES.items():
        values = np.arange(5).astype(dtype)
        reader = TokenReader()
        reader.feed(b"PE" + bytes((token,)) + values.tobytes() + b"\n")
        found = reader.next_token()
        assert isinstance(found, PackedToken)
        assert found.values.dtype == dtype
        assert same(found.values, values)
    reader = TokenReader()
    reader.feed(b"PA\xf8\x00\x00\x00\x00\x00\x00\x00\xc0\xff?" + bytes(6) + b"\n")
    found = reader.next_token()
    assert isinstance(found, PackedToken)
    assert found.values.tolist() == [1.5]


def read_in_steps(reader: TokenReader, data: bytes, step: int) -> None:
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
        while reader.next_token() is not NEED_DATA:
            pass


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"x", 0),
        (b"F!", 1),
        (b"F6x", 2),
        (b'"HD-', 3),
        (b'"AD~', 1),
        (b'"BD~x', 4),
        (b'"DD~64 ', 6),
        (b'"DD~Axy', 6),
        (b"\xe4\x00\x00\x00\x00x", 5),
        (b"PA\xa4", 2),
        (b"PA\xa1\x00x", 4),
        (b"AAC", 2),
        (b"AADA", 3),
        (b"\xa4\x00\x00\x00\x01\n", 0),
    ],
)
def test_wrong_bytes(data: bytes, offset: int) -> None:
    for step in (len(data), 1):
        reader = TokenReader()
        with pytest.raises(RemoteProtocolError) as caught:
            read_in_steps(reader, data, step)
        assert caught.value.offset == offset
        reader.feed(b"FA")
        with pytest.raises(RemoteProtocolError):
            reader.next_token()


@pytest.mark.parametrize(("data", "problem"), MISREAD)
def test_texts_that_are_none(data: bytes, problem: str) -> None:
    for step in (len(data), 1):
        reader = TokenReader(Limits(integer_digits=10))
        for at in range(0, len(data), step):
            assert reader.next_token() is NEED_DATA
            reader.feed(data[at : at + step])
        token = reader.next_token()
        assert isinstance(token, MisreadToken)
        assert problem in token.problem
        assert (token.token, token.offset) == (data[0], 0)
        reader.feed(b'"HD~Ehello\n')
        assert reader.next_token() == StringToken("hello")


@pytest.mark.parametrize(
    ("data", "limits", "bound"),
    [
        (b"F1234567890123456789", {}, "count_digits"),
        (b'"101 D~', {"token_size": 100}, "token_size"),
        (b"P51 \xe2", {"token_size": 100}, "token_size"),
        (b"P1152921504606846976 \xf6", {"count_digits": 19}, "token_size"),
        (b"#101 D~", {"symbol_size": 100}, "symbol_size"),
        (b"AAD101 ", {"array_header": 100}, "array_header"),
    ],
)
def test_limits(data: bytes, limits: dict[str, int], bound: str) -> None:
    reader = TokenReader(Limits(**limits))
    reader.feed(data)
    for _ in range(2):
        with pytest.raises(LimitExceeded, match=bound):
            reader.next_token()


def test_chunks_are_never_assembled() -> None:
    reader = TokenReader(chunked=True)
    size = 200_000_000
    block = bytes(1 << 20)
    reader.feed(b"P25000000 \xf6")
    seen = 0
    assert reader.next_token() == BodyStart(0x50, 25_000_000, 0xF6, size)
    while seen < size:
        piece = block[: min(len(block), size - seen)]
        reader.feed(piece)
        chunk = reader.next_token()
        assert isinstance(chunk, BodyChunk)
        seen += len(chunk.data)
        assert reader.unread == 0
    assert reader.next_token() is NEED_DATA
    reader.feed(b'\n"DD~Ax\n')
    assert [reader.next_token(), reader.next_token()] == [BodyEnd(), StringToken("x")]


def test_long_texts_in_chunks() -> None:
    data = b'"70009 D~70000 ' + b"x" * 70000 + b"\n]"
    reader = TokenReader(chunked=True)
    reader.feed(data.replace(b"70009", b"%d" % (70000 + 6 + 2)))
    assert reader.next_token() == BodyStart(0x22, 70000, ord("D"), 70000)
    assert reader.next_token() == BodyChunk(b"x" * 70000)
    assert [reader.next_token(), reader.next_token()] == [BodyEnd(), EndPacketToken()]

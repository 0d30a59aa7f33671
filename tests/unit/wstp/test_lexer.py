"""The shape of tokens: headers cut anywhere, counts, array headers piece by piece."""

from __future__ import annotations

import pytest

from wstp import LimitExceeded, Limits, RemoteProtocolError
from wstp.lexer import NO_COUNT, ArrayHeader, Header, encode_count, encode_text_count, read_header

LIMITS = Limits()
HEAD = b"FB#GA~DList\nFC#GA~DList\n."


def read(data: bytes, at: int = 0) -> Header | None:
    return read_header(data, at, len(data), 0, LIMITS)


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (b"FA", Header(0x46, 2, 0, 1, 0)),
        (b"F0064 ", Header(0x46, 6, 0, 64, 0)),
        (b"]", Header(0x5D, 1, 0, 0, 0)),
        (b"\xe4", Header(0xE4, 1, 5, 1, 0xE4)),
        (b'"HD~E', Header(0x22, 5, 6, 5, 0x44)),
        (b"#203 C~ ", Header(0x23, 8, 201, 100, 0x43)),
        (b"PC\xf6", Header(0x50, 3, 25, 3, 0xF6)),
        (b"AFDY", Header(0x41, 4, 26, 6, 0)),
        # Where a count of characters is wrong, the size alone says where the text ends.
        (b'"BD~', Header(0x22, 4, 1, NO_COUNT, 0x44)),
        (b'"HG~E', Header(0x22, 5, 6, 5, 0x47)),
        (b"#203 C~6", Header(0x23, 7, 202, NO_COUNT, 0x43)),
        (b"#202 C~ ", Header(0x23, 7, 201, NO_COUNT, 0x43)),
        (b'"65 D~6x', Header(0x22, 6, 64, NO_COUNT, 0x44)),
        (b'"DD~12', Header(0x22, 4, 3, NO_COUNT, 0x44)),
    ],
)
def test_headers_wait_for_their_last_byte(data: bytes, header: Header) -> None:
    assert read(data) == header
    assert read(b"]" + data, 1) == header._replace(body=header.body + 1)
    for end in range(1, len(data)):
        assert read(data[:end]) is None


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"x", 0),
        (b"F!", 1),
        (b"F64x", 3),
        (b'"AD~', 1),
        (b'"HD-', 3),
        (b"PC\x00", 2),
        (b"AFE", 2),
    ],
)
def test_the_first_wrong_byte_is_named(data: bytes, offset: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read_header(data, 0, len(data), 1000, LIMITS)
    assert caught.value.offset == 1000 + offset


def test_counts() -> None:
    assert [encode_count(number) for number in (0, 63, 64, 300_000)] == [b"@", b"\x7f", b"64 ", b"300000 "]
    assert [encode_text_count(letter, 64) for letter in (b"A", b"B", b"C", b"D", b"E", b"F")] == [b"64 ", b" ", b" ", b"64 ", b"64 ", b" "]
    with pytest.raises(LimitExceeded, match="count_digits"):
        read(b"F" + b"1" * 19)


@pytest.mark.parametrize("step", [1, 5, 100])
def test_an_array_header_in_pieces(step: int) -> None:
    header = ArrayHeader(6, len(HEAD), 0, LIMITS)
    data = HEAD + b"\nPF"
    at = 0
    while not header.done:
        at += header.feed(data[at : at + step])
    assert at == len(HEAD) + 1
    assert (header.dimensions, header.heads) == ([2, 3], ["List", "List"])


@pytest.mark.parametrize(
    ("leaves", "data", "words"),
    [
        (5, HEAD + b"\n", "an array of 5 leaves has dimensions"),
        (6, HEAD[:-1] + b"]\n", "does not end where it says"),
        (6, HEAD + b"]", "no newline"),
        (6, b"G" + HEAD[1:] + b"\n", "where an array's dimension is due"),
        (6, b'FB"' + HEAD[3:] + b"\n", "head is not a symbol"),
    ],
)
def test_wrong_array_headers(leaves: int, data: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        ArrayHeader(leaves, len(HEAD), 0, LIMITS).feed(data)

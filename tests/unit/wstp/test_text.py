"""The six text encodings: what is chosen, and how characters are counted in pieces."""

from __future__ import annotations

import pytest
from wire_forms import text_token

from wstp import Features
from wstp.text import TextError, count_characters, decode_text, encode_text


@pytest.mark.parametrize("encoding", "ABCDEF")
def test_characters_are_counted_wherever_a_text_is_cut(encoding: str) -> None:
    text = "ab\\" if encoding == "B" else "aé€\\b\\\\]"
    if encoding in "DEFA":
        text += "😀x"
    token = text_token(b'"', text, encoding)
    start = token.index(b"~") + 2
    data = token[start:-1]
    letter = ord(encoding)
    for place in range(len(data) + 1):
        seen, whole = count_characters(letter, data[:place])
        more, end = count_characters(letter, data[whole:])
        assert seen + more == len(text)
        assert whole + end == len(data)
    assert decode_text(letter, data, len(text)) == text


def test_the_encoding_chosen() -> None:
    assert encode_text("a\ud800")[0] == b"C"
    assert encode_text("a\ud800", Features(formats=(1, 4)))[0] == b"A"
    assert encode_text("é", Features(formats=(1, 3)))[0] == b"A"
    assert encode_text("é")[0] == b"D"


@pytest.mark.parametrize(
    ("encoding", "data", "chars"),
    [
        ("B", b"ab", 3),
        ("C", b"\0a\0", 1),
        ("D", b"\xff", 1),
        ("D", "é".encode(), 2),
        ("E", b"\x00\xd8", 1),
        ("F", b"a\0\0", 1),
        ("A", rb"\|110000", 1),
        ("G", b"a", 1),
    ],
)
def test_bytes_that_are_no_text(encoding: str, data: bytes, chars: int) -> None:
    with pytest.raises(TextError):
        decode_text(ord(encoding), data, chars)


@pytest.mark.parametrize(
    ("written", "text"),
    [(rb"\\ \" \n", '\\ " \n'), (rb"\:03b1\.e9\351\|01f600", "αéé😀"), (rb"\[Mu]\[CapitalOmega]\[NoSuchName]", "μΩ\\[NoSuchName]")],
)
def test_escapes(written: bytes, text: str) -> None:
    assert decode_text(ord("A"), written, 0) == text

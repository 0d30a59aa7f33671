"""The six text encodings: what is chosen, and how characters are counted in pieces."""

from __future__ import annotations

import pytest
from wire_forms import text_token

from wstp import Features
from wstp.text import TextError, count_characters, decode_number, decode_text, encode_text, joined


@pytest.mark.parametrize("encoding", "ABCDEF")
def test_characters_are_counted_wherever_a_text_is_cut(encoding: str) -> None:
    text = "ab\\" if encoding == "B" else "aé€α\\b\\\\]"
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
    assert encode_text("\uffff")[0] == b"D"


@pytest.mark.parametrize("features", [Features(), Features(formats=(1,)), Features(formats=(1, 4))])
@pytest.mark.parametrize("text", ["x😀y", "x\ud83d\ude00y"])
def test_characters_beyond_ucs2_are_two_escapes_which_count_as_two(text: str, features: Features) -> None:
    """A reader cuts off what is beyond the count; one of UCS-2 knows no other form."""
    assert encode_text(text, features) == (b"A", rb"x\:d83d\:de00y", 4)


def test_a_surrogate_without_its_other_half_is_sent_in_ucs2_with_all_others_of_its_text() -> None:
    assert encode_text("😀\ude00") == (b"C", b"\xd8\x3d\xde\x00\xde\x00", 3)
    assert encode_text("😀\ude00", Features(formats=(1,))) == (b"A", rb"\:d83d\:de00\:de00", 3)


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


@pytest.mark.parametrize(
    ("written", "text", "chars"),
    [
        (rb"x\:d83d\:de00y", "x😀y", 4),
        (rb"\:D83D\:DE00\:03b1\:d83d", "😀α\ud83d", 4),
        (rb"\:de00\:d83d", "\ude00\ud83d", 2),
        (rb"\\:d83d\\:de00", r"\:d83d\:de00", 12),
        (rb"\|01f600", "😀", 1),
        (b"a\\\nb\\\\\n", "ab\\\n", 4),
    ],
)
def test_escapes_count_as_the_libraries_count_them(written: bytes, text: str, chars: int) -> None:
    assert decode_text(ord("A"), written, chars) == text
    for place in range(len(written) + 1):
        seen, whole = count_characters(ord("A"), written[:place])
        assert seen + count_characters(ord("A"), written[whole:])[0] == chars


@pytest.mark.parametrize("encoding", "ACF")
def test_halves_that_meet_are_joined_in_every_encoding_that_can_hold_them(encoding: str) -> None:
    data = {"A": rb"\:d83d\:de00", "C": b"\xd8\x3d\xde\x00", "F": b"\x3d\xd8\0\0\0\xde\0\0"}[encoding]
    assert decode_text(ord(encoding), data, 2) == joined("\ud83d\ude00") == "😀"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("E", b"\x001\x00.\x005"),
        ("F", b"\0\0\x001\0\0\0.\0\0\x005"),
        ("E", "1.5".encode("utf-16-le")),
        ("F", "1.5".encode("utf-32-le")),
        ("A", b"1.5"),
        ("C", b"\x001\x00.\x005"),
    ],
)
def test_the_text_of_a_number_in_either_order(encoding: str, data: bytes) -> None:
    assert decode_number(ord(encoding), data, 3) == "1.5"


@pytest.mark.parametrize(("encoding", "data"), [("E", b"7\0\0\xd8"), ("F", b"7\0\0\0\0\xf2\x01\xff")])
def test_units_behind_a_number_that_are_no_characters(encoding: str, data: bytes) -> None:
    assert decode_number(ord(encoding), data, 2) == "7\ufffd"

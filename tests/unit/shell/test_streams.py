"""Texts of a kernel on streams that cannot hold every character."""

from __future__ import annotations

import io

import pytest

from kernelbus.shell.streams import write_text


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("utf-8", "é😀\n", "é😀\n".encode()),
        ("utf-8", "é\ud83d😀", "é\\:d83d😀".encode()),
        ("ascii", "aé😀\ude00", rb"a\:00e9\|01f600\:de00"),
        ("latin-1", "é日", b"\xe9\\:65e5"),
    ],
)
def test_a_character_that_the_stream_has_not_is_shown_otherwise(encoding: str, text: str, written: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    stream.write("before ")
    write_text(stream, text)
    assert raw.getvalue() == b"before " + written


def test_a_stream_of_text_takes_all() -> None:
    stream = io.StringIO()
    write_text(stream, "é\ud83d")
    assert stream.getvalue() == "é\ud83d"

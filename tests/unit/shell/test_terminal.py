"""What is printed: a terminal gets nothing that it obeys, a file what was said."""

from __future__ import annotations

import io
import json

import pytest

from kernelbus.shell.terminal import complain, for_stream, json_text

HOSTILE = "a\x1b[2J\x9b\u202eb\nc"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_escapes_and_a_file_what_was_said() -> None:
    assert for_stream(HOSTILE, Terminal()) == "a\\x1b[2J\\x9b\\u202eb\nc"
    assert for_stream(HOSTILE, io.StringIO()) == HOSTILE


def test_a_complaint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("kernelbus x", ValueError(HOSTILE))
    assert capsys.readouterr().err == "kernelbus x: a\\x1b[2J\\x9b\\u202eb\\nc\n"


def test_json_means_the_same_and_has_nothing_to_obey() -> None:
    value = {"name": HOSTILE + "\U000e0041é"}
    text = json_text(value)
    assert json.loads(text) == value
    assert text.isprintable() or text.replace("\n", "").isprintable()
    assert "é" in text

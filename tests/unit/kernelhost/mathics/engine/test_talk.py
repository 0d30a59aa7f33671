"""The bytes between a kernel and its engine, and the meaning of what the engine writes."""

from __future__ import annotations

import pytest

from kernelbus.kernelhost.mathics.engine import talk
from kernelbus.kernelhost.mathics.engine.talk import (
    Answer,
    AnswerReader,
    Message,
    Printed,
    TalkError,
    events,
    question,
)

INFY = "\n" + " " * 33 + "1\nPower::infy: Infinite expression - encountered.\n" + " " * 33 + "0\n"
BASE = "\n" + " " * 40 + "0\nPower::indet: Indeterminate expression 0  encountered.\n"


def test_a_question_has_a_line_and_its_text() -> None:
    assert question("2 + ä", "n1") == b"n1 value - 6\n2 + \xc3\xa4"
    assert question("x", "n2", picture=True, seed=7) == b"n2 picture 7 1\nx"


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_an_answer_is_read_in_pieces_of_any_size(size: int) -> None:
    data = b"hello\n\nf::bad: No.\n\n\x04n1 done 3 5\n\xc3\xa4!<svg>"
    reader = AnswerReader("n1")
    found = [reader.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert found[:-1] == [None] * (len(found) - 1)
    answer = found[-1]
    assert answer == Answer("ä!", (Printed("hello\n"), Message("f", "bad", "No.")), "<svg>")
    assert answer.prints == ("hello\n",)
    assert answer.messages == (Message("f", "bad", "No."),)


def test_what_the_engine_cannot_evaluate_is_no_value() -> None:
    assert AnswerReader("n").feed(b"\n\x04n wrong 3 0\nWhy") == Answer("", wrong="Why")
    assert AnswerReader("n").feed(b"\x04n broken 3 0\nWhy") == Answer("", wrong="Why", broken=True)


def test_the_mark_of_another_question_is_printed_text() -> None:
    assert AnswerReader("n").feed(b"\x04m done 0 0\n\n\x04n done 1 0\n1") == Answer("1", (Printed("\x04m done 0 0\n"),))


@pytest.mark.parametrize("header", [b"\x04n done 1\n", b"\x04n done x y\n", b"\x04n done 1 0 0\n"])
def test_wrong_bytes_are_refused(header: bytes) -> None:
    with pytest.raises(TalkError, match="protocol"):
        AnswerReader("n").feed(header)


def test_an_answer_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "MOST", 1000)
    with pytest.raises(TalkError, match="more than"):
        AnswerReader("n").feed(b"x" * 1001)
    with pytest.raises(TalkError, match="longer than"):
        AnswerReader("n").feed(b"\x04n done 2000 0\n")


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("", []),
        ("a\nb\n", [Printed("a\nb\n")]),
        ("no end", [Printed("no end")]),
        ("\n\n", [Printed("\n\n")]),
        ("\nf::g: text\n", [Message("f", "g", "text")]),
        ("f::g: text\n", [Printed("f::g: text\n")]),
        ("a\n\nf`b::g: text\nc\n", [Printed("a\n"), Message("f`b", "g", "text"), Printed("c\n")]),
        (INFY, [Message("Power", "infy", "Infinite expression 1/0 encountered.")]),
        (INFY + INFY, [Message("Power", "infy", "Infinite expression 1/0 encountered.")] * 2),
        (BASE, [Message("Power", "indet", "Indeterminate expression 0^0 encountered.")]),
        (INFY.replace("1\n", "x\n", 1), [Message("Power", "infy", "Infinite expression x/0 encountered.")]),
        (BASE + "after\n", [Message("Power", "indet", "Indeterminate expression 0^0 encountered."), Printed("after\n")]),
        ("\n   indented\n", [Printed("\n   indented\n")]),
    ],
)
def test_prints_and_messages_are_told_apart(output: str, found: list[Message | Printed]) -> None:
    assert list(events(output)) == found

"""Completions: a stream cut at any byte is ended legally; a large completion is not assembled."""

from __future__ import annotations

import numpy as np
import pytest
from wire_forms import text_token

from wstp import NEED_DATA, ExpressionReader, Symbol, Tracker, write_expression
from wstp.completion import Completion, Unfinished, complete
from wstp.tracker import End

F = Symbol("f")
STREAMS = {
    "function": b"".join(write_expression(F(F(1, 2.5), "text", 10**40, Symbol("Global`x")))),
    "many arguments": b"".join(write_expression(F(*map(str, range(100))))),
    "packed list": b"".join(write_expression(F(np.arange(5.0)))),
    "array": b"".join(write_expression(np.arange(600.0).reshape(20, 30))),
    "array of single numbers": b"AFDYFB#GA~DList\nFC#GA~DList\n.\n" + b"\xe4\1\0\0\0\n" * 6,
    **{f"text in {letter}": b"FA#DA~Af\n" + text_token(b'"', "aé" * 40, letter) for letter in "ABCDEF"},
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_at_any_byte_is_ended(name: str) -> None:
    data = STREAMS[name]
    for cut in range(1, len(data)):
        tracker = Tracker()
        tracker.feed(data[:cut])
        rest = bytes(tracker.completion())
        marks = tracker.feed(rest)
        assert marks[-1] == End(cut + len(rest))
        assert tracker.idle
        reader = ExpressionReader()
        reader.feed(data[:cut] + rest)
        assert reader.next() is not NEED_DATA
        assert reader.unread == 0


def test_what_is_missing_becomes_null() -> None:
    assert bytes(complete(Unfinished(stack=(2, ~1)))) == b"#GA~DNull\n" * 3


def test_missing_leaves_become_zeros() -> None:
    assert bytes(complete(Unfinished(array_left=3))) == b"PC\xa1\0\0\0\n"
    assert bytes(complete(Unfinished(array_left=2, array_fresh=False))) == b"\xa1\0\n" * 2


def test_a_large_completion_is_not_assembled() -> None:
    completion = Completion(((b"ab", 10**12), (b"c", 1)))
    assert completion.size == 2 * 10**12 + 1
    assert len(next(iter(completion))) <= 1 << 18
    small = Completion(((b"ab", 300_000), (b"c", 1)))
    assert bytes(small) == b"ab" * 300_000 + b"c"
    assert max(map(len, small)) <= 1 << 18

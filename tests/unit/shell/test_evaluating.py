"""The words of `kernelbus eval`: code, files, and what is for a script."""

from __future__ import annotations

import pytest

from kernelbus.shell.evaluating import divided


@pytest.mark.parametrize(
    ("line", "words", "rest"),
    [
        ("eval 1 2", "eval 1 2", ""),
        ("eval 1 -- -x -- y", "eval 1", "-x -- y"),
        ("eval --script f a --pool b", "eval --print none --file f", "a --pool b"),
        ("eval --pool p --script=f -- a", "eval --pool p --print none --file f", "-- a"),
        ("eval --print all --script f a", "eval --print all --file f", "a"),
        ("eval --file f -- --script g", "eval --file f", "--script g"),
        ("eval --script", "eval --script", ""),
    ],
)
def test_what_is_for_a_script_is_read_no_further(line: str, words: str, rest: str) -> None:
    assert divided(line.split()) == (words.split(), rest.split())

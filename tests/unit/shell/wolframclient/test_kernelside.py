"""What a kernel evaluates first, and how it logs."""

from __future__ import annotations

import logging
import re

import pytest

from kernelbus.shell.wolframclient.kernelside import LEVELS, logged, prologue


@pytest.mark.parametrize(
    ("level", "number"),
    [(logging.NOTSET, "Infinity"), (logging.DEBUG, "1"), (logging.INFO, "2"), (logging.WARNING, "3"), (logging.ERROR, "4"), (60, "4")],
)
def test_the_kernel_is_told_its_level(level: int, number: str) -> None:
    assert f"$LogLevel = {number};" in prologue(level)


def test_all_names_of_ours_have_a_context() -> None:
    names = set(re.findall(r"(?<![\w`$])[a-z]\w*(?![\w`])", re.sub(r'"[^"]*"', "", prologue(logging.INFO))))
    assert names == set()


def test_log_messages_are_told_from_printed_text() -> None:
    assert logged("\x1dClientLibrary`3:a:b\n") == (3, "a:b\n")
    assert LEVELS[3] == logging.WARNING
    assert [logged(text) for text in ("ClientLibrary`3:a", "", "\x1dClientLibrary`x:a", "\x1dClientLibrary`3")] == [None] * 4

"""Options that several commands share."""

from __future__ import annotations

import argparse

import pytest

from kernelbus.shell.arguments import Parser, add_choice, lasting, run_client, seconds


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a number of seconds above 0"):
        seconds(text)


def test_a_length_of_time_has_a_unit() -> None:
    assert [lasting(text) for text in ("90s", "5m", "2h", "7d", "1.5h")] == [90, 300, 7200, 7 * 86400, 5400]
    for text in ("7", "d", "", "-1d", "1w", "infd"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is not a time: give a number with s, m, h or d"):
            lasting(text)


def test_a_choice_that_contradicts_itself_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="it")
    add_choice(parser)
    options = parser.parse_args(["--kernel-id", "k", "--pool", "p"])
    options.parser = parser
    assert run_client(options, lambda choice: 0) == 2
    assert capsys.readouterr().err.startswith("it: --kernel-id names a kernel, whatever its pool is")

"""Lines and arguments of the admin shell."""

from __future__ import annotations

import argparse

import pytest

from kernelbus.shell.admin.parsing import Parser, commands_of, positive, seconds


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("kernels; pools", ["kernels", "pools"]),
        ("", []),
        (" ; ;; ", []),
        ("# nothing", []),
        ("pools # all of them; kernels", ["pools"]),
        ("pools;# all", ["pools"]),
        ("show a#b", ["show a#b"]),
        ("kernels | grep 'a;b'; pools", ["kernels | grep 'a;b'", "pools"]),
        ('show "the # one"', ['show "the # one"']),
        ("show 'unfinished; x", ["show 'unfinished; x"]),
    ],
)
def test_lines_are_parted(line: str, commands: list[str]) -> None:
    assert commands_of(line) == commands


@pytest.mark.parametrize("given", ["-abcdefgh", "--bcdefgh", "-h4hq_-Z3", "-yab", "-ab", "---", "abc", "-maximum"])
def test_an_id_is_no_option(given: str) -> None:
    parser = Parser(allow_abbrev=False)
    parser.add_argument("-n", "--number")
    parser.add_argument("-y", "--yes", action="store_true")
    parser.add_argument("--maximum")
    parser.add_argument("id")
    assert parser.parse_args([given, "--maximum", "3"]).id == given
    told = parser.parse_args(["-n4", given, "--maximum=3", "-y"])
    assert (told.number, told.id, told.maximum, told.yes) == ("4", given, "3", True)
    with pytest.raises(SystemExit):
        parser.parse_args([given, "--nonsense"])


def test_numbers() -> None:
    assert (seconds("0.5"), positive("3")) == (0.5, 3)
    for read, texts in ((seconds, ("0", "-1", "x", "inf", "nan")), (positive, ("0", "-1", "1.5", "٣", "9" * 20))):
        for text in texts:
            with pytest.raises(argparse.ArgumentTypeError):
                read(text)

"""The embedded kernel's command line."""

from __future__ import annotations

import pytest

from kernelhost.mathics.options import Options, OptionsError, parse_options

LINK = ["-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", "31415@127.0.0.1"]


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        ([], Options()),
        (["-wstp", *LINK], Options(link=tuple(LINK))),
        (["-mathlink", "-LinkName", "1@h"], Options(link=("-LinkName", "1@h"))),
        (["-noprompt", "-subkernel"], Options(prompts=False, subkernel=True)),
        (["-run", "x=1", "-run", "y=2"], Options(run=("x=1", "y=2"))),
        (["-initfile", "a.m"], Options(initfiles=("a.m",))),
        (["-initfile", "a.m", "-noinit"], Options()),
        (["-run", "-noprompt"], Options(run=("-noprompt",))),
        (["-pwfile", "x", "-wstp"], Options(unknown=("-pwfile", "x"))),
        (["run"], Options(unknown=("run",))),
    ],
)
def test_options(argv: list[str], options: Options) -> None:
    assert parse_options(argv) == options


@pytest.mark.parametrize("argv", [["-run"], ["-wstp", "-linkname"]])
def test_a_missing_value_is_named(argv: list[str]) -> None:
    with pytest.raises(OptionsError, match=argv[-1]):
        parse_options(argv)

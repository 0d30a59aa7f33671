"""The embedded kernel's command line."""

from __future__ import annotations

import pytest

from kernelbus.kernelhost.mathics.start.options import Options, OptionsError, parse_options

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
        (["-pwfile", "-run", "-wstp"], Options()),
        (["-memory", "1000"], Options(memory=1000)),
        (["-title", "kernel 1 of pool A"], Options(title="kernel 1 of pool A")),
        (["-parallel", "31415@127.0.0.1"], Options(parallel="31415@127.0.0.1")),
        (["-linkdescriptors", "5,16"], Options(descriptors=(5, 16))),
        (["-frobnicate", "x", "-wstp"], Options(unknown=("-frobnicate", "x"))),
        (["run"], Options(unknown=("run",))),
    ],
)
def test_options(argv: list[str], options: Options) -> None:
    assert parse_options(argv) == options


@pytest.mark.parametrize("argv", [["-run"], ["-wstp", "-linkname"]])
def test_a_missing_value_is_named(argv: list[str]) -> None:
    with pytest.raises(OptionsError, match=argv[-1]):
        parse_options(argv)


@pytest.mark.parametrize("value", ["", "5", "5,", "a,b", "-1,2", "5,6,7", "1" * 10 + ",2"])
def test_descriptors_that_are_none_are_named(value: str) -> None:
    with pytest.raises(OptionsError, match=f"-linkdescriptors {value} is not two descriptors"):
        parse_options(["-linkdescriptors", value])


def test_a_size_that_is_none_is_named() -> None:
    with pytest.raises(OptionsError, match="-memory much is not a number of bytes"):
        parse_options(["-memory", "much"])

"""`kernelbus repl` with lines from a pipe, against a scripted kernel."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from kernel_player import KernelPlayer, message, packet

from kernelbus.shell.clients.choice import Choice
from kernelbus.shell.clients.repl import run_repl
from wstp import Function, Symbol

Start = Callable[..., KernelPlayer]
AGAIN = packet("InputNamePacket", "In[2]:= ")


def repl(kernel: KernelPlayer, lines: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    return run_repl(Choice.of(server=kernel.server))


def test_lines_are_entered_and_only_the_kernel_is_shown(
    play: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = play(
        {
            "2+2": [packet("OutputNamePacket", "Out[1]= "), packet("ReturnTextPacket", "4"), AGAIN],
            "1/0": [*message("Power", "infy", "Power::infy: Infinite."), packet("ReturnTextPacket", "ComplexInfinity"), AGAIN],
        }
    )
    assert repl(kernel, "2+2\n1/0\n", monkeypatch) == 0
    written = capsys.readouterr()
    assert written.out == "Out[1]= 4\nComplexInfinity\n"
    assert written.err == "Power::infy: Infinite.\n"
    assert kernel.codes == ["2+2", "1/0"]
    assert kernel.ended.wait(30)
    assert kernel.commands[-1].head == Symbol("WSTPServer`CloseKernel")


def test_incomplete_input_goes_on_in_the_next_line(
    play: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    incomplete: list[Function] = [
        *message("Syntax", "sntxi", "Syntax::sntxi: Incomplete expression."),
        packet("SyntaxPacket", 3),
        packet("InputNamePacket", "In[1]:= "),
    ]
    kernel = play({"f[": incomplete, "f[\nx]": [packet("ReturnTextPacket", "f[x]"), AGAIN]})
    assert repl(kernel, "f[\nx]\n", monkeypatch) == 0
    assert capsys.readouterr() == ("f[x]\n", "")
    assert kernel.codes == ["f[", "f[\nx]"]


def test_input_that_is_left_incomplete_is_a_failure(
    play: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = message("Syntax", "sntxi", "Syntax::sntxi: Incomplete.")
    incomplete = [*said, packet("SyntaxPacket", 3), packet("InputNamePacket", "In[1]:= ")]
    assert repl(play({"f[": incomplete}), "f[\n", monkeypatch) == 1
    assert capsys.readouterr().err == "Syntax::sntxi: Incomplete.\n"


def test_no_server(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run_repl(Choice.of(server="1@127.0.0.1")) == 2
    assert capsys.readouterr().err.startswith("kernelbus repl: cannot reach a server: cannot connect to 1@127.0.0.1: ")

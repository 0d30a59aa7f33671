"""`kernelbus script` against a scripted kernel, and the executable that it installs."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kernel_player import KernelPlayer

from kernelbus.shell.main import main

Start = Callable[..., KernelPlayer]


def test_code_and_function_are_evaluated_at_the_server(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = play()
    assert main(["script", "-wstpserver", kernel.server, "-code", "2+2", "arg"]) == 0
    assert main(["script", "-wstpserver", kernel.server, "-function", "f", "-args", "a"]) == 0
    assert kernel.codes[1::2] == ["2+2", '(f)["a"]'] and '"wolframscript", "arg"' in kernel.codes[0]
    assert capsys.readouterr().out == 'value of 2+2\nvalue of (f)["a"]\n'
    assert kernel.closed == 2


def test_a_file_shows_what_it_prints_alone(play: Start, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "f.wls"
    file.write_text("#!/usr/bin/env wolframscript\na\nb\n")
    kernel = play()
    assert main(["script", "-wstpserver", kernel.server, str(file), "x", "-y"]) == 0
    assert kernel.codes[1:] == ["a", "b"] and f'List["{file}", "x", "-y"]' in kernel.codes[0]
    assert capsys.readouterr().out == ""
    assert main(["script", "-wstpserver", kernel.server, "-print", "all", str(file)]) == 0
    assert capsys.readouterr().out == "value of a\nvalue of b\n"


def test_lines_of_input(play: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n\nb\n"))
    kernel = play()
    assert main(["script", "-wstpserver", kernel.server, "-linewise"]) == 0
    assert kernel.codes[1:] == ["a", "b"]


def test_code_for_each_line_of_input(play: Start, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = play()
    for words in (["-code", "c"], ["-function", "f", "-signature", "Integer"]):
        monkeypatch.setattr("sys.stdin", io.StringIO("1\nx\n"))
        status = main(["script", "-wstpserver", kernel.server, "-linewise", *words])
        assert status == (1 if "-signature" in words else 0)
    assert [code for code in kernel.codes if "Unprotect" not in code] == ["c", "c", "(f)[1]"]
    assert capfd.readouterr().err == "kernelbus script: standard input:2: argument 1, 'x', is no Integer\n"


def test_a_line_is_evaluated_when_it_is_there(play: Start, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = play()
    reader, writer = os.pipe()

    def program_that_waits_for_each_answer() -> None:
        with os.fdopen(writer, "w") as lines:
            for code in ("a", "b"):
                print(code, file=lines, flush=True)
                assert kernel.wait_until(lambda code=code: code in kernel.codes)  # type: ignore[misc]

    with os.fdopen(reader) as stdin, ThreadPoolExecutor(1) as other:
        monkeypatch.setattr("sys.stdin", stdin)
        driven = other.submit(program_that_waits_for_each_answer)
        assert main(["script", "-wstpserver", kernel.server, "-linewise"]) == 0
        driven.result()
    assert capfd.readouterr().out == "value of a\nvalue of b\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["-zork"], 2, "kernelbus script: unknown option -zork"),
        (["-file", "nowhere.wls"], 1, "kernelbus script: nowhere.wls: No such file or directory"),
        (["-wstpserver", "http://x", "-c", "1"], 2, "kernelbus script: -wstpserver: 'http://x' is no server's address"),
        (["-continueprofile", "/nowhere/zork.json", "-c", "1"], 2, "kernelbus script: there is no profile /nowhere/zork.json: -startp"),
        (["-charset", "Zork", "-c", "1"], 2, "kernelbus script: -charset: 'Zork' is no encoding"),
        (["--install", "/dev/null/folder"], 1, "kernelbus script: --install: /dev/null/folder cannot be made: Not a directory"),
    ],
)
def test_what_cannot_be_run_is_said(words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["script", *words]) == status
    assert capsys.readouterr().err.startswith(said)


def test_the_executable_never_replaces_another_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path = tmp_path / "a" / "folder that is made"
    file = tmp_path / "wolframscript"
    assert main(["script", "--install", str(tmp_path)]) == 0
    made = file.read_text()
    assert os.access(file, os.X_OK) and 'kernelbus.shell.main script "$@"' in made
    assert main(["script", "--install", str(tmp_path)]) == 0, "its own file it replaces"
    file.write_text("#!/bin/sh\nexec real-wolframscript\n")
    assert main(["script", "--install", str(tmp_path)]) == 1
    assert "is another program's: --force replaces it" in capsys.readouterr().err
    assert "real-wolframscript" in file.read_text()
    assert main(["script", "--install", str(tmp_path), "--force"]) == 0
    assert file.read_text() == made
    assert main(["script", "-wstpserver", "4000@h", "--install", str(tmp_path)]) == 0
    assert "script -wstpserver 4000@h" in file.read_text()
    assert main(["script", "-wstpserver", "http://h", "--install", str(tmp_path)]) == 2

"""The embedded kernel as a program."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kernelbus.kernelhost.mathics import __main__ as program


@pytest.mark.parametrize("arguments", [[], ["-mystery"], ["-linkname"]])
def test_wrong_arguments_are_reported_on_standard_error(arguments: list[str]) -> None:
    command = [sys.executable, "-m", str(program.__package__), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert all(line.startswith("kernelhost.mathics: ") for line in done.stderr.splitlines())


def test_main_runs_a_kernel_that_has_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []

    def run(argv: list[str], loaded: object) -> int:
        called.append((argv, loaded))
        return 7

    monkeypatch.setattr(program, "run", run)
    monkeypatch.setattr(program, "_redirect_standard_streams", lambda: None)
    assert program.main(["-wstp"]) == 7
    assert called == [(["-wstp"], None)]

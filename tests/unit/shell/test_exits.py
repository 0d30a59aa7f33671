"""Exit statuses, on which scripts rely."""

from __future__ import annotations

import signal

import pytest

from kernelbus.shell import exits
from kernelbus.shell.main import main


def test_the_numbers_are_those_that_the_help_promises() -> None:
    assert (exits.OK, exits.FAILED, exits.UNUSABLE, exits.INTERRUPTED) == (0, 1, 2, 128 + signal.SIGINT)


def test_ctrl_c_during_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("kernelbus.shell.operations.checkconfig.run_check_config", interrupted)
    assert main(["check-config"]) == exits.INTERRUPTED

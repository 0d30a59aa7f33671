"""`kernelbus connect` against a scripted kernel: what it prints and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kernel_player import KERNEL, KernelPlayer

from kernelbus.shell.clients.choice import Choice
from kernelbus.shell.clients.connect import run_connect

Start = Callable[..., KernelPlayer]


def commands(kernel: KernelPlayer) -> list[str]:
    return [command.head.name.removeprefix("WSTPServer`") for command in kernel.commands]


def test_a_kernel_that_is_kept(play: Start, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    kernel = play()
    assert run_connect(Choice.of(server=kernel.server, start_profile="work")) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:3] == [f"kernel  {KERNEL}", "pool    Played", f"server  {kernel.server}"]
    assert shown[3:] == [f"profile {tmp_path}/kernelbus/profiles/work.json", "use it  kernelbus repl --continue-profile work"]
    assert kernel.ended.wait(30)
    assert "CloseKernel" not in commands(kernel)


def test_quiet_prints_the_id_alone(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_connect(Choice.of(server=play().server), quiet=True) == 0
    assert capsys.readouterr().out == f"{KERNEL}\n"


def test_ending_a_kernel(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = play()
    assert run_connect(Choice.of(server=kernel.server, kernel_id=KERNEL), close_kernel=True) == 0
    assert capsys.readouterr().out == f"kernel  {KERNEL} is ended\n"
    assert commands(kernel)[-1] == "CloseKernel"


def test_a_fresh_kernel_is_not_there_to_be_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_connect(Choice.of(server="9@127.0.0.1"), close_kernel=True) == 2
    assert capsys.readouterr().err.startswith("kernelbus connect: --close-kernel ends a kernel that is there: ")

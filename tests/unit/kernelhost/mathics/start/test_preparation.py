"""A pool's initialisation, run in the parent that its kernels are forked from."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.start import preparation
from kernelbus.kernelhost.mathics.start.preparation import InitialisationError, prepare
from kernelbus.kernelhost.process.initialisation import Initialisation, verdict


def test_an_initialisation_that_says_too_much_is_cut_short(loaded: Loaded) -> None:
    said: list[tuple[str, bool]] = []
    code = 'Print[StringJoin[Table["x", {10000}]]]; 1/0; Do[Print[i], {i, 1000}]; late = 1'
    prepare(loaded, Initialisation(None, code), lambda text, message: said.append((text, message)))
    assert len(said) == 200
    assert said[0] == ("x" * 2000, False)
    assert said[1][0].startswith("Power::infy: ")
    assert said[1][1]
    assert "not logged" in said[-1][0]
    assert text_of(loaded, "late") == "1", "it goes on all the same"


def test_no_code_beyond_a_failed_file_is_run(loaded: Loaded, tmp_path: Path) -> None:
    with pytest.raises(InitialisationError, match=r"InitializationFile .*none\.m gave \$Failed; its last message: Get::noopen"):
        prepare(loaded, Initialisation(str(tmp_path / "none.m"), "reached = 1"), lambda *_: None)
    assert text_of(loaded, "reached") == "reached"


def test_an_open_file_cannot_be_shared(loaded: Loaded, tmp_path: Path) -> None:
    file = tmp_path / "open.txt"
    said = prepare(loaded, Initialisation(None, f'stream = OpenWrite["{file}"];'), lambda *_: None)
    text_of(loaded, "Close[stream]")
    assert said == f"it leaves {file} open"


def test_a_thread_cannot_be_shared() -> None:
    before = preparation._descriptors()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    assert preparation._unshareable(before) == "it leaves threads running"
    stop.set()
    thread.join()


def test_a_child_process_cannot_be_shared() -> None:
    program = (
        "import os, subprocess, sys\n"
        "from kernelbus.kernelhost.mathics.start import preparation\n"
        "before = preparation._descriptors()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
        "print(preparation._unshareable(before))\n"
        "child.kill(); child.wait()\n"
        "print(repr(preparation._unshareable(before)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.splitlines() == ["it leaves processes running", "''"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("done", None),
        ("gave $Failed", "gave $Failed"),
        ("$Aborted", "was aborted"),
        (None, "was left by Throw or Return"),
        (5, "was left by Throw or Return"),
    ],
)
def test_what_a_steps_value_tells(value: object, why: str | None) -> None:
    assert verdict(value) == why

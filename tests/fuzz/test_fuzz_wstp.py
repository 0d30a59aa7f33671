"""Run wstp's fuzzer: briefly in every test run, for FUZZ_SECONDS under `make fuzz`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzz_wstp.py")


def fuzz(seconds: float, *options: str) -> None:
    command = [sys.executable, SCRIPT, "--seconds", str(seconds), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    assert done.returncode == 0, done.stderr
    assert "no failure" in done.stdout


def test_a_short_run() -> None:
    fuzz(2, "--seed", "1")


@pytest.mark.fuzz
def test_a_long_run() -> None:
    fuzz(float(os.environ.get("FUZZ_SECONDS", "60")))

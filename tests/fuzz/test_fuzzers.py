"""Run the fuzzers: those that need no server briefly in every test run, all of them for
FUZZ_SECONDS in all under `make fuzz`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
FUZZERS = ("fuzz_wstp.py", "fuzz_inputs.py", "fuzz_server.py")


def fuzz(script: str, seconds: float, *options: str) -> None:
    command = [sys.executable, FOLDER / script, "--seconds", str(seconds), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120)
    assert done.returncode == 0, done.stderr[-20_000:] + done.stdout[-10_000:]
    assert "no failure" in done.stdout


@pytest.mark.parametrize("script", FUZZERS[:2])
def test_a_short_run(script: str) -> None:
    fuzz(script, 1, "--seed", "1")


@pytest.mark.fuzz
@pytest.mark.parametrize("script", FUZZERS)
def test_a_long_run(script: str) -> None:
    fuzz(script, float(os.environ.get("FUZZ_SECONDS", "60")) / len(FUZZERS))

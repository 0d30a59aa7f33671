"""Control groups of version 2 of this machine, for tests that need real ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["root_of_groups"]


def root_of_groups() -> Path:
    """Return the folder of the root of all groups; skip the test where none can be made."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, behind = line.partition(" - ")
        if behind.startswith("cgroup2 "):
            place = Path(before.split()[4])
            if before.split()[3] == "/" and not (place / "cgroup.type").exists() and os.access(place / "cgroup.procs", os.W_OK):
                return place
    pytest.skip("no control groups of version 2 can be made here: it needs root, and a machine that is no container")

"""The exit statuses: they are promised to scripts."""

from __future__ import annotations

from kernelbus.shell import exits


def test_they_are_as_documented() -> None:
    assert (exits.OK, exits.FAILED, exits.UNUSABLE, exits.INTERRUPTED) == (0, 1, 2, 130)

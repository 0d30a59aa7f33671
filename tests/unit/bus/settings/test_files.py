"""Only files are read, and only small ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernelbus.bus.settings.files import NotAFile, read_file


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x" * 10)
    assert read_file(file, 10) == b"x" * 10
    with pytest.raises(NotAFile, match="more than 9 bytes"):
        read_file(file, 9)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none", 10)


def test_what_is_no_file_is_named_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, kind in ((tmp_path / "fifo", "a pipe"), (Path("/dev/zero"), "a device"), (tmp_path, "a folder")):
        with pytest.raises(NotAFile, match=f"this is {kind}, not a file"):
            read_file(path, 10)

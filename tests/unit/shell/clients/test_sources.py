"""Code from files and from standard input."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kernelbus.shell.clients.sources import STANDARD_INPUT, SourceError, read_file, read_input


def test_a_file_is_read_with_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f.wls").write_text("é\r\n", encoding="utf-8-sig", newline="")
    monkeypatch.chdir(tmp_path)
    source = read_file("f.wls")
    assert (source.text, source.name, source.path) == ("é\r\n", "f.wls", str(tmp_path / "f.wls"))


def test_what_cannot_be_read_names_the_file_and_the_line(tmp_path: Path) -> None:
    file = tmp_path / "f.wls"
    file.write_bytes(b"a\nb\n\xff\n")
    with pytest.raises(SourceError, match=r"f\.wls:3: the byte 0xff is not UTF-8"):
        read_file(str(file))
    with pytest.raises(SourceError, match="No such file or directory"):
        read_file(str(tmp_path / "nowhere"))
    with pytest.raises(SourceError, match="Is a directory"):
        read_file(str(tmp_path))


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("é".encode()), encoding="latin-1"))
    assert (read_file("-").text, STANDARD_INPUT) == ("é", "standard input")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SourceError, match="standard input is closed"):
        read_input()


def test_a_file_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernelbus.shell.clients.sources._LONGEST", 1000)
    with pytest.raises(SourceError, match="/dev/zero has more than 1000 characters"):
        read_file("/dev/zero")

"""Lines of standard input that come while something else goes on."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest

from kernelbus.shell.clients.inputlines import InputLines


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield writer


def test_lines_come_as_they_are_written(pipe: int) -> None:
    lines = InputLines()
    assert lines.line(0.0) is None
    os.write(pipe, b"one\r\ntw")
    assert lines.line(0.1) == "one" and lines.line(0.0) is None
    os.write(pipe, "o é\n\nlast \N{GRINNING FACE}".encode() + b"\xff")
    os.close(pipe)
    assert [lines.line(0.1), lines.line(0.1)] == ["two é", ""]
    while (last := lines.line(0.1)) is None:
        pass
    assert last == "last \N{GRINNING FACE}\N{REPLACEMENT CHARACTER}"
    with pytest.raises(EOFError):
        lines.line(0.1)


def test_streams_of_python_and_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
    lines = InputLines()
    assert lines.line(0) == "a" and not lines.interactive
    with pytest.raises(EOFError):
        lines.line(0)
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(EOFError):
        lines.line(0)

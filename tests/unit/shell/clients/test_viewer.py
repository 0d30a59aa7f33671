"""Where a picture goes: into the terminal, or into a file."""

from __future__ import annotations

import io
import os
import pty
import re
import threading
from pathlib import Path

import pytest

from kernelbus.shell.clients.output import Output
from kernelbus.shell.clients.viewer import Viewer, _attributes

PICTURE = b"\x89PNG\r\n\x1a\nrest"


def test_a_file_is_made_and_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERNELBUS_PICTURES", "file")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    written = io.StringIO()
    viewer = Viewer(Output(lambda: written))
    viewer.show(PICTURE, "Out1")
    viewer.show(PICTURE, "Out2")
    files = re.findall(r"The picture is in (\S+)", written.getvalue())
    assert [Path(file).name for file in files] == ["Out1.png", "Out2.png"]
    assert all(Path(file).read_bytes() == PICTURE for file in files)
    assert Path(files[0]).parent.stat().st_mode & 0o77 == 0, "others see nothing of it"


def test_a_terminal_gets_it_and_what_it_cannot_show_goes_to_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for way, shown in (("iterm", True), ("sixel", False)):
        monkeypatch.setenv("KERNELBUS_PICTURES", way)
        written = io.StringIO()
        Viewer(Output(lambda written=written: written)).show(PICTURE, "Out1")
        assert written.getvalue().startswith("\x1b]1337;File=") is shown
        assert ("The picture is in " in written.getvalue()) is not shown


@pytest.mark.parametrize("answer", [b"\x1b[?62;4c", b""])
def test_a_terminal_is_asked(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernelbus.shell.clients.viewer._ASK_SECONDS", 5.0 if answer else 0.1)
    outer, inner = pty.openpty()
    terminal = os.fdopen(inner, "r+b", buffering=0)
    with io.TextIOWrapper(terminal, write_through=True) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        monkeypatch.setattr("sys.stdout", stream)

        def reply() -> None:
            assert os.read(outer, 10) == b"\x1b[c"
            if answer:
                os.write(outer, answer)

        replying = threading.Thread(target=reply)
        replying.start()
        assert _attributes() == answer
        replying.join(10)
        monkeypatch.undo()
    os.close(outer)

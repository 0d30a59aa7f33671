"""What a process calls itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[5]


@pytest.mark.skipif(sys.platform != "linux", reason="a title is for Linux")
@pytest.mark.parametrize(
    ("title", "command", "name"),
    [
        ("kernel 0a1b of pool A", b"kernelbus: kernel 0a1b of pool A", b"kernel 0a1b of\n"),
        ("é" * 300, "kernelbus: ééé".encode(), "é".encode() * 7 + b"\n"),
    ],
)
def test_the_system_shows_it(title: str, command: bytes, name: bytes) -> None:
    code = (
        "import sys\nfrom kernelbus.kernelhost.mathics.start.title import set_title\n"
        "size = len(open('/proc/self/cmdline', 'rb').read())\nset_title(sys.argv[1])\n"
        "shown = open('/proc/self/cmdline', 'rb').read()\nassert len(shown) == size, (len(shown), size)\n"
        "print(sys.argv[2]); sys.stdout.flush(); sys.stdout.buffer.write(shown + open('/proc/self/comm', 'rb').read())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code, title, "other"], env=environment, capture_output=True, check=True, timeout=60
    )
    argument, _, shown = done.stdout.partition(b"\n")
    assert argument == b"other", "the program's own arguments are copies"
    assert shown.startswith(command)
    assert shown.endswith(name) or name[:-2] in shown
    shown.partition(b"\0")[0].decode()

"""`kernelbus` as people run it: to its end, or in a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from serving import ROOT

__all__ = ["Terminal", "client_environment", "run", "without_waiting"]

_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def client_environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment that keeps the user's state under `tmp_path`."""
    return dict(os.environ, PYTHONPATH=str(ROOT / "src"), XDG_STATE_HOME=str(tmp_path / "state"), TERM="xterm", PYTHONUNBUFFERED="1")


def without_waiting(errors: str) -> str:
    """Return what a client said, without the lines that say that it waits for a kernel."""
    return "".join(line for line in errors.splitlines(keepends=True) if ": waiting for a kernel: " not in line)


def run(environment: dict[str, str], *words: str, typed: str = "", waits: bool = False) -> tuple[int, str, str]:
    """Run a client to its end; return its status, its output and its errors.

    `waits`: whether the errors have what it says while it waits for a kernel.
    """
    done = subprocess.run(
        [sys.executable, "-m", "kernelbus.shell.main", *words], env=environment, input=typed, capture_output=True, text=True, timeout=100
    )
    return done.returncode, done.stdout, done.stderr if waits else without_waiting(done.stderr)


class Terminal:
    """A `kernelbus` process in a terminal of its own."""

    def __init__(self, environment: dict[str, str], *words: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TERMINAL, "-m", "kernelbus.shell.main", *words],
            stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.seen = ""
        self.raw = ""  #: all of it, with what moves the cursor

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def press_twice(self, pattern: str) -> str:
        """Press Ctrl-C until `pattern` is shown.

        More than once, since a process may see two signals at the same time as one.
        """
        self.type("\x03")
        for seconds in (0.5, 4, 10):
            if self._shown(pattern, seconds):
                break
            self.type("\x03")
        return self.until(pattern)

    def until(self, pattern: str) -> str:
        """Read until `pattern` is shown; keep what follows it."""
        found = self._shown(pattern, 30)
        assert found, (pattern, self.seen)
        self.seen = self.seen[found.end() :]
        return found.group()

    def _shown(self, pattern: str, seconds: float) -> re.Match[str] | None:
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            if time.monotonic() >= deadline:
                return None
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    data = os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    data = ""
                assert data, (pattern, self.seen)
                if "\x1b[6n" in data:
                    self.type("\x1b[1;1R")
                self.raw += data
                self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data)
        return found

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)
        os.close(self.master)

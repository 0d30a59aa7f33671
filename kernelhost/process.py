"""Kernel processes: finding the program, starting it so that it ends with us, and keeping what it said last."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import cast

__all__ = ["KernelProcess", "kernel_command"]

_log = logging.getLogger("kernelbus.host")

#: The embedded kernel is found wherever this package was found, installed or not.
_ROOT = str(Path(__file__).resolve().parent.parent)
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
#: How much of what a kernel writes to its standard output and error is kept for the line that says why it ended.
_TAIL_LINES = 20
_TAIL_BYTES = 4096


def kernel_command(path: str | None, options: str, link_name: str, parallel: bool) -> list[str]:
    """Give the command line of a kernel that connects to `link_name`.

    Args:
        path: the pool's KernelPath; None: WolframKernel where it is installed, else the embedded kernel.
        options: the pool's KernelOptions, split as a shell does.
        link_name: `port@host`.
        parallel: whether it is started as a parallel subkernel.
    """
    program = path or _installed_kernel()
    command = [program] if program else [sys.executable, "-m", "kernelhost.mathics"]
    link = ["-wstp", "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", link_name]
    return [*command, *shlex.split(options), *(["-subkernel"] if parallel else []), *link]


def _installed_kernel() -> str | None:
    directory = os.environ.get("WOLFRAM_INSTALLATION_DIRECTORY")
    if directory:
        candidate = Path(directory) / "Executables" / "WolframKernel"
        if candidate.is_file():
            return str(candidate)
    return shutil.which("WolframKernel")


def _end_with_parent() -> None:
    """Run in the child: whatever kills the host kills the kernel (prctl(2); it is the thread that made us that counts)."""
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class KernelProcess(asyncio.SubprocessProtocol):
    """A running kernel program, in a process group of its own.

    Args:
        name: for the log.
        on_exit: called once, when the process is gone, with words that say how.
    """

    def __init__(self, name: str, on_exit: Callable[[str], None]) -> None:
        self._name = name
        self._on_exit = on_exit
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._partial = b""
        self._transport: asyncio.SubprocessTransport | None = None
        self.pid = 0
        self.exited = False

    @classmethod
    async def start(cls, command: list[str], name: str, on_exit: Callable[[str], None]) -> KernelProcess:
        """Start `command`.

        Raises:
            OSError: there is no such program, or it is not one.
        """
        loop = asyncio.get_running_loop()
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH", "")]))
        _, protocol = await loop.subprocess_exec(
            lambda: cls(name, on_exit),
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=_end_with_parent if _LIBC is not None else None,
        )
        return protocol

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process and all it has started; nothing when it is gone."""
        if self.pid and not self.exited:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                pass  # it has just ended; connection_lost follows

    @property
    def last_output(self) -> str:
        """The last lines it wrote, joined by ` | `."""
        lines = [*self._tail, self._partial.decode(errors="replace")]
        return " | ".join(line.strip() for line in lines if line.strip())

    # ------------------------------------------------------------------ what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid() or 0

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        text = self._partial + cast("bytes", data)
        *lines, self._partial = text[-_TAIL_BYTES:].split(b"\n")
        for line in lines:
            decoded = line.decode(errors="replace").rstrip()
            self._tail.append(decoded)
            _log.debug("%s wrote: %s", self._name, decoded)

    def process_exited(self) -> None:
        transport = self._transport
        assert transport is not None
        code = transport.get_returncode()
        # What it had started must not outlive it.
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # nothing was left of its group
        self.exited = True
        self._loop_call_exit(code)

    def _loop_call_exit(self, code: int | None) -> None:
        if code is not None and code < 0:
            try:
                how = f"was ended by {signal.Signals(-code).name}"
            except ValueError:
                how = f"was ended by signal {-code}"
        else:
            how = f"exited with status {code}"

        def tell() -> None:
            output = self.last_output
            self._on_exit(f"{how}; it said last: {output}" if output else how)
            if self._transport is not None:
                self._transport.close()

        # One turn later, so that what it wrote last has been read.
        asyncio.get_running_loop().call_later(0.05, tell)



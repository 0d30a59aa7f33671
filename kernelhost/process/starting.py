"""Kernel processes: finding the program, starting it so that it ends with us, and keeping what it
said last.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import kernelbus
from kernelbus.bus.settings.config import EMBEDDED
from kernelbus.bus.settings.logs import EventLogger
from kernelbus.kernelhost.process.wolfram import default_kernel

__all__ = [
    "KernelProcess",
    "Output",
    "SpawnedKernel",
    "embedded_arguments",
    "end_with_parent",
    "environment",
    "how_it_ended",
    "kernel_command",
]

_log = logging.getLogger("kernelbus.host")

#: The folder in which this package was found, installed or not: the embedded kernel is found there
#: too.
_ROOT = str(Path(kernelbus.__file__).resolve().parent.parent)
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_EMBEDDED = ("-m", "kernelbus.kernelhost.mathics")
#: Seconds that the output of a process that has ended may take to end too.
_LAST_OUTPUT = 1.0
#: How much of what a kernel writes to its standard output and error is kept for the line that says
#: why it ended.
_TAIL_LINES = 20
_TAIL_BYTES = 4096


def kernel_command(path: str | None, options: str, link_name: str, parallel: bool) -> list[str]:
    """Give the command line of a kernel that connects to `link_name`.

    Args:
        path: the pool's KernelPath; None: WolframKernel where it is installed, else the embedded
            kernel.
        options: the pool's KernelOptions, split as a shell does.
        link_name: `port@host`.
        parallel: whether it is started as a parallel subkernel.
    """
    program = default_kernel() if path is None else path
    command = [sys.executable, *_EMBEDDED] if program in (None, EMBEDDED) else [program]
    link = ["-wstp", "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", link_name]
    return [*command, *shlex.split(options), *(["-subkernel"] if parallel else []), *link]


def end_with_parent() -> None:
    """Run in the child: whatever kills the host kills the kernel (prctl(2); it is the thread that
    made us that counts).
    """
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def embedded_arguments(command: list[str]) -> list[str] | None:
    """Give what follows the program in `command` when that is the embedded kernel; None when it is
    another.
    """
    program = [sys.executable, *_EMBEDDED]
    return command[len(program) :] if command[: len(program)] == program else None


def environment() -> dict[str, str]:
    """Give the environment that kernels are started in."""
    path = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "PYTHONPATH": path}


def how_it_ended(status: int | None) -> str:
    """Say in words what an exit status means (below 0: minus the number of the signal that ended
    it; None: not known).
    """
    if status is None:
        return "has ended"
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


class Output:
    """The last of what a process writes to its standard output and error."""

    def __init__(self, name: str) -> None:
        self.log: logging.Logger | EventLogger = _log
        self._name = name
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Take what it wrote."""
        text = self._partial + data
        *lines, self._partial = text[-_TAIL_BYTES:].split(b"\n")
        for line in lines:
            decoded = line.decode(errors="replace").rstrip()
            self._tail.append(decoded)
            self.log.debug("%s wrote: %s", self._name, decoded)

    @property
    def last(self) -> str:
        """The last lines, joined by ` | `."""
        lines = [*self._tail, self._partial.decode(errors="replace")]
        return " | ".join(line.strip() for line in lines if line.strip())


class KernelProcess:
    """A running kernel program, in a process group of its own. Subclasses say how it was started.

    Args:
        name: for the log.
        on_exit: called once, when the process is gone, with words that say how.

    Attributes:
        initialised: whether it has run its pool's initialisation already.
    """

    def __init__(self, name: str, on_exit: Callable[[str], None]) -> None:
        self.pid = 0
        self.initialised = False
        self._on_exit = on_exit
        self._output = Output(name)
        self._status: int | None = None
        self._gone = False
        self._silent = False
        self._told = False
        self._killed = False

    @property
    def last_output(self) -> str:
        """The last lines it wrote, joined by ` | `."""
        return self._output.last

    def log_to(self, log: EventLogger) -> None:
        """Have what it writes logged with the fields of `log`."""
        self._output.log = log

    def kill(self) -> None:
        """Kill the process and all it has started; nothing when it is gone."""
        self._killed = True
        if self.pid and not self._gone:
            self._kill_group()

    def interrupt(self) -> None:
        """Send SIGINT to the process and all it has started, as a terminal does for Ctrl-C; nothing
        when it is gone.
        """
        if self.pid and not self._gone:
            self._signal_group(signal.SIGINT)

    def _kill_group(self) -> None:
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # nothing is left of it

    def _exited(self, status: int | None) -> None:
        """The process is gone. What it had started must not outlive it, nor hold its output open.
        """
        self._gone = True
        self._status = status
        self._kill_group()
        if self._silent:
            self._tell()
        else:
            asyncio.get_running_loop().call_later(_LAST_OUTPUT, self._tell)

    def _output_ended(self) -> None:
        """Nobody holds its output open any more."""
        self._silent = True
        if self._gone:
            self._tell()

    def _tell(self) -> None:
        """It is gone and has said all it had to say (or is given no more time for it): tell the
        owner, once.
        """
        if not self._told:
            self._told = True
            how, said = how_it_ended(self._status), self._output.last
            if self._status == -signal.SIGKILL and not self._killed:
                how += ", not by this host: by hand, or by the system for want of memory"
            self._on_exit(f"{how}; it said last: {said}" if said else how)


class SpawnedKernel(KernelProcess, asyncio.SubprocessProtocol):
    """A kernel started as any program is."""

    _transport: asyncio.SubprocessTransport | None = None

    @classmethod
    async def start(
        cls, command: list[str], name: str, on_exit: Callable[[str], None], descriptors: Sequence[int] = ()
    ) -> SpawnedKernel:
        """Start `command`, which has these descriptors beside its output.

        Raises:
            OSError: there is no such program, or it is not one.
        """
        loop = asyncio.get_running_loop()
        _, protocol = await loop.subprocess_exec(
            lambda: cls(name, on_exit),
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
            pass_fds=descriptors,
            preexec_fn=end_with_parent if _LIBC is not None else None,
        )
        return protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid() or 0

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        self._output.feed(cast("bytes", data))

    def process_exited(self) -> None:
        assert self._transport is not None
        self._exited(self._transport.get_returncode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._output_ended()

    def _tell(self) -> None:
        super()._tell()
        if self._transport is not None:
            self._transport.close()

"""Kernel processes: the command line, the start of the process, and its last output.

A kernel process runs in a process group of its own, so that a signal reaches what it has started
too, and ends with the host (``PR_SET_PDEATHSIG``, prctl(2)).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from kernelbus.bus.descriptors import inherit_limit
from kernelbus.bus.settings.config import EMBEDDED, WOXI
from kernelbus.bus.settings.logs import EventLogger
from kernelbus.kernelhost.process.accounting import oom_kills
from kernelbus.kernelhost.process.cgroups import Group
from kernelbus.kernelhost.process.confinement import Confinement, passed_on
from kernelbus.kernelhost.process.sweeping import sweep
from kernelbus.kernelhost.process.tree import descendants, kill_descendants
from kernelbus.kernelhost.process.wolfram import default_kernel

__all__ = [
    "READABLE",
    "KernelProcess",
    "Output",
    "SpawnedKernel",
    "embedded_arguments",
    "end_with_parent",
    "environment",
    "how_it_ended",
    "is_embedded",
    "kernel_command",
    "link_to",
]

_log = logging.getLogger("kernelbus.host")

#: The folder in which this package was found, whether it is installed or not. The embedded kernel's
#: interpreter gets it on its path, so that it runs the same code.
_ROOT = str(Path(__file__).absolute().parents[3])
#: What the embedded kernel's interpreter reads, wherever it is installed.
READABLE = (
    sys.prefix, sys.base_prefix, _ROOT, *(entry for entry in sys.path if os.path.isabs(entry)),
    # Where an editable install has links.
    *(os.path.realpath(os.path.join(_ROOT, *part)) for part in (("kernelbus", "bus"), ("kernelbus", "kernelhost"), ("wstp",))),
)  # fmt: skip
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
#: `-P`: a module of the same name in the folder that it is started in is not imported.
_EMBEDDED = ("-P", "-m", "kernelbus.kernelhost.mathics")
_WOXI = ("-P", "-m", "kernelbus.kernelhost.woxi")
#: Seconds that are left to the output of a process that has ended to come to its end too.
_LAST_OUTPUT = 1.0
#: How much of a kernel's standard output and error is kept for the line that says why it ended.
_TAIL_LINES = 20
_TAIL_BYTES = 4096


def is_embedded(path: str | None) -> bool:
    """Tell whether a pool with this KernelPath (None: it has none) has the embedded kernel."""
    return (default_kernel() if path is None else path) in (None, EMBEDDED)


def link_to(port: int) -> list[str]:
    """Return the words for a link to a loopback port, as WSOpenArgcArgv takes them."""
    return ["-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", f"{port}@127.0.0.1"]


def kernel_command(path: str | None, options: str, link: Sequence[str], parallel: bool) -> list[str]:
    """Return the command line of a kernel.

    Args:
        path: the pool's KernelPath; None: what
            :func:`kernelbus.kernelhost.process.wolfram.default_kernel` returns.
        options: the pool's KernelOptions, which are split as a shell splits them.
        link: the words that say which link it opens; none if it is given one.
        parallel: whether it is started as a parallel subkernel.
    """
    program = default_kernel() if path is None else path
    ours = {None: _EMBEDDED, EMBEDDED: _EMBEDDED, WOXI: _WOXI}.get(program)
    command = [program or ""] if ours is None else [sys.executable, *ours]
    return [*command, *shlex.split(options), *(["-subkernel"] if parallel else []), "-wstp", *link]


def end_with_parent() -> None:
    """Have the system kill this process when the host's thread that started it ends (prctl(2)).

    Runs in the child, between fork and exec.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _begin(confinement: Confinement) -> None:
    """Take on what a program gets; it begins with the host's first limit of descriptors."""
    inherit_limit()
    confinement.enter()
    # To take on another user ends this, so it comes last.
    end_with_parent()


def embedded_arguments(command: list[str]) -> list[str] | None:
    """Return the arguments in `command` if its program is the embedded kernel, else None."""
    program = [sys.executable, *_EMBEDDED]
    return command[len(program) :] if command[: len(program)] == program else None


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which a program is started: `variables`, and what ours need."""
    path = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH", "")]))
    return {**variables, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "PYTHONPATH": path}


def how_it_ended(status: int | None) -> str:
    """Return in words what an exit status means.

    Args:
        status: 0 or more: the exit status; below 0: minus the number of the signal that ended the
            process; None: not known.
    """
    if status is None:
        return "has ended"
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _killer(before: tuple[int, int]) -> str:
    """Say who has killed a process, by how often the system had killed before, and has now."""
    own, whole = oom_kills()
    if own > before[0]:
        return "by the system for want of memory, at the limit of its cgroup"
    if whole > before[1]:
        return "by the system for want of memory, as it seems (its log says more)"
    return "by hand, or by the system for want of memory"


class Output:
    """The last lines that a process writes to its standard output and error.

    Attributes:
        log: where each line is logged, at debug level.
    """

    def __init__(self, name: str) -> None:
        self.log: logging.Logger | EventLogger = _log
        self._name = name
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes that it wrote."""
        text = self._partial + data
        *lines, self._partial = text[-_TAIL_BYTES:].split(b"\n")
        for line in lines:
            decoded = line.decode(errors="replace").rstrip()
            self._tail.append(decoded)
            self.log.debug("%s wrote: %s", self._name, decoded)

    @property
    def last(self) -> str:
        """The last lines, without empty ones, joined by ` | `.

        Of a traceback of Python, only the last frame and what was raised. (The debug log has all.)
        """
        lines = [line for line in [*self._tail, self._partial.decode(errors="replace")] if line.strip()]
        frames = [line for line in lines if line.startswith('  File "')]
        if frames:
            lines = [line for line in lines if line is frames[-1] or not line.startswith(("  ", "Traceback "))]
        return " | ".join(line.strip() for line in lines)


class KernelProcess:
    """A running kernel program in a process group of its own. Subclasses say how it is started.

    Args:
        name: what the log calls it.
        on_exit: called once, when the process is gone, with words that say how it ended.

    Attributes:
        pid: the id of the process, which is also that of its group; 0: it has not been started.
        mark: what the environment of a kernel's processes has; "": it is no kernel, and what
            descends from it is not its own.
        initialised: whether it has run its pool's initialisation already.
        wrapped: whether the process is that of a program around the kernel.
        group: the kernel's control group; None: it has none.
    """

    def __init__(self, name: str, on_exit: Callable[[str], None], mark: str = "") -> None:
        self.pid = 0
        self.mark = mark
        self.initialised = False
        self.wrapped = False
        self.group: Group | None = None
        self._name = name
        self._on_exit = on_exit
        self._output = Output(name)
        self._status: int | None = None
        self._gone = False
        self._clean = False
        self._silent = False
        self._told = False
        self._killed = False
        self._ooms = oom_kills()

    @property
    def killed_by_others(self) -> bool:
        """Whether it was killed, and not by this host."""
        return self._status == -signal.SIGKILL and not self._killed

    @property
    def last_output(self) -> str:
        """The last lines that it wrote, joined by ` | `."""
        return self._output.last

    def log_to(self, log: EventLogger) -> None:
        """Log what it writes with the fields of `log`."""
        self._output.log = log

    def kill(self) -> None:
        """Kill the process, its whole group, and a kernel's descendants.

        Does nothing when it is gone.
        """
        self._killed = True
        if self.group is not None:
            self.group.kill()
        if self.pid and not self._gone:
            if self.mark:
                # First, while they are still its descendants.
                kill_descendants(self.pid)
            self._kill_group()

    def interrupt(self) -> None:
        """Send SIGINT to the process group, as a terminal does for Ctrl-C.

        Does nothing when the process is gone.
        """
        if not self.pid or self._gone:
            return
        if self.wrapped:
            # The program around it would end of a signal.
            for pid in descendants(self.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
        else:
            self._signal_group(signal.SIGINT)

    def _kill_group(self) -> None:
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # the group has ended

    def _exited(self, status: int | None) -> None:
        """Handle the end of the process.

        The rest of its group, and what else a kernel has started, is killed: it must neither
        outlive it nor hold its output open.
        """
        self._gone = True
        self._status = status
        self._kill_group()
        if self.group is not None:
            self._swept(self.group.kill())
        elif self.mark:
            sweep(self.mark, self._swept)
        else:
            self._swept(0)

    def _swept(self, left: int) -> None:
        """Handle that nothing that it has started runs any more."""
        if left:
            self._output.log.info("%s had left %d processes behind, which were killed", self._name, left)
        self._clean = True
        if self._silent:
            self._tell()
        else:
            asyncio.get_running_loop().call_later(_LAST_OUTPUT, self._tell)

    def _output_ended(self) -> None:
        """Handle that no process holds its output open any more."""
        self._silent = True
        if self._gone and self._clean:
            self._tell()

    def _tell(self) -> None:
        """Tell the owner, once, how the process ended.

        Called when the process is gone and its output has ended too, or its time is up.
        """
        if not self._told:
            self._told = True
            how, said = how_it_ended(self._status), self._output.last
            if self.killed_by_others:
                how += f", not by this host: {_killer(self._ooms)}"
            self._on_exit(f"{how}; it said last: {said}" if said else how)


class SpawnedKernel(KernelProcess, asyncio.SubprocessProtocol):
    """A kernel process that is started as a program of its own, not forked."""

    _transport: asyncio.SubprocessTransport | None = None

    @classmethod
    async def start(
        cls,
        command: list[str],
        name: str,
        on_exit: Callable[[str], None],
        descriptors: Sequence[int] = (),
        confinement: Confinement | None = None,
    ) -> SpawnedKernel:
        """Start `command`.

        Args:
            command: the program and its arguments.
            name: what the log calls the process.
            on_exit: see :class:`KernelProcess`.
            descriptors: file descriptors that the process inherits beside its output.
            confinement: what it gets; None: it is no kernel.

        Raises:
            OSError: there is no such program, or it cannot be run.
        """
        loop = asyncio.get_running_loop()
        confined = Confinement(environment=passed_on(os.environ, {})) if confinement is None else confinement
        _, protocol = await loop.subprocess_exec(
            lambda: cls(name, on_exit, confined.mark),
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(confined.variables()),
            start_new_session=True,
            pass_fds=descriptors,
            preexec_fn=partial(_begin, confined),
        )
        return protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid() or 0

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        self._output.feed(cast("bytes", data))

    def _kill_group(self) -> None:
        super()._kill_group()
        if self._transport is not None and not self._gone:
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()

    def process_exited(self) -> None:
        assert self._transport is not None
        self._exited(self._transport.get_returncode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._output_ended()

    def _tell(self) -> None:
        super()._tell()
        if self._transport is not None:
            self._transport.close()

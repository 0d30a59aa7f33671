"""The preloaded parent: load Mathics3 once, then fork a kernel in milliseconds: ``python -m kernelhost.mathics.nursery FD``.

One thread, no event loop, no link of its own, ever: what a fork copies must be whole. It is told what to do over a Unix stream socket
(descriptor FD), a line of JSON a message:

========================================  ==================================================================
from the host                             meaning
========================================  ==================================================================
``{"fork": n, "arguments": [...]}``       fork kernel number n; one descriptor comes with it: where its
                                          standard output and error go
from here
``{"ready": pid}``                        loaded
``{"forked": n, "pid": pid}``             kernel n runs, in a session (and process group) of its own
``{"exited": pid, "status": s}``          a kernel is gone; s below 0 is minus the signal's number
========================================  ==================================================================

When the host closes the socket (or dies), every kernel is killed and this process ends. When this process dies, its kernels live on:
they end with their links.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
from typing import Any

from kernelhost.mathics.startup import Loaded, LoadError, load

__all__ = ["main"]

_log = logging.getLogger("kernelhost.mathics")

#: The longest message: a kernel's command line.
_LONGEST = 1 << 20


class _Nursery:
    def __init__(self, control: socket.socket, loaded: Loaded) -> None:
        self._control = control
        self._loaded = loaded
        self._children: set[int] = set()
        self._received = b""
        self._descriptors: list[int] = []
        # A signal handler that does nothing but wake select: SIGCHLD would be lost otherwise.
        self._wake, self._waker = os.pipe()
        for end in (self._wake, self._waker):
            os.set_blocking(end, False)

    def run(self) -> None:
        """Serve the host until it closes the socket."""
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # SIGINT goes to a terminal's whole foreground group; the host decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._say(ready=os.getpid())
        while True:
            control = self._control.fileno()
            readable, _, _ = select.select([control, self._wake], [], [])
            if self._wake in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
                self._reap()
            if control in readable and not self._read():
                self._end()
                return

    def _say(self, **message: Any) -> None:
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # the end of the socket is seen by the next read
            self._control.sendall(json.dumps(message).encode() + b"\n")

    def _read(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, _LONGEST, 16)
        except ConnectionResetError:
            return False
        self._descriptors += descriptors
        self._received += data
        while b"\n" in self._received:
            line, self._received = self._received.split(b"\n", 1)
            message = json.loads(line)
            self._fork(message["fork"], message["arguments"], self._descriptors.pop(0))
        return bool(data)

    def _fork(self, number: int, arguments: list[str], output: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._be_kernel(arguments, output)
        os.close(output)
        self._children.add(pid)
        self._say(forked=number, pid=pid)

    def _be_kernel(self, arguments: list[str], output: int) -> None:
        """In the child: shed what is the parent's, then be a kernel. Does not return."""
        status = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for descriptor in (self._wake, self._waker):
                os.close(descriptor)
            self._control.close()
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            from kernelhost.mathics.__main__ import run

            status = run(arguments, self._loaded)
        except BaseException:
            _log.exception("the kernel failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._children.discard(pid)
            self._say(exited=pid, status=os.waitstatus_to_exitcode(status))

    def _end(self) -> None:
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def main(argv: list[str]) -> int:
    """Load, and serve the host at the other end of the socket whose descriptor is ``argv[0]``; return the exit status."""
    logging.basicConfig(format="kernelhost.mathics: %(message)s", stream=sys.stderr)
    control = socket.socket(fileno=int(argv[0]))
    control.setblocking(True)
    control.set_inheritable(False)
    try:
        loaded = load()
    except LoadError as error:
        _log.error("%s", error)
        return 1
    # The collector's passes over what was loaded would write to every page that the kernels share.
    gc.collect()
    gc.freeze()
    _Nursery(control, loaded).run()
    return 0


if __name__ == "__main__":
    os.dup2(2, 1)
    exit_status = main(sys.argv[1:])
    logging.shutdown()
    os._exit(exit_status)

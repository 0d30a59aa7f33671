"""The preloaded parent: load Mathics3 once, then fork a kernel in milliseconds: ``python -m
kernelbus.kernelhost.mathics.start.nursery FD``.

One thread, no event loop, no link of its own, ever: what a fork copies must be whole. It is told
what to do over a Unix stream socket (descriptor FD), a line of JSON a message:

==================================================  ==================================================================
from the host                                       meaning
==================================================  ==================================================================
``{"fork": n, "arguments": [...]}``                 fork kernel number n; one descriptor comes with it: where its
                                                    standard output and error go
``{"parent": n}``                                   fork another parent, which runs an initialisation and then forks
                                                    kernels that have it; three descriptors come
                                                    with it: the same, its own such socket, and a
                                                    file of what to run: ``[file, code]``
from here
``{"said": text, "message": bool}``                 the initialisation printed this, or it is a message
``{"failed": text}``                                the initialisation failed; the process ends
``{"ready": pid, "unshared": text}``                kernels can be forked; but where there is a text, it says why what
                                                    was initialised cannot be shared by them
``{"forked": n, "pid": pid}``                       kernel (or parent) n runs, in a session (and process group) of its own
``{"exited": pid, "status": s}``                    one of them is gone; s below 0 is minus the signal's number
==================================================  ==================================================================

A parent with an initialisation shares its memory with the one it was forked from. When the host
closes a parent's socket (or dies), the parent's kernels are killed and it ends. When a parent dies,
its kernels live on: they end with their links. So do parents that were forked from it, unless their
initialisation is still running.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded, LoadError, load
from kernelbus.kernelhost.mathics.start.preparation import InitialisationError, prepare
from kernelbus.kernelhost.mathics.start.run import run
from kernelbus.kernelhost.process.initialisation import Initialisation

__all__ = ["main"]

_log = logging.getLogger("kernelhost.mathics")

#: The longest message: a kernel's command line, or a pool's InitializationCode.
_LONGEST = 1 << 20
_PR_SET_PDEATHSIG = 1


class _Nursery:
    def __init__(self, control: socket.socket, loaded: Loaded) -> None:
        self._control = control
        self._loaded = loaded
        self._kernels: set[int] = set()
        self._received = b""
        self._descriptors: list[int] = []
        # A signal handler that does nothing but wake select: SIGCHLD would be lost otherwise.
        self._wake, self._waker = os.pipe()
        for end in (self._wake, self._waker):
            os.set_blocking(end, False)

    def run(self, unshared: str = "") -> None:
        """Serve the host until it closes the socket."""
        # The collector's passes over what was loaded would write to every page that the kernels
        # share.
        gc.collect()
        gc.freeze()
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # SIGINT goes to a terminal's whole foreground group; the host decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.say(ready=os.getpid(), unshared=unshared)
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

    def say(self, **message: Any) -> None:
        """Tell the host."""
        # The end of the socket is seen by the next read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
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
            output = self._descriptors.pop(0)
            if "fork" in message:
                self._kernels.add(self._fork(message["fork"], output, partial(run, message["arguments"], self._loaded)))
            else:
                control, wanted = self._descriptors.pop(0), self._descriptors.pop(0)
                self._fork(message["parent"], output, partial(_be_parent, control, wanted, self._loaded))
                os.close(control)
                os.close(wanted)
        return bool(data)

    def _fork(self, number: int, output: int, live: Callable[[], int]) -> int:
        pid = os.fork()
        if pid == 0:
            self._be_child(output, live)
        os.close(output)
        self.say(forked=number, pid=pid)
        return pid

    def _be_child(self, output: int, live: Callable[[], int]) -> None:
        """In the child: shed what is the parent's, then be what it is to be. Does not return."""
        status = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for descriptor in (self._wake, self._waker, *self._descriptors):
                os.close(descriptor)
            self._control.close()
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            status = live()
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
            self._kernels.discard(pid)
            self.say(exited=pid, status=os.waitstatus_to_exitcode(status))

    def _end(self) -> None:
        # Parents see the end of a socket of their own.
        for pid in self._kernels:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def _be_parent(descriptor: int, wanted: int, loaded: Loaded) -> int:
    nursery = _Nursery(_socket(descriptor), loaded)
    with open(wanted, encoding="utf-8") as file:
        initialisation = Initialisation(*json.load(file))
    # While the initialisation runs nobody looks at the socket: should it never end, it ends with
    # the process that forked this one.
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        unshared = prepare(loaded, initialisation, lambda text, message: nursery.say(said=text, message=message))
    except InitialisationError as error:
        nursery.say(failed=str(error))
        return 1
    libc.prctl(_PR_SET_PDEATHSIG, 0)
    nursery.run(unshared)
    return 0


def _socket(descriptor: int) -> socket.socket:
    control = socket.socket(fileno=descriptor)
    control.setblocking(True)
    control.set_inheritable(False)
    return control


def main(argv: list[str]) -> int:
    """Load, and serve the host at the other end of the socket whose descriptor is ``argv[0]``;
    return the exit status.
    """
    logging.basicConfig(format="kernelhost.mathics: %(message)s", stream=sys.stderr)
    control = _socket(int(argv[0]))
    # A loop of the host may have let other descriptors slip in, and every kernel would inherit
    # them.
    os.closerange(3, control.fileno())
    os.closerange(control.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    try:
        loaded = load()
    except LoadError as error:
        _log.error("%s", error)
        return 1
    _Nursery(control, loaded).run()
    return 0


if __name__ == "__main__":
    os.dup2(2, 1)
    exit_status = main(sys.argv[1:])
    logging.shutdown()
    os._exit(exit_status)

"""The preloaded parent: load Mathics3 once, then fork a kernel in milliseconds.

``python -m kernelbus.kernelhost.mathics.start.nursery FD`` is one process with one thread, and has
no event loop and no link, ever: what a fork copies must be complete. The host directs it over a
Unix stream socket (descriptor FD), with one line of JSON for each message.

From the host:

``{"fork": n, "arguments": [...], "confinement": [...]}``
    Fork kernel number n with these arguments and this confinement
    (:mod:`kernelbus.kernelhost.process.confinement`). Three descriptors come with the message: the
    kernel's standard output and error, and its link's data and message connection.
``{"parent": n, "title": text}``
    Fork another parent, which runs an initialisation and then forks kernels that have it. Three
    descriptors come with the message: standard output and error, the new parent's own socket, and a
    file that holds the initialisation as JSON: ``[file, code]``.

To the host:

``{"said": text, "message": bool}``
    The initialisation printed this, or gave this message.
``{"failed": text}``
    The initialisation failed; the process ends.
``{"ready": pid, "unshared": text}``
    Kernels can be forked. A text that is not empty says why kernels cannot share what was
    initialised.
``{"forked": n, "pid": pid}``
    Kernel (or parent) n runs, in a session and process group of its own.
``{"exited": pid, "status": s}``
    A kernel (or parent) ended. A negative status is minus the signal's number.

A parent with an initialisation shares its memory with the parent it was forked from. When the host
closes a parent's socket, or dies, the parent kills its kernels and ends. When a parent dies, its
kernels live on: each ends with its link. Parents that were forked from it live on too, except while
their initialisation is running.
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
from kernelbus.kernelhost.mathics.start.title import set_title
from kernelbus.kernelhost.process.confinement import Confinement
from kernelbus.kernelhost.process.initialisation import Initialisation

__all__ = ["main"]

_log = logging.getLogger("kernelhost.mathics")

#: The longest message, bytes: it may hold a kernel's command line.
_LONGEST = 1 << 20
_PR_SET_PDEATHSIG = 1


class _Nursery:
    """Fork kernels and parents as the host says, and report what becomes of them."""
    def __init__(self, control: socket.socket, loaded: Loaded) -> None:
        self._control = control
        self._loaded = loaded
        self._kernels: set[int] = set()
        self._received = b""
        self._descriptors: list[int] = []
        # Without a handler SIGCHLD would be lost; this pipe wakes select when a child has ended.
        self._wake, self._waker = os.pipe()
        for end in (self._wake, self._waker):
            os.set_blocking(end, False)

    def run(self, unshared: str = "") -> None:
        """Serve the host until it closes the socket.

        Args:
            unshared: why kernels cannot share what was initialised, "" if they can.
        """
        # A pass of the garbage collector writes to the objects it visits, and so would unshare the
        # pages that hold them.
        gc.collect()
        gc.freeze()
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # A terminal sends SIGINT to its whole foreground group; only the host acts on it.
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
        """Send the host a message."""
        # The next read notices that the socket has ended.
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
            given = self._descriptors.pop(0), self._descriptors.pop(0)
            if "fork" in message:
                live = partial(_be_kernel, Confinement.read(message["confinement"]), message["arguments"], self._loaded, given)
                self._kernels |= self._fork(message["fork"], output, live)
            else:
                self._fork(message["parent"], output, partial(_be_parent, message["title"], *given, self._loaded))
            for descriptor in given:
                os.close(descriptor)
        return bool(data)

    def _fork(self, number: int, output: int, live: Callable[[], int]) -> set[int]:
        """Fork a process; return its id, or nothing if the system has none to give."""
        try:
            pid = os.fork()
        except OSError as error:
            os.close(output)
            self.say(refused=number, errno=error.errno)
            return set()
        if pid == 0:
            self._be_child(output, live)
        os.close(output)
        self.say(forked=number, pid=pid)
        return {pid}

    def _be_child(self, output: int, live: Callable[[], int]) -> None:
        """Give up what is the parent's, run ``live``, and exit with its status; do not return."""
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
        # Forked parents notice the end of their own sockets.
        for pid in self._kernels:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            # One that was just forked may not have made its group yet.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


#: The variables of a parent's environment that its kernels keep, whatever their pool says.
_OWN = frozenset({"OPENBLAS_NUM_THREADS", "PYTHONPATH", "PYTHONUNBUFFERED"})


def _be_kernel(confinement: Confinement, arguments: list[str], loaded: Loaded, link: tuple[int, int]) -> int:
    variables = confinement.variables()
    for name in set(os.environ) - set(variables) - _OWN:
        del os.environ[name]
    os.environ.update(variables)
    try:
        confinement.enter()
    except OSError as error:
        _log.error("the kernel's surroundings cannot be made: %s", error)
        return 2
    return run(arguments, loaded, link)


def _be_parent(title: str, descriptor: int, wanted: int, loaded: Loaded) -> int:
    set_title(title)
    nursery = _Nursery(_socket(descriptor), loaded)
    with open(wanted, encoding="utf-8") as file:
        initialisation = Initialisation(*json.load(file))
    os.environ.update(dict(initialisation.environment))
    # While the initialisation runs nothing reads the socket, so the host's end would go unnoticed.
    # The kernel ends this process when the process that forked it dies.
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
    """Load Mathics3, and serve the host on the socket whose descriptor is ``argv[0]``.

    Returns:
        The exit status: 1 if Mathics3 cannot be loaded, 0 otherwise.
    """
    logging.basicConfig(format="kernelhost.mathics: %(message)s", stream=sys.stderr)
    set_title("parent of embedded kernels")
    control = _socket(int(argv[0]))
    # Close descriptors that the host's process may have leaked: every kernel would inherit them.
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

"""The host's side of one preloaded parent: its process, its socket, and what it has forked.

The other side is :mod:`kernelbus.kernelhost.mathics.start.nursery`. Both exchange lines of JSON
over a Unix socket; descriptors go with the line that they belong to. A parent forks one kernel, or
one other parent, for each line ``fork`` or ``parent``, and reports ``forked`` and ``exited``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from kernelbus.bus.descriptors import shortage
from kernelbus.kernelhost.process.confinement import Confinement
from kernelbus.kernelhost.process.initialisation import Initialisation
from kernelbus.kernelhost.process.starting import KernelProcess, SpawnedKernel

__all__ = ["ForkedKernel", "InitialisationFailed", "NurseryFailed", "Parent"]

#: Seconds to wait for the parent's report of an exit status, from when the process is gone.
_REPORT_WAIT = 0.5
#: Seconds that a parent is given to end what it has forked, and itself.
_END_GRACE = 2.0


class NurseryFailed(Exception):
    """No kernel can be forked. The text says why."""


class InitialisationFailed(Exception):
    """A pool's initialisation failed in the parent of its kernels. The text says how."""


class ForkedKernel(KernelProcess):
    """A process that was forked from a parent: a kernel, or another parent.

    Args:
        name: what the log calls it.
        on_exit: see :class:`kernelbus.kernelhost.process.starting.KernelProcess`.
        pid: the id of the process.
        output: the descriptor of the pipe that holds its standard output and error.
        mark: see :class:`kernelbus.kernelhost.process.starting.KernelProcess`.
    """

    def __init__(self, name: str, on_exit: Callable[[str], None], pid: int, output: int, mark: str = "") -> None:
        super().__init__(name, on_exit, mark)
        self.pid = pid
        self._loop = asyncio.get_running_loop()
        self._pipe: int | None = output
        os.set_blocking(output, False)
        self._loop.add_reader(output, self._read)
        self._descriptor: int | None = None
        try:
            # A pidfd shows the end of any process, also of one that is not a child of ours, and
            # also when the parent that forked it is gone.
            self._descriptor = os.pidfd_open(pid)
            self._loop.add_reader(self._descriptor, self._ended)
        except ProcessLookupError:
            self._ended()

    def reported(self, status: int) -> None:
        """Take the exit status that the parent reports (see `how_it_ended`)."""
        if not self._gone:
            self._stop_watching()
            self._exited(status)

    def _kill_group(self) -> None:
        super()._kill_group()
        if self._descriptor is not None:
            # The process may not have made its group yet.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def _ended(self) -> None:
        self._stop_watching()
        self._loop.call_later(_REPORT_WAIT, self._unreported)

    def _unreported(self) -> None:
        if not self._gone:
            self._exited(None)

    def _stop_watching(self) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self) -> None:
        assert self._pipe is not None
        try:
            data = os.read(self._pipe, 65536)
        except BlockingIOError:
            return
        if data:
            self._output.feed(data)
        else:
            self._close_pipe()
            self._output_ended()

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = None

    def _tell(self) -> None:
        super()._tell()
        self._close_pipe()


class Parent:
    """A parent, from its start on. Made by :meth:`spawn` or :meth:`fork_parent`.

    Args:
        name: what the log calls it.
        control: the host's end of its socket.
        on_death: called once, when its process is gone, with words that say how it ended; not
            called after :meth:`close`.
        on_said: called with each text that its initialisation prints, and with True for a message.

    Attributes:
        gone: whether nothing can be forked from it any more.
        served: whether it has ever been ready.
        unshared: why its kernels have to run the initialisation themselves; empty: they have run
            it.
        ready: done when it can fork; raises NurseryFailed or InitialisationFailed when it never
            will.
    """

    def __init__(
        self, name: str, control: socket.socket, on_death: Callable[[Parent, str], None], on_said: Callable[[str, bool], None]
    ) -> None:
        self.name = name
        self.gone = False
        self.served = False
        self.unshared = ""
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self._on_death = on_death
        self._on_said = on_said
        self._control = control
        self._received = b""
        self._process: KernelProcess | None = None
        self._ended = asyncio.Event()
        self._closing = False
        self._number = 0
        self._forking: dict[int, asyncio.Future[int]] = {}
        self._forked: dict[int, ForkedKernel] = {}
        # The exit statuses, by pid, of processes whose end was reported before `_fork` went on.
        self._early: dict[int, int] = {}
        control.setblocking(False)
        self._loop.add_reader(control, self._read)

    # ------------------------------------------------------------------ start

    @classmethod
    async def spawn(cls, name: str, on_death: Callable[[Parent, str], None]) -> Parent:
        """Start the process of a parent, which loads the embedded kernel.

        Raises:
            OSError: it cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            parent = cls(name, ours, on_death, lambda text, is_message: None)
            command = [sys.executable, "-P", "-m", "kernelbus.kernelhost.mathics.start.nursery", str(theirs.fileno())]
            try:
                parent._process = await SpawnedKernel.start(command, name, parent._died, (theirs.fileno(),))
            except OSError:
                parent._close_control()
                raise
        return parent

    async def fork_parent(
        self,
        name: str,
        initialisation: Initialisation,
        on_death: Callable[[Parent, str], None],
        on_said: Callable[[str, bool], None],
    ) -> Parent:
        """Fork another parent from this one, which runs `initialisation`.

        Raises:
            NurseryFailed: this parent has died.
        """
        ours, theirs = socket.socketpair()
        wanted = os.memfd_create("initialisation")
        try:
            parent = Parent(name, ours, on_death, on_said)
            try:
                os.write(wanted, json.dumps(list(initialisation)).encode())
                os.lseek(wanted, 0, os.SEEK_SET)
                process = await self._fork({"title": name.removeprefix("the ")}, "parent", name, parent._died, [theirs.fileno(), wanted])
            except (OSError, NurseryFailed):
                parent._close_control()
                raise
            parent._process = process
        finally:
            theirs.close()
            os.close(wanted)
        return parent

    # ------------------------------------------------------------------ forking

    async def fork(
        self, arguments: list[str], name: str, on_exit: Callable[[str], None], link: tuple[int, int], confinement: Confinement
    ) -> ForkedKernel:
        """Fork a kernel.

        Args:
            arguments: its command line, without the program.
            name: what the log calls it.
            on_exit: see :class:`kernelbus.kernelhost.process.starting.KernelProcess`.
            link: the descriptors of its data and its message connection. It gets copies of them.
            confinement: what it gets.

        Raises:
            NurseryFailed: the parent has died.
            OSError: the system is short of something.
        """
        message: dict[str, object] = {"arguments": arguments, "confinement": list(confinement)}
        return await self._fork(message, "fork", name, on_exit, list(link), confinement.mark)

    async def _fork(
        self,
        message: dict[str, object],
        kind: str,
        name: str,
        on_exit: Callable[[str], None],
        descriptors: list[int],
        mark: str = "",
    ) -> ForkedKernel:
        self._number += 1
        number = self._number
        done: asyncio.Future[int] = self._loop.create_future()
        self._forking[number] = done
        reading, writing = os.pipe()
        try:
            line = json.dumps({kind: number, **message}).encode() + b"\n"
            socket.send_fds(self._control, [line], [writing, *descriptors])
            pid = await done
        except (OSError, NurseryFailed) as error:
            os.close(reading)
            if isinstance(error, OSError) and shortage(error):
                raise
            raise NurseryFailed(str(error)) from None
        finally:
            os.close(writing)
            self._forking.pop(number, None)
        try:
            forked = ForkedKernel(name, on_exit, pid, reading, mark)
        except OSError:
            # Nothing can watch it.
            self._loop.remove_reader(reading)
            os.close(reading)
            os.kill(pid, signal.SIGKILL)
            raise
        self._forked[pid] = forked
        if pid in self._early:
            self._report(pid, self._early.pop(pid))
        return forked

    # ------------------------------------------------------------------ end

    def kill(self) -> None:
        """Kill its process; its kernels live on."""
        if self._process is not None:
            self._process.kill()

    async def close(self) -> None:
        """End it, and every kernel of it that still runs."""
        self._closing = True
        self._close_control()
        if self._process is None:
            return
        try:
            await asyncio.wait_for(self._ended.wait(), _END_GRACE)
        except TimeoutError:
            self._process.kill()
            await self._ended.wait()

    def _died(self, how: str) -> None:
        self.gone = True
        self._close_control()
        self._ended.set()
        self._fail(how)
        if not self._closing:
            self._on_death(self, how)

    def _fail(self, how: str) -> None:
        waiting: list[asyncio.Future[Any]] = [*self._forking.values(), self.ready]
        for future in waiting:
            if not future.done():
                future.set_exception(NurseryFailed(f"{self.name} {how}"))
                future.exception()  # retrieve it, or asyncio complains when nobody waits

    def _close_control(self) -> None:
        self.gone = True
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control)
            self._control.close()

    # ------------------------------------------------------------------ what it reports

    def _read(self) -> None:
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            # How it ended is reported when its process is gone.
            self._close_control()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            match message:
                case {"said": text, "message": is_message}:
                    self._on_said(text, is_message)
                case {"failed": text}:
                    if not self.ready.done():
                        self.ready.set_exception(InitialisationFailed(text))
                        self.ready.exception()
                case {"ready": _, "unshared": unshared}:
                    self.served, self.unshared = True, unshared
                    if not self.ready.done():
                        self.ready.set_result(None)
                case {"forked": number, "pid": pid}:
                    done = self._forking.get(number)
                    if done is not None and not done.done():
                        done.set_result(pid)
                case {"refused": number, "errno": code}:
                    done = self._forking.get(number)
                    if done is not None and not done.done():
                        done.set_exception(OSError(code, os.strerror(code)))
                case {"exited": pid, "status": status}:
                    self._report(pid, status)

    def _report(self, pid: int, status: int) -> None:
        forked = self._forked.pop(pid, None)
        if forked is not None:
            forked.reported(status)
        elif self._forking:
            self._early[pid] = status

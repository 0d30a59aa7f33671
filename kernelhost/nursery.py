"""The host's side of the preloaded parent (:mod:`kernelhost.mathics.nursery`): embedded kernels in milliseconds.

One nursery serves all pools of embedded kernels. It is started when the first of them is wanted, watched, and started again when it has
died; its kernels live on meanwhile. Where there is no fork, or the nursery cannot load, kernels are started as any program is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any, cast

from kernelhost.process import KernelProcess, Output, end_with_parent, environment, how_it_ended

__all__ = ["ForkedKernel", "Nursery", "NurseryFailed"]

_log = logging.getLogger("kernelbus.host")

#: Seconds for which the nursery's word on how a kernel ended is awaited, once the kernel is seen to be gone.
_WORD = 0.5


class NurseryFailed(Exception):
    """No kernel came from the nursery; the text says why."""


class ForkedKernel(KernelProcess):
    """A kernel forked from the nursery."""

    def __init__(self, name: str, on_exit: Callable[[str], None], pid: int, output: int) -> None:
        super().__init__(name, on_exit)
        self.pid = pid
        self._loop = asyncio.get_running_loop()
        self._pipe: int | None = output
        os.set_blocking(output, False)
        self._loop.add_reader(output, self._read)
        self._descriptor: int | None = None
        try:
            # Whose child it is does not matter to a pidfd: its end is seen even when the nursery is no more.
            self._descriptor = os.pidfd_open(pid)
            self._loop.add_reader(self._descriptor, self._ended)
        except ProcessLookupError:
            self._ended()

    def reported(self, status: int) -> None:
        """The nursery says how it ended."""
        if not self._gone:
            self._stop_watching()
            self._exited(status)

    def _ended(self) -> None:
        self._stop_watching()
        self._loop.call_later(_WORD, self._unreported)

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


class Nursery:
    """A nursery process, when one is wanted."""

    available = hasattr(os, "fork") and hasattr(os, "pidfd_open")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._process: _NurseryProcess | None = None
        # Kernels are started side by side: only the first to find no nursery may start one.
        self._starting = asyncio.Lock()

    async def fork(self, arguments: list[str], name: str, on_exit: Callable[[str], None]) -> ForkedKernel:
        """Give a new kernel; waits while the nursery loads.

        Raises:
            NurseryFailed: it does not load, or has died before it forked.
            OSError: it cannot be started at all.
        """
        async with self._starting:
            if self._process is None or self._process.gone:
                if self._process is not None:
                    _log.error("the nursery of embedded kernels is started again: it %s", self._process.how)
                self._process = await _NurseryProcess.start()
        return await self._process.fork(arguments, name, on_exit)

    async def close(self) -> None:
        """End it, and every kernel that is still there."""
        if self._process is not None:
            await self._process.close()


class _NurseryProcess(asyncio.SubprocessProtocol):
    """One nursery process and its socket."""

    def __init__(self, control: socket.socket) -> None:
        self.gone = False
        self.how = ""
        self._loop = asyncio.get_running_loop()
        self._control = control
        self._received = b""
        self._output = Output("the nursery")
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._number = 0
        self._forking: dict[int, asyncio.Future[int]] = {}
        self._kernels: dict[int, ForkedKernel] = {}
        # Of kernels that end before their fork has been told of.
        self._early: dict[int, int] = {}
        self._pid = 0

    @classmethod
    async def start(cls) -> _NurseryProcess:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            try:
                _, protocol = await loop.subprocess_exec(
                    lambda: cls(ours),
                    sys.executable,
                    "-m",
                    "kernelhost.mathics.nursery",
                    str(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=environment(),
                    start_new_session=True,
                    pass_fds=[theirs.fileno()],
                    preexec_fn=end_with_parent if sys.platform == "linux" else None,
                )
            except OSError:
                ours.close()
                raise
        loop.add_reader(ours, protocol._read)
        return protocol

    async def fork(self, arguments: list[str], name: str, on_exit: Callable[[str], None]) -> ForkedKernel:
        await asyncio.shield(self._ready)
        self._number += 1
        number = self._number
        done: asyncio.Future[int] = self._loop.create_future()
        self._forking[number] = done
        reading, writing = os.pipe()
        try:
            message = json.dumps({"fork": number, "arguments": arguments}).encode() + b"\n"
            socket.send_fds(self._control, [message], [writing])
            pid = await done
        except (OSError, NurseryFailed) as error:
            os.close(reading)
            raise NurseryFailed(str(error)) from None
        finally:
            os.close(writing)
            self._forking.pop(number, None)
        kernel = ForkedKernel(name, on_exit, pid, reading)
        self._kernels[pid] = kernel
        if pid in self._early:
            self._report(pid, self._early.pop(pid))
        return kernel

    async def close(self) -> None:
        self._control_gone()
        try:
            await asyncio.wait_for(self._ended.wait(), 2.0)
        except TimeoutError:
            os.killpg(self._pid, signal.SIGKILL)
            await self._ended.wait()

    def _read(self) -> None:
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._control_gone()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "ready" in message:
                if not self._ready.done():
                    self._ready.set_result(None)
            elif "forked" in message:
                done = self._forking.get(message["forked"])
                if done is not None and not done.done():
                    done.set_result(message["pid"])
            else:
                self._report(message["exited"], message["status"])

    def _report(self, pid: int, status: int) -> None:
        kernel = self._kernels.pop(pid, None)
        if kernel is not None:
            kernel.reported(status)
        elif self._forking:
            self._early[pid] = status

    def _control_gone(self) -> None:
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control)
            self._control.close()

    # ------------------------------------------------------------------ what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._pid = self._transport.get_pid() or 0

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self._output.feed(data)

    def process_exited(self) -> None:
        self.gone = True
        said = self._output.last
        self.how = how_it_ended(self._transport.get_returncode()) + (f"; it said last: {said}" if said else "")
        failed = NurseryFailed(f"the nursery of embedded kernels {self.how}")
        waiting: list[asyncio.Future[Any]] = [self._ready, *self._forking.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(failed)
                future.exception()  # looked at, whether or not somebody waits
        self._control_gone()
        self._ended.set()
        self._transport.close()

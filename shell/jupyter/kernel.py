"""The kernel as Jupyter starts it: its requests in, its replies and outputs out.

While a cell runs, the loop is free: completions, inspections and the like are served beside it, and
an interrupt arrives by the control thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import time
from collections.abc import Mapping
from contextvars import copy_context
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from ipykernel.kernelbase import Kernel

from kernelbus.shell.clients.choice import Choice
from kernelbus.shell.jupyter.assistant import Assistant
from kernelbus.shell.jupyter.binding import Binding
from kernelbus.shell.jupyter.cells import CellRunner, Outcome
from kernelbus.shell.jupyter.completeness import completeness
from kernelbus.shell.jupyter.gathering import GATHER_SECONDS, Gathering
from kernelbus.shell.jupyter.history import History
from kernelbus.shell.jupyter.kernelspec import LANGUAGE
from kernelbus.shell.jupyter.naming import own_environment
from kernelbus.shell.jupyter.session import NotebookSession
from kernelbus.shell.jupyter.unseen import CellOutputs

__all__ = ["NotebookKernel"]

# Seconds in which a shutdown follows an interrupt that is part of it.
_GRACE_SECONDS = 0.15

#: Requests that are served while a cell runs.
_BESIDE = frozenset(
    {"complete_request", "inspect_request", "is_complete_request", "history_request", "kernel_info_request", "comm_info_request"}
)


def _version() -> str:
    try:
        return version("kernelbus")
    except PackageNotFoundError:
        return "0"


class _CellFront:
    """Shows one cell's outputs under it.

    Attributes:
        allow_stdin: whether the front end can ask the person.
        page: the front end's session, which is new for each loading of its page.
        kept: remembers the outputs; None: nobody wants to know them later.
        payload: what the reply has for the front end.
        last: the text of the last result.
    """

    def __init__(self, kernel: NotebookKernel, parent: dict[str, Any], ident: Any, *, allow_stdin: bool, silent: bool) -> None:
        self.allow_stdin = allow_stdin
        self.kept: CellOutputs | None = None
        self.page = str(parent.get("header", {}).get("session", ""))
        self._kernel = kernel
        self._parent = parent
        self._ident = ident
        self._silent = silent
        self.payload: list[dict[str, Any]] = []
        self.last = ""
        self._gathering = Gathering()
        self._sending: asyncio.TimerHandle | None = None

    def stream(self, name: str, text: str) -> None:
        loop = asyncio.get_running_loop()
        self._send_texts(self._gathering.add(name, text, loop.time()))
        if self._gathering.waits and self._sending is None:
            self._sending = loop.call_later(GATHER_SECONDS, self.flush)

    def flush(self) -> None:
        """Send the text that waits for more."""
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        self._send_texts(self._gathering.take(asyncio.get_running_loop().time()))

    def _send_texts(self, texts: list[tuple[str, str]]) -> None:
        for name, text in texts:
            self._send("stream", {"name": name, "text": text})

    def show(self, data: Mapping[str, Any], metadata: Mapping[str, Any], number: int | None) -> None:
        content: dict[str, Any] = {"data": dict(data), "metadata": dict(metadata)}
        if number is None:
            self._publish("display_data", {**content, "transient": {}})
        else:
            self.last = str(data.get("text/plain", ""))
            self._publish("execute_result", {**content, "execution_count": number})

    def show_page(self, text: str) -> None:
        self.payload.append({"source": "page", "data": {"text/plain": text}, "start": 0})

    def clear(self) -> None:
        self._publish("clear_output", {"wait": False})

    def fail(self, content: dict[str, Any]) -> None:
        """Show an error."""
        self._publish("error", content)

    def began(self, code: str, number: int) -> None:
        """Tell all front ends which code runs."""
        self._publish("execute_input", {"code": code, "execution_count": number})

    def again(self, kind: str, content: Mapping[str, Any]) -> None:
        """Show an output as it was shown before."""
        self._publish(kind, dict(content))

    def _publish(self, kind: str, content: dict[str, Any]) -> None:
        self.flush()
        self._send(kind, content)

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        kernel = self._kernel
        if self.kept is not None:
            self.kept.add(kind, content)
        if not self._silent and kernel.session is not None:
            kernel.session.send(kernel.iopub_socket, kind, content, parent=self._parent, ident=kernel._topic(kind))

    async def ask(self, prompt: str) -> str | None:
        self.flush()
        return await self._kernel.ask(prompt, self._parent, self._ident)


class NotebookKernel(Kernel):
    """A notebook's kernel.

    Attributes:
        wanted: which kernel of which server is wanted, before the program starts.
        may_start: whether a server may be started.
    """

    implementation = "kernelbus"
    implementation_version = _version()
    language_info = LANGUAGE
    banner = "Wolfram Language, with a kernel of a kernelbus server"

    wanted: Choice = Choice()
    may_start: bool = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._interrupts: list[asyncio.TimerHandle] = []
        self._binding = Binding(self.wanted, own_environment(os.environ, _starter()), os.getcwd(), _process(self))
        self._notebook: NotebookSession | None = None
        self._runner: CellRunner | None = None
        self._front: _CellFront | None = None
        self._told = ""  # what has been said of the history

    @functools.cached_property
    def history(self) -> History:
        """What has been entered."""
        return History()

    @functools.cached_property
    def assistant(self) -> Assistant:
        """What completes and explains names."""
        return Assistant(self.notebook)

    @property
    def notebook(self) -> NotebookSession:
        """The session; it is made in the loop that uses it."""
        if self._notebook is None:
            self._notebook = NotebookSession(self.wanted, may_start=self.may_start, say=self._say)
            self._notebook.choose = self._binding.choose
            starter = os.getppid()
            # What is shown after Jupyter's end reaches nobody.
            self._notebook.may_save = lambda: os.getppid() == starter
        return self._notebook

    @property
    def runner(self) -> CellRunner:
        """What runs cells."""
        if self._runner is None:
            self._runner = CellRunner(self.notebook, self._binding)
        return self._runner

    def _say(self, line: str) -> None:
        if self._front is not None:
            self._front.stream("stderr", f"{line}\n")

    # ------------------------------------------------------------------ requests beside a cell

    async def shell_main(self, subshell_id: str | None, msg: Any) -> None:
        """Serve a request, beside the cell that runs if it can be."""
        if not self._main_asyncio_lock.locked() or self.session is None or self._kind(msg) not in _BESIDE:
            await super().shell_main(subshell_id, msg)
            return
        ident, parent = self._get_shell_context_var(self._shell_parent_ident), self.get_parent("shell")
        try:
            await asyncio.create_task(self.dispatch_shell(msg, subshell_id=subshell_id), context=copy_context())
        finally:
            self.set_parent(ident, parent, channel="shell")
            if self._main_asyncio_lock.locked():
                # It said that the kernel is idle, which is true of that request alone.
                self._publish_status("busy", "shell", parent=parent)

    def _kind(self, msg: Any) -> str:
        assert self.session is not None
        try:
            _, frames = self.session.feed_identities(msg, copy=False)
            header = self.session.deserialize(frames, content=False, copy=False)["header"]
        except Exception:
            return ""  # what is wrong with it is told where it is served
        return str(header.get("msg_type"))

    # ------------------------------------------------------------------ execute

    def _publish_execute_input(self, code: str, parent: dict[str, Any], execution_count: int) -> None:
        """Leave this to the cell: the number is known once there is a kernel."""

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        *,
        cell_meta: Any = None,
        cell_id: str | None = None,
    ) -> dict[str, Any]:
        """Run a cell."""
        ident = self._get_shell_context_var(self._shell_parent_ident)
        front = _CellFront(self, self.get_parent("shell"), ident, allow_stdin=allow_stdin, silent=silent)
        self._front = front
        try:
            stored, cell = store_history and not silent, cell_id or ""
            if not silent:
                self.assistant.entered(code)
            outcome = await self.runner.run(code, front, began=lambda number: front.began(code, number), stored=stored, cell=cell)
            values = await self.runner.expressions(user_expressions) if user_expressions and not outcome.error else {}
        finally:
            self._front = None
            front.flush()
        self.execution_count = outcome.number
        if stored:
            self._remember(outcome.number, code, front)
        if outcome.error:
            content = _error(outcome)
            front.fail(content)
            return {"status": "error", "execution_count": outcome.number, **content}
        return {"status": "ok", "execution_count": outcome.number, "payload": front.payload, "user_expressions": values}

    def _remember(self, number: int, code: str, front: _CellFront) -> None:
        history = self.history
        history.add(number, code, front.last)
        if history.fault != self._told:
            self._told = history.fault
            front.stream("stderr", f"{history.fault}\n")

    # ------------------------------------------------------------------ while a person types

    async def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Complete what is before the cursor."""
        return await self.assistant.complete(code, cursor_pos)

    async def do_inspect(self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()) -> dict[str, Any]:
        """Explain the name at the cursor."""
        return await self.assistant.inspect(code, cursor_pos, detail_level)

    async def do_is_complete(self, code: str) -> dict[str, Any]:
        """Tell whether a text may be run."""
        return completeness(code)

    async def do_history(
        self,
        hist_access_type: str,
        output: bool,
        raw: bool,
        session: int | None = None,
        start: int | None = None,
        stop: int | None = None,
        n: int | None = None,
        pattern: str | None = None,
        unique: bool = False,
    ) -> dict[str, Any]:
        """Return what has been entered, in this notebook and others."""
        match hist_access_type:
            case "tail":
                found = self.history.tail(n or 0)
            case "range":
                found = self.history.range(session or 0, start or 0, stop)
            case "search":
                found = self.history.search(pattern or "*", n, unique=unique)
            case _:
                found = []
        cells = [(number, line, (text, shown or None) if output else text) for number, line, text, shown in found]
        return {"status": "ok", "history": cells}

    # ------------------------------------------------------------------ questions and the end

    async def ask(self, prompt: str, parent: dict[str, Any], ident: Any) -> str | None:
        """Ask the person at the front end that runs a cell; None: the end of input."""
        assert self.session is not None
        socket = self.stdin_socket
        while socket.poll(0):
            socket.recv_multipart()  # an answer that came too late
        self.session.send(socket, "input_request", {"prompt": prompt, "password": False}, parent, ident=ident)
        shadow = zmq.asyncio.Socket.shadow(socket.underlying)
        while True:
            await shadow.poll()
            with contextlib.suppress(ValueError):  # not for this session
                _, reply = self.session.recv(socket)
                if reply is not None:
                    value = str(reply["content"].get("value", ""))
                    return None if value == "\x04" else value

    async def interrupt_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Interrupt the cell; called in the control thread."""
        self.io_loop.add_callback(self._interrupt_soon)
        if self.session is not None:
            self.session.send(stream, "interrupt_reply", {"status": "ok"}, parent, ident=ident)

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """Let the kernel go; called in the control thread."""
        ends = asyncio.run_coroutine_threadsafe(self._leave(restart), self.io_loop.asyncio_loop)  # type: ignore[attr-defined]
        await asyncio.wrap_future(ends)
        return {"status": "ok", "restart": restart}


    def _interrupt_soon(self) -> None:
        # Jupyter interrupts a kernel just before it shuts it down, which leaves the evaluation.
        self._interrupts = [waiting for waiting in self._interrupts if waiting.when() > time.monotonic()]
        self._interrupts.append(asyncio.get_running_loop().call_later(_GRACE_SECONDS, self.runner.interrupt))

    async def _leave(self, restart: bool) -> None:
        """End the session if a fresh one is to follow; else leave it, and say so."""
        for waiting in self._interrupts:
            waiting.cancel()
        steering = self.runner.steering
        if restart:
            await steering.end()
        elif (told := await steering.leave()) and sys.__stderr__ is not None:
            # No cell is there to show it under: it goes to the log of who has started the kernel.
            print(f"kernelbus: {told}", file=sys.__stderr__, flush=True)


def _process(kernel: Kernel) -> str:
    """Return the name of the connection file, which a restarted kernel has again."""
    return os.path.basename(str(getattr(kernel.parent, "connection_file", "")))


def _starter() -> bytes:
    """Return the environment of the process that has started this one; empty: not known."""
    try:
        return Path(f"/proc/{os.getppid()}/environ").read_bytes()
    except OSError:
        return b""


def _error(outcome: Outcome) -> dict[str, Any]:
    return {"ename": outcome.error, "evalue": outcome.reason, "traceback": [f"{outcome.error}: {outcome.reason}"]}

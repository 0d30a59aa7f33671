"""Notebooks without a front end: cells are run through jupyter_client as a front end runs them."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

__all__ = ["Notebook", "Ran", "installed", "notebook"]


@dataclass(slots=True)
class Ran:
    """What came of a cell.

    Attributes:
        reply: the content of its `execute_reply`.
        outputs: its outputs in order, each its type and its content.
        asked: the prompts of what it asked.
    """

    reply: dict[str, Any] = field(default_factory=dict)
    outputs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Return what it wrote to `stdout` or `stderr`."""
        return "".join(content["text"] for kind, content in self.outputs if kind == "stream" and content["name"] == name)

    def bundles(self, kind: str = "execute_result") -> list[dict[str, Any]]:
        """Return the MIME bundles of its results, or of its displays."""
        return [content["data"] for output, content in self.outputs if output == kind]


class Notebook:
    """A running kernel and a client of it."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def start(self, code: str, *, stdin: bool = False, cell: str = "", **options: Any) -> str:
        """Have a cell run, which may have an id; return the id of its request."""
        if not cell:
            return self.client.execute(code, allow_stdin=stdin, **options)
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": stdin, "stop_on_error": True, **options}
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell})
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def run(self, code: str, answers: Sequence[str] | None = None, **options: Any) -> Ran:
        """Run a cell to its end; `answers` are given to what it asks, None: nobody can be asked."""
        return self.finish(self.start(code, stdin=answers is not None, **options), answers or ())

    def finish(self, request: str, answers: Sequence[str] = (), *, seconds: float = 60.0) -> Ran:
        """Wait for the end of a cell."""
        ran, left = Ran(), list(answers)
        for kind, content in self.heard(request, seconds=seconds):
            if kind == "input_request":
                ran.asked.append(content["prompt"])
                self.client.input(left.pop(0))
            elif kind == "execute_reply":
                ran.reply = content
            else:
                ran.outputs.append((kind, content))
        return ran

    def heard(self, request: str, *, seconds: float = 60.0) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give what a request brings, as it comes: outputs, questions, and the reply."""
        deadline = time.monotonic() + seconds
        idle = replied = False
        while not (idle and replied):
            assert time.monotonic() < deadline, "the cell does not end"
            for get in (self.client.get_stdin_msg, self.client.get_iopub_msg, self.client.get_shell_msg):
                try:
                    message = get(timeout=0.01)
                except queue.Empty:
                    continue
                kind, content = message["msg_type"], message["content"]
                if message["parent_header"].get("msg_id") != request:
                    continue
                if kind == "status":
                    idle = idle or content["execution_state"] == "idle"
                    continue
                replied = replied or kind.endswith("_reply")
                yield kind, content


@contextmanager
def installed(patch: pytest.MonkeyPatch, folder: Any, *words: str) -> Iterator[None]:
    """Install the kernel with these options where the Jupyter of a test alone finds it."""
    from kernelbus.shell.main import main

    for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        patch.setenv(name, str(folder / name.lower()))
    patch.setenv("JUPYTER_PATH", str(folder / "share" / "jupyter"))
    patch.setenv("XDG_STATE_HOME", str(folder / "state"))
    assert main(["jupyter", "install", "--prefix", str(folder), *words]) == 0
    yield


@contextmanager
def notebook(name: str = "kernelbus", **options: Any) -> Iterator[Notebook]:
    """Start a kernel as a front end does, and end it."""
    manager = KernelManager(kernel_name=name)
    manager.start_kernel(**options)
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        yield Notebook(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=not manager.is_alive())
        manager.cleanup_resources()

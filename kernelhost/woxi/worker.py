"""The kernel's end of the process that evaluates: ask, hear what is printed, abort."""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from kernelbus.kernelhost.woxi.evaluator import LINE_BREAK, MARK_SIZE, evaluate_for_ever

__all__ = ["Left", "Lost", "Worker"]

_log = logging.getLogger("kernelhost.woxi")

_PR_SET_CHILD_SUBREAPER: Final = 36
_CHUNK: Final = 1 << 20


class Lost(Exception):
    """The evaluation came to no end; Woxi goes on with the state from before.

    Attributes:
        aborted: whether it was aborted; else Woxi has crashed.
    """

    def __init__(self, aborted: bool) -> None:
        super().__init__(aborted)
        self.aborted = aborted


class Left(Exception):
    """The code has ended Woxi.

    Attributes:
        status: the exit status that it gave.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Worker:
    """A process that evaluates."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        """Start the process.

        Args:
            on_text: called with each piece of printed text.
        """
        self._on_text = on_text
        self._lock = threading.Lock()
        self._running = self._aborted = False
        self._mark = os.urandom(MARK_SIZE)
        self._buffer = bytearray()
        self._printed = bytearray()
        if sys.platform == "linux":
            # Copies whose parent is gone become children of this process.
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._socket, its = socket.socketpair()
        self._out, its_out = os.pipe()
        os.set_blocking(self._out, False)
        self._pid = os.fork()
        if not self._pid:
            self._socket.close()
            os.close(self._out)
            os.dup2(its_out, 1)
            # Messages come with the answers.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            evaluate_for_ever(its, self._mark)
        its.close()
        os.close(its_out)

    def abort(self) -> None:
        """Abort the running evaluation; called from any thread."""
        with self._lock:
            if self._running and not self._aborted:
                self._aborted = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)

    def ask(self, code: str, wants: str) -> dict[str, Any]:
        """Evaluate code, and return the answer of :mod:`kernelbus.kernelhost.woxi.evaluator`.

        Args:
            code: the code.
            wants: `value`, or `text` alone.

        Raises:
            Lost: the evaluation was aborted, or Woxi has crashed.
            Left: the code has ended Woxi.
        """
        with self._lock:
            self._running, self._aborted = True, False
        try:
            self._socket.sendall(json.dumps({"code": code, "wants": wants}).encode() + b"\n")
            line = self._await()
        finally:
            with self._lock:
                self._running = False
        answer: dict[str, Any] = json.loads(line)
        self._hear()
        return answer

    def close(self) -> None:
        """End the process, and every copy of it."""
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def _await(self) -> bytes:
        """Return the line of the answer; pass on what is printed meanwhile."""
        while True:
            answers = self._socket.fileno()
            readable, _, _ = select.select([answers, self._out], [], [])
            if self._out in readable:
                self._hear()
            if answers not in readable:
                continue
            data = self._socket.recv(_CHUNK)
            self._buffer += data
            at = self._buffer.find(self._mark)
            if at >= 0 and len(self._buffer) >= at + MARK_SIZE + 8:
                self._goes_on(at)
            elif not data:
                raise Left(self._status() or 0)
            elif at < 0 and self._buffer.endswith(b"\n"):
                line, self._buffer = bytes(self._buffer), bytearray()
                return line

    def _goes_on(self, at: int) -> None:
        """Handle that a copy has taken the place of the process.

        Raises:
            Lost, Left: as the process has ended.
        """
        pid = int.from_bytes(self._buffer[at + MARK_SIZE : at + MARK_SIZE + 8], "big")
        self._buffer.clear()
        status = self._status()
        with self._lock:
            self._pid, aborted = pid, self._aborted
        self._hear()
        if status is not None and status >= 0 and not aborted:
            os.kill(pid, signal.SIGKILL)
            raise Left(status)
        _log.info("an evaluation was %s", "aborted" if aborted else f"ended by signal {-(status or 0)}")
        raise Lost(aborted)

    def _status(self) -> int | None:
        """Return the exit status of the process, or minus its signal; None: it is not known."""
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        except ChildProcessError:
            return None

    def _hear(self) -> None:
        """Pass on what was printed, as far as it is whole."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._out, _CHUNK):
                self._printed += data
        text = self._printed.decode("utf-8", "ignore")
        whole = len(text.encode())
        # A character may come in pieces, and so may the break of a line.
        self._printed = self._printed[whole:] if len(self._printed) - whole < 4 else bytearray()
        text = text.replace(f"{LINE_BREAK}\n", "")
        if text.endswith(LINE_BREAK):
            text, self._printed = text[:-1], bytearray(LINE_BREAK.encode()) + self._printed
        if text:
            self._on_text(text)

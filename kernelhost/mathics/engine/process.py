"""Start the engine's process when it is needed, ask it, and kill it when it must stop.

``engine`` is the engine of this process. ``engine.ask(text)`` returns an
:class:`~kernelbus.kernelhost.mathics.engine.talk.Answer`. The engine has no state between two
questions: each question carries what it needs. So its process may be killed at any time, and the
next question starts another one. It is killed when a question is not answered to its end, whatever
the reason: an abort or a time limit that was raised here, the question's own time limit, an error.

The process is a descendant of the kernel's. It has the kernel's mark in its environment, counts for
the kernel's memory, and ends with the kernel. It can use no files and start no programs, on systems
with filters of system calls (Linux on x86-64 and AArch64). On others it is not started in a pool
that forbids either.

Main thread only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import secrets
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from kernelbus.kernelhost.mathics.engine.filter import filter_for
from kernelbus.kernelhost.mathics.engine.talk import Answer, AnswerReader, TalkError, question
from kernelbus.kernelhost.process.tree import MARK

__all__ = ["HOW_TO_INSTALL", "Engine", "EngineError", "EngineLate", "engine", "is_installed"]

#: What to do if Woxi is missing.
HOW_TO_INSTALL: Final = "pip install 'kernelbus[engine]'"

_PROGRAM: Final = str(Path(__file__).with_name("program.py"))
#: Environment variables that the engine gets.
_PASSED_ON: Final = (MARK, "LANG", "LC_ALL", "TZ")
#: What the engine itself takes beside what it may use for an evaluation, bytes.
_OWN_MEMORY: Final = 64 << 20
_CHUNK: Final = 1 << 16


class EngineError(Exception):
    """Say why the engine gives no answer."""


class EngineLate(EngineError):
    """Say that the engine did not answer in time."""


def is_installed() -> bool:
    """Tell whether there is a Woxi that an engine can hold."""
    return _folder() is not None


def _folder() -> str | None:
    """Return the folder that has Woxi. It is not imported: a kernel must stay small."""
    found = importlib.util.find_spec("woxi")
    return None if found is None or found.origin is None else str(Path(found.origin).parents[1])


class Engine:
    """Ask Woxi.

    Attributes:
        memory: returns how much memory an evaluation in the engine may take, bytes; 0: no limit.
    """

    def __init__(self) -> None:
        self.memory: Callable[[], int] = lambda: 0
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._strict = False
        self._starting = False

    @property
    def pid(self) -> int:
        """The id of the engine's process, 0 if there is none now."""
        return self._process.pid if self._process is not None and self._owner == os.getpid() else 0

    @property
    def is_starting(self) -> bool:
        """Whether the engine's process is being started just now.

        That is allowed also where the pool forbids programs: the engine is part of the kernel.
        """
        return self._starting

    def confine(self) -> None:
        """Start the engine from now on only where it can be kept from files and programs."""
        self._strict = True

    def ask(self, text: str, *, seconds: float | None = None, picture: bool = False, seed: int | None = None) -> Answer:
        """Have the engine evaluate text of the language, and return what becomes of it.

        Args:
            text: one or more expressions, a line for each; the last gives the value. For a value
                that can be read again, let it be ``ToString[..., InputForm]``.
            seconds: how long the engine may take; None: as long as it likes.
            picture: whether to have the value drawn, as SVG.
            seed: what the engine's random numbers follow; None: they follow nothing.

        Raises:
            EngineLate: it took longer.
            EngineError: there is no engine, or it has failed; the next question starts another.
        """
        process = self._running()
        nonce = secrets.token_hex(8)
        answered = False
        try:
            _send(process, question(text, nonce, picture=picture, seed=seed))
            answer = _receive(process, AnswerReader(nonce), None if seconds is None else time.monotonic() + seconds)
            answered = not answer.broken
        except TalkError as error:
            raise EngineError(f"the second engine is ended: {error}") from None
        finally:
            if not answered:
                self.stop()
        if answer.broken:
            raise EngineError(f"the second engine has failed: {answer.wrong}")
        return answer

    def stop(self) -> None:
        """Kill the engine's process if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        _close(process)
        # A forked kernel must not end the engine of the process that it was forked from.
        if self._owner == os.getpid():
            process.kill()
            process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and (self._owner != os.getpid() or self._process.poll() is not None):
            self.stop()
        if self._process is None:
            self._process = self._start()
            self._owner = os.getpid()
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        folder = _folder()
        if folder is None:
            raise EngineError(f"there is no second engine: {HOW_TO_INSTALL}")
        confinement = filter_for(platform.machine())
        if confinement is None and self._strict:
            raise EngineError("the second engine is not started: it cannot be kept from files here, which this pool forbids")
        memory = self.memory()
        words = [folder, "-" if confinement is None else confinement.hex(), str(memory + _OWN_MEMORY if memory else 0), str(os.getpid())]
        variables = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._starting = True
        try:
            return subprocess.Popen(
                # Isolated and without site: it is there sooner, and imports nothing of a user's.
                [sys.executable, "-I", "-S", _PROGRAM, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env=variables,
            )
        except OSError as error:
            raise EngineError(f"the second engine cannot be started: {error.strerror}") from None
        finally:
            self._starting = False


def _pipe(end: IO[bytes] | None) -> int:
    assert end is not None
    return end.fileno()


def _close(process: subprocess.Popen[bytes]) -> None:
    for end in (process.stdin, process.stdout):
        if end is not None:
            with contextlib.suppress(OSError):
                end.close()


def _send(process: subprocess.Popen[bytes], data: bytes) -> None:
    try:
        while data:
            data = data[os.write(_pipe(process.stdin), data) :]
    except BrokenPipeError:
        raise EngineError(_ended(process)) from None


def _receive(process: subprocess.Popen[bytes], reader: AnswerReader, until: float | None) -> Answer:
    output = _pipe(process.stdout)
    while True:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise EngineLate("the second engine did not answer in time")
        ready, _, _ = select.select([output], [], [], left)
        if not ready:
            continue
        data = os.read(output, _CHUNK)
        if not data:
            raise EngineError(_ended(process))
        answer = reader.feed(data)
        if answer is not None:
            return answer


def _ended(process: subprocess.Popen[bytes]) -> str:
    """Say how an engine has ended that has closed its pipes."""
    try:
        status = process.wait(1.0)
    except subprocess.TimeoutExpired:
        return "the second engine has closed its pipes"
    if status == 113:
        return "the second engine cannot be kept from files and programs here, and is not used"
    how = f"of signal {-status}" if status < 0 else f"with status {status}"
    return f"the second engine has ended {how}: it may have run out of memory or of stack"


#: The engine of this process.
engine: Final = Engine()

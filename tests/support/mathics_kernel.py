"""Run the embedded kernel as a process, and talk to it over a real link."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wstp
from wstp import Expr, Function, Symbol

__all__ = ["ROOT", "WAIT", "Kernel", "Parent", "returned"]

S = Symbol
ROOT = Path(__file__).resolve().parents[2]
WAIT = 60.0


class Kernel:
    """A kernel in a process of its own."""

    def __init__(self, mode: str, directory: Path, options: tuple[str, ...] = ()) -> None:
        self.log = directory / "kernel.log"
        self._output = directory / "kernel.out"
        with (
            wstp.listen(0, mode=mode) as listener,
            self.log.open("wb") as log,
            self._output.open("wb") as out,
        ):
            name = f"{listener.port}@127.0.0.1"
            link = ["-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", name]
            if mode == "uuid":
                link += ["-linkoptions", "4"]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kernelbus.kernelhost.mathics", "-wstp", *options, *link],
                cwd=directory,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
            try:
                self.link = listener.accept(timeout=WAIT)
            except BaseException:
                self.process.kill()
                self.process.wait()
                raise

    def put(self, expr: Expr) -> None:
        self.link.put(expr, end_packet=True)
        self.link.flush(WAIT)

    def next(self) -> Function:
        return self.link.next_packet(WAIT)

    def ask(self, expr: Expr) -> list[Function]:
        """Send a packet; return the answers up to and including the last one."""
        self.put(expr)
        last = "InputNamePacket" if expr.head.name.startswith("Enter") else "ReturnPacket"
        answers = [self.next()]
        while answers[-1].head.name != last:
            answers.append(self.next())
        return answers

    def evaluate(self, code: str) -> Any:
        """Return the value of code that prints nothing."""
        (answer,) = self.ask(S("EvaluatePacket")(S("ToExpression")(code)))
        return answer.args[0]

    def exit_status(self) -> int:
        return self.process.wait(WAIT)

    def close(self) -> None:
        self.link.close()
        self.process.kill()
        self.process.wait()
        assert self._output.read_bytes() == b"", "a kernel writes nothing to standard output"


def returned(value: Any) -> list[Function]:
    return [Function("ReturnPacket", value)]


#: Load once, then fork a kernel for each link named on standard input, and report how it ended: a
#: kernel takes milliseconds instead of seconds.
_FORKING = """
import os, sys
from kernelbus.kernelhost.mathics.start.run import run
from kernelbus.kernelhost.mathics.evaluation.loading import load

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
loaded = load()
for line in sys.stdin:
    verb, name = line.split()
    if verb == "wait":
        print(os.waitstatus_to_exitcode(os.waitpid(int(name), 0)[1]), file=answers)
    elif child := os.fork():
        print(child, file=answers)
    else:
        os._exit(run(["-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", name], loaded))
"""


class Parent:
    """A process that forks kernels."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORKING],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _ask(self, *words: object) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(*words, file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def fork(self) -> Kernel:
        """Start a kernel."""
        return _Forked(self._ask)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class _Forked(Kernel):
    def __init__(self, ask: Callable[..., int]) -> None:
        self._ask = ask
        self._status: int | None = None
        with wstp.listen(0, mode="default") as listener:
            self._pid = ask("fork", f"{listener.port}@127.0.0.1")
            self.link = listener.accept(timeout=WAIT)

    def exit_status(self) -> int:
        if self._status is None:
            self._status = self._ask("wait", self._pid)
        return self._status

    def close(self) -> None:
        self.link.abort()
        self.exit_status()

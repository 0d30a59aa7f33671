"""Run the C library in a child process and command it from a test.

As a program (``python cdriver.py LIBRARY``) this reads one JSON command a line on standard input,
and answers each with one JSON line on standard output. ``python cdriver.py --kernel LIBRARY
-linkmode connect ...`` is an echo kernel. As a module it has `CDriver`, the parent's side. Every
answer has a deadline. The driver ends its child with SIGKILL, because the library can ignore
SIGTERM and can block for ever.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from clibrary import CLibrary, CLibraryError, CLink, CLinkServer, FlatToken, digest

__all__ = ["CDriver", "DriverError", "DriverTimeout", "pattern", "run_kernel"]

DEFAULT_TIMEOUT = 30.0
POLL_SECONDS = 0.001
BEGIN_SECONDS = 0.2


class DriverError(Exception):
    """A command failed; `code` is the library's error number, None for an error of another kind."""

    def __init__(self, text: str, code: int | None) -> None:
        super().__init__(text)
        self.code = code


class DriverTimeout(DriverError, TimeoutError):
    """The child did not answer in time: the library is blocked."""


def pattern(kind: str, shape: Sequence[int]) -> npt.NDArray[Any]:
    """Return an array that both sides can make: 0, 1, 2, ... in `shape`, as `kind` can hold it."""
    dtype = {"Integer8": np.uint8, "Integer16": np.int16, "Integer32": np.int32, "Integer64": np.int64,
             "Real32": np.float32, "Real64": np.float64}[kind]  # fmt: skip
    return np.arange(int(np.prod(shape))).astype(dtype).reshape(tuple(shape))


# -- the child


class Commands:
    """The child's commands: one method each, whose arguments and results JSON can hold."""

    def __init__(self, library: CLibrary) -> None:
        self._library = library
        self._links: dict[int, CLink] = {}
        self._servers: dict[int, CLinkServer] = {}
        self._last = 0

    def _add(self, link: CLink) -> int:
        self._last += 1
        self._links[self._last] = link
        return self._last

    def open(self, arguments: list[str]) -> tuple[int, str]:
        """Open a link from an argument list; return (its number here, its name)."""
        link = self._library.open(arguments)
        return self._add(link), link.name

    def open_string(self, specification: str) -> int:
        """Open a link from one string; return its number here."""
        return self._add(self._library.open_string(specification))

    def server(self, port: int, interface: str) -> tuple[int, int]:
        """Start a link server; return (its number here, its port)."""
        server = self._library.link_server(port, interface)
        self._last += 1
        self._servers[self._last] = server
        return self._last, server.port

    def accept(self, server: int) -> int:
        """Wait for a client of a link server."""
        return self._add(self._servers[server].accept())

    def close_server(self, server: int) -> None:
        """Shut a link server down."""
        self._servers.pop(server).close()

    def call(self, link: int, name: str) -> int:
        """Call a function that takes only the link, such as Activate, EndPacket or NextPacket."""
        return self._links[link].call(name)

    def put(self, link: int, puts: list[list[Any]]) -> None:
        """Put values, each by the name of its call, then flush."""
        one = self._links[link]
        for name, *arguments in puts:
            if name == "EndPacket":
                one.call(name)
            else:
                one.put(name, *arguments)
        one.call("Flush")

    def put_flat(self, link: int, tokens: list[FlatToken], end_packet: bool) -> None:
        """Put an expression given by its tokens, then flush."""
        one = self._links[link]
        one.put_flat(tokens)
        if end_packet:
            one.call("EndPacket")
        one.call("Flush")

    def put_pattern(self, link: int, kind: str, shape: list[int], heads: list[str] | None) -> str:
        """Put `pattern` as an array; return its digest."""
        values = pattern(kind, shape)
        one = self._links[link]
        one.put(f"{kind}Array", values, heads)
        one.call("EndPacket")
        one.call("Flush")
        return digest(values)

    def get(self, link: int, new_packet: bool = True) -> list[FlatToken]:
        """Read one expression token by token."""
        one = self._links[link]
        tokens = one.get_flat()
        if new_packet:
            one.call("NewPacket")
        return tokens

    def get_number(self, link: int, kind: str) -> str:
        """Read a number by a given call; return its repr."""
        value = self._links[link].get_number(kind)
        self._links[link].call("NewPacket")
        return repr(value)

    def get_text(self, link: int, name: str) -> str:
        """Read a text by a given call."""
        text = self._links[link].get_text(name)
        self._links[link].call("NewPacket")
        return text

    def packet_text(self, link: int, name: str) -> str:
        """Skip to the next packet (NextPacket), and read its text by a given call."""
        self._links[link].call("NextPacket")
        return self.get_text(link, name)

    def get_array(self, link: int, kind: str) -> tuple[str, list[int], list[str]]:
        """Read an array; return (digest, dimensions, heads)."""
        values, heads = self._links[link].get_array(kind)
        self._links[link].call("NewPacket")
        return digest(values), list(values.shape), heads

    def get_list(self, link: int, kind: str) -> list[str]:
        """Read a list of numbers by one call; return their reprs."""
        values = self._links[link].get_list(kind)
        self._links[link].call("NewPacket")
        return [repr(v) for v in values.tolist()]

    def next_packet(self, link: int) -> list[FlatToken]:
        """Skip to the next packet (NextPacket) and read its content token by token."""
        one = self._links[link]
        one.call("NewPacket")
        return [["packet", one.call("NextPacket")], *one.get_flat()]

    def ready(self, link: int, seconds: float) -> bool:
        """Poll Ready until it is true or the time has passed."""
        return _poll(lambda: self._links[link].ready() or None, seconds) is not None

    def message(self, link: int, seconds: float) -> tuple[int, int] | None:
        """Wait for an urgent message; return (code, parameter), None when the time has passed."""
        one = self._links[link]

        def heard() -> tuple[int, int] | None:
            one.ready()
            return one.message(0.5) or one.take_message()

        # The thread in which the library reads messages sleeps through one now and then, for as
        # long as nothing else comes. A call while it reads could take bytes from it: wait first.
        return one.message(min(2.0, seconds)) or _poll(heard, seconds)

    def put_message(self, link: int, code: int, parameter: int | None) -> None:
        """Send an urgent message."""
        one = self._links[link]
        done = (
            self._library("PutMessage", one.handle, code)
            if parameter is None
            else self._library("PutMessageWithArg", one.handle, code, parameter)
        )
        if not done:
            raise one.error("PutMessage")

    def error(self, link: int) -> tuple[int, str]:
        """Return the link's error number and text."""
        error = self._links[link].error("Error")
        return error.code, error.message

    def peer_environment_id(self, link: int) -> str:
        """Return the id that the peer announced."""
        return self._links[link].peer_environment_id

    def close(self, link: int) -> None:
        """Close a link."""
        self._links.pop(link).close()

    def roundtrips(self, link: int, count: int) -> list[int]:
        """Evaluate Plus[2, 2] `count` times; return the nanoseconds that each took."""
        one = self._links[link]
        times = []
        for _ in range(count):
            start = time.perf_counter_ns()
            one.call("PutFunction", b"EvaluatePacket", 1)
            one.call("PutFunction", b"Plus", 2)
            one.call("PutInteger32", 2)
            one.call("PutInteger32", 2)
            one.call("EndPacket")
            one.call("Flush")
            one.call("NextPacket")
            one.call("NewPacket")
            times.append(time.perf_counter_ns() - start)
        return times

    def echo_array(self, link: int, count: int) -> int:
        """Send ``EvaluatePacket[array of count reals]`` and read the answer as an array.

        Return the nanoseconds that this took.
        """
        one = self._links[link]
        values = pattern("Real64", [count])
        start = time.perf_counter_ns()
        one.call("PutFunction", b"EvaluatePacket", 1)
        one.put("Real64Array", values)
        one.call("EndPacket")
        one.call("Flush")
        one.call("NextPacket")
        back, _ = one.get_array("Real64")
        taken = time.perf_counter_ns() - start
        one.call("NewPacket")
        if back.shape != values.shape or back[-1] != values[-1]:
            raise ValueError(f"the echo is {back.shape}, not {values.shape}")
        return taken


def _poll(condition: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value is not None or time.monotonic() > deadline:
            return value
        time.sleep(POLL_SECONDS)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends: a blocked library would outlive it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _settle() -> None:
    """Give the library a moment, and wait until every other thread of this process sleeps.

    The library starts threads when it is initialised. It crashes now and then when a link is opened
    before all of them have begun and sleep. Nothing tells when they have.
    """
    time.sleep(BEGIN_SECONDS)
    calm = 0
    for _ in range(2000):
        states = [
            task.joinpath("stat").read_text().rpartition(")")[2].split()[0]
            for task in Path("/proc/self/task").iterdir()
            if int(task.name) != threading.get_native_id()
        ]
        calm = calm + 1 if all(state == "S" for state in states) else 0
        if calm == 5:
            return
        time.sleep(POLL_SECONDS)


def _serve(path: str, environment_id: str | None) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints must not get between the answers
    commands = Commands(CLibrary(path, environment_id))
    _settle()
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer: dict[str, Any] = {"value": getattr(commands, name)(**arguments)}
        except CLibraryError as error:
            answer = {"error": str(error), "code": error.code}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}", "code": None}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def run_kernel(path: str, arguments: Sequence[str]) -> None:
    """Run an echo kernel until its link ends.

    It sends a prompt, then answers each ``EvaluatePacket[e]`` with ``ReturnPacket[e]``.
    """
    library = CLibrary(path)
    _settle()
    link = library.open([a for a in arguments if a not in {"-wstp", "-mathlink"}])
    link.call("Activate")
    link.put("Function", "InputNamePacket", 1)
    link.put("String", "In[1]:= ")
    link.call("EndPacket")
    link.call("Flush")
    with contextlib.suppress(CLibraryError):
        while True:
            link.call("NextPacket")
            link.put("Function", "ReturnPacket", 1)
            link.call("TransferExpression", link.handle)
            link.call("EndPacket")
            link.call("Flush")
            link.call("NewPacket")
    link.close()


# -- the parent


class CDriver:
    """A child process that holds the library.

    Args:
        library: path of the shared library.
        environment_id: the id that the library announces as ``-envid``.
    """

    def __init__(self, library: str, environment_id: str | None = None) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), library]
        if environment_id is not None:
            command.append(environment_id)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answers: queue.Queue[str] = queue.Queue()
        self._waiting: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line.decode())
        self._answers.put("")

    @property
    def pid(self) -> int:
        """Return the child's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Tell whether the child still runs."""
        return self._process.poll() is None

    @property
    def waits(self) -> bool:
        """Tell whether a command has no answer yet."""
        return bool(self._waiting)

    def post(self, operation: str, **arguments: Any) -> None:
        """Send a command and do not wait, for instance for an accept before one's own connect."""
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps([operation, arguments]) + "\n").encode())
        self._process.stdin.flush()
        self._waiting.append(operation)

    def result(self, timeout: float = DEFAULT_TIMEOUT) -> Any:
        """Return the answer to the oldest command that has none yet.

        Raises:
            DriverTimeout: no answer came within `timeout` seconds; the child is killed.
            DriverError: the library refused, or the child died.
        """
        operation = self._waiting.pop(0)
        try:
            line = self._answers.get(timeout=timeout)
        except queue.Empty:
            self.kill()
            raise DriverTimeout(f"{operation}: no answer from the library in {timeout} s", None) from None
        if not line:
            raise DriverError(
                f"{operation}: the library's process ended, status {self._process.wait(5)}", None
            )
        answer = json.loads(line)
        if "error" in answer:
            raise DriverError(f"{operation}: {answer['error']}", answer["code"])
        return answer["value"]

    def __call__(self, operation: str, timeout: float = DEFAULT_TIMEOUT, **arguments: Any) -> Any:
        """Send a command and return its answer; raises as `result()` does."""
        self.post(operation, **arguments)
        return self.result(timeout)

    def kill(self) -> None:
        """Kill the child and wait for its end; its TCP connections end without message 9."""
        self._process.kill()
        self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def main(arguments: list[str]) -> None:
    """Run the echo kernel or the driven child, as the command line says."""
    if arguments[0] == "--kernel":
        run_kernel(arguments[1], arguments[2:])
        return
    _die_with_parent()
    _serve(arguments[0], arguments[1] if len(arguments) > 1 else None)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Real servers for tests: `kernelbus serve` and its parts as processes, ended in any case."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

__all__ = ["ROOT", "STAND_IN", "Part", "free_port", "runs", "stand_in_pool", "stand_in_program", "wait_until", "write_config"]

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = Path(__file__).with_name("stand_in.py")


def runs(pid: int) -> bool:
    """Tell whether a process runs; one that has ended may wait to be reaped by its parent."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """Return a port of loopback that is free, and that the system gives to nobody who asks for any.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for number in random.SystemRandom().sample(range(10_000, lowest), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", number)):
            return number
    raise AssertionError("there is no free port")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Wait until `condition` returns something true, and return that.

    Raises:
        AssertionError: it did not in time; the text is `what`.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(0.01)


#: The user's state directory during the tests; it is removed after them.
_STATE = tempfile.TemporaryDirectory(prefix="kernelbus-state-")


def write_config(path: Path, **content: Any) -> Path:
    """Write a configuration file."""
    path.write_text(json.dumps(content, indent=1))
    return path


def stand_in_program(path: Path, *options: str) -> Path:
    """Write a program that runs the stand-in with these options, besides those it is given."""
    given = " ".join(f'"{option}"' for option in options)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@" {given}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def stand_in_pool(tmp_path: Path, *options: str, **keys: Any) -> dict[str, Any]:
    """Return a pool of stand-in kernels (tests/support/stand_in.py), one of them ready."""
    wrapper = stand_in_program(tmp_path / "stand-in-kernel")
    return {"KernelPath": str(wrapper), "KernelOptions": " ".join(options), "MinimumKernelNumber": 1, **keys}


class Part:
    """One `kernelbus` process; use it with `with`.

    Args:
        command: `serve`, `broker`, `frontend` or `host`, with its options.
        ready: what its standard output says when it is ready.
        environment: what it has in its environment beside ours.
        around: words before the command, of a program that becomes it.
        source: the folder that has the packages, of this build or another.
    """

    def __init__(
        self,
        *command: str | Path,
        ready: str = "Listening for new connections",
        environment: dict[str, str] | None = None,
        around: Sequence[str] = (),
        source: Path = ROOT / "src",
    ) -> None:
        self.output: list[str] = []
        self.log: list[str] = []
        paths = [str(source), (environment or {}).get("PYTHONPATH", "")]
        own = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}
        # KERNELBUS_KERNEL: the same kernels on a machine with a WolframKernel.
        ours = {"XDG_STATE_HOME": _STATE.name, "KERNELBUS_KERNEL": "embedded"}
        environment = {**os.environ, **ours, **(environment or {}), **own}
        self.process = subprocess.Popen(
            # -P: the folder it runs in has a `wstp`, too, which may be of another build.
            [*around, sys.executable, "-P", "-m", "kernelbus.shell.main", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.output), (self.process.stderr, self.log))
        ]
        for thread in self._threads:
            thread.start()
        self._ready = ready

    def _read(self, stream: Any, lines: list[str]) -> None:
        with stream:
            for line in stream:
                lines.append(line.rstrip("\n"))

    def __enter__(self) -> Part:
        try:
            wait_until(
                lambda: any(self._ready in line for line in self.output) or self.process.poll() is not None, f"ready: {self.log[-5:]}"
            )
            assert self.process.poll() is None, f"it ended at once: {self.log}"
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        children = self.children()
        self.terminate()
        for child in children:
            try:
                child.wait(10)
            except psutil.TimeoutExpired:
                child.kill()
                raise AssertionError(f"process {child.pid} outlived its server") from error
        if kind is not None:
            print("\n".join(["--- its output", *self.output, "--- its log", *self.log[-60:]]))
        else:
            assert not self.logged("a part has failed"), "it ends in order"

    @property
    def port(self) -> int:
        """The port in the last line on standard output that names one."""
        found = re.findall(r"port (\d+)", "\n".join(self.output))
        assert found, self.output
        return int(found[-1])

    @property
    def server(self) -> str:
        """The server's address, for clients."""
        return f"{self.port}@127.0.0.1"

    @property
    def endpoint(self) -> str:
        """The bus endpoint at which a broker says that it listens."""
        found = re.search(r"tcp://\S+:(\d+)|ipc://\S+", " ".join([*self.output, *self.log]))
        assert found, self.output
        return f"tcp://127.0.0.1:{found.group(1)}" if found.group(1) else found.group()

    def children(self) -> list[psutil.Process]:
        """The processes below it, kernels among them."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def terminate(self, number: int = signal.SIGTERM, seconds: float = 15.0) -> int:
        """Ask it to end, and return its exit status; kill it if it does not."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end in {seconds} s: {self.log[-5:]}") from None
        for thread in self._threads:
            thread.join(5)
        return status

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait(10)

    def told(self, pattern: str) -> list[str]:
        """Return :meth:`logged` once it has a line.

        The log may lag behind what a test sees otherwise.
        """
        return list(wait_until(lambda: self.logged(pattern), f"in the log: {pattern}"))

    def logged(self, pattern: str) -> list[str]:
        """Return the lines of the log that match `pattern`, a regular expression."""
        return [line for line in self.log if re.search(pattern, line)]

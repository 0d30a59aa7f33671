"""Machines for tests: network namespaces on a bridge of their own, or, where those are not allowed,
addresses of loopback.

Nothing outside the namespaces is touched: the bridge is in one too. All of it is named for the
process that made it, so that what an earlier run has left behind when it was killed is found, and
ended, by the next.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest
from serving import ROOT, Part, wait_until

from kernelbus.bus.security.keys import KeyStore

__all__ = ["Machine", "Network"]

_PREFIX = "kernelbus-test"
_CLONE_NEWNET = 0x40000000
_PROGRAMS = ("ip", "nsenter", "unshare", "hostname")


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """A few machines that reach each other; use it with `with`.

    Attributes:
        apart: whether they are in namespaces; else all of them are this machine, at different
            addresses of loopback.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machines: dict[str, Machine] = {}
        self._prefix = f"{_PREFIX}-{os.getpid()}"
        self.switch = f"{self._prefix}-switch"
        self.apart = self._begin()

    def _begin(self) -> bool:
        if os.name != "posix" or os.geteuid() != 0 or not all(map(shutil.which, _PROGRAMS)):
            return False
        try:
            _sweep()
            self._sweep_own()
            _ip("netns", "add", self.switch)
            _ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
            _ip("-n", self.switch, "link", "set", "bridge", "up")
        except OSError as error:
            print(f"no network namespaces here: {error}", file=sys.stderr)
            self._sweep_own()
            return False
        return True

    def machine(self, name: str) -> Machine:
        """Add a machine."""
        made = self.machines[name] = Machine(self, name, len(self.machines) + 1)
        return made

    def namespace(self, name: str) -> str:
        """Give the name of a machine's namespace."""
        return f"{self._prefix}-{name}"

    def __enter__(self) -> Network:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for machine in self.machines.values():
            machine.stop()
            machine.forget()
        if self.apart:
            self._sweep_own()

    def _sweep_own(self) -> None:
        for line in _ip("netns", "list").splitlines():
            if line.startswith(f"{self._prefix}-"):
                _remove(line.split()[0])


def _sweep() -> None:
    """Remove what a killed run has left."""
    for line in _ip("netns", "list").splitlines():
        found = re.match(rf"({_PREFIX}-(\d+)-\S+)", line)
        if found and not Path("/proc", found[2]).exists():
            _remove(found[1])


def _remove(namespace: str) -> None:
    for pid in _ip("netns", "pids", namespace).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: not _ip("netns", "pids", namespace).split(), f"the processes in {namespace} have ended")
    _ip("netns", "delete", namespace)


class Machine:
    """One machine: an address, a link to the others, a home with keys, and the parts that run on
    it.
    """

    def __init__(self, network: Network, name: str, number: int) -> None:
        self.network = network
        self.name = name
        self.home = network.folder / name
        self.home.mkdir()
        # Of a short path: sockets in it may have no long one.
        self._state = tempfile.TemporaryDirectory(prefix="kernelbus-state-")
        self.state = Path(self._state.name)
        self.keys = KeyStore(self.home / "config" / "kernelbus" / "keys")
        self.parts: list[Part] = []
        self.namespace = network.namespace(name)
        self._port = f"to-{number}"
        self.address = f"10.213.7.{number}" if network.apart else f"127.0.0.{number + 1}"
        self.environment = {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_STATE_HOME": str(self.state),
        }
        if network.apart:
            switch = network.switch
            _ip("netns", "add", self.namespace)
            _ip("-n", switch, "link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
            _ip("-n", switch, "link", "set", self._port, "master", "bridge", "up")
            _ip("-n", self.namespace, "address", "add", f"{self.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", self.namespace, "link", "set", device, "up")

    def ip(self, *words: str) -> str:
        """Run the program `ip` on it, and return what that prints."""
        return _ip("-n", self.namespace, *words)

    @property
    def around(self) -> list[str]:
        """What runs a program on this machine, with its name for a host name: words to put before
        the program's.
        """
        if not self.network.apart:
            return []
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name]
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *named]

    def start(self, *command: str | Path, ready: str = "Listening for new connections", wait: bool = True) -> Part:
        """Start a part on this machine; it ends with the machine."""
        part = Part(*command, ready=ready, environment=self.environment, around=self.around)
        self.parts.append(part)
        if wait:
            part.__enter__()
        return part

    def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """Type a line that begins with `kernelbus` at a shell of this machine."""
        environment = {**os.environ, **self.environment, "PYTHONPATH": str(ROOT / "src")}
        words = [*self.around, "sh", "-c", f'kernelbus() {{ "{sys.executable}" -m kernelbus.shell.main "$@"; }}; {line}']
        return subprocess.run(words, env=environment, cwd=self.home, capture_output=True, text=True, timeout=60)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Make this thread's new sockets sockets of this machine."""
        if not self.network.apart:
            yield
            return
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net", "rb") as before, open(f"/run/netns/{self.namespace}", "rb") as here:
            if libc.setns(here.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                if libc.setns(before.fileno(), _CLONE_NEWNET):
                    pytest.exit("this thread cannot leave a network namespace")

    def cut(self) -> None:
        """Pull its plug out of the switch."""
        _ip("-n", self.network.switch, "link", "set", self._port, "down")

    def mend(self) -> None:
        """Put it back."""
        _ip("-n", self.network.switch, "link", "set", self._port, "up")

    def forget(self) -> None:
        """Remove its state folder."""
        self._state.cleanup()

    def stop(self) -> None:
        """End what runs on it."""
        for part in reversed(self.parts):
            if part.process.poll() is None:
                part.kill()
            # What it has started ends with it (PR_SET_PDEATHSIG); what does not is ended with the
            # namespace.
        self.parts.clear()

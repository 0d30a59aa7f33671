"""The parent that forks kernels, as a process that a host directs over a socket."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wstp
from kernelbus.kernelhost.mathics.start import nursery
from kernelbus.kernelhost.process.confinement import Confinement
from wstp import Function, Symbol
from wstp.link import over

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")

WAIT = 100.0


class Host:
    """Direct a parent; its kernels write to a file."""

    def __init__(self, control: socket.socket, log: Path) -> None:
        control.settimeout(WAIT)
        self.control = control
        self.log = log
        self._lines = control.makefile("rb")

    def send(self, message: dict[str, Any], *descriptors: int) -> None:
        with self.log.open("ab") as log:
            socket.send_fds(self.control, [json.dumps(message).encode() + b"\n"], [log.fileno(), *descriptors])

    def next(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._lines.readline())
        return found

    def parent(self, number: int, directory: Path, code: str) -> Host:
        """Have another parent forked that runs this initialisation."""
        wanted = directory / f"wanted{number}"
        wanted.write_text(json.dumps([None, code]))
        ours, theirs = socket.socketpair()
        with theirs, wanted.open() as file:
            self.send({"parent": number, "title": "parent of pool A"}, theirs.fileno(), file.fileno())
        assert self.next()["forked"] == number
        return Host(ours, self.log)

    def close(self) -> None:
        self._lines.close()
        self.control.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    ours, theirs = socket.socketpair()
    directory = tmp_path_factory.mktemp("nursery")
    with theirs:
        command = [sys.executable, "-m", nursery.__name__, str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=subprocess.DEVNULL)
    made = Host(ours, directory / "kernels.log")
    try:
        assert made.next() == {"ready": process.pid, "unshared": ""}
        yield made
        made.close()
        assert process.wait(WAIT) == 0, "a parent ends with its host's socket"
    finally:
        process.kill()
        process.wait()


def evaluated(host: Host, number: int, code: str) -> Any:
    """Fork a kernel, evaluate in it, have it quit, and return the value."""
    (data, its_data), (message, its_message) = socket.socketpair(), socket.socketpair()
    with its_data, its_message:
        host.send({"fork": number, "arguments": ["-wstp"], "confinement": list(Confinement())}, its_data.fileno(), its_message.fileno())
    with over(data, message, timeout=WAIT) as kernel:
        assert kernel.next_packet(WAIT) == Function("InputNamePacket", "In[1]:= ")
        for text in (code, "Exit[5]"):
            kernel.put(Symbol("EvaluatePacket")(Symbol("ToExpression")(text)), end_packet=True)
        answer = kernel.next_packet(WAIT).args[0]
        with pytest.raises(wstp.LinkClosed):
            kernel.next_packet(WAIT)
    forked = host.next()
    assert forked["forked"] == number
    assert host.next() == {"exited": forked["pid"], "status": 5}
    return answer


def test_kernels_are_forked_and_their_ends_reported(host: Host) -> None:
    assert evaluated(host, 1, "x = 1; x + 1") == 2
    assert evaluated(host, 2, "x") == Symbol("x"), "a kernel knows nothing of its siblings"


def test_a_kernel_with_wrong_arguments_says_why(host: Host) -> None:
    (data, its_data), (message, its_message) = socket.socketpair(), socket.socketpair()
    with data, its_data, message, its_message:
        host.send({"fork": 3, "arguments": ["-linkname"], "confinement": list(Confinement())}, its_data.fileno(), its_message.fileno())
    pid = host.next()["pid"]
    assert host.next() == {"exited": pid, "status": 2}
    assert "kernelhost.mathics: nothing after -linkname" in host.log.read_text()


def test_kernels_share_an_initialisation(host: Host, tmp_path: Path) -> None:
    child = host.parent(4, tmp_path, 'Print["here"]; 1/0; kept = 12;')
    assert child.next() == {"said": "here", "message": False}
    said = child.next()
    assert said["message"]
    assert said["said"].startswith("Power::infy: ")
    assert child.next()["unshared"] == ""
    assert evaluated(child, 1, "kept") == 12
    child.close()
    assert host.next()["status"] == 0


def test_an_initialisation_that_fails_ends_its_parent(host: Host, tmp_path: Path) -> None:
    child = host.parent(5, tmp_path, "Abort[]")
    assert child.next() == {"failed": "InitializationCode was aborted"}
    assert host.next()["status"] == 1
    child.close()

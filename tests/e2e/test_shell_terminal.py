"""The admin shell in a terminal, as an administrator uses it."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from asking import ask, command, connect, order
from people import Terminal, client_environment
from serving import Part, stand_in_pool, write_config

import wstp
from kernelbus.bus.client import AdminClient
from kernelbus.shell.operations.status import CLEAR
from wstp import Symbol


def test_an_administrators_session(tmp_path: Path) -> None:
    config = write_config(tmp_path / "kernelbus.conf", Pools={"Main": stand_in_pool(tmp_path)})
    environment = client_environment(tmp_path)
    with (
        Part("serve", "-p", "0", "-l", "debug", "-c", config, "--bus", "tcp://127.0.0.1:0") as part,
        contextlib.closing(_link(part)) as link,
        AdminClient(part.endpoint, secrets.token_bytes, sender="ann@lab") as client,
    ):
        kernel = str(order(link, command("KernelID")))
        with Terminal(environment, "shell", "--bus", part.endpoint) as terminal:
            terminal.until(r"Broker .* is healthy, up .*help lists the commands")
            terminal.until("kernelbus>")
            # Tab completes the id from the live server.
            terminal.type(f"kernel close {kernel[:6]}\t")
            terminal.until(kernel[6:8])
            terminal.type("\r")
            terminal.until(r"has client 127\.0\.0\.1:\d+; the client loses its session\.")
            terminal.until(r"End it\? \[y/N\]")
            terminal.type("n\r")
            terminal.until("nothing is done")
            terminal.until("kernelbus>")
            assert ask(link, 1) == [Symbol("ReturnPacket")(1)]
            # Ctrl-C ends a watch, and not the shell.
            terminal.type("watch -n 0.1 pools\r")
            terminal.until("q or Ctrl-C ends")
            terminal.until("Main +serving")
            terminal.until("Main +serving")
            terminal.type("\x03")
            terminal.until("kernelbus>")
            terminal.type("watch -n 0.1 hosts\r")
            terminal.until("HOST")
            terminal.until("HOST")
            terminal.type("q")
            terminal.until("kernelbus>")
            terminal.type("top -n 0.1\r")
            terminal.until("kernels use")
            assert terminal.raw.count(CLEAR) >= 3, "each time on an empty screen"
            terminal.type("q")
            terminal.until("kernelbus>")
            terminal.type("trace " + kernel[:6] + "\r")
            _passing(link, terminal)
            terminal.type("\x03")
            terminal.until("kernelbus>")
            terminal.type(f"kernel close {kernel[:6]}\r")
            terminal.until(r"End it\? \[y/N\]")
            terminal.type("y\r")
            terminal.until(r"host \S+: kernel")
            terminal.until("kernelbus>")
            terminal.type("quit\r")
            assert terminal.process.wait(20) == 0
        assert all(other.kernel != kernel for other in client.status().kernels)
        history = tmp_path / "state" / "kernelbus" / "shell-history"
        assert stat.S_IMODE(os.stat(history).st_mode) == 0o600
        with Terminal(environment, "shell", "--bus", part.endpoint) as terminal:
            terminal.until("kernelbus>")
            # The history of the last session is there.
            terminal.type("\x1b[A\x1b[A")
            terminal.until(f"kernel close {kernel[:6]}")
            terminal.type("\x15history --all\r")
            terminal.until("watch -n 0.1 pools")
            terminal.until("kernelbus>")
            terminal.type("\x04")
            assert terminal.process.wait(20) == 0
        with Terminal(environment, "status", "--bus", part.endpoint, "--watch", "0.2", "pools") as terminal:
            for _ in range(2):
                terminal.until(r"every 0\.2 s; Ctrl-C ends")
                terminal.until("Main +serving")
            assert terminal.raw.count(CLEAR) >= 2
            terminal.type("\x03")
            assert terminal.process.wait(20) == 130


def _link(part: Part) -> wstp.Link:
    """Connect to a kernel whose id does not begin with a hyphen, so that cmd2 completes it."""
    while True:
        link = connect(part)
        if not str(order(link, command("KernelID"))).startswith("-"):
            return link
        link.close()


def _passing(link: wstp.Link, terminal: Terminal) -> None:
    """Evaluate until the terminal shows a packet."""
    for _ in range(200):
        assert ask(link, 42) == [Symbol("ReturnPacket")(42)]
        if terminal._shown(r"from +ReturnPacket", 0.1):
            break
    terminal.until(r"from +ReturnPacket +\d+ B")

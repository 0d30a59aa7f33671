"""A server behind TLS, as docs/access.md has it: stunnel at both ends, over loopback."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from serving import ROOT, Part, stand_in_pool, wait_until, write_config

PAGE = (ROOT / "docs" / "access.md").read_text()
STUNNEL = os.environ.get("STUNNEL") or shutil.which("stunnel") or shutil.which("stunnel4")


def recipe(name: str) -> str:
    """Return the text of a file that the page shows."""
    found = re.search(rf"<!-- file: {re.escape(name)} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return found[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def stunnel(folder: Path, name: str, text: str, port: int) -> Iterator[None]:
    (folder / name).write_text(f"foreground = yes\npid =\n{text}")
    with subprocess.Popen([str(STUNNEL), name], cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: process.poll() is not None or listens(port), "stunnel listens")
            assert process.poll() is None, process.stderr and process.stderr.read()
            yield
        finally:
            process.kill()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_server_behind_tls(tmp_path: Path) -> None:
    if STUNNEL is None or shutil.which("openssl") is None:
        pytest.skip("there is no stunnel on this machine (or no openssl): the recipe of docs/access.md is not tried")
    made = recipe("make-certificate.sh")
    subprocess.run(["sh", "-ec", made], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    config = write_config(tmp_path / "c.conf", Access={"Anonymous": []}, Pools={"P": stand_in_pool(tmp_path)})
    outer, inner = free_port(), free_port()
    with ExitStack() as stack:
        part = stack.enter_context(Part("serve", "-p", "0", "-i", "127.0.0.1", "-c", config, environment=state))
        server = recipe("stunnel-server.conf").replace("accept = 31443", f"accept = 127.0.0.1:{outer}").replace("31415", str(part.port))
        client = recipe("stunnel-client.conf").replace("lab.example:31443", f"127.0.0.1:{outer}").replace("31415", str(inner))
        stack.enter_context(stunnel(tmp_path, "server.conf", server, outer))
        stack.enter_context(stunnel(tmp_path, "client.conf", client, inner))
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_STATE_HOME": str(tmp_path / "none")}
        command = [sys.executable, "-m", "kernelbus.shell.main", "connect", "-q", "--server", f"{inner}@127.0.0.1"]
        refused = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert refused.returncode == 2 and "it wants its token" in refused.stderr
        token = tmp_path / "state" / "kernelbus" / "access-token"
        done = subprocess.run([*command, "--token-file", token], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "") and len(done.stdout.strip()) == 22
        # What is not TLS gets nothing through.
        plain = [*command[:-1], f"{outer}@127.0.0.1"]
        assert subprocess.run(plain, env=environment, cwd=tmp_path, capture_output=True, timeout=60).returncode == 2

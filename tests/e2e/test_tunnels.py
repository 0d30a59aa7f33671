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
from people import client_environment, run
from serving import ROOT, Part, free_port, stand_in_pool, wait_until, write_config
from tlsproxy import TlsProxy, make_certificate

from kernelbus import KernelPool, NoKernel, connect

PAGE = (ROOT / "docs" / "access.md").read_text()
STUNNEL = os.environ.get("STUNNEL") or shutil.which("stunnel") or shutil.which("stunnel4")


def recipe(name: str) -> str:
    """Return the text of a file that the page shows."""
    found = re.search(rf"<!-- file: {re.escape(name)} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return found[1]


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
    made = recipe("make-certificate.sh").replace("DNS:lab.example", "DNS:lab.example,DNS:localhost")
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
        # Our own clients need no stunnel of their own.
        direct = [*command[:-1], f"wstps://localhost:{outer}", "--ca-file", "lab.crt", "--token-file", token, "--start-profile", "p"]
        done = subprocess.run(direct, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "") and len(done.stdout.strip()) == 22
        back = [*command[:-2], "--continue-profile", "p"]
        again = subprocess.run(back, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (again.returncode, again.stderr, again.stdout) == (0, "", done.stdout)
        direct[direct.index(f"wstps://localhost:{outer}")] = f"wstps://127.0.0.1:{outer}"
        wrong = subprocess.run(direct[:-2], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert wrong.returncode == 2 and f"the certificate of {outer}@127.0.0.1 is refused: IP address mismatch" in wrong.stderr
        # What is not TLS gets nothing through.
        plain = [*command[:-1], f"{outer}@127.0.0.1"]
        assert subprocess.run(plain, env=environment, cwd=tmp_path, capture_output=True, timeout=60).returncode == 2


def test_clients_that_speak_tls_themselves(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "lab", "DNS:localhost", "IP:127.0.0.1")
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    config = write_config(tmp_path / "c.conf", Access={"Anonymous": []}, Pools={"P": stand_in_pool(tmp_path, MinimumKernelNumber=2)})
    environment = {**client_environment(tmp_path), "XDG_STATE_HOME": str(tmp_path / "client")}
    with Part("serve", "-p", "0", "-i", "127.0.0.1", "-c", config, environment=state) as part, TlsProxy(certificate, part.port) as proxy:
        token = str(tmp_path / "state" / "kernelbus" / "access-token")
        there = ["--server", f"wstps://localhost:{proxy.port}/P", "--token-file", token]
        trusting = [*there, "--ca-file", str(certificate[0])]
        status, told, errors = run(environment, "connect", *trusting, "--start-profile", "lab")
        assert (status, errors) == (0, "") and f"server  wstps://localhost:{proxy.port}\n" in told
        # The profile keeps whom to trust.
        assert run(environment, "connect", "-q", "--continue-profile", "lab")[::2] == (0, "")
        assert run(environment, "profiles", "check", "lab")[0] == 0
        assert run(environment, "connect", "-q", *there)[::2] == (
            2,
            f"kernelbus connect: cannot reach a server: the certificate of {proxy.port}@localhost is refused: self-signed certificate: "
            "the certificates that this machine trusts (--ca-file) must have the one that signed it\n",
        )
        assert run(environment, "connect", "-q", "--server", f"{proxy.port}", "--ca-file", "lab.crt")[::2] == (
            2, "kernelbus connect: --ca-file is for a server under TLS: name it with --server wstps://HOST:PORT\n",
        )  # fmt: skip
        plain = run(environment, "connect", "-q", "--server", f"wstps://localhost:{part.port}", "--ca-file", str(certificate[0]))
        assert plain[0] == 2 and f"no TLS connection to {part.port}@localhost: " in plain[2]
        # Python programs name them in the same way.
        server = f"wstps://localhost:{proxy.port}"
        with connect(server, token=Path(token).read_text().strip(), ca_file=str(certificate[0])) as session:
            assert len(session.kernel_id) == 22
        with pytest.raises(NoKernel, match="is refused: self-signed certificate"):
            KernelPool(server, 1, token="x" * 20, timeout=20)

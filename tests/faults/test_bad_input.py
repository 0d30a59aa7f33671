"""Mistakes of an operator: each gives one clear line that names the cause."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from asking import connect, value
from serving import ROOT, Part, stand_in_pool, wait_until, write_config

import wstp


def run(*command: str | Path) -> tuple[int, list[str]]:
    """Run a command that must fail; return its exit status and its output."""
    done = subprocess.run(
        [sys.executable, "-m", "kernelbus.shell.main", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"StandIn": stand_in_pool(tmp_path, MinimumKernelNumber=0)})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, lines = run("serve", "-p", str(port), "-c", config)
    assert status == 2
    assert len(lines) == 1
    assert f"port {port}: " in lines[0]
    assert "in use" in lines[0]


def test_a_bus_endpoint_that_is_taken(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"StandIn": stand_in_pool(tmp_path, MinimumKernelNumber=0)})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        status, lines = run("broker", "--bus", endpoint, "-c", config)
    assert status == 2
    assert len(lines) == 1
    assert endpoint in lines[0]


def test_a_bus_endpoint_that_others_could_reach() -> None:
    status, lines = run("broker", "--bus", "tcp://0.0.0.0:0")
    assert status == 2
    assert "loopback" in lines[-1]


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "c.conf:1"), ('{\n "Pools": {"A": {"KernelPth": "x"}}}', "c.conf:2"), ('{"Pols": {}}', "Pools")],
)
def test_a_configuration_that_is_wrong(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "c.conf").write_text(content)
    status, lines = run("serve", "-p", "0", "-c", tmp_path / "c.conf")
    assert status == 2
    assert len(lines) == 1
    assert words in lines[0]


def test_a_pipe_or_a_device_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, kind in ((tmp_path / "fifo", "a pipe"), (Path("/dev/zero"), "a device")):
        for command in (
            ["check-config", path],
            ["serve", "-p", "0", "-c", path],
            ["eval", "--continue-profile", path, "1"],
        ):
            status, lines = run(*command)
            assert status == 2, command
            assert len(lines) == 1
            assert f"this is {kind}, not a file" in lines[0]
    keys = tmp_path / "keys"
    keys.mkdir(0o700)
    os.mkfifo(keys / "allowed", 0o600)
    config = write_config(tmp_path / "c.conf", Bus={"Keys": str(keys)})
    status, lines = run("keys", "list", "-c", config)
    assert status == 2
    assert "this is not a file of keys" in lines[0]


def test_a_configuration_of_very_many_pools(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.conf", Pools={f"p{number}": {} for number in range(100_000)})
    status, lines = run("check-config", config)
    assert status == 2
    assert "Pools: 100000 pools are too many" in lines[0]


def test_a_kernel_that_does_not_exist(tmp_path: Path) -> None:
    missing = str(tmp_path / "no-such-kernel")
    config = write_config(tmp_path / "c.conf", Pools={"Gone": {"KernelPath": missing}}, Limits={"ConnectionTimeout": 60})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        wait_until(lambda: part.logged(missing), "a line that names the program")
        wait_until(lambda: part.logged("pool Gone: trying again in 2 s"), "the second try, later than the first")
        assert part.told("pool Gone: trying again in 1 s")
        with wstp.connect(part.server, mode="uuid", timeout=10) as link:
            assert str(link.get(timeout=30)).startswith("Symbol('MessagePacket')")
            text = str(link.get(timeout=10))
            assert "do not start" in text
            assert missing in text
            with pytest.raises(wstp.LinkClosed):
                link.get(timeout=10)


def test_a_kernel_that_exits_at_once_is_quoted(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"Bad": stand_in_pool(tmp_path, "-exitatonce", "85")})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        wait_until(lambda: part.logged("exited with status 85; it said last: no licence for this machine"), "its own last words")
        began = time.monotonic()
        wait_until(lambda: len(part.logged("trying again in")) >= 3, "the third try")
        assert time.monotonic() - began > 1.5, "it must back off"
        assert part.process.poll() is None


def test_a_kernel_that_never_connects(tmp_path: Path) -> None:
    pools = {"Mute": stand_in_pool(tmp_path, "-silent"), "StandIn": stand_in_pool(tmp_path, Default=True)}
    config = write_config(tmp_path / "c.conf", Pools=pools, Limits={"KernelStartTimeout": 2})
    with Part("serve", "-p", "0", "-c", config) as part:
        wait_until(lambda: part.logged("of pool Mute did not start: it did not get ready in 2 s.*thinking"), "a line that says so")
        with connect(part) as link:
            assert value(link, 1) == 1

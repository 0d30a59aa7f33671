"""The `kernelbus` command as a process: its streams, its signals, its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernel_player import KernelPlayer, Play, packet
from people import without_waiting
from serving import Part, write_config

import wstp
from wstp import Symbol

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `kernelbus` processes; those that still run are killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **options,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "kernelbus.shell.main", *arguments],
            env=dict(os.environ, PYTHONPATH=str(ROOT / "src"), PYTHONUNBUFFERED=""),
            text=True,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def play() -> Iterator[Callable[[dict[str, Play]], KernelPlayer]]:
    """Start scripted kernels; they are ended after the test."""
    players: list[KernelPlayer] = []

    def start(plays: dict[str, Play]) -> KernelPlayer:
        players.append(KernelPlayer(plays))
        return players[-1]

    yield start
    for player in players:
        player.close()


def test_streams_and_status(command: Any, play: Any) -> None:
    kernel = play({"p": [packet("TextPacket", "printed\n"), packet("ReturnPacket", "$Failed")]})
    process = command("eval", "--server", kernel.server, "p", "é")
    assert process.communicate(timeout=60) == ("printed\n$Failed\nvalue of é\n", "")
    assert process.returncode == 1


def test_code_from_standard_input(command: Any, play: Any) -> None:
    kernel = play({})
    process = command("eval", "--server", kernel.server, "-", stdin=subprocess.PIPE)
    assert process.communicate("1 +\n 1", timeout=60)[0] == "value of 1 +\n 1\n"
    assert process.returncode == 0


def _busy(player: KernelPlayer, link: wstp.Link) -> None:
    link.put(packet("TextPacket", "evaluating\n"), end_packet=True)
    link.flush()
    player.await_message(link, wstp.MessageCode.ABORT)
    link.put(packet("ReturnPacket", Symbol("$Aborted")), end_packet=True)
    link.flush()


def test_ctrl_c_aborts_the_evaluation(command: Any, play: Any) -> None:
    kernel = play({"busy": _busy})
    process = command("eval", "--server", kernel.server, "busy", "not reached")
    assert process.stdout.readline() == "evaluating\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("$Aborted\n", "")
    assert process.returncode == 130
    assert kernel.messages[:1] == [wstp.MessageCode.ABORT]
    assert kernel.codes == ["busy"]


def test_ctrl_c_again_leaves_a_kernel_that_does_not_obey(command: Any, play: Any) -> None:
    def deaf(player: KernelPlayer, link: wstp.Link) -> None:
        link.put(packet("TextPacket", "evaluating\n"), end_packet=True)
        link.flush()
        player.await_message(link, wstp.MessageCode.TERMINATE)

    kernel = play({"deaf": deaf})
    process = command("eval", "--server", kernel.server, "deaf")
    assert process.stdout.readline() == "evaluating\n"
    process.send_signal(signal.SIGINT)
    assert kernel.wait_until(lambda: wstp.MessageCode.ABORT in kernel.messages)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130
    assert kernel.ended.wait(10)
    assert kernel.messages[:2] == [wstp.MessageCode.ABORT, wstp.MessageCode.TERMINATE]


def test_ctrl_c_while_waiting_for_a_kernel(command: Any) -> None:
    player = KernelPlayer({}, greeting=[])
    try:
        process = command("eval", "--server", player.server, "1")
        assert player.wait_until(lambda: player.links > 0)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 130
    finally:
        player.close()


def test_a_reader_that_goes_away(command: Any, play: Any) -> None:
    def talkative(player: KernelPlayer, link: wstp.Link) -> None:
        for _ in range(200):
            link.put(packet("TextPacket", "x" * 1000 + "\n"), end_packet=True)
        link.put(packet("ReturnPacket", "1"), end_packet=True)
        link.flush(timeout=30)

    kernel = play({"talk": talkative})
    process = command("eval", "--server", kernel.server, "talk")
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr.read() == ""


def test_no_server(command: Any) -> None:
    process = command("eval", "--server", "1@127.0.0.1", "1")
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert (
        error == "kernelbus eval: cannot reach a server: cannot connect to 1@127.0.0.1: Connection refused\n"
    )


@pytest.mark.parametrize("part", ["serve", "broker", "frontend", "host"])
def test_a_bad_configuration(part: str, command: Any, tmp_path: Path) -> None:
    file = tmp_path / "k.conf"
    file.write_text('{"Pools": {"A": {"MinimumKernelNumber": 3, "MaximumKernelNumber": 2}}}')
    process = command(part, "-c", str(file))
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert error == (
        f"kernelbus {part}: {file}:1: Pools.A.MinimumKernelNumber: 3 is more than MaximumKernelNumber, 2: "
        "lower the one, or raise the other\n"
    )


def test_the_whole_way_with_the_embedded_kernel(command: Any, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "k.conf", Pools={"Main": {"MinimumKernelNumber": 1, "MaximumKernelNumber": 2}}
    )
    with Part("serve", "-p", "0", "-c", config) as server:
        where = f"{server.port}@127.0.0.1"

        def evaluate(*codes: str) -> tuple[int, str, str]:
            process = command("eval", "--server", where, *codes)
            out, error = process.communicate(timeout=100)
            return process.returncode, out, without_waiting(error)

        assert evaluate("2+2", "Expand[(x+y)^3]") == (0, "4\nx^3 + 3*x^2*y + 3*x*y^2 + y^3\n", "")
        status, out, error = evaluate("x = 5; Print[x]", "1/0", "x", "1 +")
        assert (status, out) == (1, "5\nNull\nComplexInfinity\n5\n$Failed\n")
        assert [line.split(":")[0] for line in error.splitlines()] == ["Power", "ToExpression"]
        # The earlier session has left nothing: x has no value, and no kernel has two clients in
        # turn.
        assert evaluate("x") == (0, "x\n", "")
        assert evaluate("--timeout", "1", "While[True]", "1 + 1")[:2] == (1, "$Aborted\n2\n")

"""A whole server with a stand-in kernel: clients, kernels, and the loss of either.

Tests kernelbus.shell.operations.serve and kernelbus.shell.operations.parts.
"""

from __future__ import annotations

import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from asking import EVALUATE, answers, ask, command, connect, order, value
from serving import Part, runs, stand_in_pool, wait_until, write_config

import wstp
from wstp import MessageCode, Symbol


@pytest.fixture(params=["call", "inproc"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Part]:
    bus = {"LocalTransport": request.param}
    with Part("serve", "-p", "0", "-l", "debug", "-c", config(tmp_path, Bus=bus)) as part:
        yield part


def config(tmp_path: Path, *options: str, limits: dict[str, float] | None = None, **keys: object) -> Path:
    top = {key: keys.pop(key) for key in list(keys) if key in ("Bus", "EnableAutomaticKernelConnection", "AllowStealingKernels")}
    pool = stand_in_pool(tmp_path, *options, **keys)
    return write_config(tmp_path / "kernelbus.conf", Pools={"StandIn": pool}, Limits=limits or {}, **top)


def test_an_expression_goes_to_a_kernel_and_back(server: Part) -> None:
    with connect(server) as link:
        assert value(link, Symbol("f")(1, "é", Symbol("x"))) == Symbol("f")(1, "é", Symbol("x"))
        assert ask(link, Symbol("Say")("hello", 3))[:3] == [Symbol("TextPacket")("hello")] * 3
        link.put(Symbol("EnterTextPacket")("2+2"), end_packet=True)
        link.flush()
        assert link.get(timeout=10) == Symbol("ReturnTextPacket")("2+2")
        assert link.get(timeout=10) == Symbol("InputNamePacket")("In[2]:= ")


def test_many_packets_in_one_burst_are_answered_in_order(server: Part) -> None:
    with connect(server) as link:
        for number in range(500):
            link.put(EVALUATE(number), end_packet=True)
        link.flush(timeout=10)
        for number in range(500):
            assert link.get(timeout=10) == Symbol("ReturnPacket")(number)


def test_each_client_has_a_kernel_of_its_own(server: Part) -> None:
    with connect(server) as one, connect(server) as two, connect(server) as three:
        pids = {value(link, Symbol("Pid")()) for link in (one, two, three)}
        assert len(pids) == 3


def test_messages_pass_both_ways(server: Part) -> None:
    with connect(server) as link:
        link.put(EVALUATE(Symbol("Wait")()), end_packet=True)
        link.flush()
        # No waiting: the abort must not arrive before its evaluation.
        link.put_message(MessageCode.ABORT)
        assert link.get(timeout=10) == Symbol("ReturnPacket")(Symbol("$Aborted"))
        value(link, Symbol("Tell")(130))
        wait_until(link.message_ready, "the kernel's message")
        message = link.get_message()
        assert message is not None
        assert (message.code, message.parameter) == (130, 7)


def test_large_arrays_pass_both_ways(server: Part) -> None:
    data = np.arange(4_000_000, dtype=np.float64)
    with connect(server) as link:
        result = value(link, data)
        assert isinstance(result, np.ndarray)
        assert np.array_equal(result, data)


def test_what_a_kernel_is_told_at_its_start(tmp_path: Path) -> None:
    with Part("serve", "-p", "0", "-c", config(tmp_path, "-option", "'two words'", "-uuid")) as part, connect(part) as link:
        arguments = value(link, Symbol("Arguments")())
        assert isinstance(arguments, list)
        assert arguments[:3] == ["-option", "two words", "-uuid"]
        assert arguments[3:-1] == ["-wstp", "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname"]
        assert str(arguments[-1]).endswith("@127.0.0.1")
        defined = value(link, Symbol("Defined")())
        identity = order(link, command("KernelID"))
        assert defined == [f"WSTPServer`$KernelID={identity}", "WSTPServer`$PoolName=StandIn"]
        assert order(link, command("PoolName")) == "StandIn"


def test_a_kernels_death_closes_its_clients_link_behind_its_last_words(server: Part) -> None:
    with connect(server) as link:
        link.put(EVALUATE(Symbol("Exit")(3)), end_packet=True)
        link.flush()
        assert link.get(timeout=10) == Symbol("TextPacket")("bye")
        with pytest.raises(wstp.LinkClosed):
            link.get(timeout=10)


def test_a_killed_kernel_closes_its_clients_link(server: Part) -> None:
    with connect(server) as link:
        pid = value(link, Symbol("Pid")())
        assert isinstance(pid, int)
        psutil.Process(pid).kill()
        assert link.get(timeout=10).head == Symbol("MessagePacket")
        assert "was ended by SIGKILL, not by this host" in str(link.get(timeout=10))
        with pytest.raises(wstp.LinkClosed):
            link.get(timeout=10)
        wait_until(lambda: server.logged("SIGKILL"), "a log line that says how it ended")


@pytest.mark.parametrize("farewell", ["close", "vanish"])
def test_a_kernel_outlives_its_client_and_is_found_by_its_id(server: Part, farewell: str) -> None:
    link = connect(server)
    pid, identity = value(link, Symbol("Pid")()), order(link, command("KernelID"))
    if farewell == "close":
        link.close()
    else:
        link.abort()
    wait_until(lambda: server.logged("is detached"), "the client's going is noticed")
    with connect(server) as other:
        assert value(other, Symbol("Pid")()) != pid
        order(other, command("Disconnect"))
        assert order(other, command("ConnectKernel", identity)) == identity
        assert other.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        assert value(other, Symbol("Pid")()) == pid


def test_a_kernel_of_a_pool_without_keepalive_ends_with_its_client(tmp_path: Path) -> None:
    with Part("serve", "-p", "0", "-c", config(tmp_path, KeepAlive=False)) as part:
        with connect(part) as link:
            pid = value(link, Symbol("Pid")())
            assert isinstance(pid, int)
            process = psutil.Process(pid)
        process.wait(10)
        with connect(part) as link:
            assert value(link, Symbol("Pid")()) != pid


def test_at_the_cap_the_kernel_longest_detached_makes_room(tmp_path: Path) -> None:
    with Part("serve", "-p", "0", "-l", "debug", "-c", config(tmp_path, MaximumKernelNumber=2, MinimumKernelNumber=0)) as part:
        first, second = connect(part), connect(part)
        oldest = value(first, Symbol("Pid")())
        kept = value(second, Symbol("Pid")())
        for count, link in ((1, first), (2, second)):
            link.close()
            wait_until(lambda count=count: len(part.logged("is detached")) == count, "the client's going")
        with connect(part) as third:
            assert value(third, Symbol("Pid")()) not in (oldest, kept)
            assert isinstance(oldest, int)
            assert isinstance(kept, int)
            assert not runs(oldest)
            assert runs(kept)


def test_half_an_expression_never_reaches_a_kernel(server: Part) -> None:
    request = b"".join(bytes(piece) for piece in wstp.write_expression(EVALUATE(Symbol("f")(1, "text", 2.5))))
    identity = ""
    with connect(server) as link:
        identity = str(order(link, command("KernelID")))
        pid = value(link, Symbol("Pid")())
    for length in range(1, len(request)):
        link = wstp.connect(server.server, mode="uuid", timeout=10)
        link.get(timeout=30)
        # The kernel that was attached unasked goes back to its pool.
        wait_until(lambda link=link: order(link, command("ConnectKernel", identity)) == identity, "the kernel is free again")
        assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        assert value(link, length) == length
        link.put_raw([request[:length]])
        link.flush()
        link.abort()
    with connect(server) as link:
        order(link, command("Disconnect"))
        wait_until(lambda: order(link, command("ConnectKernel", identity)) == identity, "the kernel is free again")
        assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        assert value(link, Symbol("Pid")()) == pid


def test_an_expression_too_large_to_hold_is_completed_and_aborted(tmp_path: Path) -> None:
    with Part("serve", "-p", "0", "-l", "debug", "-c", config(tmp_path, limits={"HoldBuffer": 1000})) as part:
        with connect(part) as link:
            identity = str(order(link, command("KernelID")))
            pid = value(link, Symbol("Pid")())
            whole = b"".join(bytes(p) for p in wstp.write_expression(EVALUATE(Symbol("f")(np.arange(10_000.0), "tail"))))
            link.put_raw([whole[: len(whole) // 2]])
            link.flush()
            link.abort()
        wait_until(lambda: part.logged("completed and aborted"), "the expression is completed")
        with connect(part) as link:
            order(link, command("Disconnect"))
            wait_until(lambda: order(link, command("ConnectKernel", identity)) == identity, "the kernel is free again")
            assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
            assert value(link, Symbol("Pid")()) == pid


def test_commands_are_answered_with_and_without_a_kernel(tmp_path: Path) -> None:
    path = config(tmp_path, EnableAutomaticKernelConnection=False)
    with Part("serve", "-p", "0", "-c", path) as part, wstp.connect(part.server, mode="uuid", timeout=10) as link:
        assert order(link, command("KernelID")) == Symbol("None")
        assert "ConnectKernel" in str(order(link, command("Help")))
        link.put(EVALUATE(1), end_packet=True)
        link.flush()
        refusal = answers(link)
        assert [str(packet.head.name) for packet in refusal] == ["MessagePacket", "TextPacket", "ReturnPacket"]  # type: ignore[union-attr]
        assert "no kernel is attached" in str(refusal[1].args[0])
        link.put(command("Connectkernel"), end_packet=True)
        link.flush()
        assert "did you mean ConnectKernel[]" in str(answers(link)[1].args[0])
        link.put(command("ConnectKernel", Symbol("Association")(Symbol("Rule")("Pool", "Nowhere"))), end_packet=True)
        link.flush()
        assert "no pool 'Nowhere'; there are: StandIn" in str(answers(link)[1].args[0])
        identity = order(link, command("ConnectKernel"))
        assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        assert order(link, command("KernelID")) == identity
        assert value(link, 5) == 5
        assert order(link, command("CloseKernel")) == identity
        assert order(link, command("KernelID")) == Symbol("None")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything(tmp_path: Path, number: int) -> None:
    with Part("serve", "-p", "0", "-c", config(tmp_path)) as part:
        with connect(part) as link:
            kernels = part.children()
            assert kernels
            part.terminate(number, seconds=10)
            with pytest.raises(wstp.LinkClosed):
                link.get(timeout=10)
        assert part.process.returncode == 0
        assert not any(kernel.is_running() for kernel in kernels)


def test_a_killed_server_leaves_no_kernel_behind(tmp_path: Path) -> None:
    with Part("serve", "-p", "0", "-c", config(tmp_path)) as part, connect(part) as link:
        kernels = part.children()
        assert kernels
        part.kill()
        _, alive = psutil.wait_procs(kernels, 10)
        assert not alive
        with pytest.raises(wstp.LinkLost):
            link.get(timeout=10)


def test_a_client_that_speaks_http_is_told_apart(server: Part) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as http:
        http.settimeout(10)
        http.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert reads_end(http)
    wait_until(lambda: server.logged("not a WSTP link .*HTTP"), "a line that says so")
    with connect(server) as link:
        assert value(link, 1) == 1


@pytest.mark.parametrize("words", [b"", b"id=", b"half"])
def test_a_client_that_does_not_greet_is_closed(tmp_path: Path, words: bytes) -> None:
    path = config(tmp_path, limits={"GreetingTimeout": 0.5})
    with Part("serve", "-p", "0", "-c", path) as part:
        if words == b"half":
            words = f"id={uuid.uuid4()} connection=data".encode()
        with socket.create_connection(("127.0.0.1", part.port), 10) as client:
            client.settimeout(20)
            client.sendall(words)
            assert reads_end(client)
        wait_until(lambda: part.logged("in 0.5 s and no WSTP greeting"), "a line that says so")


def reads_end(client: socket.socket) -> bool:
    """Tell whether the peer closes (or resets) the connection without sending anything."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_client_that_does_not_read_stops_only_its_own_kernel(tmp_path: Path) -> None:
    limits = {"Window": 1 << 20, "Chunk": 1 << 18}
    with Part("serve", "-p", "0", "-c", config(tmp_path, limits=limits)) as part, connect(part) as slow, connect(part) as other:
        before = psutil.Process(part.process.pid).memory_info().rss
        slow.put(EVALUATE(Symbol("Zeros")(30_000_000)), end_packet=True)
        slow.flush()
        for number in range(300):
            assert value(other, number) == number
        assert psutil.Process(part.process.pid).memory_info().rss - before < 60 << 20
        result = answers(slow)[-1].args[0]
        assert isinstance(result, np.ndarray)
        assert result.shape == (30_000_000,)

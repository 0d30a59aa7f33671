"""Broker, frontend and host as separate processes, and what happens when one is killed."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from asking import EVALUATE, answers, command, connect, order, value
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from kernelbus.kernelhost.session.output import UNREAD
from wstp import Symbol


class Parts:
    """The three processes; the broker can be killed, and started again at the same endpoint."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.broker = self.start_broker("tcp://127.0.0.1:0")
        self.endpoint = self.broker.endpoint
        self.host = self.start_host()
        self.frontend = self.start_frontend()

    def start_broker(self, endpoint: str) -> Part:
        return Part("broker", "--bus", endpoint, "-l", "debug", "-c", self.config, ready="Broker listening").__enter__()

    def start_host(self) -> Part:
        return Part("host", "--bus", self.endpoint, "-l", "debug", "-c", self.config, ready="has joined").__enter__()

    def start_frontend(self) -> Part:
        return Part("frontend", "--bus", self.endpoint, "-p", "0", "-l", "debug", "-c", self.config).__enter__()

    def restart_broker(self) -> None:
        self.broker.kill()
        self.broker = self.start_broker(self.endpoint)

    def close(self) -> None:
        for part in (self.frontend, self.host, self.broker):
            if part.process.poll() is None:
                part.__exit__(None, None, None)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    config = write_config(
        tmp_path / "kernelbus.conf",
        Pools={"StandIn": stand_in_pool(tmp_path)},
        Bus={"HeartbeatInterval": 0.2, "HeartbeatTimeout": 1.0, "Journal": "journal.sqlite"},
        Limits={"HostTimeout": 5, "ConnectionTimeout": 20, "Window": 1 << 20, "Chunk": 1 << 18},
    )
    made = Parts(config)
    try:
        yield made
    finally:
        made.close()


def test_the_parts_serve_apart(parts: Parts) -> None:
    with connect(parts.frontend) as link:
        data = np.arange(1_000_000.0)
        result = value(link, data)
        assert isinstance(result, np.ndarray)
        assert np.array_equal(result, data)


def test_a_broker_that_is_back_knows_which_kernels_died_meanwhile(parts: Parts) -> None:
    with connect(parts.frontend) as link:
        pid = value(link, Symbol("Pid")())
        assert isinstance(pid, int)
        parts.broker.kill()
        psutil.Process(pid).kill()
        wait_until(lambda: parts.host.logged("was ended by SIGKILL"), "the host has noticed")
        parts.broker = parts.start_broker(parts.endpoint)
        # The client is told how its kernel ended, not, after a while, that it is lost.
        assert link.get(timeout=30).head == Symbol("MessagePacket")
        assert "was ended by SIGKILL" in str(link.get(timeout=30))
        with pytest.raises(wstp.LinkClosed):
            link.get(timeout=30)
    assert parts.frontend.told("has ended the session's link")


def test_a_second_host_takes_over_when_the_first_is_killed(parts: Parts) -> None:
    second = parts.start_host()
    with second:
        parts.host.kill()
        wait_until(lambda: parts.broker.logged("host .* given up"), "the broker gives the host up")
        with connect(parts.frontend) as link:
            pid = value(link, Symbol("Pid")())
            assert pid in [child.pid for child in second.children()]


@pytest.mark.parametrize("rounds", [3])
def test_a_killed_broker_costs_a_pause_and_not_a_byte(parts: Parts, rounds: int) -> None:
    with connect(parts.frontend) as link:
        pid = value(link, Symbol("Pid")())
        for _ in range(rounds):
            data = np.random.default_rng(1).random(4_000_000)

            def send(data: np.ndarray = data) -> None:
                link.put(EVALUATE(data), end_packet=True)
                link.flush(timeout=60)

            sender = threading.Thread(target=send)
            sender.start()
            try:
                parts.restart_broker()
                result = answers(link)[-1].args[0]
            finally:
                sender.join(60)
            assert isinstance(result, np.ndarray)
            assert np.array_equal(result, data)
            assert value(link, Symbol("Pid")()) == pid


def test_a_client_that_comes_while_the_broker_is_away_gets_its_kernel(parts: Parts) -> None:
    parts.broker.kill()
    link = wstp.connect(parts.frontend.server, mode="uuid", timeout=10)
    with link:
        parts.broker = parts.start_broker(parts.endpoint)
        assert link.get(timeout=30) == Symbol("InputNamePacket")("In[1]:= ")
        assert value(link, 7) == 7


def test_a_killed_frontend_leaves_its_kernels_detached(parts: Parts) -> None:
    with connect(parts.frontend) as link:
        identity, pid = order(link, command("KernelID")), value(link, Symbol("Pid")())
        parts.frontend.kill()
    # Nobody has noticed yet.
    parts.frontend = parts.start_frontend()
    with connect(parts.frontend) as again:
        order(again, command("Disconnect"))
        assert order(again, command("ConnectKernel", identity)) == identity
        assert again.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        assert value(again, Symbol("Pid")()) == pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_frontend_that_ends_under_a_slow_reader_costs_no_packet(parts: Parts, number: signal.Signals) -> None:
    many, heard = 400, list[int]()

    def hear(link: wstp.Link, most: int = many) -> bool:
        """Read some packets, note their numbers, and return whether the answer was among them."""
        for _ in range(most):
            packet = link.next_packet(60)
            if packet.head == Symbol("TextPacket"):
                heard.append(int(str(packet.args[0]).split(" ", 1)[0]))
            elif packet == Symbol("ReturnPacket")(Symbol("Null")):
                return True
        return False

    with connect(parts.frontend) as link:
        identity = str(order(link, command("KernelID")))
        link.put(EVALUATE(Symbol("Count")("x" * 40_000, many)), end_packet=True)
        link.flush()
        # All between it and the kernel is full by then: it has read only a little of that.
        hear(link, 30)
        parts.frontend.process.send_signal(number)
        with contextlib.suppress(wstp.LinkClosed, wstp.LinkLost):
            hear(link)
    parts.frontend.process.wait(60)
    wait_until(lambda: parts.host.logged("is detached"), "the host detaches the kernel")
    assert 30 <= len(heard) < many
    parts.frontend = parts.start_frontend()
    with wstp.connect(parts.frontend.server, mode="uuid", timeout=60) as again:
        again.put(command("Reconnect", identity), end_packet=True)
        again.flush()
        while not hear(again):
            pass
    assert sorted(set(heard)) == list(range(many)), "nothing is lost"
    # A client of another library stops reading when it hears that its link is gone.
    unknown = UNREAD + 2 * (1 << 20) if number == signal.SIGKILL else 2 * (1 << 20)
    assert len(heard) - many <= unknown // 40_000, "little more than what may be unread is sent again"


def test_a_client_that_is_reset_with_unread_output_loses_none_of_it(parts: Parts) -> None:
    """Its machine had acknowledged what it had not read."""
    many, heard = 400, list[int]()
    link = connect(parts.frontend)
    identity = str(order(link, command("KernelID")))
    link.put(EVALUATE(Symbol("Count")("x" * 20_000, many)), end_packet=True)
    link.flush()
    heard += [int(str(link.next_packet(60).args[0]).split(" ", 1)[0]) for _ in range(150)]
    wait_until(lambda: waiting(link) > 50_000, "its machine has several packets unread")
    link.abort()
    wait_until(lambda: parts.host.logged("is detached"), "the host detaches the kernel")
    with wstp.connect(parts.frontend.server, mode="uuid", timeout=60) as again:
        again.put(command("Reconnect", identity), end_packet=True)
        again.flush()
        while (packet := again.next_packet(60)) != Symbol("ReturnPacket")(Symbol("Null")):
            if packet.head == Symbol("TextPacket"):
                heard.append(int(str(packet.args[0]).split(" ", 1)[0]))
    assert sorted(set(heard)) == list(range(many)), "nothing is lost"


def waiting(link: wstp.Link) -> int:
    """Return how many bytes wait unread at a client's machine."""
    return int.from_bytes(fcntl.ioctl(link.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_killed_host_takes_its_kernels_along_and_closes_their_links(parts: Parts) -> None:
    with connect(parts.frontend) as link:
        pid = value(link, Symbol("Pid")())
        assert isinstance(pid, int)
        kernel = psutil.Process(pid)
        parts.host.kill()
        kernel.wait(10)
        assert link.next_packet(timeout=30).head == Symbol("MessagePacket")
        assert "has been silent" in str(link.get(timeout=10))
        with pytest.raises(wstp.LinkClosed):
            link.get(timeout=30)


def test_a_client_whose_kernel_is_killed_by_others_is_told_who_may_have_done_it(parts: Parts) -> None:
    with connect(parts.frontend) as link:
        pid = value(link, Symbol("Pid")())
        assert isinstance(pid, int)
        psutil.Process(pid).kill()
        assert link.get(timeout=30) == Symbol("MessagePacket")(Symbol("WSTPServer`Kernel"), "killed")
        assert "the kernel was ended by SIGKILL, not by this host: by" in str(link.get(timeout=10))
        with pytest.raises(wstp.LinkClosed):
            link.get(timeout=30)


def test_a_host_that_was_killed_and_is_back_is_not_waited_for(parts: Parts) -> None:
    with connect(parts.frontend) as link:
        identity = str(order(link, command("KernelID")))
        parts.host.kill()
        parts.host = parts.start_host()
        assert link.next_packet(timeout=60).head == Symbol("MessagePacket")
        assert "has ended without leaving" in str(link.get(timeout=60)), "it would be silent otherwise"
    with connect(parts.frontend) as other:
        order(other, command("Disconnect"))
        assert "has ended without leaving" in refused(other, identity)


def test_a_server_that_was_killed_and_is_back_does_not_wait_for_its_old_self(tmp_path: Path) -> None:
    bus = {"Journal": "journal.sqlite"}
    config = write_config(tmp_path / "kernelbus.conf", Pools={"StandIn": stand_in_pool(tmp_path)}, Bus=bus)
    with Part("serve", "-p", "0", "-c", config) as first, connect(first) as link:
        identity = str(order(link, command("KernelID")))
        assert value(link, 7) == 7
        first.kill()
    with Part("serve", "-p", "0", "-c", config) as second, connect(second) as link:
        order(link, command("Disconnect"))
        assert "has ended without leaving" in refused(link, identity)


def test_a_stopped_host_leaves_in_order(parts: Parts) -> None:
    with connect(parts.frontend) as link:
        assert parts.host.terminate() == 0
        with pytest.raises(wstp.LinkClosed):
            link.get(timeout=30)
        wait_until(lambda: parts.broker.logged("host .* has left"), "the broker is told")


def test_a_host_whose_broker_stays_away_ends_its_sessions(tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "kernelbus.conf",
        Pools={"StandIn": stand_in_pool(tmp_path)},
        Bus={"HeartbeatInterval": 0.2, "HeartbeatTimeout": 1.0, "Journal": "journal.sqlite"},
        Limits={"OrphanTimeout": 2},
    )
    parts = Parts(config)
    try:
        with connect(parts.frontend) as link:
            pid = value(link, Symbol("Pid")())
            assert isinstance(pid, int)
            kernel = psutil.Process(pid)
            parts.broker.kill()
            kernel.wait(20)
            wait_until(lambda: parts.host.logged("OrphanTimeout"), "a line that says why")
    finally:
        parts.close()


def test_a_client_is_told_when_no_broker_answers(tmp_path: Path) -> None:
    bus = {"HeartbeatInterval": 0.2, "HeartbeatTimeout": 0.5}
    config = write_config(tmp_path / "kernelbus.conf", Bus=bus, Limits={"ConnectionTimeout": 0.5})
    with Part("frontend", "--bus", "tcp://127.0.0.1:9", "-p", "0", "-c", config) as frontend:
        with wstp.connect(frontend.server, mode="uuid", timeout=10) as link:
            link.get(timeout=20)
            assert "broker does not answer" in str(link.get(timeout=10))
        wait_until(lambda: frontend.logged("no broker answers at tcp://127.0.0.1:9"), "a line that names the address")
        assert len(frontend.told("no broker answers at")) == 1


def test_a_restarted_broker_knows_from_its_journal_which_sessions_ended_and_which_hosts_are_missing(parts: Parts) -> None:
    with connect(parts.frontend) as link:
        ended = str(order(link, command("KernelID")))
        value(link, Symbol("Pid")())
        order(link, command("CloseKernel"))
        wait_until(lambda: "has ended" in refused(link, ended), "the kernel's end is known")
        order(link, command("ConnectKernel"))
        link.get(timeout=20)
        kept = str(order(link, command("KernelID")))
        assert value(link, 7) == 7
    wait_until(lambda: parts.host.logged("is detached"), "the client's going is noticed")
    parts.broker.kill()
    parts.host.kill()
    parts.broker = parts.start_broker(parts.endpoint)
    assert parts.broker.told("1 sessions are known from before")
    wait_until(lambda: parts.broker.logged("frontend .* has registered"), "the frontend is back")
    with wstp.connect(parts.frontend.server, mode="uuid", timeout=10) as link:
        assert "has ended" in refused(link, ended)
        # The host does not come back: a client that asks waits for it, and is then told.
        assert "was lost" in refused(link, kept)
    assert parts.broker.told(f"session {kept[:8]} of pool StandIn is lost")
    parts.host = parts.start_host()


def test_a_session_is_resumed_through_a_restarted_broker(parts: Parts, tmp_path: Path) -> None:
    link = connect(parts.frontend)
    identity = str(order(link, command("KernelID")))
    link.put(EVALUATE(Symbol("Await")(str(tmp_path / "go"))), end_packet=True)
    link.flush()
    order(link, command("ResumePoint"))
    parts.restart_broker()
    link.abort()
    wait_until(lambda: parts.host.logged("is detached"), "the client's going is noticed")
    (tmp_path / "go").write_text("result")
    with wstp.connect(parts.frontend.server, mode="uuid", timeout=10) as link:
        link.put(command("Reconnect", identity), end_packet=True)
        link.flush()
        assert answers(link)[-1] == Symbol("ReturnPacket")(identity)
        assert answers(link) == [Symbol("ReturnPacket")("result")]


def refused(link: wstp.Link, identity: str) -> str:
    """Request a kernel that cannot be had; return the reason."""
    link.put(command("ConnectKernel", identity), end_packet=True)
    link.flush()
    *_, text, failed = answers(link)
    assert failed == Symbol("ReturnPacket")(Symbol("$Failed"))
    return str(text.args[0])

"""Clients that go away, in every way: what stays, and what must not stay."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from asking import EVALUATE, answers, command, connect, order, value
from serving import ROOT, Part, stand_in_pool, wait_until, write_config

import wstp
from wstp import Symbol

PROMPT = Symbol("InputNamePacket")("In[1]:= ")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    folder = tmp_path_factory.mktemp("detach")
    config = write_config(folder / "c.conf", Pools={"P": stand_in_pool(folder)}, Limits={"HoldBuffer": 1 << 16, "Window": 1 << 20})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def back(server: Part, identity: str) -> wstp.Link:
    """Reconnect to a kernel as soon as the server has noticed that its client has gone."""

    refusals: list[str] = []

    def attached() -> wstp.Link | None:
        link = wstp.connect(server.server, mode="uuid", timeout=10)
        link.put(command("ConnectKernel", identity), end_packet=True)
        packets = answers(link)
        refusals.append(str(packets[-2:]))
        if packets[-1].args[0] == identity:
            assert link.get(timeout=60) == PROMPT
            return link
        link.close()
        return None

    try:
        found = wait_until(attached, "the kernel is free", 10)
    except AssertionError:
        raise AssertionError(refusals[-1]) from None
    assert isinstance(found, wstp.Link)
    return found


@pytest.mark.parametrize(("reals", "points"), [(500_000, 15), (12_500_000, 4)], ids=["4 MB", "100 MB"])
def test_a_client_that_dies_at_any_point_of_an_array_leaves_its_kernel_whole(server: Part, reals: int, points: int) -> None:
    whole = b"".join(bytes(piece) for piece in wstp.write_expression(EVALUATE(Symbol("f")(np.arange(float(reals)), "tail"))))
    known = [len(whole) - 1, 1, 2, 1 << 16, (1 << 16) + 1][: points // 3]
    cuts = [*known, *random.Random(1).sample(range(len(whole)), points - len(known))]
    with connect(server) as link:
        identity, pid = str(order(link, command("KernelID"))), value(link, Symbol("Pid")())
    for point in cuts:
        with back(server, identity) as link:
            link.put_raw([whole[:point]])
            link.flush(timeout=30)
            link.abort()
        with back(server, identity) as link:
            assert value(link, point) == point, f"cut at byte {point}"
            assert value(link, Symbol("Pid")()) == pid
    with back(server, identity) as link:
        order(link, command("CloseKernel"))


@pytest.mark.parametrize("doing", ["idle", "sending", "evaluating"])
def test_a_session_survives_the_killing_of_its_client(server: Part, doing: str) -> None:
    program = f"""
import sys, time, numpy
import wstp
from wstp import Symbol
link = wstp.connect({server.server!r}, mode="uuid", timeout=10)
link.put(Symbol("WSTPServer`KernelID")(), end_packet=True)
while (packet := link.next_packet(timeout=30)).head != Symbol("ReturnPacket"):
    pass
identity = packet.args[0]
link.put(Symbol("EvaluatePacket")(Symbol("CompoundExpression")(Symbol("Set")(Symbol("kept"), 7))), end_packet=True)
while link.next_packet(timeout=30).head != Symbol("ReturnPacket"):
    pass
if {doing!r} == "sending":
    data = b"".join(bytes(piece) for piece in wstp.write_expression(Symbol("EvaluatePacket")(numpy.zeros(10**6))))
    link.put_raw([data[:5_000_000]])
    link.flush()
if {doing!r} == "evaluating":
    link.put(Symbol("EvaluatePacket")(Symbol("Say")("something", 1000)), end_packet=True)
    link.flush()
print(identity, flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment) as client:
        try:
            assert client.stdout is not None
            identity = client.stdout.readline().strip()
        finally:
            client.kill()
    assert identity
    with back(server, identity) as link:
        assert "kept=7" in str(value(link, Symbol("Defined")()))
        assert value(link, 5) == 5
        order(link, command("CloseKernel"))


def test_two_hundred_attachments_leave_nothing_behind(server: Part) -> None:
    process = psutil.Process(server.process.pid)
    with connect(server) as link:
        identity, pid = str(order(link, command("KernelID"))), value(link, Symbol("Pid")())

    def cycles(count: int) -> None:
        for number in range(count):
            link = back(server, identity)
            assert value(link, number) == number
            if number % 2:
                link.abort()
            else:
                link.close()

    def settled() -> tuple[int, int]:
        # The server has noticed that a client has gone when the next one attaches, so that only
        # what stays is counted.
        with back(server, identity) as link:
            assert value(link, Symbol("Pid")()) == pid
            return process.num_fds(), len(server.children())

    cycles(200)
    descriptors, children = settled()
    memory = process.memory_info().rss
    cycles(200)
    wait_until(lambda: settled() <= (descriptors, children), f"no more than {descriptors} descriptors and {children} processes")
    assert process.memory_info().rss - memory < 8 << 20
    with back(server, identity) as link:
        order(link, command("CloseKernel"))


def test_a_session_survives_the_brokers_restart(tmp_path: Path) -> None:
    bus = {"HeartbeatInterval": 0.2, "HeartbeatTimeout": 1.0}
    path = write_config(tmp_path / "c.conf", Pools={"P": stand_in_pool(tmp_path)}, Bus=bus, Limits={"ConnectionTimeout": 20})

    def broker(endpoint: str) -> Part:
        return Part("broker", "--bus", endpoint, "-c", path, ready="Broker listening")

    with contextlib.ExitStack() as stack:
        first = stack.enter_context(broker("tcp://127.0.0.1:0"))
        stack.enter_context(Part("host", "--bus", first.endpoint, "-c", path, ready="has joined"))
        front = stack.enter_context(Part("frontend", "--bus", first.endpoint, "-p", "0", "-c", path))
        attached, left = connect(front), connect(front)
        stay, gone = str(order(attached, command("KernelID"))), str(order(left, command("KernelID")))
        for link in (attached, left):
            value(link, Symbol("CompoundExpression")(Symbol("Set")(Symbol("kept"), 7)))
        left.abort()
        endpoint = first.endpoint
        first.kill()
        stack.enter_context(broker(endpoint))
        assert "kept=7" in str(value(attached, Symbol("Defined")())), "of a client that stayed"
        attached.close()
        for identity in (stay, gone):
            with back(front, identity) as link:
                assert "kept=7" in str(value(link, Symbol("Defined")()))


@pytest.fixture
def far_away() -> Iterator[tuple[str, str, str]]:
    """Set up a network namespace that stands for another machine.

    Yields its name, its device, and the address at which it reaches this machine.
    """
    name = f"kb{uuid.uuid4().hex[:6]}"
    here, there, address = f"{name}h", f"{name}n", f"169.254.{random.randrange(1, 255)}.1"
    steps = [
        f"netns add {name}",
        f"link add {here} type veth peer name {there} netns {name}",
        f"addr add {address}/30 dev {here}",
        f"link set {here} up",
        f"-n {name} addr add {address[:-1]}2/30 dev {there}",
        f"-n {name} link set {there} up",
        f"-n {name} link set lo up",
    ]
    try:
        for step in steps:
            try:
                done = subprocess.run(["ip", *step.split()], capture_output=True, text=True, timeout=20, check=False)
            except FileNotFoundError:
                pytest.skip("no ip command (iproute2)")
            if done.returncode:
                pytest.skip(f"network namespaces are not allowed here: ip {step}: {done.stderr.strip()}")
        yield name, there, address
    finally:
        with contextlib.suppress(FileNotFoundError):
            for step in (f"link del {here}", f"netns del {name}"):
                subprocess.run(["ip", *step.split()], capture_output=True, timeout=20, check=False)


def test_a_client_whose_network_falls_silent_is_noticed(tmp_path: Path, far_away: tuple[str, str, str]) -> None:
    namespace, device, address = far_away
    pools, access = {"P": stand_in_pool(tmp_path)}, {"Anonymous": ["private"]}
    config = write_config(tmp_path / "c.conf", Pools=pools, Limits={"ClientTimeout": 5}, Access=access)
    program = """
import sys, time
import wstp
from wstp import Symbol
link = wstp.connect(sys.argv[1], mode="uuid", timeout=10)
link.put(Symbol("WSTPServer`KernelID")(), end_packet=True)
while (packet := link.next_packet(timeout=30)).head != Symbol("ReturnPacket"):
    pass
print(packet.args[0], flush=True)
time.sleep(600)
"""
    with Part("serve", "-p", "0", "-i", address, "-l", "debug", "-c", config) as part:
        where = f"{part.port}@{address}"
        words = ["ip", "netns", "exec", namespace, sys.executable, "-c", program, where]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as client:
            try:
                assert client.stdout is not None
                identity = client.stdout.readline().strip()
                assert identity
                assert not part.logged("is detached")
                subprocess.run(["ip", "-n", namespace, "link", "set", device, "down"], check=True, timeout=20)
                wait_until(lambda: part.logged("is detached"), "the client's silence is noticed", 25)
            finally:
                client.kill()
        with wstp.connect(where, mode="uuid", timeout=10) as link:
            link.put(command("ConnectKernel", identity), end_packet=True)
            assert answers(link)[-1].args == (identity,)

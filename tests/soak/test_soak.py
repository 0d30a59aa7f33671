"""Clients that come, ask, leave, vanish and kill kernels at random for SOAK_SECONDS, while an
administrator orders the server about.

Every answer belongs to its request, and nothing is left. The seed is printed; SOAK_SEED sets it.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
import pytest
from asking import EVALUATE, answers, command
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from kernelbus.bus.client import AdminClient, BrokerUnreachable, OrderRefused
from kernelbus.bus.protocol.orders import HostOrder, Order, PoolOrder, ReloadOrder, StartOrder
from wstp import Expr, Function, Symbol

pytestmark = pytest.mark.soak

CLIENTS = 4
MEMORY = 100 << 20


class Actor(Protocol):
    """Who does things until a time is over; what goes wrong is kept in `fault`."""

    count: int
    fault: BaseException | None

    def run(self, until: float) -> None:
        """Do them until then, on the monotonic clock."""


def load(actors: Sequence[Actor], seconds: float) -> None:
    """Have all of them act side by side."""
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=actor.run, args=(until,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for actor in actors:
        if actor.fault is not None:
            raise actor.fault


class Client:
    """One client's session: it knows what its kernel must say, and says how it went."""

    def __init__(self, part: Part, number: int, seed: int) -> None:
        self.part = part
        self.number = number
        self.random = random.Random(f"{seed} {number}")
        self.kernel = ""
        self.pid = 0
        self.count = 0
        self.fault: BaseException | None = None

    def run(self, until: float) -> None:
        """Use kernels until then; what goes wrong is kept in `fault`."""
        try:
            while time.monotonic() < until:
                with self.attach() as link:
                    self.use(link)
        except BaseException as fault:
            self.fault = fault

    def attach(self) -> wstp.Link:
        """Get a kernel: the one that was left, else a fresh one."""
        for _ in range(3000):
            link = wstp.connect(self.part.server, mode="uuid", timeout=30)
            try:
                refusal = self.request(link)
            except BaseException:
                link.close()
                raise
            if not refusal:
                return link
            link.close()
            # Its own going has not been noticed yet, or it was given up for someone else at the
            # cap.
            if "another client is attached" not in refusal and "broker does not answer" not in refusal:
                assert "has ended" in refusal or "never was" in refusal, refusal
                self.kernel = ""
            time.sleep(0.01)
        raise AssertionError(f"client {self.number} gets no kernel: {refusal}")

    def request(self, link: wstp.Link) -> str:
        """Ask for the kernel, and give why there is none; "" when there is."""
        link.put(command("ConnectKernel", *([self.kernel] if self.kernel else [])), end_packet=True)
        *said, answer = answers(link)
        if answer.args[0] == Symbol("$Failed"):
            return str(said)
        assert answer.args[0] == self.kernel or not self.kernel, "another's kernel"
        known, self.kernel = self.kernel, str(answer.args[0])
        pid = self.ask(link, Symbol("Pid")())
        assert isinstance(pid, int)
        assert pid == self.pid or not known, "another process under the same id"
        self.pid = pid
        return ""

    def ask(self, link: wstp.Link, expression: Expr) -> Expr:
        """Evaluate, and give the value."""
        link.put(EVALUATE(expression), end_packet=True)
        link.flush(timeout=60)
        return answers(link)[-1].args[0]

    def use(self, link: wstp.Link) -> None:
        """Ask a few things, then go in one way or another."""
        for _ in range(self.random.randrange(1, 20)):
            self.count += 1
            request: Function = Symbol("f")(self.number, self.count)
            if self.random.random() < 0.1:
                array = np.full(self.random.randrange(1, 300_000), float(self.count))
                assert np.array_equal(self.ask(link, array), array)
            else:
                assert self.ask(link, request) == request
        match self.random.choice(["close", "vanish", "half", "end", "kill", "unread"]):
            case "close":
                link.close()
            case "vanish":
                link.abort()
            case "half":
                whole = b"".join(bytes(piece) for piece in wstp.write_expression(EVALUATE(np.zeros(self.random.randrange(1, 300_000)))))
                link.put_raw([whole[: self.random.randrange(len(whole))]])
                link.flush(timeout=60)
                link.abort()
            case "unread":
                link.put(EVALUATE(Symbol("Zeros")(self.random.randrange(1, 300_000))), end_packet=True)
                link.flush(timeout=60)
                link.abort()
            case "end":
                link.put(command("CloseKernel"), end_packet=True)
                assert answers(link)[-1].args == (self.kernel,)
                self.kernel = ""
            case "kill":
                psutil.Process(self.pid).kill()
                with pytest.raises((wstp.LinkClosed, wstp.LinkLost)):
                    read_all(link)
                self.kernel = ""


class Administrator:
    """Pauses, resizes, drains, reloads, traces and looks on; nothing of that may cost a client
    anything but time.

    Args:
        endpoint: the broker's.
        hosts: those that may be drained, by name; one of a process of its own would end when it is
            empty.
        stays: whether the broker does; else what was asked of one that went is asked again.
    """

    def __init__(self, endpoint: str, hosts: Sequence[str], seed: int, stays: bool = True) -> None:
        self.client = AdminClient(endpoint, secrets.token_bytes, sender="soak@here", timeout=60 if stays else 2)
        self.hosts = hosts
        self.stays = stays
        self.random = random.Random(f"{seed} administrator")
        self.count = 0
        self.fault: BaseException | None = None

    def run(self, until: float) -> None:
        """Order until then; what goes wrong is kept in `fault`."""
        try:
            while time.monotonic() < until:
                self.one()
                self.count += 1
                time.sleep(self.random.random() * 0.2)
        except BaseException as fault:
            self.fault = fault
        finally:
            self.client.close()

    def order(self, order: Order) -> None:
        """Give an order until it is carried out by all that it is for."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client.order(order)
                return
            except (BrokerUnreachable, OrderRefused) as error:
                # A broker that has just come knows its hosts when they have registered again.
                early = isinstance(error, BrokerUnreachable) or error.answer.code.startswith(("unknown-", "no-answer", "no-host"))
                if self.stays or not early or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def one(self) -> None:
        try:
            self.choose()
        except BrokerUnreachable:
            if self.stays:
                raise

    def choose(self) -> None:
        match self.random.choice(["pause", "resize", "start", "reload", "trace", "look", *(["drain"] if self.hosts else [])]):
            case "pause":
                self.order(PoolOrder(0, "", "P", "pause"))
                time.sleep(self.random.random() * 0.5)
                self.order(PoolOrder(0, "", "P", "resume"))
            case "drain":
                host = self.random.choice(self.hosts)
                self.order(HostOrder(0, "", host, "drain"))
                time.sleep(self.random.random() * 0.5)
                self.order(HostOrder(0, "", host, "resume"))
            case "resize":
                self.order(PoolOrder(0, "", "P", "resize", self.random.randrange(3)))
            case "start":
                try:
                    self.order(StartOrder(0, "", "P"))
                except OrderRefused as refused:
                    if refused.answer.code != "pool-full":
                        raise
            case "reload":
                self.order(ReloadOrder(0, ""))
            case "trace":
                kernels = self.client.status().kernels
                try:
                    trace = self.client.trace(self.random.choice(kernels).kernel, wait=0.1)
                    for _ in range(5):
                        next(trace)
                    trace.close()
                except (OrderRefused, IndexError):
                    pass  # there was none, or it has ended
            case "look":
                status = self.client.status(links=True, over=True)
                assert len(status.links) <= CLIENTS * 2
                assert all(pool.pool == "P" for pool in status.pools)


class Breaker:
    """Kills the broker, and starts another in its place."""

    def __init__(self, site: ExitStack, config: Path, seed: int) -> None:
        self.site = site
        self.config = config
        self.random = random.Random(f"{seed} breaker")
        self.count = 0
        self.fault: BaseException | None = None
        self.broker = self.start("tcp://127.0.0.1:0")
        self.endpoint = self.broker.endpoint

    def start(self, endpoint: str) -> Part:
        return self.site.enter_context(Part("broker", "--bus", endpoint, "-c", self.config, ready="Broker listening"))

    def run(self, until: float) -> None:
        """Kill brokers until then; the last one stays."""
        try:
            while time.monotonic() < until - 5:
                time.sleep(self.random.uniform(0.5, 5))
                self.broker.kill()
                self.broker = self.start(self.endpoint)
                self.count += 1
        except BaseException as fault:
            self.fault = fault


def read_all(link: wstp.Link) -> None:
    while True:
        link.get(timeout=60)


def soak() -> tuple[float, int]:
    """Give how many seconds it goes on, and the seed of what is left to chance."""
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    seed = int(os.environ.get("SOAK_SEED", "0")) or random.randrange(1, 10**6)
    print(f"SOAK_SEED={seed}")
    return seconds, seed


def grown(process: psutil.Process, before: tuple[int, int], children: int) -> None:
    """Insist that a process has not grown since `before` (descriptors, bytes), but by what
    `children` kernels explain.
    """
    # Each detached kernel keeps its two connections and its process's watch.
    most = before[0] + 4 * children
    wait_until(lambda: process.num_fds() <= most, f"at most {most} descriptors")
    assert process.memory_info().rss - before[1] < MEMORY


def test_every_answer_belongs_to_its_request(tmp_path: Path) -> None:
    seconds, seed = soak()
    pool = stand_in_pool(tmp_path, MaximumKernelNumber=3 * CLIENTS)
    limits = {"HoldBuffer": 1 << 16, "Window": 1 << 20, "ConnectionTimeout": 60}
    config = write_config(tmp_path / "c.conf", Pools={"P": pool}, Limits=limits)
    with Part("serve", "-p", "0", "--name", "soak", "-c", config) as part:
        process = psutil.Process(part.process.pid)
        clients = [Client(part, number, seed) for number in range(CLIENTS)]
        actors = [*clients, Administrator(part.endpoint, ["soak"], seed)]
        load(actors, seconds / 5)
        before = process.num_fds(), process.memory_info().rss
        load(actors, seconds * 4 / 5)
        assert all(client.count for client in clients)
        grown(process, before, 3 * CLIENTS)
        wait_until(lambda: len(part.children()) <= 2 * 3 * CLIENTS, "no more processes than the cap allows")
        assert part.process.poll() is None
        print(f"{sum(client.count for client in clients)} evaluations, {actors[-1].count} orders")


def test_brokers_that_are_killed_cost_time_and_no_answer(tmp_path: Path) -> None:
    """The same, with kernels on two hosts, and a broker that is killed and replaced all the time.
    """
    seconds, seed = soak()
    pool = stand_in_pool(tmp_path, MaximumKernelNumber=2 * CLIENTS)
    bus = {"HeartbeatInterval": 0.2, "HeartbeatTimeout": 1.0, "Journal": "journal.sqlite"}
    limits = {"HoldBuffer": 1 << 16, "Window": 1 << 20, "ConnectionTimeout": 60}
    config = write_config(tmp_path / "c.conf", Pools={"P": pool}, Limits=limits, Bus=bus)
    with ExitStack() as site:
        breaker = Breaker(site, config, seed)
        hosts = [
            site.enter_context(Part("host", "--bus", breaker.endpoint, "--name", name, "-c", config, ready="has joined"))
            for name in ("alpha", "beta")
        ]
        frontend = site.enter_context(Part("frontend", "--bus", breaker.endpoint, "-p", "0", "-c", config))
        clients = [Client(frontend, number, seed) for number in range(CLIENTS)]
        actors = [*clients, Administrator(breaker.endpoint, [], seed, stays=False), breaker]
        processes = [psutil.Process(part.process.pid) for part in (frontend, *hosts)]
        load(actors, seconds / 5)
        before = [(process.num_fds(), process.memory_info().rss) for process in processes]
        load(actors, seconds * 4 / 5)
        assert all(client.count for client in clients)
        for process, was in zip(processes, before, strict=True):
            grown(process, was, 2 * CLIENTS)
        print(f"{sum(client.count for client in clients)} evaluations, {actors[-2].count} orders, {breaker.count} brokers killed")

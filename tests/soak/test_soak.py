"""Clients that come, ask, leave, vanish and kill kernels at random for SOAK_SECONDS, while an administrator orders the server about.

Every answer belongs to its request, and nothing is left. The seed is printed; SOAK_SEED sets it.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from asking import EVALUATE, answers, command
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from bus.client import AdminClient, OrderRefused
from bus.orders import HostOrder, PoolOrder, ReloadOrder, StartOrder
from wstp import Expr, Function, Symbol

pytestmark = pytest.mark.soak

CLIENTS = 4
MEMORY = 100 << 20


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
            # Its own going has not been noticed yet, or it was given up for someone else at the cap.
            if "another client is attached" not in refusal:
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
    """Pauses, resizes, drains, reloads, traces and looks on; nothing of that may cost a client anything but time."""

    def __init__(self, part: Part, host: str, seed: int) -> None:
        self.client = AdminClient(f"tcp://127.0.0.1:{part.port + 1}", secrets.token_bytes, sender="soak@here", timeout=60)
        self.host = host
        self.random = random.Random(f"{seed} administrator")
        self.count = 0
        self.fault: BaseException | None = None

    def run(self, until: float) -> None:
        """Order until then; what goes wrong is kept in `fault`."""
        try:
            while time.monotonic() < until:
                self.order()
                self.count += 1
                time.sleep(self.random.random() * 0.2)
        except BaseException as fault:
            self.fault = fault
        finally:
            self.client.close()

    def order(self) -> None:
        match self.random.choice(["pause", "drain", "resize", "start", "reload", "trace", "look"]):
            case "pause":
                self.client.order(PoolOrder(0, "", "P", "pause"))
                time.sleep(self.random.random() * 0.5)
                self.client.order(PoolOrder(0, "", "P", "resume"))
            case "drain":
                self.client.order(HostOrder(0, "", self.host, "drain"))
                time.sleep(self.random.random() * 0.5)
                self.client.order(HostOrder(0, "", self.host, "resume"))
            case "resize":
                self.client.order(PoolOrder(0, "", "P", "resize", self.random.randrange(3)))
            case "start":
                try:
                    self.client.order(StartOrder(0, "", "P"))
                except OrderRefused as refused:
                    if refused.answer.code != "pool-full":
                        raise
            case "reload":
                self.client.order(ReloadOrder(0, ""))
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


def read_all(link: wstp.Link) -> None:
    while True:
        link.get(timeout=60)


def test_every_answer_belongs_to_its_request(tmp_path: Path) -> None:
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    seed = int(os.environ.get("SOAK_SEED", "0")) or random.randrange(1, 10**6)
    print(f"SOAK_SEED={seed}")
    pool = stand_in_pool(tmp_path, MaximumKernelNumber=3 * CLIENTS)
    limits = {"HoldBuffer": 1 << 16, "Window": 1 << 20, "ConnectionTimeout": 60}
    with Part("serve", "-p", "0", "--name", "soak", "-c", write_config(tmp_path / "c.conf", Pools={"P": pool}, Limits=limits)) as part:
        process = psutil.Process(part.process.pid)
        clients = [Client(part, number, seed) for number in range(CLIENTS)]
        administrator = Administrator(part, "soak", seed)

        def load(period: float) -> None:
            until = time.monotonic() + period
            threads = [threading.Thread(target=each.run, args=(until,)) for each in (*clients, administrator)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for each in (*clients, administrator):
                if each.fault is not None:
                    raise each.fault

        load(seconds / 5)
        descriptors, memory = process.num_fds(), process.memory_info().rss
        load(seconds * 4 / 5)
        assert all(client.count for client in clients)
        # Each detached kernel keeps its two connections and its process's watch.
        most = descriptors + 4 * 3 * CLIENTS
        wait_until(lambda: process.num_fds() <= most, f"at most {most} descriptors")
        wait_until(lambda: len(part.children()) <= 2 * 3 * CLIENTS, "no more processes than the cap allows")
        assert process.memory_info().rss - memory < MEMORY
        assert part.process.poll() is None
        print(f"{sum(client.count for client in clients)} evaluations, {administrator.count} orders")

"""Who interferes with servers: an administrator, and a killer of brokers, frontends, hosts and
kernels. What ends sessions is noted before it is done.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
import time

import psutil
from actors import Actor
from record import LEFT, STUCK, WRONG, Record
from sites import Site, Slot, descendants

from kernelbus.bus.client import AdminClient, BrokerUnreachable, OrderRefused
from kernelbus.bus.protocol.orders import (
    HostOrder,
    KernelOrder,
    LogLevelOrder,
    Order,
    PoolOrder,
    ReloadOrder,
    SessionOrder,
    StartOrder,
)

__all__ = ["Administrator", "Killer"]

#: The states of kernels that have a place in their pool.
_THERE = ("starting", "ready", "attached", "detached")

#: Codes of refusals that say that a part is away, as it is when it was just killed.
_AWAY = ("no-answer", "no-host", "unknown-host", "unknown-pool", "unknown-kernel", "no-frontend")
#: And those that an order can meet at any time.
_USUAL = ("pool-full", "not-attached", "kernel-ending", "kernel-idle", "ambiguous", "not-separate", "short", "unchanged")


class Administrator(Actor):
    """Pauses, resizes, drains, reloads, traces, closes, detaches and looks on.

    It costs clients nothing but time, except where it closes a kernel.
    """

    def __init__(self, name: str, site: Site, record: Record) -> None:
        super().__init__(name, site, record)
        self.client = AdminClient(site.endpoint, secrets.token_bytes, sender="soak@here", timeout=10)
        self.unreachable = 0.0

    def act(self) -> None:
        """Give an order, or look."""
        orders = {
            "pause": self.pause_pool,
            "resize": self.resize,
            "start": self.start,
            "reload": lambda: self.order(ReloadOrder(0, "")),
            "log level": self.log_level,
            "trace": self.trace,
            "look": self.look,
            "detach": self.detach,
            "close": self.close,
        }
        if self.site.separate:
            orders["drain"] = self.drain
        what = self.random.choice([*orders, "look", "look"])
        try:
            orders[what]()
            self.record.count(f"orders: {what}")
            self.unreachable = 0.0
        except BrokerUnreachable as error:
            self.record.error("order", str(error))
            self.unreachable = self.unreachable or self.now
            if self.now - self.unreachable > 120:
                self.fault(STUCK, f"no broker has answered for two minutes: {error}")
                self.unreachable = self.now
        self.pause(0, 0.6)

    def order(self, order: Order) -> None:
        """Give an order; a part may be away, and what it is about may be over."""
        try:
            self.client.order(order)
        except OrderRefused as refused:
            codes = {refused.answer.code, *(part.code for part in refused.answer.parts if not part.ok)} - {""}
            self.record.error(f"order refused ({', '.join(sorted(codes))})", str(refused))

    def pause_pool(self) -> None:
        """Let a pool hand out no kernels for a moment."""
        pool = self.random.choice("MS")
        self.order(PoolOrder(0, "", pool, "pause"))
        self.pause(0, 0.5)
        self.resume(PoolOrder(0, "", pool, "resume"))

    def resume(self, order: Order) -> None:
        """Undo something; that must be heard, else clients wait for ever."""
        for _ in range(60):
            with contextlib.suppress(BrokerUnreachable, OrderRefused):
                self.client.order(order)
                return
            threading.Event().wait(0.5)
        self.fault(STUCK, f"nobody hears {order}")

    def resize(self) -> None:
        """Change how many kernels are ready, or drain a pool while its kernels start."""
        self.order(PoolOrder(0, "", self.random.choice("MS"), "resize", self.random.randrange(4)))

    def start(self) -> None:
        """Start a kernel, and sometimes drain its pool at once."""
        pool = self.random.choice("MS")
        self.order(StartOrder(0, "", pool))
        if self.random.random() < 0.3:
            self.order(PoolOrder(0, "", pool, "drain"))
            self.resume(PoolOrder(0, "", pool, "resume"))

    def log_level(self) -> None:
        """Have less logged for a moment."""
        self.order(LogLevelOrder(0, "", "error"))
        self.resume(LogLevelOrder(0, "", "debug"))

    def drain(self) -> None:
        """Drain a host; it ends if it is empty, and is started again."""
        name = self.random.choice(["alpha", "beta"])
        self.order(HostOrder(0, "", name, "drain"))
        self.pause(0, 0.5)
        with contextlib.suppress(OrderRefused):
            self.client.order(HostOrder(0, "", name, "resume"))

    def kernel(self) -> str:
        """Return the id of some kernel with a client, or ""."""
        kernels = [kernel.kernel for kernel in self.client.status().kernels if kernel.state == "attached"]
        return self.random.choice(kernels) if kernels else ""

    def detach(self) -> None:
        """Take a kernel from its client."""
        if kernel := self.kernel():
            self.record.detached.add(kernel)  # it is kept, whoever its client was
            self.order(SessionOrder(0, "", kernel, "detach"))

    def close(self) -> None:
        """Close a kernel."""
        if self.random.random() < 0.2 and (kernel := self.kernel()):
            self.record.close(self.now, kernel)
            self.record.event(self.now, "kernel closed by order", kernel[:8])
            self.order(KernelOrder(0, "", kernel, self.random.choice(["close", "restart"])))

    def trace(self) -> None:
        """Follow what passes to and from a kernel."""
        kernels = self.client.status().kernels
        with contextlib.suppress(OrderRefused, IndexError):
            trace = self.client.trace(self.random.choice(kernels).kernel, wait=0.1)
            for _ in range(5):
                next(trace)
            trace.close()

    def look(self) -> None:
        """Read the status, with all that can be in it."""
        status = self.client.status(links=True, over=True)
        for kernel in self.record.see_ending(self.site.broker.name, self.now, [k.kernel for k in status.kernels if k.state == "ending"]):
            self.fault(LEFT, f"kernel {kernel[:8]} has been ending for more than 30 s")
        for pool in status.pools:
            kernels = [kernel for kernel in status.kernels if kernel.pool == pool.pool and kernel.state in _THERE]
            if pool.hosts and len(kernels) > pool.maximum:
                self.fault(WRONG, f"pool {pool.pool} has {len(kernels)} kernels, more than its maximum: {pool}")
        for problem in status.problems:
            self.record.error("status: problem", problem)

    def finish(self) -> None:
        """Undo what holds clients up."""
        for pool in "MS":
            self.resume(PoolOrder(0, "", pool, "resume"))
        self.client.close()


class Killer(Actor):
    """Kills parts and kernels, or stops them for a while; what it kills is started again."""

    def act(self) -> None:
        """Kill something."""
        kinds = {"kernel": 6.0}
        if self.site.separate:
            kinds |= {"broker": 4.0, "frontend": 3.0, "host": 1.0, "stop": 3.0}
        kind = self.random.choices(list(kinds), list(kinds.values()))[0]
        {"kernel": self.kill_kernel, "broker": self.broker, "frontend": self.frontend, "host": self.host, "stop": self.stop}[kind]()
        self.revive()
        self.pause(0.5, 5)

    def kill_kernel(self) -> None:
        """Kill a kernel, whatever it does."""
        slot = self.random.choice(self.site.hosts)
        with slot.lock, contextlib.suppress(psutil.Error):
            # One that is killed while it starts has its pool wait; that is seldom meant here.
            old = self.random.random() < 0.9
            kernels = [child for child in descendants(psutil.Process(slot.pid)) if _is_kernel(child, 3.0 if old else 0.0)]
            if not kernels:
                return
            kernel = self.random.choice(sorted(kernels, key=lambda process: process.pid))
            self.record.kill_kernel(self.now, kernel.pid)
            self.record.event(self.now, "kernels killed", f"{kernel.pid} of {slot.name}")
            kernel.send_signal(self.random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV]))

    def broker(self) -> None:
        """Kill the broker, and start another."""
        self.restart(self.site.broker, self.random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))

    def frontend(self) -> None:
        """Kill a frontend, and start another."""
        self.restart(self.random.choice(self.site.fronts), self.random.choice([signal.SIGKILL, signal.SIGTERM]))

    def host(self) -> None:
        """Kill a host with all its kernels, and start another."""
        slot = self.random.choice(self.site.hosts)
        self.record.kill_host(self.now, slot.pid)
        self.restart(slot, self.random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))

    def restart(self, slot: Slot, number: signal.Signals) -> None:
        """End a part, and start another in its place, at once or after a while."""
        with slot.lock:
            self.record.event(self.now, f"{slot.name.split()[0]}s ended by {number.name}", slot.name)
            slot.part.process.send_signal(number)
            if number == signal.SIGTERM:
                slot.end()
            else:
                slot.part.process.wait(30)
                slot.over()
            if self.random.random() < 0.3:
                self.pause(0, 3)
            slot.begin(self.now)

    def stop(self) -> None:
        """Stop a part for a time, as a machine that has no time for it does."""
        slot = self.random.choice(self.site.slots)
        with slot.lock, contextlib.suppress(ProcessLookupError):
            seconds = self.random.uniform(0.2, 8)
            self.record.event(self.now, "parts stopped for a time", f"{slot.name} for {seconds:.1f} s")
            slot.part.process.send_signal(signal.SIGSTOP)
            self.pause(seconds, seconds)
            slot.part.process.send_signal(signal.SIGCONT)

    def revive(self) -> None:
        """Start hosts again that were drained, and have ended."""
        for slot in self.site.slots:
            with slot.lock:
                if slot.part.process.poll() is None:
                    continue
                drained = slot in self.site.hosts and slot.part.process.returncode == 0
                if not drained:
                    self.fault(WRONG, f"{slot.name} has ended by itself with status {slot.part.process.returncode}: {slot.part.log[-20:]}")
                self.record.event(self.now, "drained hosts left", slot.name)
                slot.over()
                slot.begin(self.now)

    def finish(self) -> None:
        """Leave all parts in their places."""
        self.revive()


def _is_kernel(process: psutil.Process, age: float) -> bool:
    """Whether a child of a host is a kernel of some age; it may be what kernels are forked from."""
    with contextlib.suppress(psutil.Error):
        if time.time() - process.create_time() < age:
            return False
        words = " ".join(process.cmdline())
        return "stand_in.py" in words or words.startswith("kernelbus: kernel ")
    return False

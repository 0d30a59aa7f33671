"""Carries out an administrator's orders on a kernel host, and answers them.

Orders are the messages of :mod:`kernelbus.bus.protocol.orders`. The broker has checked that the
kernel or pool that an order names exists. It may have gone meanwhile, or be in a state in which the
order cannot be carried out. Before an order ends a session, its client is told so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kernelbus.bus import everypart
from kernelbus.bus.channel.channel import EndReason
from kernelbus.bus.errors import BusError
from kernelbus.bus.protocol.orders import (
    HostOrder,
    KernelOrder,
    LogLevelOrder,
    Order,
    PartAnswer,
    PoolOrder,
    ReloadOrder,
    SessionOrder,
    StartOrder,
    TraceOrder,
)
from kernelbus.bus.settings.reload import Reloader
from kernelbus.kernelhost.kernel import Kernel
from kernelbus.kernelhost.pools.pool import Action, KernelState, Pool, PoolState
from wstp import MessageCode

__all__ = ["OrderRefused", "OrderedHost", "carry_out"]

_STATES = {"pause": PoolState.PAUSED, "resume": PoolState.SERVING, "drain": PoolState.DRAINING}


class OrderRefused(BusError):
    """An order cannot be carried out. `code` is stable, the text says why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class OrderedHost(Protocol):
    """What orders need of a host."""

    reloader: Reloader

    @property
    def now(self) -> float:
        """The time, on the loop's clock."""

    def kernel(self, identity: str) -> Kernel | None:
        """Return a kernel by its id; None: there is none."""

    def pool(self, name: str) -> Pool | None:
        """Return a pool by its name; None: there is none."""

    def perform(self, pool: str, actions: list[Action]) -> None:
        """Carry out what a pool has decided."""

    def resize(self, pool: str, minimum: int | None, maximum: int | None) -> None:
        """Change a pool's size until it is changed again; None: unchanged."""

    def trace(self, kernel: Kernel, on: bool) -> None:
        """Begin or renew the trace of a kernel, or end it."""

    def drain(self, drained: bool) -> str:
        """Give no kernels out and end when empty, or undo that; return what follows, in words."""

    def evict(self, why: str) -> str:
        """End now; return what follows, in words. Raises OrderRefused if the host cannot end."""


def carry_out(host: OrderedHost, order: Order) -> PartAnswer:
    """Carry out `order`; return the answer to it."""
    if isinstance(order, ReloadOrder | LogLevelOrder):
        return everypart.carry_out(order, host.reloader)
    try:
        return PartAnswer(order.request, True, "", _carry_out(host, order))
    except OrderRefused as error:
        return PartAnswer(order.request, False, error.code, [str(error)])


def _carry_out(host: OrderedHost, order: Order) -> list[str]:
    match order:
        case KernelOrder():
            line = _kernel(host, order)
        case SessionOrder():
            line = _session(host, order)
        case StartOrder():
            line = _start(host, order)
        case PoolOrder():
            line = _pool(host, order)
        case HostOrder(action="evict"):
            line = host.evict(f"evicted by {order.sender}")
        case HostOrder(action=action):
            line = host.drain(action == "drain")
        case TraceOrder(kernel=identity, on=on):
            host.trace(_found(host, identity)[0], on)
            return []
        case _:
            raise OrderRefused("unknown-order", f"this host does not know {type(order).__name__}: it is of another version")
    return [line]


def _found(host: OrderedHost, identity: str) -> tuple[Kernel, Pool]:
    kernel = host.kernel(identity)
    pool = None if kernel is None else host.pool(kernel.pool.name)
    if kernel is None or pool is None or kernel.number not in pool.kernels:
        raise OrderRefused("unknown-kernel", f"there is no kernel {identity[:8]} any more: it has ended")
    return kernel, pool


def _kernel(host: OrderedHost, order: KernelOrder) -> str:
    kernel, pool = _found(host, order.kernel)
    state = pool.kernels[kernel.number].state
    if order.action in ("abort", "interrupt"):
        if not kernel.serving or not kernel.busy:
            raise OrderRefused("kernel-idle", f"{kernel} does not evaluate anything")
        kernel.session.send(MessageCode.ABORT if order.action == "abort" else MessageCode.INTERRUPT)
        return f"{kernel} was sent message {3 if order.action == 'abort' else 2}"
    if state is KernelState.ENDING:
        raise OrderRefused("kernel-ending", f"{kernel} is ending already")
    why = f"ended by {order.sender}"
    kernel.session.tell("closed", f"the kernel was {why}.")
    host.perform(kernel.pool.name, pool.unwanted(kernel.number, host.now, why))
    if order.action == "close":
        return f"{kernel} is ended"
    if pool.draining:
        return f"{kernel} is ended; no other is started, since no kernels are given out here"
    if not pool.full and not pool.count(KernelState.STARTING):
        host.perform(kernel.pool.name, pool.start_one(host.now))
    return f"{kernel} is ended, and another takes its place in the pool"


def _session(host: OrderedHost, order: SessionOrder) -> str:
    kernel, pool = _found(host, order.kernel)
    entry = pool.kernels[kernel.number]
    if order.action == "close":
        why = f"closed by {order.sender}"
        kernel.session.tell("closed", f"the session was {why}.")
        host.perform(kernel.pool.name, pool.unwanted(kernel.number, host.now, why))
        return f"the session of {kernel} is closed"
    if entry.state is not KernelState.ATTACHED:
        raise OrderRefused("not-attached", f"{kernel} has no client: it is {entry.state.value}")
    client, why = kernel.session.client, f"detached by {order.sender}"
    # A client that is detached by an administrator must be able to find the kernel again.
    pool.keep_alive(kernel.number, True)
    kernel.session.send_away(order.sender, host.now)
    kernel.session.tell("detached", f"the kernel was {why}; it is kept, and is found again by its id.")
    kernel.session.detach(EndReason.DETACHED, why)
    safe = pool.safe(kernel.session.activity)
    longer = "" if pool.ends_sessions(kernel.session.activity) else ", and longer while nobody needs its place"
    kept = f"for {safe:.0f} s without use{longer}" if safe else "until somebody ends it"
    return f"{kernel} is detached from {client}; it is kept {kept}"


def _start(host: OrderedHost, order: StartOrder) -> str:
    pool = _known(host, order.pool)
    if pool.draining or pool.closed:
        raise OrderRefused("draining", f"pool {order.pool} is being drained here: resume it first")
    if pool.full:
        ending = pool.count(KernelState.ENDING)
        still = f", {ending} of which are just ending" if ending else ""
        limit = pool.limited or f"pool {order.pool} is at its maximum of {pool.maximum} kernels here{still}: close one, or resize it"
        raise OrderRefused("pool-full", limit)
    host.perform(order.pool, pool.start_one(host.now))
    return f"a kernel of pool {order.pool} is being started"


def _pool(host: OrderedHost, order: PoolOrder) -> str:
    pool = _known(host, order.pool)
    if order.action == "resize":
        minimum = pool.options.minimum if order.minimum is None else order.minimum
        maximum = pool.options.maximum if order.maximum is None else order.maximum
        if minimum > maximum:
            raise OrderRefused("arguments", f"pool {order.pool}: a minimum of {minimum} is more than the maximum of {maximum}")
        host.resize(order.pool, order.minimum, order.maximum)
        return f"pool {order.pool} keeps {minimum} kernels ready, and has at most {maximum}"
    host.perform(order.pool, pool.turn(_STATES[order.action], host.now))
    said: dict[str, Callable[[], str]] = {
        "pause": lambda: f"pool {order.pool} gives no kernels out; who wants one waits",
        "resume": lambda: f"pool {order.pool} gives kernels out",
        "drain": lambda: f"pool {order.pool} gives no kernels out and keeps none ready; it has {_sessions(pool)}",
    }
    return said[order.action]()


def _sessions(pool: Pool) -> str:
    count = pool.count(KernelState.ATTACHED, KernelState.DETACHED)
    return f"{count} session{'' if count == 1 else 's'} left"


def _known(host: OrderedHost, name: str) -> Pool:
    pool = host.pool(name)
    if pool is None:
        raise OrderRefused("unknown-pool", f"there is no pool {name} here")
    return pool

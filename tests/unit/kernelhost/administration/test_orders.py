"""Orders to a host: what each does, and what is said when it cannot be carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from host_parts import make_kernel

from kernelbus.bus.protocol.orders import (
    KernelOrder,
    Order,
    PartAnswer,
    PoolOrder,
    ReloadOrder,
    SessionOrder,
    StartOrder,
    TraceOrder,
)
from kernelbus.bus.settings.config import Config
from kernelbus.bus.settings.reload import HOST_KEYS, Reloader
from kernelbus.kernelhost.administration.orders import OrderedHost, carry_out
from kernelbus.kernelhost.kernel import Kernel, Phase
from kernelbus.kernelhost.pools.pool import (
    Action,
    KernelState,
    Pool,
    PoolOptions,
    PoolState,
    Request,
    Start,
    Stop,
)


class _Host(OrderedHost):
    """A host with pool P of at most three kernels, of which number 1 is ready."""

    def __init__(self) -> None:
        self.reloader = Reloader(Config(), None, HOST_KEYS, lambda config: [])
        self.actions: list[Action] = []
        self.traced: list[tuple[str, bool]] = []
        self.made = Pool(PoolOptions("P", 1, 3))
        self.made.tick(0.0)
        self.made.ready(1, 0.0)
        self.one = make_kernel(number=1)
        self.one.phase = Phase.SERVING

    @property
    def now(self) -> float:
        return 1.0

    def kernel(self, identity: str) -> Kernel | None:
        return self.one if identity == self.one.identity else None

    def pool(self, name: str) -> Pool | None:
        return self.made if name == "P" else None

    def perform(self, pool: str, actions: list[Action]) -> None:
        assert pool == "P"
        self.actions += actions

    def resize(self, pool: str, minimum: int | None, maximum: int | None) -> None:
        options = self.made.options
        sized = options._replace(
            minimum=options.minimum if minimum is None else minimum, maximum=options.maximum if maximum is None else maximum
        )
        self.perform(pool, self.made.configure(sized, self.now))

    def trace(self, kernel: Kernel, on: bool) -> None:
        self.traced.append((kernel.identity, on))

    def drain(self, drained: bool) -> str:
        return f"drained: {drained}"

    def evict(self, why: str) -> str:
        return why


def ordered(order: Order, prepare: Callable[[_Host], object] = lambda host: None) -> tuple[PartAnswer, _Host]:
    async def main() -> tuple[PartAnswer, _Host]:
        host = _Host()
        prepare(host)
        host.actions.clear()
        return carry_out(host, order), host

    return asyncio.run(main())


def attached(host: _Host) -> None:
    host.made.acquire(Request(7, "client", 9.0), 0.5)


ID = "identity-1"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (KernelOrder(5, "s", "nobody", "close"), "unknown-kernel"),
        (KernelOrder(5, "s", ID, "abort"), "kernel-idle"),
        (SessionOrder(5, "s", ID, "detach"), "not-attached"),
        (StartOrder(5, "s", "Q"), "unknown-pool"),
        (PoolOrder(5, "s", "Q", "pause"), "unknown-pool"),
        (PoolOrder(5, "s", "P", "resize", 4, 2), "arguments"),
        (PoolOrder(5, "s", "P", "resize", 4), "arguments"),
        (Order(5, "s"), "unknown-order"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused_with_its_code(order: Order, code: str) -> None:
    answer, host = ordered(order)
    assert (answer.request, answer.ok, answer.code) == (5, False, code)
    assert len(answer.lines) == 1 and not host.actions


def test_closing_a_kernel_ends_it_and_its_pool_goes_on() -> None:
    answer, host = ordered(KernelOrder(5, "somebody", ID, "close"))
    assert answer.ok and answer.lines == ["kernel identity of pool P is ended"]
    assert Stop(1, "ended by somebody") in host.actions
    again, _ = ordered(KernelOrder(5, "s", ID, "close"), lambda host: host.made.unwanted(1, 0.5, "before"))
    assert again.code == "kernel-ending"


def test_restarting_the_kernel_of_a_session_starts_another_beside_those_kept_ready() -> None:
    answer, host = ordered(KernelOrder(5, "s", ID, "restart"), lambda host: (attached(host), host.made.ready(2, 0.6)))
    assert answer.lines == ["kernel identity of pool P is ended, and another takes its place in the pool"]
    assert host.actions == [Stop(1, "ended by s"), Start(3)]
    answer, host = ordered(
        KernelOrder(5, "s", ID, "restart"), lambda host: (attached(host), host.made.turn(PoolState.DRAINING, 0.6))
    )
    assert host.actions == [Stop(1, "ended by s")] and "no other is started" in answer.lines[0]


def test_detaching_keeps_a_kernel_that_would_otherwise_end() -> None:
    def prepare(host: _Host) -> None:
        attached(host)
        host.made.keep_alive(1, False)

    answer, host = ordered(SessionOrder(5, "s", ID, "detach"), prepare)
    assert answer.ok and host.made.kernels[1].keep


def test_a_kernel_is_started_by_hand_unless_the_pool_is_full_or_drained() -> None:
    answer, host = ordered(StartOrder(5, "s", "P"))
    assert answer.ok and host.actions == [Start(2)]

    def fill(host: _Host) -> None:
        host.made.start_one(0.5)
        host.made.start_one(0.5)
        host.made.unwanted(1, 0.5, "x")

    answer, _ = ordered(StartOrder(5, "s", "P"), fill)
    assert answer.code == "pool-full" and "maximum of 3 kernels here, 1 of which are just ending" in answer.lines[0]
    answer, _ = ordered(StartOrder(5, "s", "P"), lambda host: host.made.drain_host(True, 0.5))
    assert answer.code == "draining"


@pytest.mark.parametrize(
    ("action", "state", "said"),
    [
        ("pause", PoolState.PAUSED, "pool P gives no kernels out; who wants one waits"),
        ("resume", PoolState.SERVING, "pool P gives kernels out"),
        ("drain", PoolState.DRAINING, "pool P gives no kernels out and keeps none ready; it has 1 session left"),
    ],
)
def test_a_pool_is_brought_into_another_state(action: str, state: PoolState, said: str) -> None:
    answer, host = ordered(PoolOrder(5, "s", "P", action), attached)  # type: ignore[arg-type]
    assert answer.lines == [said]
    assert host.made.state is state
    assert host.made.kernels[1].state is KernelState.ATTACHED


def test_a_pool_is_resized() -> None:
    answer, host = ordered(PoolOrder(5, "s", "P", "resize", 2))
    assert answer.lines == ["pool P keeps 2 kernels ready, and has at most 3"]
    assert host.actions == [Start(2)]


def test_an_order_to_trace_is_answered_without_text() -> None:
    answer, host = ordered(TraceOrder(5, "s", ID))
    assert answer == PartAnswer(5, True)
    assert host.traced == [(ID, True)]


def test_orders_to_every_part_are_carried_out_too() -> None:
    answer, _ = ordered(ReloadOrder(5, "s"))
    assert answer == PartAnswer(5, True)

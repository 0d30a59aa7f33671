"""A pool's policy, by events and the clock of the test."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kernelhost.pool import BACK_OFF, Attach, KernelState, Pool, PoolOptions, Refuse, Request, Start, Stop


def pool(minimum: int = 1, maximum: int = 3, **options: bool) -> Pool:
    return Pool(PoolOptions("P", minimum, maximum, **options))


def started(made: Pool, now: float = 0.0) -> int:
    """Tick until the pool starts a kernel, and let it become ready."""
    (start,) = [action for action in made.tick(now) if isinstance(action, Start)]
    made.ready(start.number, now)
    return start.number


def test_the_minimum_is_kept_ready_and_a_taken_kernel_is_followed_by_another() -> None:
    made = pool(minimum=2)
    assert made.tick(0.0) == [Start(1), Start(2)]
    assert made.ready(1, 1.0) == []
    request = Request(9, "client", 30.0)
    assert made.acquire(request, 2.0) == [Attach(1, request), Start(3)]
    assert made.ready(2, 2.0) == []


def test_requests_wait_in_order_and_are_asked_once() -> None:
    made = pool(minimum=0, maximum=1)
    first, second = Request(1, "a", 30.0), Request(2, "b", 30.0)
    assert made.acquire(first, 0.0) == [Start(1)]
    assert made.acquire(second, 0.0) == []
    assert made.acquire(second, 0.0) == []
    assert made.ready(1, 1.0) == [Attach(1, first)]
    assert made.queue == [second]


def test_a_request_whose_time_is_over_is_refused_with_the_reason() -> None:
    made = pool(minimum=0, maximum=1, reserve=True)
    made.acquire(Request(1, "a", 30.0), 0.0)
    made.ready(1, 0.0)
    made.acquire(Request(2, "b", 5.0), 0.0)
    assert made.next_event() == 5.0
    (refusal,) = made.tick(5.0)
    assert isinstance(refusal, Refuse)
    assert (refusal.channel, refusal.code) == (2, "no-kernel")
    assert "maximum of 1" in refusal.text


def test_kernels_that_do_not_start_are_tried_again_later_and_later() -> None:
    made = pool()
    made.tick(0.0)
    now, number = 0.0, 1
    for wait in (*BACK_OFF, BACK_OFF[-1]):
        assert made.ended(number, now, "exited with status 1") == []
        assert made.next_event() == now + wait
        assert made.tick(now + wait - 0.01) == []
        now += wait
        number += 1
        assert made.tick(now) == [Start(number)]
    made.ready(number, now)
    assert made.failures == 0


def test_without_keepalive_a_kernel_ends_with_its_client() -> None:
    made = pool(minimum=0, keep_alive=False)
    made.acquire(Request(1, "a", 30.0), 0.0)
    made.ready(1, 0.0)
    (stop,) = made.detached(1, 1.0)
    assert isinstance(stop, Stop)


def test_at_the_cap_the_kernel_longest_detached_and_idle_makes_room() -> None:
    made = pool(minimum=0, maximum=3)
    for channel in (1, 2, 3):
        made.acquire(Request(channel, "a", 99.0), 0.0)
        made.ready(channel, 0.0)
    made.busy(1, True, 0.0)
    for number, now in ((1, 1.0), (2, 2.0), (3, 3.0)):
        made.detached(number, now)
    (stop,) = made.acquire(Request(4, "b", 99.0), 4.0)
    assert isinstance(stop, Stop)
    assert stop.number == 2, "kernel 1 is longer detached, but busy"
    assert made.ended(2, 5.0, "exited") == [Start(4)]


def test_reserved_kernels_are_not_given_up() -> None:
    made = pool(minimum=0, maximum=1, reserve=True)
    made.acquire(Request(1, "a", 99.0), 0.0)
    made.ready(1, 0.0)
    made.detached(1, 1.0)
    assert made.acquire(Request(2, "b", 99.0), 2.0) == []


def test_closing_refuses_who_waits_and_ends_every_kernel() -> None:
    made = pool(minimum=1, maximum=1)
    started(made)
    made.acquire(Request(1, "a", 99.0), 0.0)
    made.acquire(Request(2, "b", 99.0), 0.0)
    actions = made.close(1.0)
    assert [type(action) for action in actions] == [Refuse, Stop]
    assert made.ended(1, 2.0, "exited") == []


class PoolMachine(RuleBasedStateMachine):
    """Whatever happens: the invariants hold, and each request is answered at most once."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = pool(minimum=2, maximum=4)
        self.now = 0.0
        self.channel = 0
        self.answered: dict[int, int] = {}
        self.take(self.pool.tick(0.0))

    def take(self, actions: list[object]) -> None:
        for action in actions:
            channel = action.request.channel if isinstance(action, Attach) else action.channel if isinstance(action, Refuse) else 0
            if channel:
                self.answered[channel] = self.answered.get(channel, 0) + 1

    def some(self, *states: KernelState) -> list[int]:
        return [number for number, kernel in self.pool.kernels.items() if kernel.state in states]

    @rule()
    def acquire(self) -> None:
        self.channel += 1
        self.take(self.pool.acquire(Request(self.channel, "c", self.now + 10.0), self.now))

    @rule(step=st.floats(0.1, 20.0))
    def wait(self, step: float) -> None:
        self.now += step
        self.take(self.pool.tick(self.now))

    @precondition(lambda self: self.some(KernelState.STARTING))
    @rule(good=st.booleans())
    def start(self, good: bool) -> None:
        number = self.some(KernelState.STARTING)[0]
        self.take(self.pool.ready(number, self.now) if good else self.pool.ended(number, self.now, "failed"))

    @precondition(lambda self: self.some(KernelState.ATTACHED))
    @rule(busy=st.booleans())
    def leave(self, busy: bool) -> None:
        number = self.some(KernelState.ATTACHED)[0]
        self.take(self.pool.busy(number, busy, self.now))
        self.take(self.pool.detached(number, self.now))

    @precondition(lambda self: self.pool.kernels)
    @rule(pick=st.integers(0, 99))
    def die(self, pick: int) -> None:
        numbers = list(self.pool.kernels)
        self.take(self.pool.ended(numbers[pick % len(numbers)], self.now, "killed"))

    @invariant()
    def holds(self) -> None:
        self.pool.validate()
        assert all(count == 1 for count in self.answered.values())


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

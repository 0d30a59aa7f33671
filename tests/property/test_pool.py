"""A pool under any events: invariants hold, each request is answered exactly once, in order.

No session is given up for a link that has not asked for a kernel, and none that is safe.
"""

from __future__ import annotations

from typing import get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kernelbus.bus.protocol.messages import Demand, rank
from kernelbus.kernelhost.pools.keeping import Activity, Timeouts, Worth
from kernelbus.kernelhost.pools.pool import (
    Action,
    Attach,
    KernelState,
    Pool,
    PoolOptions,
    PoolState,
    Refuse,
    Request,
    Start,
    Stop,
    Warn,
)

_S = KernelState


class PoolMachine(RuleBasedStateMachine):
    """A host that carries out a pool's actions, with kernels and clients that act at random."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.channel = 0
        self.waiting: list[int] = []
        self.demands: dict[int, Demand] = {}
        self.left: dict[int, tuple[float, Worth]] = {}
        self.answered: set[int] = set()
        self.started: set[int] = set()
        self.stopped: set[int] = set()
        self.last_failure = 0.0

    @initialize(
        minimum=st.integers(0, 3), maximum=st.integers(1, 5), keep_alive=st.booleans(), reserve=st.booleans(), starting=st.integers(1, 3)
    )
    def begin(self, minimum: int, maximum: int, keep_alive: bool, reserve: bool, starting: int) -> None:
        timeouts = Timeouts(idle=30.0, evaluation=20.0, question=10.0, leftover=5.0)
        self.pool = Pool(PoolOptions("P", minimum, maximum, keep_alive, reserve, starting, timeouts))
        self.tick()

    def take(self, actions: list[Action]) -> None:
        kernels = self.pool.kernels
        for action in actions:
            match action:
                case Start(number):
                    assert number not in self.started
                    assert kernels[number].state is _S.STARTING
                    self.started.add(number)
                case Stop(number, _, gives_up):
                    assert number not in self.stopped, "told to end twice"
                    assert kernels[number].state is _S.ENDING
                    self.stopped.add(number)
                    if gives_up:
                        self.check_given_up(number)
                case Warn(number, text):
                    assert kernels[number].state is _S.DETACHED and kernels[number].worth is Worth.KEPT
                    assert "Timeout)" in text
                case Attach(number, request):
                    assert request.demand == self.demands[request.channel]
                    first = min(self.waiting, key=lambda channel: rank(self.demands[channel]))
                    assert request.channel == first, "out of turn"
                    assert self.pool.state is PoolState.SERVING and not self.pool.draining
                    assert kernels[number].state is _S.ATTACHED and kernels[number].channel == request.channel
                    self.answer(request.channel)
                case Refuse(channel, _, text):
                    assert text
                    self.answer(channel)

    def check_given_up(self, number: int) -> None:
        since, worth = self.left[number]
        demands = {self.demands[channel] for channel in self.waiting}
        enough = {"asked"} if worth is Worth.KEPT else {"asked", "listens"}
        assert demands & enough, "a session was given up, and nobody has asked for a kernel"
        assert not self.pool.options.reserve
        assert worth is not Worth.KEPT or self.now >= since + 10.0, "it was safe"

    def answer(self, channel: int) -> None:
        assert channel not in self.answered
        self.waiting.remove(channel)
        self.answered.add(channel)

    def some(self, *states: KernelState) -> list[int]:
        return [number for number, kernel in self.pool.kernels.items() if kernel.state in states]

    def tick(self) -> None:
        self.take(self.pool.tick(self.now))
        due = self.pool.next_event()
        assert due is None or due > self.now, "woken again for nothing"
        room = self.pool.options.maximum - len(self.pool.kernels)
        if room > 0 and not self.pool.failures and not self.pool.closed and not self.pool.draining:
            wanted = len(self.waiting) + self.pool.options.minimum - len(self.some(_S.READY))
            assert len(self.some(_S.STARTING)) >= min(room, wanted, self.pool.options.starting)

    @rule(patience=st.floats(0.0, 30.0), again=st.booleans(), demand=st.sampled_from(get_args(Demand)))
    def acquire(self, patience: float, again: bool, demand: Demand) -> None:
        self.channel += 1
        request = Request(self.channel, "c", self.now + patience, demand=demand)
        self.waiting.append(self.channel)
        self.demands[self.channel] = demand
        self.take(self.pool.acquire(request, self.now))
        if again and self.channel in self.waiting:
            self.take(self.pool.acquire(request, self.now))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def insist(self, data: st.DataObject) -> None:
        """Let a client ask for the kernel that it may have been given automatically."""
        channel = data.draw(st.sampled_from(self.waiting))
        self.demands[channel] = "asked"
        self.take(self.pool.acquire(Request(channel, "c", self.now + 30.0), self.now))

    @rule(step=st.floats(0.1, 20.0))
    def wait(self, step: float) -> None:
        self.now += step
        self.tick()

    @precondition(lambda self: self.pool.next_event() is not None and not self.pool.closed)
    @rule()
    def wake(self) -> None:
        due = self.pool.next_event()
        assert due is not None
        self.now = max(self.now, due)
        self.tick()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        channel = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(channel)
        self.take(self.pool.cancel(channel, self.now))

    @precondition(lambda self: self.some(_S.STARTING, _S.ENDING))
    @rule(data=st.data())
    def get_ready(self, data: st.DataObject) -> None:
        self.take(self.pool.ready(data.draw(st.sampled_from(self.some(_S.STARTING, _S.ENDING))), self.now))

    @precondition(lambda self: self.pool.kernels)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(list(self.pool.kernels)))
        self.take(self.pool.ended(number, self.now, "killed"))

    @precondition(lambda self: self.some(_S.ATTACHED))
    @rule(data=st.data(), worth=st.sampled_from(Worth))
    def leave(self, data: st.DataObject, worth: Worth) -> None:
        number = data.draw(st.sampled_from(self.some(_S.ATTACHED)))
        self.left[number] = self.now, worth
        self.take(self.pool.detached(number, self.now, worth))

    @precondition(lambda self: self.some(_S.DETACHED))
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        self.channel += 1
        self.pool.attach(data.draw(st.sampled_from(self.some(_S.DETACHED))), self.channel, self.now)

    @precondition(lambda self: self.some(_S.ATTACHED, _S.DETACHED))
    @rule(data=st.data(), activity=st.sampled_from(Activity))
    def work(self, data: st.DataObject, activity: Activity) -> None:
        self.take(self.pool.busy(data.draw(st.sampled_from(self.some(_S.ATTACHED, _S.DETACHED))), activity, self.now))

    @precondition(lambda self: self.pool.kernels)
    @rule(data=st.data())
    def send_away(self, data: st.DataObject) -> None:
        self.take(self.pool.unwanted(data.draw(st.sampled_from(list(self.pool.kernels))), self.now, "unwanted"))

    @rule(state=st.sampled_from(PoolState))
    def turn(self, state: PoolState) -> None:
        self.take(self.pool.turn(state, self.now))

    @rule(drained=st.booleans())
    def drain_host(self, drained: bool) -> None:
        self.take(self.pool.drain_host(drained, self.now))

    @rule(minimum=st.integers(0, 3), maximum=st.integers(1, 5), keep_alive=st.booleans())
    def configure(self, minimum: int, maximum: int, keep_alive: bool) -> None:
        options = self.pool.options._replace(minimum=minimum, maximum=maximum, keep_alive=keep_alive)
        self.take(self.pool.configure(options, self.now))
        spare = len(self.some(_S.READY, _S.STARTING)) - len(self.waiting) - minimum
        assert spare <= len(self.pool._by_hand) or self.pool.closed, "more are kept than are wanted"

    @rule()
    def renew(self) -> None:
        waited = self.some(_S.READY, _S.STARTING)
        self.take(self.pool.renew("renewed", self.now))
        assert not set(waited) & set(self.some(_S.READY, _S.STARTING))

    @precondition(lambda self: not self.pool.full and not self.pool.closed and not self.pool.draining)
    @rule()
    def start_one(self) -> None:
        before = self.some(_S.STARTING)
        self.take(self.pool.start_one(self.now))
        assert len(self.some(_S.STARTING)) > len(before)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "pool"):
            self.pool.validate()
            assert [request.channel for request in self.pool.queue] == self.waiting
            assert self.stopped >= set(self.some(_S.ENDING))

    def teardown(self) -> None:
        if not hasattr(self, "pool"):
            return
        self.take(self.pool.close(self.now))
        assert not self.waiting, "a request without an answer"
        for number in list(self.pool.kernels):
            assert number in self.stopped
            assert self.pool.ended(number, self.now, "closed") == []
        assert self.pool.kernels == {}


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)

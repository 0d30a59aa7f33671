"""A pool's policy: how many kernels to keep, who gets which, and what to do when they do not start.

Sans-IO: no process, socket, clock or randomness. Events come in with `now` (seconds on the loop's
clock), actions go out; the host (:mod:`kernelbus.kernelhost.host`) carries them out.

| kernel state | meaning |
|---|---|
| STARTING | it has been started and is not yet initialised |
| READY | it waits for its first client |
| ATTACHED | a client has it |
| DETACHED | it had a client and keeps its session for a client that names it |
| ENDING | it has been told to end |

| pool state | meaning |
|---|---|
| SERVING | kernels are handed out |
| PAUSED | no kernel is handed out, clients wait; as many kernels are kept ready as before |
| DRAINING | no kernel is handed out or kept ready, clients are refused; sessions go on |

Clients wait in the order in which they came. At the cap, the kernel that has been detached and idle
longest is given up for a waiting client, unless `ReservePreviouslyConnectedKernels` forbids it.
Kernels that fail to start are tried again with a back-off of 1 to 60 s, one at a time.

A licence acts as a cap: when it does not let a kernel run while the pool has others, the number of
the others is the pool's maximum for :data:`LICENCE_RETRY` seconds. Only such a refusal shows how
many kernels the licence allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

__all__ = [
    "TRANSITIONS",
    "Action",
    "Attach",
    "KernelEntry",
    "KernelState",
    "Pool",
    "PoolOptions",
    "PoolState",
    "Refuse",
    "Request",
    "Start",
    "Stop",
]

#: Seconds before another kernel is started after the licence has not let one run.
LICENCE_RETRY = 60.0
#: Seconds before the next start, by the number of failures in a row; the last value stays.
BACK_OFF = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)


class KernelState(Enum):
    """A kernel's state; see the module's first table."""

    STARTING = "starting"
    READY = "ready"
    ATTACHED = "attached"
    DETACHED = "detached"
    ENDING = "ending"


#: The states that may follow each state of a kernel. None stands for a kernel that is not there.
TRANSITIONS: Final[dict[KernelState | None, frozenset[KernelState | None]]] = {
    None: frozenset({KernelState.STARTING}),
    KernelState.STARTING: frozenset({KernelState.READY, KernelState.ENDING, None}),
    KernelState.READY: frozenset({KernelState.ATTACHED, KernelState.ENDING, None}),
    # Ready again: its client left without a request.
    KernelState.ATTACHED: frozenset({KernelState.DETACHED, KernelState.READY, KernelState.ENDING, None}),
    KernelState.DETACHED: frozenset({KernelState.ATTACHED, KernelState.ENDING, None}),
    KernelState.ENDING: frozenset({None}),
}


class PoolState(Enum):
    """A pool's state; see the module's second table."""

    SERVING = "serving"
    PAUSED = "paused"
    DRAINING = "draining"


class PoolOptions(NamedTuple):
    """A pool's options, as configured.

    Attributes:
        name: the pool's name.
        minimum: how many kernels are kept ready.
        maximum: the cap on all kernels.
        keep_alive: whether a kernel is kept when its client leaves.
        reserve: whether detached kernels are never given up for waiting clients.
        starting: how many kernels may start at the same time.
    """

    name: str
    minimum: int
    maximum: int
    keep_alive: bool = True
    reserve: bool = False
    starting: int = 2


@dataclass(slots=True)
class KernelEntry:
    """One kernel of the pool.

    Attributes:
        number: its number in the pool.
        state: its state.
        since: when it came into that state.
        channel: the channel of its client; 0: it has none.
        busy: whether it evaluates.
        keep: whether it is kept when its client leaves.
    """

    number: int
    state: KernelState
    since: float
    channel: int = 0
    busy: bool = False
    keep: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """A client that waits on `channel` for a kernel, until `deadline`."""

    channel: int
    client: str
    deadline: float
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """An action: start a kernel with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """An action: end this kernel. `why` is for the log."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Attach:
    """An action: give this kernel to the client that requested one."""

    number: int
    request: Request


@dataclass(frozen=True, slots=True)
class Refuse:
    """An action: refuse the request on `channel`. `code` is stable, `text` says why."""

    channel: int
    code: str
    text: str


Action = Start | Stop | Attach | Refuse


class Pool:
    """The policy of one pool on one host. Each event returns the actions that follow from it.

    Attributes:
        options: the pool's options.
        kernels: its kernels by number.
        queue: the clients that wait for a kernel, in order.
        failures: how many starts have failed in a row.
        failing: why kernels do not start at present, or do not last until their first client.
        hopeless: whether, of the kernels that have failed in a row, one never became ready.
        retry_at: when the next start may be tried, after a failure or a refusal by the licence.
        licensed: how many kernels the licence lets run at present; None: as far as is known, all.
        state: as administrators have set it.
        host_drained: whether the whole host gives no kernels out, which counts as DRAINING.
        closed: whether the host is shutting down.
    """

    def __init__(self, options: PoolOptions) -> None:
        self.options = options
        self.kernels: dict[int, KernelEntry] = {}
        self.queue: list[Request] = []
        self.failures = 0
        self.failing = ""
        self.hopeless = False
        self.retry_at = 0.0
        self.licensed: int | None = None
        self._refusal = ""  # the licence's words
        self._failed_at = 0.0
        self.state = PoolState.SERVING
        self.host_drained = False
        self.closed = False
        # Kernels that an administrator had started beside those that are kept ready.
        self._by_hand: set[int] = set()
        self._next_number = 1
        self._actions: list[Action] = []

    def count(self, *states: KernelState) -> int:
        """Return how many kernels are in any of `states`."""
        return sum(1 for kernel in self.kernels.values() if kernel.state in states)

    @property
    def maximum(self) -> int:
        """The cap on all kernels: that of the options, or that of the licence if it is lower."""
        return self.options.maximum if self.licensed is None else min(self.options.maximum, self.licensed)

    @property
    def limited(self) -> str:
        """Why :attr:`maximum` is lower than that of the options; empty: it is not."""
        if self.maximum == self.options.maximum:
            return ""
        return f"the licence lets pool {self.options.name} have no more than {self.licensed} at present ({self._refusal})"

    # ------------------------------------------------------------------ events

    def tick(self, now: float) -> list[Action]:
        """Handle that time has passed. This is also the first event."""
        if self.licensed is not None and now >= self.retry_at:
            self.licensed = None
        for request in [request for request in self.queue if now >= request.deadline]:
            self.queue.remove(request)
            self._actions.append(Refuse(request.channel, "no-kernel", self._why_none()))
        return self._decide(now)

    def acquire(self, request: Request, now: float) -> list[Action]:
        """Queue a client's request for a kernel; it is answered by Attach or Refuse, now or later.

        A request that waits already, on the same channel, is not queued again.
        """
        if self.closed:
            return [Refuse(request.channel, "closing", f"the kernel host of pool {self.options.name} is shutting down")]
        if self.draining:
            return [Refuse(request.channel, "draining", f"pool {self.options.name} is being drained")]
        if not any(waiting.channel == request.channel for waiting in self.queue):
            self.queue.append(request)
        return self._decide(now)

    # ------------------------------------------------------------------ administrators' orders

    @property
    def draining(self) -> bool:
        """Whether no kernel is handed out, and none is kept ready."""
        return self.state is PoolState.DRAINING or self.host_drained

    def turn(self, state: PoolState, now: float) -> list[Action]:
        """Bring the pool into another state."""
        self.state = state
        return self._turned(now)

    def drain_host(self, drained: bool, now: float) -> list[Action]:
        """Stop handing out kernels because the whole host is drained, or hand them out again."""
        self.host_drained = drained
        return self._turned(now)

    def _turned(self, now: float) -> list[Action]:
        if self.draining and not self.closed:
            why = "the host is being drained" if self.host_drained else f"pool {self.options.name} is being drained"
            self._actions += [Refuse(request.channel, "draining", why) for request in self.queue]
            self.queue = []
            for number in self._numbers(KernelState.STARTING, KernelState.READY):
                self._stop(number, why, now)
        return self._decide(now)

    def configure(self, options: PoolOptions, now: float) -> list[Action]:
        """Replace the options.

        Kernels that wait for a first client are ended as far as they are more than are to be kept
        ready, or more than the cap allows.
        """
        before, self.options = self.options, options
        for kernel in self.kernels.values():
            if kernel.keep == before.keep_alive and kernel.state in (KernelState.STARTING, KernelState.READY):
                kernel.keep = options.keep_alive
        coming = self._numbers(KernelState.STARTING, KernelState.READY)
        kept = [number for number in coming if number not in self._by_hand]
        surplus = max(len(kept) - options.minimum - len(self.queue), len(self.kernels) - self.count(KernelState.ENDING) - self.maximum)
        for number in [*reversed(kept), *(number for number in coming if number in self._by_hand)][: max(0, surplus)]:
            self._stop(number, "the pool was made smaller", now)
        return self._decide(now)

    def renew(self, why: str, now: float) -> list[Action]:
        """Replace every kernel that waits for its first client.

        Failures of earlier starts are forgotten, since kernels may start now that did not before.
        """
        for number in self._numbers(KernelState.STARTING, KernelState.READY):
            self._stop(number, why, now)
        self.failures, self.failing, self.hopeless = 0, "", False
        return self._decide(now)

    def start_one(self, now: float) -> list[Action]:
        """Start a kernel beside those that are kept ready. The pool must not be :attr:`full`."""
        assert not self.full
        self._begin(now)
        self._by_hand.add(self._next_number - 1)
        return self._decide(now)

    @property
    def full(self) -> bool:
        """Whether no kernel can be added."""
        return len(self.kernels) >= self.maximum

    def _numbers(self, *states: KernelState) -> list[int]:
        return [number for number, kernel in self.kernels.items() if kernel.state in states]

    # ------------------------------------------------------------------ kernels and clients

    def cancel(self, channel: int, now: float) -> list[Action]:
        """Handle that the client on `channel` no longer waits."""
        self.queue = [request for request in self.queue if request.channel != channel]
        return self._decide(now)

    def ready(self, number: int, now: float) -> list[Action]:
        """Handle that a kernel is initialised."""
        kernel = self.kernels.get(number)
        # A kernel that has been told to end may still have become ready.
        if kernel is not None and kernel.state is KernelState.STARTING:
            self.failures, self.failing, self.hopeless = 0, "", False
            self._move(number, KernelState.READY, now)
        return self._decide(now)

    def ended(self, number: int, now: float, text: str, refusal: str | None = None) -> list[Action]:
        """Handle that a kernel's process is gone.

        Args:
            number: the kernel's number.
            now: the time.
            text: how it ended, which waiting clients are told if it never served anyone.
            refusal: the licence's words, if it did not let the kernel run. While the pool has other
                kernels, this is a cap and not a failure.
        """
        kernel = self.kernels.pop(number)
        self._by_hand.discard(number)
        others = len(self.kernels)
        if not others:
            self.licensed = None
        if kernel.state is KernelState.STARTING and refusal is not None and others and not self.closed:
            self.licensed, self._refusal = others, refusal
            self.retry_at = now + LICENCE_RETRY
        elif kernel.state in (KernelState.STARTING, KernelState.READY) and not self.closed:
            # Kernels that were started together fail together. They count as one failure, or a
            # large pool would have a long back-off at once.
            if not self.failures or kernel.since > self._failed_at:
                self.retry_at = now + BACK_OFF[min(self.failures, len(BACK_OFF) - 1)]
                self.failures += 1
                self._failed_at = now
            self.failing = text
            self.hopeless = self.hopeless or kernel.state is KernelState.STARTING
        return self._decide(now)

    def attach(self, number: int, channel: int, now: float) -> None:
        """Note that a client has attached to a kernel by its id."""
        kernel = self.kernels[number]
        self._move(number, KernelState.ATTACHED, now)
        kernel.channel = channel

    def detached(self, number: int, now: float) -> list[Action]:
        """Handle that a kernel's client has gone."""
        kernel = self.kernels.get(number)
        if kernel is not None and kernel.state is KernelState.ATTACHED:
            kernel.channel = 0
            if kernel.keep and not self.closed:
                self._move(number, KernelState.DETACHED, now)
            else:
                self._stop(number, "its client has gone", now)
        return self._decide(now)

    def unused(self, number: int, now: float) -> list[Action]:
        """Handle that a kernel's client has gone without a request: another client may have it."""
        kernel = self.kernels.get(number)
        if kernel is not None and kernel.state is KernelState.ATTACHED:
            kernel.channel, kernel.keep = 0, self.options.keep_alive
            if self.draining:
                self._stop(number, "its client has gone, and no other gets it: its pool is being drained", now)
            elif self.count(KernelState.READY) >= max(1, self.options.minimum) and not self.queue:
                self._stop(number, "its successor is there already", now)
            else:
                self._move(number, KernelState.READY, now)
        return self._decide(now)

    def keep_alive(self, number: int, keep: bool) -> None:
        """Note whether a client wants its kernel to be kept when it leaves."""
        self.kernels[number].keep = keep

    @property
    def spare(self) -> int:
        """How many detached kernels may be given up for waiting clients."""
        return 0 if self.options.reserve or self.failures else len(self._idle())

    def _idle(self) -> list[KernelEntry]:
        return [kernel for kernel in self.kernels.values() if kernel.state is KernelState.DETACHED and not kernel.busy]

    def unwanted(self, number: int, now: float, why: str) -> list[Action]:
        """End a kernel, whatever the pool's rules are."""
        if number in self.kernels:
            self._stop(number, why, now)
        return self._decide(now)

    def busy(self, number: int, busy: bool, now: float) -> list[Action]:
        """Handle that a kernel has begun or ended an evaluation."""
        kernel = self.kernels.get(number)
        if kernel is None:
            return []
        kernel.busy = busy
        return [] if busy or not self.queue else self._decide(now)

    def close(self, now: float) -> list[Action]:
        """Refuse every waiting client, and end every kernel."""
        self.closed = True
        for request in self.queue:
            text = f"the kernel host of pool {self.options.name} is shutting down"
            self._actions.append(Refuse(request.channel, "closing", text))
        self.queue = []
        for number in list(self.kernels):
            self._stop(number, "the host is shutting down", now)
        return self._take()

    def next_event(self) -> float | None:
        """Return when :meth:`tick` is next due; None: not before another event."""
        times = [request.deadline for request in self.queue]
        if self.failures and self._wanted() > 0 and not self.count(KernelState.STARTING):
            times.append(self.retry_at)
        if self.licensed is not None and self.options.minimum + len(self.queue) > self.count(KernelState.STARTING, KernelState.READY):
            times.append(self.retry_at)
        return min(times, default=None)

    # ------------------------------------------------------------------ decisions

    def _decide(self, now: float) -> list[Action]:
        if not self.closed:
            self._hand_out(now)
            self._make_room(now)
            self._start(now)
            self._refuse_at_once()
        return self._take()

    def _hand_out(self, now: float) -> None:
        while self.queue and self.state is PoolState.SERVING:
            ready = next((kernel for kernel in self.kernels.values() if kernel.state is KernelState.READY), None)
            if ready is None:
                return
            request = self.queue.pop(0)
            self._move(ready.number, KernelState.ATTACHED, now)
            self._by_hand.discard(ready.number)
            ready.channel = request.channel
            self._actions.append(Attach(ready.number, request))

    def _make_room(self, now: float) -> None:
        """Give up the kernels detached and idle longest, for clients that wait at the cap."""
        # While starts fail, a session is not given up for a kernel that may not start.
        if self.options.reserve or self.failures or self.state is not PoolState.SERVING:
            return
        coming = self.count(KernelState.STARTING, KernelState.ENDING)
        while len(self.queue) > coming and len(self.kernels) >= self.maximum:
            oldest = min(self._idle(), key=lambda kernel: kernel.since, default=None)
            if oldest is None:
                return
            self._stop(oldest.number, "detached longest and idle, and its place is needed", now)
            coming += 1

    def _wanted(self) -> int:
        """Return how many more kernels should be started, as far as the cap allows."""
        if self.draining:
            return 0
        waiting_or_spare = self.options.minimum + len(self.queue)
        wanted = waiting_or_spare - self.count(KernelState.STARTING, KernelState.READY) + len(self._by_hand)
        return min(wanted, self.maximum - len(self.kernels))

    def _start(self, now: float) -> None:
        # While starts fail, one kernel at a time is tried, and none before the back-off is over.
        limit = 1 if self.failures else self.options.starting
        while self._wanted() > 0 and self.count(KernelState.STARTING) < limit and (not self.failures or now >= self.retry_at):
            self._begin(now)

    def _begin(self, now: float) -> None:
        number = self._next_number
        self._next_number += 1
        self.kernels[number] = KernelEntry(number, KernelState.STARTING, now, keep=self.options.keep_alive)
        self._actions.append(Start(number))

    def _refuse_at_once(self) -> None:
        """Refuse waiting clients while kernels do not start and none is being tried."""
        if self.hopeless and not self.count(KernelState.STARTING):
            self._actions += [Refuse(request.channel, "no-kernel", self._why_none()) for request in self.queue]
            self.queue = []

    def _stop(self, number: int, why: str, now: float) -> None:
        if self.kernels[number].state is not KernelState.ENDING:
            self._by_hand.discard(number)
            self._move(number, KernelState.ENDING, now)
            self._actions.append(Stop(number, why))

    def _move(self, number: int, state: KernelState, now: float) -> None:
        kernel = self.kernels[number]
        assert state in TRANSITIONS[kernel.state], f"kernel {number} of pool {self.options.name}: {kernel.state.value} to {state.value}"
        kernel.state, kernel.since = state, now

    def _why_none(self) -> str:
        name = self.options.name
        if self.state is PoolState.PAUSED:
            return f"no kernel came free: pool {name} is paused by an administrator"
        if self.failing:
            return f"no kernel came free: the kernels of pool {name} do not start: {self.failing}"
        if self.limited and len(self.kernels) >= self.maximum:
            return f"no kernel came free: {self.limited}"
        if len(self.kernels) >= self.options.maximum:
            return f"no kernel came free: pool {name} is at its maximum of {self.options.maximum}; close one, or raise MaximumKernelNumber"
        return f"no kernel came free: the kernels of pool {name} are still starting"

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    def validate(self) -> None:
        """Check the invariants; for tests.

        Raises:
            AssertionError: one does not hold.
        """
        # Lowering the cap ends no sessions, so they alone may be more than the cap.
        coming, ending = self.count(KernelState.STARTING, KernelState.READY), self.count(KernelState.ENDING)
        assert len(self.kernels) - ending <= self.options.maximum or not coming, "more kernels than the cap"
        assert self._by_hand <= set(self._numbers(KernelState.STARTING, KernelState.READY))
        if self.draining:
            assert not self.queue and not self.count(KernelState.STARTING, KernelState.READY), "a drained pool has kernels to give"
        channels = [kernel.channel for kernel in self.kernels.values() if kernel.channel]
        assert len(channels) == len(set(channels)), "two kernels on one channel"
        for kernel in self.kernels.values():
            assert (kernel.channel != 0) <= (kernel.state in (KernelState.ATTACHED, KernelState.ENDING))
        if self.queue:
            paused = self.state is PoolState.PAUSED
            assert not self.count(KernelState.READY) or self.closed or paused, "someone waits and a kernel is ready"
            assert self.count(KernelState.STARTING) or not self.hopeless, "someone waits for kernels that do not start"

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

Clients wait in the order in which they came; the stronger demand comes first
(:data:`kernelbus.bus.protocol.messages.Demand`). At the cap, a session is given up for a client
that has asked for a kernel, and one that nobody can come back to for a client that listens for one;
none for a link's automatic kernel, and none where `ReservePreviouslyConnectedKernels` forbids it.
:mod:`kernelbus.kernelhost.pools.keeping` says which session, and when one is safe.

Kernels that fail to start are tried again with a back-off of 1 to 60 s, one at a time. Clients
wait on while the pool has any kernel that may come free. If it has none they are refused at once,
with the reason; but a pool whose kernels have started before is given some attempts first. A start
that fails because the host is short of something (descriptors, processes, memory) says nothing of
the kernel: it is tried again soon, and nobody is refused for it.

A licence acts as a cap: when it does not let a kernel run while the pool has others, the number of
the others is the pool's maximum for :data:`LICENCE_RETRY` seconds. Only such a refusal shows how
many kernels the licence allows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from kernelbus.bus.protocol.messages import Demand, rank
from kernelbus.bus.settings.networks import address_of
from kernelbus.kernelhost.pools.keeping import (
    Activity,
    Timeouts,
    Worth,
    overdue,
    safe_for,
    time_of,
    warned_before,
    warning_of,
)

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
    "Warn",
]

#: Seconds before another kernel is started after the licence has not let one run.
LICENCE_RETRY = 60.0
#: The longest back-off while the host is short of something.
SHORT_RETRY = 4.0
#: Failures in a row after which a pool whose kernels have started before refuses its clients.
_ATTEMPTS = 3
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
        timeouts: how long sessions are safe.
        kernels_per_address: how many kernels clients of one address may be attached to; 0: any
            number.
        sessions_per_address: the same for all sessions, detached ones included.
    """

    name: str
    minimum: int
    maximum: int
    keep_alive: bool = True
    reserve: bool = False
    starting: int = 2
    timeouts: Timeouts = Timeouts()
    kernels_per_address: int = 0
    sessions_per_address: int = 0


@dataclass(slots=True)
class KernelEntry:
    """One kernel of the pool.

    Attributes:
        number: its number in the pool.
        state: its state.
        since: when it came into that state.
        channel: the channel of its client; 0: it has none.
        activity: what it does.
        changed: when it began to do that.
        keep: whether it is kept when its client leaves.
        worth: what its session is worth, while it is detached.
        address: the address of its client, or of its last one.
        warned: whether the log has said that its session may be given up soon.
        ends_at: when a session ends in any case of which the log has said so.
    """

    number: int
    state: KernelState
    since: float
    channel: int = 0
    activity: Activity = Activity.IDLE
    changed: float = 0.0
    keep: bool = True
    worth: Worth = Worth.LEFTOVER
    address: str = ""
    warned: bool = False
    ends_at: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether it has something to answer."""
        return self.activity is not Activity.IDLE

    @property
    def leftover(self) -> bool:
        """Whether its client has left and nobody can come back to it."""
        return self.state is KernelState.DETACHED and self.worth is not Worth.KEPT


@dataclass(frozen=True, slots=True)
class Request:
    """A client that waits on `channel` for a kernel, until `deadline`.

    Attributes:
        client: its address and port.
        profile: the name of its session.
        demand: how the client has asked.
        told: whether the client is told the kernel's id.
        keep: whether the kernel is kept when the client leaves; None: as the pool's options say.
    """

    channel: int
    client: str
    deadline: float
    profile: str = ""
    demand: Demand = "asked"
    told: bool = False
    keep: bool | None = None

    @property
    def address(self) -> str:
        """The client's address, as limits count it."""
        return address_of(self.client)


@dataclass(frozen=True, slots=True)
class Start:
    """An action: start a kernel with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """An action: end this kernel. `why` is for the log.

    `gives_up`: whether a session that was to be kept ends, for want of a place or by a time-out.
    """

    number: int
    why: str
    gives_up: bool = False


@dataclass(frozen=True, slots=True)
class Warn:
    """An action: say in the log that this kernel's session may be given up soon, and why."""

    number: int
    text: str


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


Action = Start | Stop | Warn | Attach | Refuse


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
        self._proven = False  # whether a kernel of this kind has ever become ready
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
        self._now = 0.0  # the time of the last event
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

        A request that waits already, on the same channel, keeps its place.
        """
        if self.closed:
            return [Refuse(request.channel, "closing", f"the kernel host of pool {self.options.name} is shutting down")]
        if self.draining:
            return [Refuse(request.channel, "draining", f"pool {self.options.name} is being drained")]
        if request.demand == "asked" and (why := self.too_many(request.address)):
            self.queue = [waiting for waiting in self.queue if waiting.channel != request.channel]
            return [Refuse(request.channel, "address-limit", why), *self._decide(now)]
        for place, waiting in enumerate(self.queue):
            if waiting.channel == request.channel:
                self.queue[place] = request
                break
        else:
            self.queue.append(request)
        return self._decide(now)

    def too_many(self, address: str, new: bool = True) -> str:
        """Say which limit a client of `address` is over if it gets a kernel; empty: none.

        `new`: whether the kernel would be a session more.
        """
        of_address = [kernel for kernel in self.kernels.values() if kernel.address == address]
        attached = sum(1 for kernel in of_address if kernel.state is KernelState.ATTACHED)
        sessions = attached + sum(1 for kernel in of_address if kernel.state is KernelState.DETACHED)
        name, options = self.options.name, self.options
        if options.kernels_per_address and attached >= options.kernels_per_address:
            return f"clients of {address} are attached to {attached} kernels of pool {name}, as many as KernelsPerAddress allows"
        if new and options.sessions_per_address and sessions >= options.sessions_per_address:
            return f"address {address} has {sessions} sessions in pool {name}, as many as SessionsPerAddress allows: close one"
        return ""

    def _entitled(self) -> Iterator[Request]:
        """Yield the requests that may be met, in their order.

        A request of an address that is over a limit waits, since its client may name a kernel that
        it has already.
        """
        waiting = sorted(self.queue, key=lambda request: rank(request.demand))
        limited = self.options.kernels_per_address or self.options.sessions_per_address
        return (request for request in waiting if not (limited and self.too_many(request.address)))

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
            kernel.warned = kernel.warned and before.timeouts == options.timeouts
            if kernel.keep == before.keep_alive and kernel.state in (KernelState.STARTING, KernelState.READY):
                kernel.keep = options.keep_alive
        coming = self._numbers(KernelState.STARTING, KernelState.READY)
        kept = [number for number in coming if number not in self._by_hand]
        surplus = max(len(kept) - options.minimum - self._waiting(), len(self.kernels) - self.count(KernelState.ENDING) - self.maximum)
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
        self._proven = False
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
            self._proven = True
            self._move(number, KernelState.READY, now)
        return self._decide(now)

    def ended(self, number: int, now: float, text: str, refusal: str | None = None, short: bool = False) -> list[Action]:
        """Handle that a kernel's process is gone.

        Args:
            number: the kernel's number.
            now: the time.
            text: how it ended, which waiting clients are told if it never served anyone.
            refusal: the licence's words, if it did not let the kernel run. While the pool has other
                kernels, this is a cap and not a failure.
            short: whether it could not be started because the host is short of something.
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
                wait = BACK_OFF[min(self.failures, len(BACK_OFF) - 1)]
                self.retry_at = now + (min(wait, SHORT_RETRY) if short else wait)
                self.failures += 1
                self._failed_at = now
            self.failing = text
            self.hopeless = self.hopeless or (kernel.state is KernelState.STARTING and not short)
        return self._decide(now)

    def attach(self, number: int, channel: int, now: float, client: str = "", keep: bool | None = None) -> None:
        """Note that a client has attached to a kernel by its id.

        `keep`: whether the kernel is kept when the client leaves; None: as before.
        """
        kernel = self.kernels[number]
        self._move(number, KernelState.ATTACHED, now)
        kernel.channel, kernel.address = channel, address_of(client)
        if keep is not None:
            kernel.keep = keep

    def detached(self, number: int, now: float, worth: Worth = Worth.LEFTOVER) -> list[Action]:
        """Handle that a kernel's client has gone; `worth` is what the session is worth now."""
        kernel = self.kernels.get(number)
        if kernel is not None and kernel.state is KernelState.ATTACHED:
            kernel.channel, kernel.worth = 0, worth
            if kernel.keep and not self.closed:
                self._move(number, KernelState.DETACHED, now)
            else:
                self._stop(number, "its client has gone", now)
        return self._decide(now)

    def unused(self, number: int, now: float) -> list[Action]:
        """Handle that a kernel's client has gone without a request: another client may have it."""
        kernel = self.kernels.get(number)
        if kernel is not None and kernel.state is KernelState.ATTACHED:
            kernel.channel, kernel.keep, kernel.address = 0, self.options.keep_alive, ""
            if self.draining:
                self._stop(number, "its client has gone, and no other gets it: its pool is being drained", now)
            elif self.count(KernelState.READY) >= max(1, self.options.minimum) and not self._waiting():
                self._stop(number, "its successor is there already", now)
            else:
                self._move(number, KernelState.READY, now)
                self._end_surplus(max(1, self.options.minimum), "a kernel has come back unused", now, KernelState.STARTING)
        return self._decide(now)

    def _end_surplus(self, minimum: int, why: str, now: float, *ends: KernelState) -> None:
        """End kernels that wait for a first client, or will, beyond those that are kept ready.

        Args:
            minimum: how many are kept.
            why: for the log.
            now: the time.
            ends: the states of those that may be ended.
        """
        kept = [number for number in self._numbers(KernelState.STARTING, KernelState.READY) if number not in self._by_hand]
        surplus = max(0, len(kept) - minimum - self._waiting())
        for number in [number for number in reversed(kept) if self.kernels[number].state in ends][:surplus]:
            self._stop(number, why, now)

    def keep_alive(self, number: int, keep: bool) -> None:
        """Note whether a client wants its kernel to be kept when it leaves."""
        self.kernels[number].keep = keep

    def spare(self, now: float) -> tuple[int, int]:
        """Return how many sessions may be given up, and how many of those nobody can come back to.
        """
        exposed = [] if self.failures else self._exposed(now)
        return len(exposed), sum(1 for kernel in exposed if kernel.leftover)

    def safe(self, activity: Activity) -> float:
        """Return how long a session that somebody can come back to is safe; 0: for ever."""
        if self.options.reserve and not self.ends_sessions(activity):
            return 0.0
        return safe_for(self.options.timeouts, Worth.KEPT, activity) or 0.0

    def ends_sessions(self, activity: Activity) -> bool:
        """Whether a session that somebody can come back to ends after the time of :meth:`safe` in
        any case; else it ends only for a client that needs its place.
        """
        return time_of(Worth.KEPT, activity) in self.options.timeouts.ends

    def _safe_until(self, kernel: KernelEntry) -> float | None:
        """Return from when on a kernel's session may be given up; None: it is safe."""
        seconds = self._safe_for(kernel)
        return None if seconds is None else max(kernel.since, kernel.changed) + seconds

    def _safe_for(self, kernel: KernelEntry) -> float | None:
        """Return how long a kernel's session is safe in its present state; None: without end."""
        timeouts = self.options.timeouts
        if kernel.state is KernelState.DETACHED and (not self.options.reserve or self._ends(kernel)):
            return safe_for(timeouts, kernel.worth, kernel.activity)
        if kernel.state is KernelState.ATTACHED and kernel.activity is Activity.IDLE:
            return timeouts.attached or None
        return None

    def _ends(self, kernel: KernelEntry) -> bool:
        """Whether the time-out that a kernel's session is under ends it in any case."""
        client = kernel.state is KernelState.ATTACHED
        return time_of(kernel.worth, kernel.activity, client=client) in self.options.timeouts.ends

    def _warning_at(self, kernel: KernelEntry) -> float | None:
        """Return when the log is to warn that a kernel's session may be given up; None: never.

        Nobody could do anything about a session that nobody can come back to.
        """
        seconds = None if kernel.warned or kernel.leftover else self._safe_for(kernel)
        return None if seconds is None else max(kernel.since, kernel.changed) + seconds - warned_before(seconds)

    def _warn(self, now: float) -> None:
        for kernel in self.kernels.values():
            due, until = self._warning_at(kernel), self._safe_until(kernel)
            if due is None or until is None or due > now:
                continue
            self._announce(kernel, now, max(now, until))

    def _announce(self, kernel: KernelEntry, now: float, until: float) -> None:
        """Warn that a kernel's session may be given up, or ends, at `until`."""
        kernel.warned, kernel.ends_at = True, until
        spent, client = now - max(kernel.since, kernel.changed), kernel.state is KernelState.ATTACHED
        text = warning_of(self.options.timeouts, kernel.activity, spent, until - now, client=client)
        self._actions.append(Warn(kernel.number, text))

    def _end_overdue(self, now: float) -> None:
        """End the sessions whose time-out ends them in any case.

        One that is over it already, since the time-out is new or nobody looked in time, is warned
        of first, too.
        """
        for kernel in filter(self._ends, self._exposed(now)):
            if not kernel.warned and not kernel.leftover:
                self._announce(kernel, now, now + warned_before(self._safe_for(kernel) or 0.0))
            elif kernel.leftover or kernel.ends_at <= now:
                self._give_up(kernel, now, needed=False)

    def _exposed(self, now: float) -> list[KernelEntry]:
        """Return the kernels that may be given up, those that go first before the others."""
        due = [(self._safe_until(kernel), kernel) for kernel in self.kernels.values()]
        exposed = [kernel for until, kernel in due if until is not None and until <= now]
        return sorted(exposed, key=lambda kernel: (kernel.state is KernelState.ATTACHED, kernel.worth, kernel.busy, kernel.since))

    def _give_up(self, kernel: KernelEntry, now: float, needed: bool) -> None:
        if kernel.leftover:
            why = f"its client left {now - kernel.since:.0f} s ago and nobody was told its id"
        else:
            why = overdue(kernel.activity, now - max(kernel.since, kernel.changed), client=kernel.state is KernelState.ATTACHED)
        self._stop(kernel.number, f"given up: {'its place is needed, and ' if needed else ''}{why}", now, gives_up=True)

    def unwanted(self, number: int, now: float, why: str) -> list[Action]:
        """End a kernel, whatever the pool's rules are."""
        if number in self.kernels:
            self._stop(number, why, now)
        return self._decide(now)

    def give_up(self, number: int, now: float, why: str) -> list[Action]:
        """End a kernel whose place another client needs, as the broker says."""
        if number in self.kernels:
            self._stop(number, f"given up: {why}", now, gives_up=True)
        return self._decide(now)

    def busy(self, number: int, activity: Activity, now: float) -> list[Action]:
        """Handle that a kernel does something else now."""
        kernel = self.kernels.get(number)
        if kernel is None or kernel.activity is activity:
            return []
        kernel.activity, kernel.changed, kernel.warned = activity, now, False
        return [] if kernel.busy or not self.queue else self._decide(now)

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
        for when in (self._safe_until, self._warning_at):
            times += [due for due in map(when, self.kernels.values()) if due is not None and due > self._now]
        times += [kernel.ends_at for kernel in self.kernels.values() if kernel.warned and kernel.ends_at > self._now]
        if self.licensed is not None and self.options.minimum + self._waiting() > self.count(KernelState.STARTING, KernelState.READY):
            times.append(self.retry_at)
        return min(times, default=None)

    # ------------------------------------------------------------------ decisions

    def _decide(self, now: float) -> list[Action]:
        self._now = now
        if not self.closed:
            if self.options.timeouts.ends:
                self._end_overdue(now)
            self._hand_out(now)
            self._make_room(now)
            self._warn(now)
            self._start(now)
            self._refuse_at_once()
        return self._take()

    def _hand_out(self, now: float) -> None:
        while self.queue and self.state is PoolState.SERVING:
            ready = next((kernel for kernel in self.kernels.values() if kernel.state is KernelState.READY), None)
            request = next(self._entitled(), None)
            if ready is None or request is None:
                return
            self.queue.remove(request)
            self._move(ready.number, KernelState.ATTACHED, now)
            self._by_hand.discard(ready.number)
            ready.channel, ready.address = request.channel, request.address
            if request.keep is not None:
                ready.keep = request.keep
            self._actions.append(Attach(ready.number, request))

    def _make_room(self, now: float) -> None:
        """Give sessions up for clients that wait at the cap, as far as their demand allows."""
        # While starts fail, a session is not given up for a kernel that may not start.
        if self.failures or self.state is not PoolState.SERVING or len(self.kernels) < self.maximum:
            return
        coming = self.count(KernelState.STARTING, KernelState.ENDING)
        exposed = self._exposed(now) if self.queue else []
        # Those that nobody can come back to are the first of the exposed ones.
        for request, kernel in zip(itertools.islice(self._entitled(), coming, None), exposed, strict=False):
            if request.demand == "asked" or (request.demand == "listens" and kernel.leftover):
                self._give_up(kernel, now, needed=True)

    def _waiting(self) -> int:
        """Return how many requests wait that may be met."""
        return sum(1 for _ in self._entitled())

    def _wanted(self) -> int:
        """Return how many more kernels should be started, as far as the cap allows."""
        if self.draining:
            return 0
        waiting_or_spare = self.options.minimum + self._waiting()
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
        """Refuse waiting clients if kernels do not start, and none is there that may come free."""
        if self._lost_hope:
            self._actions += [Refuse(request.channel, "no-kernel", self._why_none()) for request in self.queue]
            self.queue = []

    @property
    def _lost_hope(self) -> bool:
        return self.hopeless and not self.kernels and (not self._proven or self.failures >= _ATTEMPTS)

    def _stop(self, number: int, why: str, now: float, gives_up: bool = False) -> None:
        if self.kernels[number].state is not KernelState.ENDING:
            self._by_hand.discard(number)
            self._move(number, KernelState.ENDING, now)
            self._actions.append(Stop(number, why, gives_up))

    def _move(self, number: int, state: KernelState, now: float) -> None:
        kernel = self.kernels[number]
        assert state in TRANSITIONS[kernel.state], f"kernel {number} of pool {self.options.name}: {kernel.state.value} to {state.value}"
        kernel.state, kernel.since, kernel.warned = state, now, False

    def _why_none(self) -> str:
        name = self.options.name
        if self.state is PoolState.PAUSED:
            return f"no kernel came free: pool {name} is paused by an administrator"
        if self.failing:
            return f"no kernel came free: the kernels of pool {name} do not start: {self.failing}"
        if self.limited and len(self.kernels) >= self.maximum:
            return f"no kernel came free: {self.limited}"
        if len(self.kernels) >= self.options.maximum and not self._numbers(KernelState.STARTING):
            return f"no kernel came free: pool {name} is at its maximum of {self.options.maximum}; close one, or raise MaximumKernelNumber"
        return f"no kernel came free: kernels of pool {name} are still starting; ask again, or raise ConnectionTimeout"

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
        if self._waiting():
            paused = self.state is PoolState.PAUSED
            assert not self.count(KernelState.READY) or self.closed or paused, "someone waits and a kernel is ready"
            assert not self._lost_hope, "someone waits for kernels that do not start"

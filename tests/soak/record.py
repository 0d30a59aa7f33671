"""Keep what happens during a soak: what was done, what was broken on purpose, and what went wrong.

No I/O: times are arguments, in seconds since the soak began. Actors of any thread write to it.

A session may end only for a reason that somebody has noted here before: its client closed it, or
its kernel or its host was killed. Every other end is a *loss*.
"""

from __future__ import annotations

import math
import re
import statistics
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Fault", "Owned", "Record", "Sample", "grown", "kind_of", "more_descriptors"]

#: How many events and faults are kept; there may be many in half an hour.
_EVENTS = 20_000
_FAULTS = 200

#: Kinds of faults. The first three are what a server promises never to do; the others say that
#: something is left, or is not as it should be.
WRONG, LOST, STUCK, LEFT, BROKEN = "wrong", "lost", "stuck", "left", "broken"

MIB = 1 << 20

#: A kernel that was killed so shortly before, in seconds, may still have been given to a client.
_JUST = 5.0
#: How long a kernel may be ending, in seconds.
_ENDING = 30.0


@dataclass(slots=True)
class Owned:
    """A session that belongs to a client, as far as the client knows it.

    `host` is the process id of its kernel's host, 0 where that was not seen in time. `since`: when
    the kernel was asked for.
    """

    kernel: str
    pid: int
    host: int
    since: float
    grown: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that must not happen."""

    at: float
    kind: str
    actor: str
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What a part used at one time: bytes, descriptors, threads; and its children and their bytes.
    """

    at: float
    pid: int
    memory: int
    descriptors: int
    threads: int
    children: int
    children_memory: int


@dataclass(slots=True)
class Record:
    """What is kept of a soak; its methods may be called from any thread."""

    seed: int
    seconds: float
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    events: list[tuple[float, str, str]] = field(default_factory=list)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    waits: dict[str, list[float]] = field(default_factory=dict)
    killed: dict[int, float] = field(default_factory=dict)
    hosts_killed: dict[int, float] = field(default_factory=dict)
    closed: dict[str, float] = field(default_factory=dict)
    detached: set[str] = field(default_factory=set)
    ending: dict[tuple[str, str], float] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def count(self, what: str, number: int = 1) -> None:
        """Count something that was done."""
        with self._lock:
            self.counts[what] += number

    def error(self, where: str, text: str) -> None:
        """Count an error that a client got and may get, by its kind."""
        kind = f"{where}: {kind_of(text)}"
        with self._lock:
            self.errors[kind] += 1
            self.examples.setdefault(kind, text)

    def fault(self, at: float, kind: str, actor: str, text: str) -> None:
        """Keep something that must not happen."""
        with self._lock:
            self.counts[f"faults: {kind}"] += 1
            if len(self.faults) < _FAULTS:
                self.faults.append(Fault(at, kind, actor, text))

    def event(self, at: float, what: str, text: str) -> None:
        """Keep what an administrator or a killer did."""
        with self._lock:
            self.counts[what] += 1
            if len(self.events) < _EVENTS:
                self.events.append((at, what, text))

    def waited(self, what: str, seconds: float) -> None:
        """Keep how long something took."""
        with self._lock:
            self.waits.setdefault(what, []).append(seconds)

    def sample(self, part: str, sample: Sample) -> None:
        """Keep what a part uses."""
        with self._lock:
            self.samples.setdefault(part, []).append(sample)

    # ------------------------------------------------------------------ why sessions end

    def kill_kernel(self, at: float, pid: int) -> None:
        """Note, before it is done, that a kernel is killed."""
        with self._lock:
            self.killed[pid] = at

    def kill_host(self, at: float, pid: int) -> None:
        """Note, before it is done, that a host is killed, with all its kernels."""
        with self._lock:
            self.hosts_killed[pid] = at

    def close(self, at: float, kernel: str) -> None:
        """Note, before it is done, that a session is closed on purpose."""
        with self._lock:
            self.closed[kernel] = at

    def explain(self, session: Owned) -> str:
        """Return why a session is over, or "" when nobody has noted a reason: it is lost."""
        with self._lock:
            if session.kernel in self.closed:
                return "closed"
            if session.pid and self.killed.get(session.pid, -math.inf) >= session.since - _JUST:
                return "kernel killed"
            if not session.pid and any(at >= session.since - _JUST for at in self.killed.values()):
                return "kernel killed"  # its client had not seen yet which process it was
            if session.host:
                return "host killed" if session.host in self.hosts_killed else ""
            # It was not seen which host it was.
            return "host killed" if any(at >= session.since - _JUST for at in self.hosts_killed.values()) else ""

    def see_ending(self, site: str, at: float, ending: Sequence[str]) -> list[str]:
        """Take the kernels that a status of a site shows as ending; return those that have been so
        for long.
        """
        with self._lock:
            now = {(site, kernel): self.ending.get((site, kernel), at) for kernel in ending}
            self.ending = {key: since for key, since in self.ending.items() if key[0] != site} | now
            return [kernel for (_, kernel), since in now.items() if at - since > _ENDING]


def kind_of(text: str) -> str:
    """Return an error's text without what differs from one error of its kind to the next."""
    text = text.splitlines()[0] if text else ""
    text = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", "ID", text)
    text = re.sub(r"(?<=kernel )(?=\S*\d)\S{8,}", "ID", text)
    return re.sub(r"\d+(\.\d+)?", "N", text)[:160]


def grown(samples: Sequence[Sample]) -> int:
    """Return by how many bytes a part has grown from the second fifth of its life to the last one.

    Medians, so that one flood at the end is no growth. The first fifth is for warming up. Only the
    last process of the part counts.
    """
    own = [sample for sample in samples if sample.pid == samples[-1].pid] if samples else []
    if len(own) < 25:
        return 0
    fifth = len(own) // 5
    before, after = (statistics.median(sample.memory for sample in part) for part in (own[fifth : 2 * fifth], own[-fifth:]))
    return int(after - before)


def more_descriptors(samples: Sequence[Sample]) -> int:
    """Return how many descriptors more a part has at its end than it had when it had just begun.

    The few samples in which it starts, and has yet to open what it always has, do not count.
    """
    own = [sample for sample in samples if sample.pid == samples[-1].pid] if samples else []
    if len(own) < 25:
        return 0
    return own[-1].descriptors - min(sample.descriptors for sample in own[10:])

"""Keep the session table: every kernel that exists, and what became of those that are over.

Rules of this module: no socket, clock or file. Hosts report their kernels; the table remembers how
a kernel ended, or with which host it was lost, for clients that ask for it. Times that are shown or
kept are wall-clock times, in seconds since 1970, which callers pass in. What has to outlive the
broker is taken from :meth:`SessionTable.changes` by whoever journals it, and comes back through
:meth:`SessionTable.restore`.

| session state | meaning |
|---|---|
| starting, ready | the kernel has had no client; none can ask for it, and it is not journaled |
| attached | a client has the kernel, which may be evaluating |
| detached | no client has the kernel, which may be evaluating |
| ending | the kernel was told to end |
| awaited | an earlier broker knew the session; its host has not come back yet |
| ended | the kernel is gone, and the text says how; remembered for a time |
| lost | the kernel's host did not come back; remembered for a time |
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final, Protocol

from kernelbus.bus.protocol.messages import KernelReport
from kernelbus.bus.protocol.reports import StoryEvent

__all__ = ["AWAITED", "ENDED", "LOST", "TRANSITIONS", "Owner", "Session", "SessionRecord", "SessionTable"]

AWAITED, ENDED, LOST = "awaited", "ended", "lost"

#: The states that may follow each state of a session. None stands for one that is not known. What
#: is reported to the table may have passed through several of them since the last report.
TRANSITIONS: Final[dict[str | None, frozenset[str | None]]] = {
    None: frozenset({"starting", AWAITED}),
    "starting": frozenset({"ready", "ending", None}),
    "ready": frozenset({"attached", "ending", None}),
    "attached": frozenset({"detached", "ready", "ending", ENDED, LOST}),
    "detached": frozenset({"attached", "ending", ENDED, LOST}),
    "ending": frozenset({ENDED, LOST, None}),
    AWAITED: frozenset({"attached", "detached", ENDED, LOST}),
    ENDED: frozenset({None}),
    # A host that comes back after all brings its sessions with it.
    LOST: frozenset({"attached", "detached", None}),
}

#: How many sessions that are over are remembered, and for how many seconds.
_REMEMBERED = 10_000
_REMEMBERED_FOR = 7 * 86400.0
#: How many events of each session are kept.
_EVENTS = 100


class Owner(Protocol):
    """A host, as far as the table needs it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as it is journaled. Times are wall-clock seconds since 1970."""

    kernel: str
    pool: str
    host: str  #: the host's name, for people
    host_id: str  #: its identity on the bus
    state: str
    created: float
    changed: float
    text: str = ""  #: how it ended
    prompt: str = ""
    client: str = ""
    profile: str = ""
    evaluations: int = 0
    attachments: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def over(self) -> bool:
        """Whether its kernel is gone."""
        return self.state in (ENDED, LOST)

    @property
    def fields(self) -> dict[str, object]:
        """The fields of a log line about it."""
        return {"kernel": self.kernel, "session": self.kernel, "pool": self.pool, "host": self.host}


@dataclass(slots=True)
class Session:
    """A kernel's life, as its host last reported it.

    `since`: when it came into its state; `heard`: when it was last reported. Times are by the wall
    clock.
    """

    report: KernelReport
    host: Owner
    created: float
    since: float
    heard: float

    @property
    def state(self) -> str:
        """The session's state; see the module's table."""
        return self.report.state

    def record(self, now: float) -> SessionRecord:
        """Return the record to journal; `now` becomes the time of its last change."""
        report = self.report
        return SessionRecord(
            report.kernel,
            report.pool,
            self.host.name,
            self.host.id,
            self.state,
            self.created,
            now,
            "",
            report.prompt,
            report.client,
            report.profile,
            report.evaluations,
            report.attachments,
            report.bytes_in,
            report.bytes_out,
        )


class SessionTable:
    """All sessions.

    Attributes:
        live: the kernels whose hosts are there, by id.
        awaited: the journaled sessions whose hosts are not there yet, by id.
        over: the sessions that have ended or were lost, by id, oldest first.
    """

    def __init__(self) -> None:
        self.live: dict[str, Session] = {}
        self.awaited: dict[str, SessionRecord] = {}
        self.over: dict[str, SessionRecord] = {}
        self._changed: dict[str, SessionRecord | None] = {}
        self._stories: dict[str, deque[StoryEvent]] = {}

    def restore(self, records: list[SessionRecord], now: float) -> None:
        """Take the records that an earlier broker journaled.

        Of a session that is known already, the record is passed over.
        """
        known = self.live.keys() | self.awaited.keys() | self.over.keys()
        for record in sorted((record for record in records if record.kernel not in known), key=lambda record: record.changed):
            if record.over:
                self.over[record.kernel] = record
            else:
                self.awaited[record.kernel] = replace(record, state=AWAITED, client="")
        self._forget(now)

    def records(self, now: float) -> list[SessionRecord]:
        """Return all that has to outlive the broker, for a journal that is written anew."""
        live = [session.record(now) for session in self.live.values() if session.report.attachments]
        return [*self.over.values(), *self.awaited.values(), *live]

    def changes(self) -> dict[str, SessionRecord | None]:
        """Take the changes to journal since the last call, by kernel id.

        None instead of a record: the session is to be deleted from the journal.
        """
        changed, self._changed = self._changed, {}
        return changed

    def story(self, kernel: str) -> list[StoryEvent]:
        """Return what has happened to a kernel since this broker has known it, oldest event first.

        Only the last events are kept.
        """
        return list(self._stories.get(kernel, ()))

    def _tell(self, kernel: str, text: str, now: float) -> None:
        self._stories.setdefault(kernel, deque(maxlen=_EVENTS)).append(StoryEvent(now, text))

    def report(self, host: Owner, report: KernelReport, now: float) -> None:
        """Enter a host's report of a kernel."""
        known = self.live.get(report.kernel)
        awaited = self.awaited.pop(report.kernel, None)
        self.over.pop(report.kernel, None)
        if known is None:
            session = Session(report, host, awaited.created if awaited else now, now, now)
            self.live[report.kernel] = session
            came = "is there again" if awaited else "is there"
            self._tell(report.kernel, f"{came}, in pool {report.pool} on host {host.name}: {_described(report)}", now)
        elif report.serial < known.report.serial and known.host is host:
            return
        else:
            session = known
            before = session.state
            if (report.state, report.channel) != (known.report.state, known.report.channel):
                self._tell(report.kernel, _described(report), now)
            session.report, session.host, session.heard = report, host, now
            if session.state != before:
                session.since = now
        if report.attachments:
            self._changed[report.kernel] = session.record(now)
        elif known is not None and known.report.attachments == 0 and awaited is None:
            # It may have been handed out and given back unused.
            self._changed[report.kernel] = None

    def gone(self, kernel: str, text: str, now: float, state: str = ENDED) -> None:
        """Enter that a kernel is gone: ended or lost, by `state`."""
        session, awaited = self.live.pop(kernel, None), self.awaited.pop(kernel, None)
        if session is not None or awaited is not None:
            self._tell(kernel, f"{state}: {text}" if text else state, now)
        if session is not None and session.report.attachments:
            self._remember(replace(session.record(now), state=state, text=text, client=""), now)
        elif awaited is not None:
            self._remember(replace(awaited, state=state, text=text, changed=now), now)
        elif session is not None:
            self._changed[kernel] = None
            self._stories.pop(kernel, None)

    def host_gone(self, host: Owner, text: str, now: float, state: str = LOST) -> None:
        """Enter that a host is gone, and its kernels with it."""
        for kernel in [kernel for kernel, session in self.live.items() if session.host is host]:
            self.gone(kernel, text, now, state)

    def reconcile(self, host: Owner, listed: set[str], now: float) -> None:
        """Enter that a host has registered and has the `listed` kernels and no others."""
        missing = [kernel for kernel, session in self.live.items() if session.host is host and kernel not in listed]
        missing += [kernel for kernel, record in self.awaited.items() if record.host_id == host.id and kernel not in listed]
        for kernel in missing:
            self.gone(kernel, "it ended while the broker was away", now)

    def host_of(self, kernel: str) -> str:
        """Return the identity of the host that had a session that is over; empty: not known."""
        return self.over[kernel].host_id if kernel in self.over else ""

    def awaited_of(self, host: str) -> list[SessionRecord]:
        """Return the sessions that wait for the host with this identity."""
        return [record for record in self.awaited.values() if record.host_id == host]

    def give_up_awaited(self, text: str, now: float) -> list[SessionRecord]:
        """Enter the awaited sessions as lost, since their hosts did not come; return their records.
        """
        lost = list(self.awaited.values())
        for record in lost:
            self.gone(record.kernel, text, now, LOST)
        return lost

    def why_gone(self, kernel: str, now: float) -> str | None:
        """Say what became of a kernel that is over; return None if it was never known."""
        record = self.over.get(kernel)
        if record is None:
            return None
        what = "was lost" if record.state == LOST else "has ended"
        return f"kernel {kernel} {what} {_ago(now - record.changed)} ago" + (f": {record.text}" if record.text else "")

    def _remember(self, record: SessionRecord, now: float) -> None:
        self.over.pop(record.kernel, None)
        self.over[record.kernel] = self._changed[record.kernel] = record
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self.over:
            kernel, oldest = next(iter(self.over.items()))
            if len(self.over) <= _REMEMBERED and now - oldest.changed <= _REMEMBERED_FOR:
                return
            del self.over[kernel]
            self._stories.pop(kernel, None)
            self._changed[kernel] = None

    def validate(self) -> None:
        """Check the invariants; for tests.

        Raises:
            AssertionError: one does not hold.
        """
        assert not (self.live.keys() & self.awaited.keys()), "a session is both live and awaited"
        assert not (self.over.keys() & (self.live.keys() | self.awaited.keys())), "a session is over, and is not"
        for kernel, session in self.live.items():
            assert session.report.kernel == kernel


def _described(report: KernelReport) -> str:
    return f"{report.state} to {report.client}" if report.state == "attached" else report.state


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"

"""The session table: every kernel there is, and what became of those there were.

Rules of this module: no socket, clock or file. Times that are shown or kept are wall-clock times,
passed in; what has to outlive the broker is given by :meth:`SessionTable.changes` to whoever
journals it, and comes back through :meth:`SessionTable.restore`.

| session state | meaning |
|---|---|
| starting, ready | the kernel has had no client yet; nobody can ask for it, and it is not journaled |
| attached, busy | a client has it; busy: it evaluates |
| detached | no client has it (it may be evaluating) |
| ending | it was told to end |
| awaited | a broker before this one knew it; its host has not come back yet |
| ended | it is gone, and the text says how; remembered for a time |
| lost | its host did not come back |
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

from kernelbus.bus.protocol.messages import KernelReport
from kernelbus.bus.protocol.reports import StoryEvent

__all__ = ["AWAITED", "ENDED", "LOST", "Owner", "Session", "SessionRecord", "SessionTable"]

AWAITED, ENDED, LOST = "awaited", "ended", "lost"

#: So many sessions that are over are remembered, and for so many seconds.
_REMEMBERED = 10_000
_REMEMBERED_FOR = 7 * 86400.0
#: So many events of each session.
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


@dataclass(slots=True)
class Session:
    """A kernel's life, as its host last reported it. `since`: when it came into its state; `heard`:
    when it was reported last.

    Times are by the wall clock.
    """

    report: KernelReport
    host: Owner
    created: float
    since: float
    heard: float

    @property
    def state(self) -> str:
        """See the module's table."""
        return "busy" if self.report.state == "attached" and self.report.busy else self.report.state

    def record(self, now: float) -> SessionRecord:
        """Give what is journaled of it."""
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
        live: kernels whose hosts are there, by id.
        awaited: journaled sessions whose hosts are not there yet.
        over: sessions that have ended or were lost, oldest first.
    """

    def __init__(self) -> None:
        self.live: dict[str, Session] = {}
        self.awaited: dict[str, SessionRecord] = {}
        self.over: dict[str, SessionRecord] = {}
        self._changed: dict[str, SessionRecord | None] = {}
        self._stories: dict[str, deque[StoryEvent]] = {}

    def restore(self, records: list[SessionRecord], now: float) -> None:
        """Take what an earlier broker journaled."""
        for record in sorted(records, key=lambda record: record.changed):
            if record.over:
                self.over[record.kernel] = record
            else:
                self.awaited[record.kernel] = replace(record, state=AWAITED, client="")
        self._forget(now)

    def changes(self) -> dict[str, SessionRecord | None]:
        """Take what is to be journaled since the last call: records by kernel id; None: to be
        forgotten.
        """
        changed, self._changed = self._changed, {}
        return changed

    def story(self, kernel: str) -> list[StoryEvent]:
        """What has happened to a kernel since this broker has known it, oldest first; of many
        events the last ones.
        """
        return list(self._stories.get(kernel, ()))

    def _tell(self, kernel: str, text: str, now: float) -> None:
        self._stories.setdefault(kernel, deque(maxlen=_EVENTS)).append(StoryEvent(now, text))

    def report(self, host: Owner, report: KernelReport, now: float) -> None:
        """A host tells of a kernel."""
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
        """A kernel is no more."""
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
        """A host is gone, and its kernels with it."""
        for kernel in [kernel for kernel, session in self.live.items() if session.host is host]:
            self.gone(kernel, text, now, state)

    def reconcile(self, host: Owner, listed: set[str], now: float) -> None:
        """A host has registered, and has these kernels and no others."""
        missing = [kernel for kernel, session in self.live.items() if session.host is host and kernel not in listed]
        missing += [kernel for kernel, record in self.awaited.items() if record.host_id == host.id and kernel not in listed]
        for kernel in missing:
            self.gone(kernel, "it ended while the broker was away", now)

    def give_up_awaited(self, text: str, now: float) -> list[SessionRecord]:
        """The hosts that were waited for have not come: their sessions are lost. Gives those."""
        lost = list(self.awaited.values())
        for record in lost:
            self.gone(record.kernel, text, now, LOST)
        return lost

    def why_gone(self, kernel: str, now: float) -> str | None:
        """Say what became of a kernel that is over; None: it was never heard of."""
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

"""The session table."""

from __future__ import annotations

import dataclasses
import re

from kernelbus.bus.broker import sessions
from kernelbus.bus.broker.sessions import AWAITED, ENDED, LOST, SessionRecord, SessionTable
from kernelbus.bus.protocol.messages import KernelReport
from kernelbus.kernelhost.pools import pool


@dataclasses.dataclass
class Host:
    id: str
    name: str


HOST, OTHER = Host("h", "host"), Host("o", "other")


def report(kernel: str = "k", state: str = "attached", serial: int = 1, attachments: int = 1, **more: object) -> KernelReport:
    return KernelReport(kernel, "P", state, serial, attachments=attachments, **more)  # type: ignore[arg-type]


def record(kernel: str, state: str = "attached", changed: float = 0.0) -> SessionRecord:
    return SessionRecord(kernel, "P", "host", "h", state, 0.0, changed)


def test_states_and_since_when() -> None:
    table = SessionTable()
    table.report(HOST, report(state="ready", attachments=0), 1.0)
    assert table.changes() == {}, "a kernel without a client has no session"
    table.report(HOST, report(serial=2), 2.0)
    table.report(HOST, report(serial=3, busy=True), 3.0)
    table.report(HOST, report(serial=4, busy=True, evaluations=5), 4.0)
    session = table.live["k"]
    assert (session.state, session.created, session.since) == ("attached", 1.0, 2.0)
    table.report(HOST, report(serial=3), 5.0)
    assert table.live["k"].report.serial == 4, "a report that was overtaken says nothing"
    (changed,) = table.changes().values()
    assert changed is not None
    assert (changed.state, changed.evaluations) == ("attached", 5)
    table.validate()


def test_what_became_of_a_session_is_remembered_and_told() -> None:
    table = SessionTable()
    table.report(HOST, report("a"), 0.0)
    table.report(HOST, report("b"), 0.0)
    table.report(HOST, report("never", "ready", attachments=0), 0.0)
    table.gone("a", "exited with status 3", 100.0)
    table.gone("never", "exited", 100.0)
    table.host_gone(HOST, "host host has been silent", 200.0)
    assert table.why_gone("a", 400.0) == "kernel a has ended 5 min ago: exited with status 3"
    assert table.why_gone("b", 201.0) == "kernel b was lost 1 s ago: host host has been silent"
    assert table.why_gone("never", 201.0) is None
    assert table.live == {}
    table.validate()


def test_a_session_that_was_lost_and_comes_back_is_there_again() -> None:
    table = SessionTable()
    table.report(HOST, report(), 0.0)
    table.host_gone(HOST, "silent", 1.0)
    table.report(HOST, report(serial=2), 2.0)
    assert table.why_gone("k", 3.0) is None
    assert list(table.live) == ["k"]
    table.validate()


def test_an_unused_kernel_that_is_given_back_has_no_session() -> None:
    table = SessionTable()
    table.report(HOST, report(), 0.0)
    table.report(HOST, report("k", "ready", 2, 0), 1.0)
    assert table.changes() == {"k": None}
    table.gone("k", "exited", 2.0)
    assert table.over == {}


def test_what_was_journaled_is_awaited_until_its_host_is_back() -> None:
    table = SessionTable()
    table.restore([record("a"), record("b"), record("c"), record("old", ENDED)], 10.0)
    assert {known.state for known in table.awaited.values()} == {AWAITED}
    table.report(HOST, report("a"), 11.0)
    assert table.live["a"].created == 0.0, "it began with the earlier broker"
    table.reconcile(HOST, {"a"}, 12.0)
    assert table.awaited == {}, "its host is back without them"
    assert "ended while the broker was away" in str(table.why_gone("b", 12.0))
    table.validate()


def test_who_is_awaited_in_vain_is_lost() -> None:
    table = SessionTable()
    table.restore([record("a")], 10.0)
    (lost,) = table.give_up_awaited("its host did not come back", 70.0)
    assert lost.kernel == "a"
    assert table.over["a"].state == LOST
    (changed,) = table.changes().values()
    assert changed is not None
    assert changed.state == LOST


def test_what_is_long_over_is_forgotten() -> None:
    table = SessionTable()
    for number in range(10_010):
        table.report(HOST, report(str(number)), 0.0)
        table.gone(str(number), "", float(number))
    assert len(table.over) == 10_000
    assert table.changes()["0"] is None
    table.report(HOST, report("x"), 0.0)
    table.gone("x", "", 8 * 86400.0)
    assert list(table.over) == ["x"]


def test_the_table_of_states_agrees_with_the_module_and_with_the_pool() -> None:
    """Each step that a kernel takes in its pool is one that its session may take."""
    named = {state.strip() for row in re.findall(r"^\| ([a-z, ]+) \|", sessions.__doc__ or "", re.MULTILINE) for state in row.split(",")}
    assert named - {"session state"} == {state for state in sessions.TRANSITIONS if state is not None}
    for before, after in pool.TRANSITIONS.items():
        if before is not None:
            steps = {state.value for state in after if state is not None}
            assert steps <= sessions.TRANSITIONS[before.value], before
    for before in sessions.TRANSITIONS:
        if before in ("attached", "detached", "awaited"):
            assert {sessions.ENDED, sessions.LOST} <= sessions.TRANSITIONS[before], "how each session ended is told"

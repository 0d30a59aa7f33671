"""The trace of a kernel's packets, as its watchers see it."""

from __future__ import annotations

import logging

import pytest

from kernelbus.bus.settings.logs import TRACE, EventLogger
from kernelbus.kernelhost.session.trace import FROM, TO, PacketTrace, Passage
from wstp import MessageCode
from wstp.packets import encode_packet, packet

LOG = logging.getLogger("kernelbus.host")


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch) -> PacketTrace:
    # The level that kernelbus.bus.settings.logs.setup sets; another test may have changed it.
    monkeypatch.setattr(logging.getLogger("kernelbus"), "level", logging.WARNING)
    LOG.manager._clear_cache()  # type: ignore[attr-defined]
    return PacketTrace(EventLogger(LOG, lambda: {"kernel": "k1"}), "kernel k1", lambda: 12.5)


def test_watchers_come_and_go(trace: PacketTrace) -> None:
    one: list[Passage] = []
    two: list[Passage] = []
    assert not trace.active
    trace.add(one.append)
    assert trace.active
    trace.passed(TO, "EvaluatePacket", 17)
    trace.add(two.append)
    trace.message(TO, MessageCode.ABORT)
    trace.remove(one.append)
    trace.passed(FROM, None, 3)
    trace.remove(one.append)
    trace.remove(two.append)
    assert not trace.active
    abort = Passage(12.5, "to", "message 3", 0)
    assert one == [Passage(12.5, "to", "EvaluatePacket", 17), abort]
    assert two == [abort, Passage(12.5, "from", "", 3)]


def test_the_log_watches_at_trace_level(trace: PacketTrace, caplog: pytest.LogCaptureFixture) -> None:
    trace.passed(TO, "EvaluatePacket", 17)
    assert caplog.records == []
    with caplog.at_level(TRACE, "kernelbus"):
        assert trace.active
        trace.passed(TO, "EvaluatePacket", 17)
        trace.passed(FROM, None, 3)
        trace.message(TO, MessageCode.INTERRUPT)
    assert [record.getMessage() for record in caplog.records] == [
        "to kernel k1: EvaluatePacket, 17 bytes",
        "from kernel k1: an expression, 3 bytes",
        "to kernel k1: message 2",
    ]
    fields = [record.__dict__["fields"] for record in caplog.records]
    assert fields[0] == {"kernel": "k1", "direction": "to", "head": "EvaluatePacket", "bytes": 17, "contents": ""}
    assert fields[2] == {"kernel": "k1", "direction": "to", "head": "message 2", "bytes": 0, "contents": ""}
    assert not trace.active


def test_the_log_shows_contents_only_where_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, trace: PacketTrace, caplog: pytest.LogCaptureFixture
) -> None:
    data = encode_packet(packet("EvaluatePacket", "secret"))
    assert trace.kept == 0
    monkeypatch.setattr("kernelbus.bus.settings.logs._contents", True)
    asked = PacketTrace(EventLogger(LOG, lambda: {}), "kernel k1", lambda: 12.5)
    seen: list[Passage] = []
    asked.add(seen.append)
    with caplog.at_level(TRACE, "kernelbus"):
        asked.passed(TO, "EvaluatePacket", 30, data[: asked.kept])
    assert [record.getMessage() for record in caplog.records] == [
        'to kernel k1: EvaluatePacket, 30 bytes: EvaluatePacket["secret"]'
    ]
    assert caplog.records[0].__dict__["fields"]["contents"] == 'EvaluatePacket["secret"]'
    assert "secret" not in repr(seen), "that is for the log alone"

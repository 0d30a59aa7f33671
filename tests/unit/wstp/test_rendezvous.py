"""Connections become links, in any order and pieces; others are dismissed in time."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from wstp.rendezvous import MAX_PENDING, Dismissed, Matched, Rendezvous, Reply

UUIDS = ["01234567-89ab-4def-8123-456789abcdef", "11234567-89AB-4def-8123-456789abcdef"]
PREAMBLE = bytes([3, 0, 0, 0]) + bytes(12)


def words(uuid: str, role: str) -> bytes:
    said = f"id={uuid} connection={role}".encode()
    return said + PREAMBLE + b"Math" if role == "data" else said + b"\0\0"


@pytest.mark.parametrize("step", [1, 20, 1000])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_halves_are_matched_in_any_order(order: tuple[int, ...], step: int) -> None:
    meeting: Rendezvous[str] = Rendezvous()
    every = [(f"{role}{number}", words(uuid, role)) for number, uuid in enumerate(UUIDS) for role in ("data", "mesg")]
    actions: list[Any] = []
    for name, _ in every:
        assert meeting.add(name, 0.0) == []
    left = {every[at][0]: every[at][1] for at in order}
    # Take one piece of each connection in turn.
    while left:
        for name, data in list(left.items()):
            # A client's other half comes in its own time, but its words may be spread over both.
            actions += meeting.receive(name, data[:step])
            left[name] = data[step:]
            if not left[name]:
                del left[name]
    matched = {(action.data, action.message) for action in actions if isinstance(action, Matched)}
    assert matched == {("data0", "mesg0"), ("data1", "mesg1")}
    assert len(actions) == 2
    for action in actions:
        if step == 1000:
            assert (action.data_trailing, action.message_trailing) == (b"Math", b"\0\0")
    assert len(meeting) == 0
    assert meeting.next_deadline() is None


def test_halves_without_the_other_time_out() -> None:
    meeting: Rendezvous[str] = Rendezvous(timeout=10)
    meeting.add("a", 0.0)
    meeting.receive("a", words(UUIDS[0], "data"))
    meeting.add("b", 5.0)
    meeting.receive("b", words(UUIDS[1], "mesg")[:20])
    meeting.add("c", 6.0)
    assert meeting.next_deadline() == 10.0
    assert meeting.expire(9.9) == []
    (late,) = meeting.expire(10.0)
    assert isinstance(late, Dismissed)
    assert late.connection == "a"
    assert "message connection did not come" in late.reason
    assert {(d.connection, d.reason) for d in meeting.expire(20.0) if isinstance(d, Dismissed)} == {
        ("b", "introduction not complete in 10 s"),
        ("c", "said nothing in 10 s"),
    }
    assert meeting.timed_out == 3
    # Its other half has nobody to meet now.
    meeting.add("d", 20.0)
    assert meeting.receive("d", words(UUIDS[0], "mesg")) == []


def test_what_is_no_link_is_refused() -> None:
    meeting: Rendezvous[str] = Rendezvous()
    meeting.add("a", 0.0)
    (refused,) = meeting.receive("a", b"GET / HTTP/1.1\r\n")
    assert isinstance(refused, Dismissed)
    assert "an HTTP request" in refused.reason
    assert meeting.refused == 1
    meeting.add("b", 0.0)
    meeting.add("c", 0.0)
    meeting.receive("b", words(UUIDS[0], "data"))
    (second,) = meeting.receive("c", words(UUIDS[0].upper(), "data"))
    assert isinstance(second, Dismissed)
    assert "second data connection" in second.reason
    (early,) = meeting.receive("b", bytes(70_000))
    assert isinstance(early, Dismissed)


def test_halves_that_go_are_forgotten() -> None:
    meeting: Rendezvous[str] = Rendezvous()
    meeting.add("a", 0.0)
    meeting.receive("a", words(UUIDS[0], "data"))
    assert meeting.ended("a") == []
    meeting.add("b", 0.0)
    assert meeting.receive("b", words(UUIDS[0], "mesg")) == []
    assert meeting.connections() == ["b"]
    assert meeting.receive("unknown", b"x") == []


def test_default_mode_takes_turns() -> None:
    meeting: Rendezvous[str] = Rendezvous(("default",), message_port=77)
    for name in "ab":
        meeting.add(name, 0.0)
    assert meeting.receive("a", b"need_msg_portY") == [Reply("a", b"msg_port=77Y")]
    # The second waits: nothing introduces a message connection, so only one may be due.
    assert meeting.receive("b", b"need_msg_portN") == []
    first, second = meeting.add_message("m", 0.0)
    assert isinstance(first, Matched)
    assert (first.data, first.message) == ("a", "m")
    assert second == Reply("b", b"OKY")
    (other,) = meeting.add_message("n", 0.0)
    assert isinstance(other, Matched)
    assert (other.data, other.message) == ("b", "n")


def test_default_mode_goes_on_when_one_goes() -> None:
    meeting: Rendezvous[str] = Rendezvous(("default",), message_port=77)
    for name in "ab":
        meeting.add(name, 0.0)
        meeting.receive(name, b"need_msg_portY")
    assert meeting.ended("a") == [Reply("b", b"msg_port=77Y")]


def test_an_early_message_connection_keeps_its_bytes() -> None:
    meeting: Rendezvous[str] = Rendezvous(("default",), message_port=77)
    assert meeting.add_message("m", 0.0) == []
    assert meeting.receive("m", b"\0\0\0\x03") == []
    meeting.add("a", 0.0)
    reply, matched = meeting.receive("a", b"need_msg_portYMath")
    assert isinstance(reply, Reply)
    assert isinstance(matched, Matched)
    assert (matched.data_trailing, matched.message_trailing) == (b"Math", b"\0\0\0\x03")


def test_the_crowd_is_bounded() -> None:
    meeting: Rendezvous[int] = Rendezvous()
    for number in range(MAX_PENDING):
        assert meeting.add(number, 0.0) == []
    assert isinstance(meeting.add(-1, 0.0)[0], Dismissed)
    assert isinstance(meeting.add_message(-2, 0.0)[0], Dismissed)
    assert len(meeting) == MAX_PENDING

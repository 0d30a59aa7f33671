"""Connections become links, in any order and pieces; others are dismissed in time."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from wstp.rendezvous import MAX_PENDING, Dismissed, Matched, PortDone, PortWanted, Rendezvous, Reply

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


def ordinary(*names: str, own_ports: int = 8) -> Rendezvous[str]:
    """Return a meeting in which each data connection gets a message port of its own."""
    meeting: Rendezvous[str] = Rendezvous(("uuid", "default"), timeout=5.0, own_ports=own_ports)
    for name in names:
        meeting.add(name, 0.0)
    return meeting


def test_each_ordinary_link_gets_a_port_of_its_own() -> None:
    meeting = ordinary("a", "b")
    assert meeting.receive("a", b"need_msg_port") == []
    assert meeting.receive("a", b"Y") == [PortWanted("a")]
    assert meeting.receive("b", b"need_msg_portYMath") == [PortWanted("b")]
    assert meeting.port_open("b", 78) == [Reply("b", b"msg_port=78Y")]
    assert meeting.port_open("a", 77) == [Reply("a", b"msg_port=77Y")]
    matched, done = meeting.add_partner("n", "b")
    assert isinstance(matched, Matched)
    assert (matched.data, matched.message, matched.data_trailing) == ("b", "n", b"Math")
    assert done == PortDone("b")
    (late, *_) = meeting.add_partner("o", "b")
    assert isinstance(late, Dismissed)
    matched, done = meeting.add_partner("m", "a")
    assert isinstance(matched, Matched)
    assert (matched.data, done) == ("a", PortDone("a"))
    assert len(meeting) == 0


def test_ordinary_links_wait_for_a_port_in_turn() -> None:
    meeting = ordinary("a", "b", "c", "d", own_ports=1)
    assert meeting.receive("a", b"need_msg_portY") == [PortWanted("a")]
    for name in "bcd":
        assert meeting.receive(name, b"need_msg_portY") == []
    assert meeting.ended("b") == []
    assert meeting.port_open("a", 77) == [Reply("a", b"msg_port=77Y")]
    matched, *ports = meeting.add_partner("m", "a")
    assert isinstance(matched, Matched)
    assert ports == [PortDone("a"), PortWanted("c")]
    dismissed, *ports = meeting.port_failed("c", "has no port")
    assert dismissed == Dismissed("c", "has no port")
    assert ports == [PortDone("c"), PortWanted("d")]


@pytest.mark.parametrize("opened", [False, True])
def test_the_port_of_an_ordinary_link_is_closed_with_it(opened: bool) -> None:
    meeting = ordinary("a")
    meeting.receive("a", b"need_msg_portY")
    if opened:
        meeting.port_open("a", 77)
    assert meeting.ended("a") == [PortDone("a")]
    assert meeting.port_open("a", 77) == [PortDone("a")], "it was opened too late"
    assert meeting.port_failed("a", "late") == []


def test_an_ordinary_link_whose_message_connection_does_not_come() -> None:
    meeting = ordinary("a", "b", own_ports=1)
    for name in "ab":
        meeting.receive(name, b"need_msg_portY")
    meeting.port_open("a", 77)
    first, *others = meeting.expire(5.0)
    assert first == Dismissed("a", "ordinary link: its message connection did not come to port 77 in 5 s")
    assert others[:2] == [PortDone("a"), PortWanted("b")]
    assert Dismissed("b", "ordinary link: no message port was free in 5 s") in others
    assert PortDone("b") in others
    assert meeting.timed_out == 2


def test_an_ordinary_link_with_two_ports_is_told_what_to_type() -> None:
    meeting = ordinary("a")
    (dismissed,) = meeting.receive("a", b"need_msg_portN")
    assert isinstance(dismissed, Dismissed)
    assert "name one, as in -linkname PORT@HOST" in dismissed.reason


@pytest.mark.parametrize(
    ("said", "looks"),
    [
        (b"GET / HTTP/1.1", "an HTTP request"),
        (b"\x16\x03\x01\x02\x00", "a TLS handshake"),
        (b"SSH-2.0-OpenSSH_9", "an SSH client"),
        (b"PROXY TCP4 10.0.0.1", "the PROXY protocol of a load balancer"),
        (b"\xff\0\0\0\0\0\0\0\x01\x7f", "a ZeroMQ peer"),
        (b"\x99\x98", "unknown bytes b'\\x99\\x98'"),
        (b"need_msg_portX", "unknown bytes b'need_msg_portX'; need_msg_port is followed by neither Y nor N (byte 13)"),
    ],
)
def test_the_log_says_what_else_it_looks_like(said: bytes, looks: str) -> None:
    (dismissed,) = ordinary("a").receive("a", said)
    assert dismissed == Dismissed("a", f"is not a WSTP link but looks like {looks}")


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

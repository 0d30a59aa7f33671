"""The listening side, step by step, in memory and with a clock of the test's own."""

from __future__ import annotations

from uuid import uuid4

import pytest

from wstp import Limits, encode_message
from wstp.handshake import CLIENT_PREAMBLE, SERVER_PREAMBLE, Mode, greeting_lines
from wstp.reception import Abandoned, Made, Reception, Step
from wstp.rendezvous import Dismissed, Reply

LINES = greeting_lines(6)
GREETING = b"Math Link " + LINES


def reception(mode: Mode = Mode.UUID) -> Reception[str]:
    made: Reception[str] = Reception("here", mode, Limits(), 10.0)
    made.bound(1, 2 if mode is Mode.DEFAULT else None)
    return made


def introduce(made: Reception[str], name: str, now: float = 0.0) -> list[Step[str]]:
    """Bring both connections of a UUID-mode link, up to its greeting."""
    uuid = str(uuid4()).encode()
    data, message = f"{name} data", f"{name} message"
    assert made.accept(data, now) == made.accept(message, now) == []
    assert made.receive(data, b"id=" + uuid + b" connection=data" + CLIENT_PREAMBLE, now) == []
    return made.receive(message, b"id=" + uuid + b" connection=mesg", now)


def test_a_link_of_a_link_server() -> None:
    made = reception()
    assert made.link_name == "1@here"
    assert made.name_of("there:5") == "1@here from there:5"
    assert introduce(made, "a") == [Reply("a data", SERVER_PREAMBLE + b"Math Link ")]
    assert made.expected() == ["a data"]
    assert made.receive("a message", encode_message(3), 0.0) == []
    assert made.receive("a data", GREETING[:50], 0.0) == [Reply("a data", LINES)]
    [step] = made.receive("a data", GREETING[50:] + b"F@#DA~Af\n", 0.0)
    assert isinstance(step, Made)
    assert (step.data, step.message) == ("a data", "a message")
    assert step.machine.active
    assert step.machine.poll()
    assert step.machine.has_message
    assert made.next_deadline() is None
    assert made.clear() == []


def test_an_ordinary_link() -> None:
    made = reception(Mode.DEFAULT)
    assert made.link_name == "1@here,2@here"
    made.accept("data", 0.0)
    assert made.receive("data", b"need_msg_portY", 0.0) == [Reply("data", b"msg_port=2Y")]
    assert made.accept("message", 1.0, message_port=True) == [Reply("data", b"Math Link ")]
    reply, step = made.receive("data", GREETING, 2.0)
    assert reply == Reply("data", LINES)
    assert isinstance(step, Made)


def test_bytes_that_come_early_are_not_lost() -> None:
    made = reception(Mode.DEFAULT)
    made.accept("message", 0.0, message_port=True)
    made.receive("message", encode_message(2), 0.0)
    made.accept("data", 0.0)
    first, step = made.receive("data", b"need_msg_portN" + GREETING, 0.0)[-2:]
    assert first == Reply("data", GREETING)
    assert isinstance(step, Made)
    assert step.machine.has_message


def test_a_greeting_has_a_time_of_its_own() -> None:
    made = reception()
    introduce(made, "a", now=4.0)
    made.accept("b", 5.0)
    assert made.next_deadline() == 14.0
    assert made.expire(13.9) == []
    assert made.expire(14.0) == [Abandoned("a data", "a message", "greeting not complete in 10 s")]
    assert made.next_deadline() == 15.0
    assert made.expire(15.0) == [Dismissed("b", "said nothing in 10 s")]
    assert made.rendezvous.timed_out == 1


@pytest.mark.parametrize("which", ["data", "message"])
def test_a_peer_that_goes_during_the_greeting(which: str) -> None:
    made = reception()
    introduce(made, "a")
    assert made.end(f"a {which}", 0.0) == [Abandoned("a data", "a message", "went away during the greeting")]
    assert made.end("a data", 0.0) == made.end("a message", 0.0) == []


def test_a_peer_that_closes_during_the_greeting() -> None:
    made = reception()
    introduce(made, "a")
    steps = made.receive("a message", encode_message(9), 0.0)
    assert steps == [Abandoned("a data", "a message", "went away during the greeting")]


def test_a_peer_that_greets_with_something_else() -> None:
    made = reception()
    introduce(made, "a")
    [step] = made.receive("a data", b"Hello", 0.0)
    assert isinstance(step, Abandoned)
    assert step.reason.startswith("is no WSTP peer: ")


def test_what_is_no_link_is_dismissed() -> None:
    made = reception()
    made.accept("a", 0.0)
    [step] = made.receive("a", b"GET / HTTP/1.1\r\n", 0.0)
    assert isinstance(step, Dismissed)
    assert "an HTTP request" in step.reason


def test_all_are_given_back_at_the_end() -> None:
    made = reception()
    introduce(made, "a")
    made.accept("b", 0.0)
    assert sorted(made.clear()) == ["a data", "a message", "b"]
    assert made.next_deadline() is None

"""The introductions of both modes and roles, and the greeting: whole and byte by byte."""

from __future__ import annotations

import pytest

from wstp import LimitExceeded, Limits, LocalProtocolError, RemoteProtocolError, UnsupportedVersion
from wstp.features import OURS, Features
from wstp.handshake import (
    CLIENT_PREAMBLE,
    SERVER_PREAMBLE,
    Acceptor,
    Connector,
    Greeting,
    Introduction,
    Mode,
    greeting_lines,
)

UUID = "0189ABCD-ef01-4234-8567-0123456789ab"
DATA = f"id={UUID} connection=data".encode() + bytes([3, 0, 0, 0]) + bytes(12)
MESSAGE = f"id={UUID} connection=mesg".encode()
RECORDED = (
    b"Math Link 6\n-libraryid '!&*' -decoders 0\n-numericsid boxer -tokens 33,98,100,102,116,118,120"
    b" -textid 'Apr  7 2019, 19:35:23' -formats 1,2,3,4,5,6,7\n-envid ''\n-symboldicts 1 -stringdicts 1\n"
    b"Support6digitAsciiUnicode\n"
)
# A library of 2015, to a peer that has said version 4.
RECORDED_5 = (
    b"Math Link 5\n-libraryid '!&*' -decoders 0\n-numericsid boxer -tokens 33,98,100,102,116,118,120"
    b" -textid 'Mar 23 2015, 18:23:51' -formats 1,2,3,4,5,6,7\n-envid ''\n"
)


def feed(machine: Acceptor | Connector | Greeting, data: bytes, step: int) -> None:
    for at in range(0, len(data), step):
        machine.receive(data[at : at + step])


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize(
    ("data", "introduction", "answer"),
    [
        (DATA, Introduction(Mode.UUID, UUID.lower(), "data"), b""),
        (MESSAGE, Introduction(Mode.UUID, UUID.lower(), "message"), b""),
        (b"need_msg_portY", Introduction(Mode.DEFAULT, None, "data"), b"msg_port=4321Y"),
        (b"need_msg_portN", Introduction(Mode.DEFAULT, None, "data"), b"OKY"),
    ],
)
def test_acceptor_tells_what_a_connection_is(data: bytes, introduction: Introduction, answer: bytes, step: int) -> None:
    acceptor = Acceptor(message_port=4321)
    for at in range(0, len(data), step):
        assert not acceptor.complete
        acceptor.receive(data[at : at + step])
    assert acceptor.introduction == introduction
    assert acceptor.complete
    assert acceptor.data_to_send() == answer
    assert acceptor.data_to_send() == b""
    acceptor.receive(b"Math ")
    acceptor.receive(b"Link")
    assert acceptor.trailing == b"Math Link"


def test_acceptor_knows_the_role_before_the_preamble() -> None:
    acceptor = Acceptor()
    acceptor.receive(DATA[:55])
    assert acceptor.introduction is not None
    assert not acceptor.complete


@pytest.mark.parametrize(
    ("data", "offset", "looks_like"),
    [
        (b"GET / HTTP/1.1\r\n", 0, "an HTTP request"),
        (b"\x16\x03\x01\x02", 0, "a TLS handshake"),
        (b"SSH-2.0-x", 0, "an SSH client"),
        (b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f", 0, "a ZeroMQ peer"),
        (b"Math Link 6\n", 0, "a WSTP greeting without an introduction"),
        (b"ide", 2, "unknown bytes"),
        (MESSAGE[:10] + b"x", 10, "unknown bytes"),
        (MESSAGE[:11] + b"0", 11, None),
        (MESSAGE[:39] + b"x", 39, None),
        (MESSAGE[:51] + b"x", 51, None),
        (MESSAGE[:53] + b"x", 53, None),
        (DATA[:55] + b"\x04", 55, None),
        (b"need_msg_portX", 13, None),
        (b"need_nsg", 5, None),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_acceptor_refuses_at_the_first_wrong_byte(data: bytes, offset: int, looks_like: str | None, step: int) -> None:
    acceptor = Acceptor(message_port=1)
    with pytest.raises(RemoteProtocolError) as caught:
        feed(acceptor, data, step)
    assert caught.value.offset == offset
    if looks_like and step > 1:
        assert acceptor.looks_like.startswith(looks_like)
    with pytest.raises(RemoteProtocolError):
        acceptor.receive(b"more")


def test_acceptor_takes_the_modes_it_is_told_to() -> None:
    with pytest.raises(RemoteProtocolError):
        Acceptor(modes=("default",)).receive(DATA)
    with pytest.raises(RemoteProtocolError):
        Acceptor(modes=("uuid",)).receive(b"need_msg_portN")
    with pytest.raises(LocalProtocolError):
        Acceptor(message_port=None).receive(b"need_msg_portY")


@pytest.mark.parametrize("step", [1, 1000])
def test_connector_in_uuid_mode(step: int) -> None:
    connector = Connector(Mode.UUID, UUID)
    assert connector.data_to_send() == DATA
    assert connector.opens_message
    assert connector.message_introduction == MESSAGE
    feed(connector, SERVER_PREAMBLE, step)
    assert connector.done
    connector.receive(b"Math")
    assert connector.trailing == b"Math"
    assert len(CLIENT_PREAMBLE) == 16


@pytest.mark.parametrize("step", [1, 1000])
def test_connector_in_default_mode(step: int) -> None:
    connector = Connector(Mode.DEFAULT)
    assert connector.data_to_send() == b"need_msg_portY"
    assert not connector.opens_message
    feed(connector, b"msg_port=54321YMath", step)
    assert (connector.done, connector.message_port, connector.trailing) == (True, 54321, b"Math")
    knowing = Connector(Mode.DEFAULT, knows_message_port=True)
    assert knowing.data_to_send() == b"need_msg_portN"
    feed(knowing, b"OKY", step)
    assert knowing.done
    assert knowing.message_port is None


@pytest.mark.parametrize("answer", [b"HTTP/1.1", b"msg_port=Y", b"msg_port=99999Y", b"msg_port=1234567", b"msg_port=12N", b"OKY"])
@pytest.mark.parametrize("step", [1, 1000])
def test_connector_refuses_what_is_no_answer(answer: bytes, step: int) -> None:
    with pytest.raises(RemoteProtocolError):
        feed(Connector(Mode.DEFAULT), answer, step)


def test_connector_needs_a_uuid() -> None:
    with pytest.raises(LocalProtocolError):
        Connector(Mode.UUID)


@pytest.mark.parametrize("step", [1, 13, 1000])
@pytest.mark.parametrize("listening", [False, True])
def test_greeting_of_a_real_library(step: int, listening: bool) -> None:
    greeting = Greeting(listening=listening)
    assert greeting.data_to_send() == (b"Math Link " if listening else b"Math Link")
    feed(greeting, RECORDED + b"FA", step)
    assert greeting.done
    assert greeting.trailing == b"FA"
    assert greeting.peer == Features(
        numericsid="boxer", tokens=(33, 98, 100, 102, 116, 118, 120), formats=(1, 2, 3, 4, 5, 6, 7), textid="Apr  7 2019, 19:35:23"
    )
    assert greeting.data_to_send() == (b"" if listening else b" ") + greeting_lines(6)


@pytest.mark.parametrize(("listening", "step"), [(True, 1), (True, 13), (True, 1000), (False, 11), (False, 1000)])
def test_a_library_of_version_5_is_told_version_4(listening: bool, step: int) -> None:
    """Read a greeting that ends after -envid, and end ours there too."""
    greeting = Greeting(listening=listening)
    said = greeting.data_to_send()
    feed(greeting, RECORDED_5 + b"FA", step)
    assert greeting.done
    assert greeting.trailing == b"FA"
    assert greeting.peer.version == 5
    said += greeting.data_to_send()
    assert said.startswith(b"Math Link 4\n-libraryid")
    assert said.endswith(b" -formats 1,2,3,4,5,6\n-envid ''\n")


def test_a_listener_says_no_version_before_its_peer() -> None:
    greeting = Greeting(listening=True)
    greeting.data_to_send()
    for byte in b"Math Link ":
        greeting.receive(bytes([byte]))
        assert greeting.data_to_send() == b""
    greeting.receive(b"5")
    assert greeting.data_to_send().startswith(b"4\n")


def test_a_connector_speaks_first_to_a_listener_that_waits_for_it() -> None:
    greeting = Greeting()
    greeting.receive(b"Math Link")
    assert greeting.data_to_send() == b"Math Link"
    greeting.receive(b" ")
    assert greeting.data_to_send() == b" " + greeting_lines(6)
    with pytest.raises(RemoteProtocolError, match="then said Math Link 5"):
        greeting.receive(b"5")


@pytest.mark.parametrize("other", [Greeting(listening=True), Greeting(), Greeting(listening=True, speaks_first=True)])
def test_one_side_speaks_first(other: Greeting) -> None:
    first = Greeting(listening=True, speaks_first=True)
    other.receive(first.data_to_send())
    first.receive(other.data_to_send())
    assert first.done
    assert other.done


@pytest.mark.parametrize("envid", ["", "it's me", 'say "hi"', "a\nb -tokens 1", "日本"])
@pytest.mark.parametrize("step", [1, 1000])
def test_greetings_understand_each_other(envid: str, step: int) -> None:
    ours = Features(textid=OURS.textid, envid=envid)
    one, other = Greeting(ours), Greeting(listening=True)
    while not (one.done and other.done):
        feed(other, one.data_to_send(), step)
        feed(one, other.data_to_send(), step)
    assert one.data_to_send() == other.data_to_send() == b""
    assert other.peer == ours
    assert one.peer == OURS


def test_what_we_announce_is_fixed() -> None:
    said = greeting_lines(6)
    assert said.startswith(b"6\n-libraryid '!&*' -decoders 0\n-numericsid boxer -tokens 33,98,100,102,116,118 -textid '")
    assert said.endswith(b"' -formats 1,2,3,4,5,6\n-envid ''\n-symboldicts 1 -stringdicts 1\nSupport6digitAsciiUnicode\n")


@pytest.mark.parametrize("listening", [False, True])
@pytest.mark.parametrize("version", ["4", "7", "3", "10", "55", "66", "6.1", "600000"])
def test_other_versions_are_named(version: str, listening: bool) -> None:
    with pytest.raises(UnsupportedVersion, match=f"speaks Math Link {version}; this side speaks Math Link 5 and 6") as error:
        Greeting(listening=listening).receive(f"Math Link {version}\n-libraryid ''\n".encode())
    assert error.value.version == version


def test_a_version_is_named_before_the_line_is_whole() -> None:
    with pytest.raises(UnsupportedVersion, match="Math Link 7;"):
        Greeting(listening=True).receive(b"Math Link 7")


@pytest.mark.parametrize(
    "data",
    [
        b"Math Lint",
        b"Math Link x\n",
        b"Math Link  6\n",
        b"Math Link 4\n",
        b"Math Link 5\nSupport6digitAsciiUnicode\n",
        b"Math Link 6\nhello",
        b"Math Link 6\n-a b c\n",
        b"Math Link 6\n-\n",
        b"Math Link 6\n-a 'b'c\n",
        b"Math Link 6\n-a \xff\n",
        b"Math Link 6\nSupportNothing\n",
        RECORDED.replace(b"33,98", b"33,,98"),
        RECORDED.replace(b"1,2,3", b"1,2000,3"),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_greeting_refuses(data: bytes, step: int) -> None:
    greeting = Greeting(listening=True)
    with pytest.raises(RemoteProtocolError):
        feed(greeting, data, step)
    with pytest.raises(RemoteProtocolError):
        greeting.receive(b"x")


def test_greeting_is_bounded() -> None:
    with pytest.raises(LimitExceeded, match="greeting_size"):
        feed(Greeting(limits=Limits(greeting_size=1000)), b"Math Link 6\n-envid '" + b"x" * 5000, 100)


def test_an_envid_that_cannot_be_quoted() -> None:
    with pytest.raises(LocalProtocolError):
        Greeting(Features(envid="'\""))

"""The connecting side, step by step and in memory."""

from __future__ import annotations

from uuid import uuid4

import pytest

from wstp import ConnectFailed, LinkSpecError, LinkTimeout, UnsupportedVersion
from wstp.connecting import Connecting, cannot_connect
from wstp.handshake import SERVER_PREAMBLE, greeting_lines


def greeting() -> bytes:
    return b"Math Link " + greeting_lines(6)


def test_a_link_server() -> None:
    uuid = str(uuid4())
    connecting = Connecting("31415@here", "uuid", uuid)
    assert (connecting.host, connecting.port, connecting.where) == ("here", 31415, "31415@here")
    assert connecting.message_endpoint() == ("here", 31415)
    machine = connecting.machine
    assert uuid.encode() in b"".join(machine.data_to_send())
    assert machine.message_introduction == f"id={uuid} connection=mesg".encode()
    machine.receive_data(SERVER_PREAMBLE + greeting())
    connecting.check()
    assert machine.active


@pytest.mark.parametrize(
    ("name", "answer", "endpoint"),
    [
        ("1@here", b"msg_port=77Y", ("here", 77)),
        ("1@here,2@there", b"OKY", ("there", 2)),
        ("1@here,2", b"OKY", ("here", 2)),
    ],
)
def test_an_ordinary_peer(name: str, answer: bytes, endpoint: tuple[str, int]) -> None:
    connecting = Connecting(name, "default", str(uuid4()))
    assert connecting.message_endpoint() is None
    connecting.machine.receive_data(answer)
    assert connecting.message_endpoint() == endpoint
    assert connecting.machine.message_introduction == b""
    connecting.machine.receive_data(greeting())
    assert connecting.machine.active


def test_a_bare_port_is_a_link_server() -> None:
    assert Connecting(31415, None, str(uuid4())).message_endpoint() == ("127.0.0.1", 31415)


def test_a_peer_that_speaks_something_else() -> None:
    connecting = Connecting("1@here", "default", str(uuid4()))
    connecting.machine.receive_data(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(ConnectFailed, match="1@here is no WSTP peer in default mode: "):
        connecting.check()


def test_a_peer_of_another_version() -> None:
    connecting = Connecting("1@here", "uuid", str(uuid4()))
    connecting.machine.receive_data(SERVER_PREAMBLE + b"Math Link 7\n")
    with pytest.raises(ConnectFailed, match="1@here: the peer speaks Math Link 7; this side speaks") as error:
        connecting.check()
    assert isinstance(error.value.__cause__, UnsupportedVersion)


def test_errors_name_the_peer() -> None:
    connecting = Connecting("1@here", "uuid", str(uuid4()))
    assert str(connecting.ended()) == "1@here closed the connection before the link was made"
    late = connecting.late(2.5)
    assert isinstance(late, LinkTimeout)
    assert str(late) == "1@here: the link was not made in 2.5 s"
    assert str(cannot_connect("1@here", OSError(111, "Connection refused"))) == "cannot connect to 1@here: Connection refused"


@pytest.mark.parametrize("spec", ["-linkmode connect", "-linkmode launch -linkname 'kernel -wstp'"])
def test_specifications_that_name_no_port(spec: str) -> None:
    with pytest.raises(LinkSpecError):
        Connecting(spec, None, str(uuid4()))

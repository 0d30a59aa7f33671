"""What both links share, on a machine without sockets."""

from __future__ import annotations

import threading

import pytest

from wstp import LinkClosed, LinkState, LinkTimeout, Message, Symbol, encode_message
from wstp.handshake import greeting_lines
from wstp.linkbase import LinkBase
from wstp.machine import LinkMachine


class BareLink(LinkBase):
    """A link without a shell."""

    _kind = "BareLink"

    def __init__(self) -> None:
        machine = LinkMachine()
        machine.receive_data(b"Math Link " + greeting_lines(6))
        machine.data_to_send()
        self.lock = threading.Lock()
        super().__init__(machine, "1@here", self.lock)


def test_what_is_put_waits_for_the_flush() -> None:
    link = BareLink()
    link.put(Symbol("f")(), end_packet=True)
    link.put_raw([b"F@#DA~Ag\n"])
    link.end_packet()
    assert b"".join(link._machine.data_to_send()) == b"F@#DA~Af\n]F@#DA~Ag\n]"
    with pytest.raises(TypeError):
        link.put(object())
    assert link._machine.queued == 0


def test_a_handler_is_called_without_the_guard() -> None:
    link = BareLink()
    heard: list[tuple[Message, bool]] = []
    link._machine.receive_message(encode_message(3) + encode_message(130, -1))
    link._deliver()
    assert heard == []
    link.on_message = lambda message: heard.append((message, link.lock.locked()))
    link._deliver()
    assert heard == [(Message(3), False), (Message(130, -1), False)]


def test_closing_is_claimed_once() -> None:
    link = BareLink()
    assert link._can_write()
    assert not link.closed
    assert [link._begin_closing(), link._begin_closing()] == [True, False]
    assert not link._stop()  # the peer reads on after message 9
    assert link._last_message() == encode_message(9)
    assert link._last_message() == b""
    assert link.closed
    assert link.state is LinkState.CLOSED
    assert not link._can_write()
    with pytest.raises(LinkClosed):
        link.put(1)


def test_a_link_has_a_name() -> None:
    link = BareLink()
    assert (str(link), repr(link)) == ("link 1@here", "<BareLink 1@here active>")
    assert isinstance(link._no_expression(2.5), LinkTimeout)
    assert str(link._no_expression(2.5)) == "link 1@here: no expression in 2.5 s"
    assert str(link._not_written()) == "link 1@here: the peer does not read: not all could be written in time"

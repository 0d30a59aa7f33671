"""Two link machines against each other, in memory: the table, both modes, every kind of end."""

from __future__ import annotations

import pytest

from wstp import (
    OURS,
    Features,
    LimitExceeded,
    Limits,
    LinkClosed,
    LinkLost,
    LinkState,
    LocalProtocolError,
    Message,
    RemoteProtocolError,
    Symbol,
)
from wstp.handshake import SERVER_PREAMBLE, Acceptor, Connector, Mode
from wstp.machine import TRANSITIONS, LinkEvent, LinkMachine, is_packet
from wstp.tokens import NEED_DATA

UUID = "01234567-89ab-4def-8123-456789abcdef"
f = Symbol("f")


def carry(source: LinkMachine, target: LinkMachine, step: int = 1 << 20) -> None:
    data = b"".join(source.data_to_send())
    for at in range(0, len(data), step):
        target.receive_data(data[at : at + step])
    if message := source.message_to_send():
        target.receive_message(message)


def made(
    mode: Mode = Mode.UUID, step: int = 1 << 20, limits: Limits | None = None, other_features: Features = OURS
) -> tuple[LinkMachine, LinkMachine]:
    """Return an active pair: the connecting and the listening side."""
    one = LinkMachine(Connector(mode, UUID if mode is Mode.UUID else None), limits=limits or Limits())
    assert one.state is LinkState.INTRODUCTION
    acceptor = Acceptor(message_port=9)
    acceptor.receive(b"".join(one.data_to_send()))
    assert acceptor.complete
    if answer := acceptor.data_to_send():
        one.receive_data(answer)
    preamble = SERVER_PREAMBLE if mode is Mode.UUID else b""
    other = LinkMachine(preamble=preamble, limits=limits or Limits(), features=other_features)
    for _ in range(2):
        carry(other, one, step)
        carry(one, other, step)
    assert one.active
    assert other.active
    return one, other


@pytest.mark.parametrize("step", [1, 50, 1 << 20])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_link_is_made(mode: Mode, step: int) -> None:
    one, other = made(mode, step)
    assert one.message_port == (None if mode is Mode.UUID else 9)
    assert one.peer_features == other.peer_features
    for source, target in [(one, other), (other, one)]:
        source.put(f(1), end_packet=True)
        source.put("text")
        source.put_message(3, 7)
        carry(source, target, step)
        assert target.next_expression() == f(1)
        assert target.poll()
        assert target.next_expression() == "text"
        assert target.next_expression() is NEED_DATA
        assert target.unread == 0
        assert target.next_message() == Message(3, 7)
        assert target.next_message() is None


def test_every_state_is_in_the_table_and_ends_are_final() -> None:
    assert set(TRANSITIONS) == set(LinkState)
    assert TRANSITIONS[LinkState.CLOSED] == {}
    for state in LinkState:
        # From every state some events lead to an end.
        reached = {state}
        while True:
            more = {TRANSITIONS[at][event] for at in reached for event in TRANSITIONS[at]}
            if more <= reached:
                break
            reached |= more
        assert LinkState.CLOSED in reached


# Message 9 can only be heard while the message connection is open.
@pytest.mark.parametrize("order", ["heard data message", "heard message data", "data heard message"])
def test_a_close_is_a_close_in_any_order(order: str) -> None:
    _, other = made()
    for what in order.split():
        if what == "heard":
            other.receive_message(b"\0\0\0\x09\0\0\0\0")
        elif what == "data":
            other.data_ended()
        else:
            other.message_ended()
    assert other.state is LinkState.CLOSED


@pytest.mark.parametrize("order", ["data message", "message data", "reset message", "message reset", "reset doubt"])
def test_a_loss_is_a_loss_in_any_order(order: str) -> None:
    _, other = made()
    for what in order.split():
        {
            "data": other.data_ended,
            "reset": lambda: other.data_ended(reset=True),
            "message": other.message_ended,
            "doubt": other.doubt_over,
        }[what]()
    assert other.state is LinkState.LOST


def test_the_end_of_the_data_alone_is_a_close() -> None:
    _, other = made()
    other.receive_data(b"\xa1\x05\n")
    other.data_ended()
    assert other.next_expression() == 5
    assert other.next_expression() is NEED_DATA
    assert other.doubt is not None
    other.doubt_over()
    assert other.state is LinkState.CLOSED
    with pytest.raises(LinkClosed, match="by the peer"):
        other.next_expression()


@pytest.mark.parametrize("heard", [False, True])
def test_a_peer_that_stops_reading_at_message_nine_is_waited_for(heard: bool) -> None:
    one, other = made(other_features=Features(textid="Mar  1 2018"))
    assert not one.lingers
    one.close()
    other.close()
    assert one.lingers
    assert not other.lingers
    if heard:
        one.receive_message(other.say_closing())
        assert one.heard_closing
        assert not one.lingers
    one.data_ended()
    assert one.state is LinkState.CLOSING
    assert one.say_closing() == b"\0\0\0\x09\0\0\0\0"
    assert not one.lingers


def test_what_was_written_before_the_close_is_read_before_the_end() -> None:
    one, other = made()
    one.put(1)
    one.put(f(2))
    data = b"".join(one.data_to_send())
    one.close()
    assert one.state is LinkState.CLOSING
    other.receive_message(one.say_closing())
    assert one.state is LinkState.CLOSED
    assert one.say_closing() == b""
    assert other.state is LinkState.DRAINING
    assert other.doubt is not None
    assert not other.poll()
    other.receive_data(data)
    other.message_ended()
    other.data_ended()
    assert [other.next_expression(), other.next_expression()] == [1, f(2)]
    for _ in range(2):
        with pytest.raises(LinkClosed, match="by the peer"):
            other.next_expression()
    with pytest.raises(LinkClosed):
        other.put(1)
    with pytest.raises(LinkClosed):
        one.next_expression()


def test_a_loss_in_the_middle_of_an_expression() -> None:
    _, other = made()
    other.receive_data(b"FB#DA~Af\n")
    other.data_ended(reset=True)
    assert other.doubt is not None
    assert other.next_expression() is NEED_DATA
    other.doubt_over()
    assert other.doubt is None
    with pytest.raises(LinkLost, match="middle of an expression"):
        other.next_expression()


def test_the_message_connection_alone_goes() -> None:
    _, other = made()
    other.message_ended()
    assert other.state is LinkState.MESSAGE_GONE
    other.receive_data(b"\xa1\x05\n")
    assert other.next_expression() == 5
    other.data_ended()
    with pytest.raises(LinkLost):
        other.next_expression()


def test_half_of_message_nine_counts() -> None:
    _, other = made()
    other.receive_message(b"\0\0\0\x09")
    assert other.state is LinkState.ACTIVE
    other.message_ended()
    other.data_ended()
    assert other.state is LinkState.CLOSED
    with pytest.raises(LinkClosed):
        other.next_expression()


def test_wrong_bytes_fail_the_link_after_what_came_before() -> None:
    _, other = made()
    other.receive_data(b"\xa1\x05\nGET /")
    assert other.next_expression() == 5
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            other.next_expression()
    assert other.state is LinkState.FAILED
    other.close()
    assert other.say_closing() == b"\0\0\0\x09\0\0\0\0"


def test_wrong_messages_fail_the_link() -> None:
    _, other = made()
    other.receive_message(b"HTTP")
    with pytest.raises(RemoteProtocolError):
        other.next_expression()


def test_wrong_greetings_fail_the_link() -> None:
    machine = LinkMachine()
    machine.receive_data(b"HTTP/1.1")
    assert machine.failed
    assert isinstance(machine.end_error(), RemoteProtocolError)


def test_limits_hold() -> None:
    _, other = made(limits=Limits(nesting_depth=3))
    other.receive_data(b"FAFAFAFAFA")
    with pytest.raises(LimitExceeded):
        other.next_expression()


def test_nothing_is_put_before_the_greeting() -> None:
    machine = LinkMachine()
    with pytest.raises(LocalProtocolError):
        machine.put(1)
    with pytest.raises(LocalProtocolError):
        machine.put_message(1)
    assert not machine.poll()
    machine.close()
    assert machine.say_closing()


def test_messages_stop_being_read_when_nobody_fetches_them() -> None:
    _, other = made()
    other.receive_message(b"\0\0\0\x03\0\0\0\0" * 2000)
    assert other.messages_full
    while other.has_message:
        other.next_message()
    assert not other.messages_full


def test_what_could_not_be_written_goes_to_the_front() -> None:
    one, other = made()
    one.put(1)
    first = one.data_to_send()
    one.put(2)
    one.requeue(first)
    assert one.queued == 12
    carry(one, other)
    assert [other.next_expression(), other.next_expression()] == [1, 2]


def test_packets() -> None:
    assert is_packet(f(1))
    assert not is_packet(f(1)(2))
    assert not is_packet(f)


def test_events_that_change_nothing() -> None:
    one, _ = made()
    one.doubt_over()
    assert one.active
    assert LinkEvent.SAID not in TRANSITIONS[LinkState.ACTIVE]

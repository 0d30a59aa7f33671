"""Opening, packets, messages and closing between `wstp` and a C library, in both roles."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cdriver import CDriver, DriverError
from clibrary import FlatToken
from clinks import TIMEOUT, Drivers, Pair, in_thread, make_pair
from flat import flat_expression

import wstp
from wstp import Message, MessageCode, Symbol

F, G, X = Symbol("f"), Symbol("g"), Symbol("x")
EXPRESSION = F(1, 2.5, "é\n]", X, [1, 2, 3], 10**30)
FLAT = flat_expression(EXPRESSION)
CLOSED = 11
"""The library's error number when the other side has closed, or has died."""
LINK_SERVER = "C listens, UUID mode"
LINGER = 5.0


def wrapped(tokens: list[FlatToken], head: str) -> list[FlatToken]:
    return [["F", 1], ["#", head], *tokens]


def test_expressions_pass_both_ways(any_pair: Pair) -> None:
    any_pair.link.put(EXPRESSION, end_packet=True)
    any_pair.link.flush(TIMEOUT)
    assert any_pair.c("get") == FLAT
    any_pair.c("put_flat", tokens=FLAT, end_packet=True)
    assert any_pair.link.get(TIMEOUT) == EXPRESSION


def tell(pair: Pair, message: Message) -> None:
    """Send the library a message until it has heard it.

    On a busy machine it loses one now and then, or hears it seconds later.
    """
    for _ in range(4):
        pair.link.put_message(message.code, message.parameter)
        while (heard := pair.c("message", seconds=4)) is not None:
            if heard == [message.code, message.parameter]:
                return
    pytest.fail(f"the library does not hear {message}")


def test_messages_pass_both_ways(any_pair: Pair) -> None:
    for code, parameter in [(2, 0), (3, 0), (128, 7), (255, 1), (200, 2**31 - 1)]:
        any_pair.c("put_message", code=code, parameter=parameter)
        assert next_message(any_pair.link) == Message(code, parameter)
        if (
            any_pair.kind != LINK_SERVER
        ):  # the library's link server receives no messages, not even from its own clients
            tell(any_pair, Message(code, -parameter))


def test_many_messages_keep_their_order(pair: Pair) -> None:
    sent = [Message(130, parameter) for parameter in range(10, 210)]
    for message in sent:
        pair.c("put_message", code=message.code, parameter=message.parameter)
    assert [next_message(pair.link) for _ in sent] == sent
    # Send one message at a time to the library: of messages that come together it loses some. Send
    # none with parameter 9: it takes that for message 9, the closing of the link.
    for message in sent:
        tell(pair, message)


def next_message(link: wstp.Link) -> Message | None:
    assert link.wait(TIMEOUT).message
    return link.get_message()


def test_a_message_arrives_while_an_expression_is_awaited(pair: Pair) -> None:
    heard: list[Message] = []
    pair.link.on_message = heard.append
    answer = in_thread(lambda: pair.link.get(TIMEOUT))
    pair.c("put_message", code=MessageCode.ABORT, parameter=None)
    pair.c("put_flat", tokens=[["#", "$Aborted"]], end_packet=True)
    assert answer() == Symbol("$Aborted")
    if not heard:  # the two connections are not ordered with each other
        assert pair.link.wait(TIMEOUT).message or heard
    assert heard == [Message(MessageCode.ABORT, 0)]


def test_the_library_terminates_on_message_1(pair: Pair) -> None:
    pair.link.put_message(MessageCode.TERMINATE)
    assert pair.c("ready", seconds=TIMEOUT / 2)
    with pytest.raises(DriverError) as error:
        pair.c("get")
    assert error.value.code == CLOSED


def test_end_of_packet_may_be_omitted(pair: Pair) -> None:
    for number in range(4):
        pair.link.put(F(number), end_packet=number % 2 == 0)
    pair.link.flush(TIMEOUT)
    for number in range(4):
        assert pair.c("get", new_packet=number % 2 == 0) == flat_expression(F(number))
    for number in range(4):
        pair.c("put_flat", tokens=flat_expression(F(number)), end_packet=number % 2 == 1)
    assert [pair.link.get(TIMEOUT) for _ in range(4)] == [F(number) for number in range(4)]


def test_packets_are_found(pair: Pair) -> None:
    pair.link.put(Symbol("EvaluatePacket")(EXPRESSION), end_packet=True)
    pair.link.flush(TIMEOUT)
    assert pair.c("next_packet") == [["packet", 13], *FLAT]
    for tokens in ([["i", "1"]], wrapped(FLAT, "ReturnPacket")):
        pair.c("put_flat", tokens=tokens, end_packet=True)
    assert pair.link.next_packet(TIMEOUT) == Symbol("ReturnPacket")(EXPRESSION)


def test_readiness_follows_the_data(pair: Pair) -> None:
    assert not pair.link.ready()
    assert not pair.c("ready", seconds=0)
    pair.link.put(1, end_packet=True)
    pair.link.flush(TIMEOUT)
    assert pair.c("ready", seconds=TIMEOUT)
    assert pair.c("get") == [["i", "1"]]
    pair.c("put_flat", tokens=FLAT, end_packet=True)
    assert pair.link.wait(TIMEOUT).data
    assert pair.link.ready()
    assert pair.link.get(TIMEOUT) == EXPRESSION
    assert not pair.link.ready()


def put_and_written(pair: Pair) -> None:
    """Put the expression, and wait until it has come.

    Flush returns before a thread of the library has written; Close and a kill drop the rest.
    """
    pair.c("put_flat", tokens=FLAT, end_packet=True)
    assert pair.link.wait(TIMEOUT).data


def test_the_library_closes(any_pair: Pair) -> None:
    put_and_written(any_pair)
    any_pair.c("close")
    assert any_pair.link.get(TIMEOUT) == EXPRESSION
    if any_pair.kind == LINK_SERVER and any_pair.link.peer_features.version == 5:
        return  # that library's link server leaves both connections open and says nothing
    # The library's link server closes its links without message 9, and one connection perhaps more
    # than a second after the other.
    with pytest.raises((wstp.LinkLost, wstp.LinkClosed) if any_pair.kind == LINK_SERVER else wstp.LinkClosed):
        any_pair.link.get(TIMEOUT)


def test_the_library_is_killed(mortal: Pair) -> None:
    put_and_written(mortal)
    mortal.driver.kill()
    assert mortal.link.get(TIMEOUT) == EXPRESSION
    with pytest.raises(wstp.LinkLost):
        mortal.link.get(TIMEOUT)


def test_the_library_is_killed_in_the_middle_of_an_expression(mortal: Pair) -> None:
    mortal.c("put", puts=[["Function", "f", 2], ["Integer32", 1]])
    mortal.driver.kill()
    with pytest.raises(wstp.LinkLost):
        mortal.link.get(TIMEOUT)


def test_we_close(any_pair: Pair) -> None:
    any_pair.link.put(EXPRESSION, end_packet=True)
    any_pair.link.flush(TIMEOUT)
    closing = in_thread(lambda: any_pair.link.close(TIMEOUT, LINGER))
    assert any_pair.c("get") == FLAT
    with pytest.raises(DriverError) as error:
        any_pair.c("get")
    assert error.value.code == CLOSED
    any_pair.c("close")
    closing()


VICTIM = """
import sys, wstp
link = wstp.connect(sys.argv[1], mode="uuid", timeout=30)
link.put(wstp.Symbol("hello"), end_packet=True)
link.flush()
link.get()
"""


def test_we_are_killed(drivers: Drivers) -> None:
    driver = drivers.new()
    server, port = driver("server", port=0, interface="127.0.0.1")
    root = Path(wstp.__file__).parents[1]
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, f"{port}@127.0.0.1"], cwd=root)
    try:
        number = driver("accept", server=server)
        driver("call", link=number, name="Activate")
        assert driver("get", link=number) == [["#", "hello"]]
        driver.post("get", link=number)
    finally:
        victim.kill()
        victim.wait(10)
    with pytest.raises(DriverError) as error:
        driver.result(TIMEOUT)
    assert error.value.code == CLOSED


@pytest.mark.parametrize("name", ["", "plain", "it's", "ünï", 'say "hi"', "a -tokens 1\\n"])
@pytest.mark.parametrize("kind", ["C connects, UUID mode", "C listens, default mode"])
def test_any_environment_id_is_taken(drivers: Drivers, kind: str, name: str) -> None:
    driver = drivers.new(name)
    try:
        with make_pair(driver, kind) as pair:
            pair.c("put_flat", tokens=FLAT, end_packet=True)
            assert pair.link.get(TIMEOUT) == EXPRESSION
    finally:
        driver.kill()


@pytest.fixture
def clients(library: str) -> Iterator[list[CDriver]]:
    made = [CDriver(library) for _ in range(3)]
    yield made
    for driver in made:
        driver.__exit__(None, None, None)


def test_a_listener_takes_many_clients(clients: list[CDriver]) -> None:
    with wstp.listen(0, mode="uuid") as listener:
        numbers = []
        for driver in clients:
            specification = (
                f"-linkmode connect -linkprotocol TCPIP -linkoptions 4 -linkname {listener.port}@127.0.0.1"
            )
            numbers.append(driver("open_string", specification=specification))
            driver.post("call", link=numbers[-1], name="Activate")
        links = [listener.accept(TIMEOUT) for _ in clients]
        for driver, number in zip(clients, numbers, strict=True):
            driver.result(TIMEOUT)
            driver("put_flat", link=number, tokens=[["i", str(driver.pid)]], end_packet=True)
        assert sorted(link.get(TIMEOUT) for link in links) == sorted(driver.pid for driver in clients)
        for link in links:
            link.close()

"""Packets that cannot be read: the shipped kernel says so in its answer, and goes on.

Each case goes to the kernel as it is installed: through the server, as a process of its own, and to
a broken link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asking import EVALUATE, command, connect, order, value
from malformed import ARGUMENTS, FAILED, INTEGER, head, text
from mathics_kernel import WAIT, Kernel
from serving import Part, stand_in_pool, write_config

import wstp
from wstp import Expr, Symbol
from wstp.lexer import encode_count

pytestmark = pytest.mark.timeout(180)

S = Symbol


def send(link: wstp.Link, data: bytes) -> None:
    link.put_raw([data, b"]"])
    link.flush(WAIT)


def take_message(link: wstp.Link, tag: str, words: str) -> None:
    """Read the message about a packet that cannot be read: its name and its one line."""
    assert link.get(WAIT) == S("MessagePacket")(S("Kernel"), tag)
    said = link.get(WAIT)
    assert said.head == S("TextPacket")
    assert re.fullmatch(rf"Kernel::{tag}: .*{re.escape(words)}.*\n", said.args[0])


def provoke(link: wstp.Link) -> None:
    """Send every case in every packet that evaluates; each is answered once."""
    for argument, tag, words in ARGUMENTS:
        send(link, head(b"EvaluatePacket") + argument)
        take_message(link, tag, words)
        assert link.get(WAIT) == FAILED
    for argument, tag, words in (ARGUMENTS[0], ARGUMENTS[4], ARGUMENTS[-1]):
        for name in (b"EnterTextPacket", b"EnterExpressionPacket"):
            send(link, head(name) + argument)
            take_message(link, tag, words)
            assert link.get(WAIT) == S("InputNamePacket")("In[1]:= ")
    # A head that cannot be read, and an expression without a packet around it.
    send(link, b"FA" + text(b"#", b"D", b"A", b"\xff") + INTEGER)
    take_message(link, "text", "A symbol's text is not utf-8")
    assert link.get(WAIT) == FAILED
    send(link, ARGUMENTS[0][0])
    take_message(link, "number", '"12x"')
    assert link.get(WAIT) == FAILED


def provoke_in_dialogs(link: wstp.Link) -> None:
    """Answer questions of the kernel so that it cannot read the answer."""
    for argument, tag, words in (ARGUMENTS[0], ARGUMENTS[4], ARGUMENTS[-1]):
        for packet in (b"ReturnPacket", b"EnterExpressionPacket"):
            link.put(EVALUATE([S("Input")("? ")]), end_packet=True)
            assert link.get(WAIT).head == S("InputPacket")
            send(link, head(packet) + argument)
            take_message(link, tag, words)
            assert link.get(WAIT) == S("ReturnPacket")([S("$Failed")])
        link.put(EVALUATE(S("Dialog")()), end_packet=True)
        while link.get(WAIT).head != S("InputNamePacket"):
            pass
        send(link, head(b"EvaluatePacket") + argument)
        take_message(link, tag, words)
        assert link.get(WAIT) == FAILED
        link.put(S("EnterTextPacket")("Return[5]"), end_packet=True)
        while (packet_read := link.get(WAIT)).head != S("ReturnPacket"):
            pass
        assert packet_read.args[0] == 5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    folder = tmp_path_factory.mktemp("malformed")
    pools = {"Mathics": {"MinimumKernelNumber": 1, "Default": True}, "StandIn": stand_in_pool(folder)}
    config = write_config(folder / "c.conf", Pools=pools)
    with Part("serve", "-p", "0", "-c", config) as part:
        yield part


@pytest.mark.parametrize("asking", [provoke, provoke_in_dialogs])
def test_through_the_server(server: Part, asking: Callable[[wstp.Link], None]) -> None:
    with connect(server) as link:
        assert value(link, S("Set")(S("kept"), 12345)) == 12345
        asking(link)
        assert value(link, S("kept")) == 12345
        send(link, b"FA" + text(b"#", b"A", encode_count(20), b"WSTPServer`KeepAlive") + ARGUMENTS[0][0])
        assert link.get(WAIT) == S("MessagePacket")(S("WSTPServer`Command"), "command")
        refusal = link.get(WAIT).args[0]
        assert refusal.startswith('WSTPServer`Command::command: the command cannot be read: "12x" was')
        assert len(refusal.splitlines()) == 1
        assert link.get(WAIT) == FAILED
        link.put(command("PoolName"), end_packet=True)
        assert link.get(WAIT) == S("ReturnPacket")("Mathics")
    assert not server.logged("Traceback")


def stand_in(server: Part) -> wstp.Link:
    """Connect to a kernel that does what a test asks of it."""
    link = wstp.connect(server.server, mode="uuid", timeout=WAIT)
    assert isinstance(order(link, command("ConnectKernel", S("Rule")("Pool", "StandIn"))), str)
    assert link.get(WAIT) == S("InputNamePacket")("In[1]:= ")
    return link


def test_what_a_kernel_ends_early_reaches_the_client(server: Part) -> None:
    """The client's reader says so, as on a direct link, and goes on with the next packet."""
    with stand_in(server) as link:
        link.put(EVALUATE(S("Early")()), end_packet=True)
        with pytest.raises(wstp.EarlyEnd) as caught:
            link.get(WAIT)
        assert caught.value.expr == FAILED
        assert link.get(WAIT) == S("ReturnPacket")(S("Null"))
        assert value(link, 7) == 7


def test_a_kernel_that_sends_nonsense_is_ended(server: Part) -> None:
    with stand_in(server) as link:
        link.put(EVALUATE(S("Nonsense")()), end_packet=True)
        with pytest.raises(wstp.LinkClosed):
            link.get(WAIT)
    assert server.told(r"kernel \w+ of pool StandIn sent what is not WSTP \(byte 0x01 begins no expression .*\), and is ended")
    assert server.told(r"kernel \w+ of pool StandIn has ended: it sent what is not WSTP")


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    made = Kernel("default", tmp_path)
    made.next()
    yield made
    made.close()


def test_as_a_process_of_its_own(kernel: Kernel) -> None:
    """What breaks the stream for good ends the link, also while the kernel evaluates or sends."""
    provoke(kernel.link)
    assert kernel.evaluate("1 + 1") == 2
    looping: Expr = EVALUATE(S("ToExpression")('Do[Print["x"], {10^7}]'))
    kernel.put(looping)
    assert kernel.next() == S("TextPacket")("x\n")
    kernel.link.put_raw([b'"HDxEhello\n'])
    kernel.link.flush(WAIT)
    assert kernel.exit_status() == 4
    (line,) = kernel.log.read_text().splitlines()
    assert "the link cannot be read any more: byte 0x78 where '~' is due" in line

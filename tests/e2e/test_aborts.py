"""The abort ladder with real processes: a message, then SIGINT, then SIGKILL and another kernel."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest
from asking import EVALUATE, answers, connect, value
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from wstp import Function, MessageCode, Symbol

pytestmark = pytest.mark.timeout(180)

#: Seconds. Half of it is enough for the kernels of these tests, if they obey at all.
TIMEOUT = 3.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    folder = tmp_path_factory.mktemp("aborts")
    pools = {"Main": stand_in_pool(folder), "Mathics": {"MinimumKernelNumber": 1}}
    config = write_config(folder / "c.conf", Pools=pools, Limits={"AbortTimeout": TIMEOUT})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def begin(link: wstp.Link, expression: Function) -> None:
    """Request an evaluation, and its abort."""
    link.put(EVALUATE(expression), end_packet=True)
    link.flush()
    link.put_message(MessageCode.ABORT)


def code(text: str) -> Function:
    return Symbol("ToExpression")(text)


def last_words(link: wstp.Link) -> list[object]:
    """Return everything that comes over a link until it ends."""
    packets: list[object] = []
    while True:
        try:
            packets.append(link.get(timeout=60))
        except (wstp.LinkClosed, wstp.LinkLost):
            return packets
        except wstp.LinkTimeout:
            pytest.fail(f"its link goes on: {packets}")


def test_a_kernel_that_takes_the_message_gets_no_signal(server: Part) -> None:
    with connect(server) as link:
        pid = value(link, Symbol("Pid")())
        identity = value(link, Symbol("Defined")())
        begin(link, Symbol("Wait")())
        assert answers(link)[-1].args[0] == Symbol("$Aborted")
        assert value(link, Symbol("Pid")()) == pid
        name = str(identity).split("$KernelID=")[1][:8]
    assert not server.logged(f"kernel {name} .*SIGINT")


def test_a_kernel_that_ignores_the_message_is_sent_sigint(server: Part) -> None:
    with connect(server) as link:
        pid = value(link, Symbol("Pid")())
        begin(link, Symbol("Stubborn")())
        assert answers(link)[-1].args[0] == Symbol("$Aborted")
        assert value(link, Symbol("Pid")()) == pid, "the session lives"
    wait_until(lambda: server.logged("has not obeyed an abort .message 3. in 1.5 s: it is sent SIGINT"), "a line on SIGINT")
    assert server.told("has obeyed the abort, after SIGINT")


def test_a_kernel_that_ignores_both_is_killed_and_its_client_told(server: Part) -> None:
    with connect(server) as link:
        begin(link, Symbol("Deaf")())
        said = last_words(link)
    message, text = said[-2:]
    assert message == Symbol("MessagePacket")(Symbol("WSTPServer`Kernel"), "abort")
    assert isinstance(text, Function) and "did not obey an abort in 3 s (Limits/AbortTimeout)" in str(text.args[0])
    wait_until(lambda: server.logged("neither message 3 nor SIGINT, each for 1.5 s: it is killed"), "a line on SIGKILL")
    with connect(server) as link:
        assert value(link, 7) == 7, "another kernel is there"


def connect_embedded(server: Part) -> wstp.Link:
    """Connect, and change to a kernel of the pool of embedded kernels."""
    link = connect(server)
    link.put(Symbol("WSTPServer`Disconnect")(), end_packet=True)
    answers(link)
    link.put(Symbol("WSTPServer`ConnectKernel")(Symbol("Association")(Symbol("Rule")("Pool", "Mathics"))), end_packet=True)
    answers(link)
    assert link.get(timeout=30) == Symbol("InputNamePacket")("In[1]:= ")
    return link


def test_an_embedded_kernel_that_hears_nothing_is_killed(server: Part) -> None:
    with connect_embedded(server) as link:
        kernel = psutil.Process(int(str(value(link, code("$ProcessID")))))
        link.put(EVALUATE(code('Print["on"]; While[True]')), end_packet=True)
        assert link.next_packet(timeout=30) == Symbol("TextPacket")("on\n")
        kernel.suspend()
        link.put_message(MessageCode.ABORT)
        said = last_words(link)
    assert said[0] == Symbol("MessagePacket")(Symbol("WSTPServer`Kernel"), "abort"), said
    kernel.wait(10)

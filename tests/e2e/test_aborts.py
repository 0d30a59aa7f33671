"""The abort ladder with real processes: a message, then SIGINT, then SIGKILL and another kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest
from asking import EVALUATE, answers, command, connect, order, value
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from kernelbus.shell.address import Address
from kernelbus.shell.clients.session import Session, connect_command
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


def test_the_answer_to_an_abort_comes_behind_little(server: Part) -> None:
    """However much a kernel says to a client that does not read, little of it waits on the way."""
    with connect(server) as link:
        kernel = psutil.Process(int(str(value(link, Symbol("Pid")()))))
        link.put(EVALUATE(Symbol("Flow")("x" * 50_000)), end_packet=True)
        link.flush()
        assert link.next_packet(timeout=30).head == Symbol("TextPacket")
        used = [0.0]

        def blocked() -> bool:
            time.sleep(0.3)
            used.append(sum(kernel.cpu_times()[:2]))
            return used[-1] == used[-2]

        wait_until(blocked, "the kernel is held back")
        link.put_message(MessageCode.ABORT)
        count = 0
        while link.next_packet(timeout=30) != Symbol("ReturnPacket")(Symbol("$Aborted")):
            count += 50_000
        assert count < 7_000_000, "the window alone holds more"
        assert value(link, 7) == 7


def test_who_waits_for_a_kernel_that_evaluates_is_told_so(server: Part) -> None:
    with connect(server) as first:
        identity = str(order(first, command("KernelID")))
        first.put(EVALUATE(Symbol("Wait")()), end_packet=True)
        first.flush()
    said = list[str]()

    def waits(why: str) -> None:
        said.append(why)
        session.link.put_message(MessageCode.ABORT)

    address = Address.parse(server.server)
    with Session(address, connect_command(identity), on_wait=waits) as session:
        session.put(EVALUATE(7))
        assert session.next(60).head == Symbol("InputNamePacket"), "the one before is aborted"
        assert said == [f"kernel {identity[:8]} is still evaluating what it was asked before"]
        assert session.next(30) == Symbol("ReturnPacket")(7)
        assert order(session.link, command("ResumePoint")) == session.position


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

"""Sessions: what outlives a client, and how another client goes on with it.

Real processes, with stand-in kernels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from asking import EVALUATE, answers, ask, command, connect, mapping, order, value, waiting
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from wstp import Expr, Function, Symbol

RULE, TRUE, FALSE = Symbol("Rule"), Symbol("True"), Symbol("False")
TOP = ("Bus", "AllowStealingKernels", "AllowSilentKernelReplacement", "EnableAutomaticKernelConnection")


def config(tmp_path: Path, **keys: object) -> Path:
    top = {key: keys.pop(key) for key in list(keys) if key in TOP}
    limits = keys.pop("Limits", {})
    return write_config(tmp_path / "kernelbus.conf", Pools={"P": stand_in_pool(tmp_path, **keys)}, Limits=limits, **top)


@contextlib.contextmanager
def serve(tmp_path: Path, **keys: object) -> Iterator[Part]:
    with Part("serve", "-p", "0", "-l", "debug", "-c", config(tmp_path, **keys)) as part:
        yield part


def go(server: Part, request: Function) -> wstp.Link:
    """Connect, and send `request` as the first packet."""
    link = wstp.connect(server.server, mode="uuid", timeout=10)
    link.put(request, end_packet=True)
    link.flush(timeout=10)
    return link


def back(server: Part, identity: str, *options: Expr) -> wstp.Link:
    """Reconnect to a kernel."""
    link = go(server, command("Reconnect", identity, *options))
    packets = answers(link)
    assert packets[-1].args == (identity,), packets
    return link


def refusal(server: Part, request: Function) -> str:
    with go(server, request) as link:
        packets = answers(link)
        assert packets[-1].args[0] == Symbol("$Failed"), packets
        return str(packets[-2].args[0])


def leave(server: Part, link: wstp.Link, how: str = "vanish") -> None:
    """Close a link, politely or not, and wait until the server has noticed."""
    before = len(server.logged("is detached"))
    if how == "vanish":
        link.abort()
    else:
        link.close()
    wait_until(lambda: len(server.logged("is detached")) > before, "the client's going is noticed")


def start(link: wstp.Link, expression: Expr) -> None:
    link.put(EVALUATE(expression), end_packet=True)
    link.flush(timeout=10)


def quiet(link: wstp.Link) -> None:
    """Check that nothing unrequested comes: the next packet answers the next request."""
    assert ask(link, "nothing before this") == [Symbol("ReturnPacket")("nothing before this")]


@pytest.mark.parametrize("how", ["close", "vanish"])
def test_output_without_a_client_is_delivered_once(tmp_path: Path, how: str) -> None:
    with serve(tmp_path) as part:
        link = connect(part)
        identity = str(order(link, command("KernelID")))
        value(link, 1)
        start(link, Symbol("Await")(str(tmp_path / "go")))
        start(link, Symbol("Say")("said", 3))
        start(link, "last")
        order(link, command("ResumePoint"))
        leave(part, link, how)
        (tmp_path / "go").write_text("result")
        with back(part, identity) as link:
            assert answers(link) == [Symbol("ReturnPacket")("result")]
            assert answers(link) == [Symbol("TextPacket")("said")] * 3 + [Symbol("ReturnPacket")(Symbol("Null"))]
            assert answers(link) == [Symbol("ReturnPacket")("last")]
            quiet(link)
        with back(part, identity) as link:
            quiet(link)


def test_a_resume_point_tells_exactly_what_is_missing(tmp_path: Path) -> None:
    with serve(tmp_path) as part:
        link = connect(part)
        identity = str(order(link, command("KernelID")))
        start(link, Symbol("Say")("x", 5))
        for _ in range(3):
            assert link.get(timeout=10) == Symbol("TextPacket")("x")
        # Everything has reached this machine by now. The client has read the prompt and three
        # packets of it.
        wait_until(lambda: order(link, command("ResumePoint")) == 7, "all has been passed on")
        leave(part, link)
        with back(part, identity, RULE("Resume", 4)) as link:
            assert answers(link) == [Symbol("TextPacket")("x")] * 2 + [Symbol("ReturnPacket")(Symbol("Null"))]
            quiet(link)
            assert order(link, command("ResumePoint")) == 8
        assert "resume point 99 is not there yet" in refusal(part, command("Reconnect", identity, RULE("Resume", 99)))


def test_a_resume_point_that_is_too_old_is_refused(tmp_path: Path) -> None:
    with serve(tmp_path) as part:
        with connect(part) as link:
            identity = str(order(link, command("KernelID")))
            for _ in range(3):
                value(link, "x" * 1_000_000)
        wait_until(lambda: part.logged("is detached"), "the client's going is noticed")
        assert "resume point 0 is too old" in refusal(part, command("Reconnect", identity, RULE("Resume", 0)))
        with back(part, identity, RULE("Resume", 3)) as link:
            assert answers(link)[0].args == ("x" * 1_000_000,)


def test_a_client_that_does_not_resume_gets_nothing_stale(tmp_path: Path) -> None:
    with serve(tmp_path) as part:
        link = connect(part)
        identity = str(order(link, command("KernelID")))
        start(link, Symbol("Say")("stale", 3))
        start(link, Symbol("Await")(str(tmp_path / "go")))
        leave(part, link)
        refused = refusal(part, command("ConnectKernel", identity, RULE("Wait", FALSE)))
        assert "is evaluating" in refused
        link = go(part, command("ConnectKernel", identity))
        assert answers(link)[-1] == Symbol("ReturnPacket")(identity)
        (tmp_path / "go").write_text("stale too")
        assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        quiet(link)
        link.close()


def test_a_request_to_a_busy_kernel_is_answered_to_its_client(tmp_path: Path) -> None:
    """A client that does not wait for the prompt gets its answer.

    A request of a client that leaves at once is carried out too.
    """
    with serve(tmp_path) as part:
        link = connect(part)
        identity = str(order(link, command("KernelID")))
        start(link, Symbol("Await")(str(tmp_path / "go")))
        order(link, command("ResumePoint"))
        leave(part, link)
        link = go(part, command("ConnectKernel", identity))
        start(link, "mine")
        assert answers(link)[-1] == Symbol("ReturnPacket")(identity)
        (tmp_path / "go").write_text("stale")
        assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        assert link.get(timeout=10) == Symbol("ReturnPacket")("mine")
        start(link, Symbol("Await")(str(tmp_path / "again")))
        order(link, command("ResumePoint"))
        leave(part, link)
        link = go(part, command("ConnectKernel", identity))
        start(link, "left behind")
        assert answers(link)[-1] == Symbol("ReturnPacket")(identity)
        leave(part, link, "close")
        (tmp_path / "again").write_text("on")
        with back(part, identity) as link:
            assert answers(link) == [Symbol("ReturnPacket")("on")]
            assert answers(link) == [Symbol("ReturnPacket")("left behind")]
            quiet(link)


def test_a_kernel_without_room_for_its_output_is_held_back_and_nothing_is_cut(tmp_path: Path) -> None:
    count = 3_000_000
    with serve(tmp_path, Limits={"OutputBuffer": 1 << 20, "Window": 1 << 20, "Chunk": 1 << 18}) as part:
        link = connect(part)
        identity = str(order(link, command("KernelID")))
        start(link, Symbol("Await")(str(tmp_path / "go")))
        for _ in range(3):
            start(link, Symbol("Zeros")(count))
        leave(part, link)
        before = psutil.Process(part.process.pid).memory_info().rss
        (tmp_path / "go").write_text("gone on")
        with back(part, identity) as link:
            assert answers(link)[0].args == ("gone on",)
            for _ in range(3):
                (array,) = answers(link)[-1].args
                assert isinstance(array, np.ndarray)
                assert array.shape == (count,)
            assert psutil.Process(part.process.pid).memory_info().rss - before < 40 << 20
            quiet(link)


def test_a_large_result_cut_off_with_its_client_is_sent_again_whole(tmp_path: Path) -> None:
    count = 2_000_000
    with serve(tmp_path) as part:
        link = connect(part)
        identity = str(order(link, command("KernelID")))
        start(link, Symbol("Zeros")(count))
        wait_until(link.ready, "the result begins to come")
        leave(part, link)
        with back(part, identity) as link:
            (array,) = answers(link)[-1].args
            assert isinstance(array, np.ndarray)
            assert array.shape == (count,)
            quiet(link)


def test_a_question_is_asked_again_of_the_next_client(tmp_path: Path) -> None:
    with serve(tmp_path) as part:
        link = connect(part)
        identity = str(order(link, command("KernelID")))
        start(link, Symbol("Question")("name? "))
        assert link.get(timeout=10) == Symbol("InputStringPacket")("name? ")
        leave(part, link)
        link = go(part, command("ConnectKernel", identity))
        assert answers(link)[-1] == Symbol("ReturnPacket")(identity)
        assert link.get(timeout=10) == Symbol("InputStringPacket")("name? ")
        link.put(Symbol("TextPacket")("Ada"), end_packet=True)
        link.flush()
        assert link.get(timeout=10) == Symbol("ReturnPacket")("Ada")
        quiet(link)
        link.close()


def test_a_client_that_resumes_is_asked_an_open_question(tmp_path: Path) -> None:
    """An open question is asked once.

    A client that has missed it does not get it twice, and a client that comes after the answer
    does not get it at all.
    """
    asked = Symbol("InputStringPacket")("name? ")
    with serve(tmp_path) as part:
        link = connect(part)
        identity = str(order(link, command("KernelID")))
        point = order(link, command("ResumePoint"))
        assert isinstance(point, int)
        start(link, Symbol("Question")("name? "))
        assert link.get(timeout=10) == asked
        leave(part, link)
        # A client that has missed the question gets that one; a client that has had it, another.
        for resume, packets, behind in ((Symbol("True"), 1, 1), (point + 1, 1, 2), (point, 2, 2), (point + 2, 1, 3)):
            link = back(part, identity, {"Resume": resume})
            for _ in range(packets):
                assert link.get(timeout=10) == asked
            assert order(link, command("ResumePoint")) == point + behind
            leave(part, link, "close")
        link = back(part, identity)
        assert link.get(timeout=10) == asked
        link.put(Symbol("TextPacket")("Ada"), end_packet=True)
        link.flush()
        assert link.get(timeout=10) == Symbol("ReturnPacket")("Ada")
        quiet(link)
        leave(part, link, "close")
        with back(part, identity) as link:
            quiet(link)


def test_a_client_sets_keepalive(tmp_path: Path) -> None:
    with serve(tmp_path) as part:
        with connect(part) as link:
            pid = value(link, Symbol("Pid")())
            assert isinstance(pid, int)
            process = psutil.Process(pid)
            assert order(link, command("KeepAlive", FALSE)) == FALSE
        process.wait(10)
    with serve(tmp_path, KeepAlive=False) as part:
        with connect(part) as link:
            identity = str(order(link, command("KernelID")))
            order(link, command("KeepAlive", TRUE))
        wait_until(lambda: part.logged("is detached"), "the client's going is noticed")
        with back(part, identity) as link:
            quiet(link)


def test_a_client_whose_first_packet_asks_for_a_kernel_uses_no_other(tmp_path: Path) -> None:
    with serve(tmp_path, MaximumKernelNumber=2) as part:
        with connect(part) as link:
            identity = str(order(link, command("KernelID")))
            pid = value(link, Symbol("Pid")())
        for _ in range(10):
            wait_until(lambda: part.logged("is detached"), "the client's going is noticed")
            link = go(part, command("ConnectKernel", identity))
            while (packet := link.get(timeout=10)) != Symbol("ReturnPacket")(identity):
                assert packet == Symbol("InputNamePacket")("In[1]:= ")
            assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
            assert value(link, Symbol("Pid")()) == pid
            part.log.clear()
            link.close()
        assert len(part.children()) <= 2


def test_a_kernel_in_use_is_taken_only_where_that_is_allowed(tmp_path: Path) -> None:
    with serve(tmp_path) as part, connect(part) as link:
        identity = str(order(link, command("KernelID")))
        assert "another client is attached" in refusal(part, command("ConnectKernel", identity))
        assert value(link, 1) == 1
    with serve(tmp_path, AllowStealingKernels=True) as part, connect(part) as link:
        identity = str(order(link, command("KernelID")))
        start(link, Symbol("Await")(str(tmp_path / "steal")))
        with back(part, identity) as thief:
            (tmp_path / "steal").write_text("loot")
            assert answers(thief)[-1].args == ("loot",)
            with pytest.raises(wstp.LinkClosed):
                link.get(timeout=10)


def test_a_kernel_that_is_gone_is_replaced_where_that_is_allowed(tmp_path: Path) -> None:
    with serve(tmp_path) as part:
        with connect(part) as link:
            identity = str(order(link, command("KernelID")))
            order(link, command("CloseKernel"))
        wait_until(lambda: "has ended" in refusal(part, command("ConnectKernel", identity)), "the kernel's end")
        assert "never was" in refusal(part, command("ConnectKernel", "nonsense"))
    with serve(tmp_path, AllowSilentKernelReplacement=True) as part:
        with connect(part) as link:
            identity = str(order(link, command("KernelID")))
            order(link, command("CloseKernel"))
        assert "never was" in refusal(part, command("ConnectKernel", "nonsense"))
        with go(part, command("ConnectKernel", identity)) as link:
            packets = answers(link)
            assert packets[-1].args[0] not in (identity, Symbol("$Failed")), packets


def test_a_kernel_that_dies_under_a_client_is_replaced_where_that_is_allowed(tmp_path: Path) -> None:
    with serve(tmp_path, AllowSilentKernelReplacement=True) as part, connect(part) as link:
        identity = order(link, command("KernelID"))
        pid = value(link, Symbol("Pid")())
        start(link, Symbol("Wait")())
        assert isinstance(pid, int)
        psutil.Process(pid).kill()
        message, text, failed = (link.get(timeout=10) for _ in range(3))
        assert message == Symbol("MessagePacket")(Symbol("WSTPServer`Kernel"), "replaced")
        assert "another takes its place" in str(text)
        assert failed == Symbol("ReturnPacket")(Symbol("$Failed"))
        assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        assert value(link, Symbol("Pid")()) != pid
        assert order(link, command("KernelID")) != identity
        # In the middle of its output, too.
        pid = value(link, Symbol("Pid")())
        start(link, Symbol("Zeros")(3_000_000))
        wait_until(link.ready, "the result begins to come")
        assert isinstance(pid, int)
        psutil.Process(pid).kill()
        assert answers(link)
        while link.get(timeout=10) != Symbol("InputNamePacket")("In[1]:= "):
            pass
        assert value(link, 5) == 5


def test_status_pools_and_kernels_are_answered_with_and_without_a_kernel(tmp_path: Path) -> None:
    with serve(tmp_path, EnableAutomaticKernelConnection=False) as part, go(part, command("Pools")) as link:
        pools = mapping(answers(link)[-1].args[0])
        assert mapping(pools["P"])["Default"] == TRUE
        assert mapping(order(link, command("Status")))["Pools"] == 1
        identity = str(order(link, command("ConnectKernel", RULE("Profile", "mine"))))
        link.get(timeout=10)
        value(link, 1)

        def mine() -> dict[str, Expr]:
            return mapping(mapping(order(link, command("Kernels")))[identity])

        wait_until(lambda: mine()["Evaluations"] == 1, "the counters")
        told = mine()
        assert (told["State"], told["Pool"], told["Profile"], told["Attachments"]) == ("attached", "P", "mine", 1)
        with connect_to(part) as other:
            theirs = mapping(order(other, command("Kernels")))
            assert identity not in theirs, "an id is whole for its own client only"
            assert identity[:8] in theirs


def connect_to(server: Part) -> wstp.Link:
    return wstp.connect(server.server, mode="uuid", timeout=10)


def test_a_waiting_client_is_served_in_turn_over_all_hosts_of_a_pool(tmp_path: Path) -> None:
    path = config(tmp_path, MaximumKernelNumber=1, MinimumKernelNumber=0, KeepAlive=False, ReservePreviouslyConnectedKernels=True)
    with (
        Part("broker", "--bus", "tcp://127.0.0.1:0", "-l", "debug", "-c", path, ready="Broker listening") as broker,
        Part("host", "--bus", broker.endpoint, "-l", "debug", "-c", path, ready="Kernel host"),
        Part("host", "--bus", broker.endpoint, "-l", "debug", "-c", path, ready="Kernel host"),
        Part("frontend", "--bus", broker.endpoint, "-l", "debug", "-p", "0", "-c", path) as front,
        connect_to(front) as watcher,
    ):
        # The status is answered while a kernel is awaited, as long as nothing else was requested.
        assert watcher.get(timeout=30) == Symbol("InputNamePacket")("In[1]:= ")
        order(watcher, command("CloseKernel"))
        first, second = connect(front), connect(front)
        assert value(first, Symbol("Pid")()) != value(second, Symbol("Pid")())
        third = connect_to(front)
        wait_until(lambda: waiting(watcher) == 1, "the third waits")
        fourth = connect_to(front)
        wait_until(lambda: waiting(fourth) == 2, "the fourth waits, and can see that it does")
        second.close()
        assert third.get(timeout=30) == Symbol("InputNamePacket")("In[1]:= ")
        assert waiting(watcher) == 1
        first.close()
        assert fourth.get(timeout=30) == Symbol("InputNamePacket")("In[1]:= ")
        for link in (third, fourth):
            link.close()

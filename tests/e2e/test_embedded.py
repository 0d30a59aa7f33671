"""The whole server with the embedded kernel, forked from its preloaded parent."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from asking import EVALUATE, answers, ask, connect, value
from serving import Part, wait_until, write_config

import wstp
from wstp import Function, MessageCode, Symbol

pytestmark = pytest.mark.timeout(180)


def code(text: str) -> Function:
    return Symbol("ToExpression")(text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    config = write_config(tmp_path_factory.mktemp("embedded") / "c.conf", Pools={"Mathics": {"MinimumKernelNumber": 1}})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def nursery_of(part: Part) -> psutil.Process:
    def found() -> psutil.Process | None:
        return next((child for child in part.children() if child.cmdline()[:1] == ["kernelbus: parent of embedded kernels"]), None)

    return wait_until(found, "a nursery")


def test_processes_are_named_by_what_they_are(server: Part) -> None:
    """`ps` shows a forked kernel by its id and pool, not by its parent's command line."""
    with connect(server) as link:
        identity = value(link, code("WSTPServer`$KernelID"))
        pid = value(link, code("$ProcessID"))
        assert isinstance(identity, str) and isinstance(pid, int)
        kernel = psutil.Process(pid)
        assert kernel.cmdline()[0] == f"kernelbus: kernel {identity[:8]} of pool Mathics"
        assert kernel.name() == f"kernel {identity[:8]}"
        assert nursery_of(server).pid != pid


def test_expressions_packets_and_prompts(server: Part) -> None:
    with connect(server) as link:
        assert value(link, Symbol("Plus")(2, 2)) == 4
        assert value(link, Symbol("ToString")(code("Expand[(x+y)^3]"), Symbol("InputForm"))) == "x^3 + 3*x^2*y + 3*x*y^2 + y^3"
        packets = ask(link, code('Print["now"]; 1/0'))
        assert [str(packet.head.name) for packet in packets] == ["TextPacket", "MessagePacket", "TextPacket", "ReturnPacket"]  # type: ignore[union-attr]
        link.put(Symbol("EnterTextPacket")("a = 7"), end_packet=True)
        link.flush()
        names = [link.next_packet(timeout=30) for _ in range(3)]
        assert names == [Symbol("OutputNamePacket")("Out[1]= "), Symbol("ReturnTextPacket")("7"), Symbol("InputNamePacket")("In[2]:= ")]


def test_a_net_program_enables_object_references(server: Part) -> None:
    """It sends definitions behind InstallNET, without waiting, and expects one answer."""
    with connect(server) as link:
        assert value(link, code('Needs["NETLink`"]')) == Symbol("Null")
        link.put(EVALUATE(code(f'InstallNET["{server.server}"]')), end_packet=True)
        link.put('Begin["NETLink`Package`"]')
        for number in range(50):
            link.put(Symbol("NETLink`Package`netlinkDefineExternal")("nVal[obj_?NETObjectQ]", "{obj}", number))
        link.put("End[]")
        link.put(Symbol("End"))
        link.flush(timeout=10)
        assert [packet.head.name for packet in answers(link)] == ["MessagePacket", "TextPacket", "ReturnPacket"]  # type: ignore[union-attr]
        assert ask(link, Symbol("Plus")(2, 2)) == [Symbol("ReturnPacket")(4)]


def test_a_session_goes_on_where_it_was(server: Part) -> None:
    with connect(server) as link:
        value(link, code("kept = 12345"))
        identity = value(link, code("WSTPServer`$KernelID"))
    with connect(server) as link:
        link.put(Symbol("WSTPServer`Disconnect")(), end_packet=True)
        answers(link)

        def back() -> bool:
            link.put(Symbol("WSTPServer`ConnectKernel")(identity), end_packet=True)
            return answers(link)[-1].args[0] == identity

        wait_until(back, "the kernel is free")
        assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        assert value(link, Symbol("kept")) == 12345
        assert value(link, code("WSTPServer`$PoolName")) == "Mathics"


@pytest.mark.parametrize("endless", ["While[True]", "Pause[600]", "Do[Null, {10^12}]"])
def test_an_abort_stops_what_runs_and_not_what_follows(server: Part, endless: str) -> None:
    with connect(server) as link:
        for number in range(5):
            link.put(EVALUATE(code(endless)), end_packet=True)
            link.flush()
            link.put_message(MessageCode.ABORT)
            link.put(EVALUATE(number), end_packet=True)
            assert answers(link)[-1].args[0] == Symbol("$Aborted")
            assert answers(link)[-1].args[0] == number


def test_siblings_share_no_random_numbers(server: Part) -> None:
    def draws() -> object:
        with connect(server) as link:
            return value(link, code("Table[RandomReal[], {5}]")), value(link, code("RandomInteger[10^9]"))

    seen = [str(draws()) for _ in range(4)]
    assert len(set(seen)) == 4


def sockets(pid: int) -> set[str]:
    """Return the sockets that a process has open."""
    opened = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
    return {name for name in opened if name.startswith("socket:")}


def test_siblings_share_no_descriptors(server: Part) -> None:
    links = [connect(server) for _ in range(3)]
    try:
        nursery = nursery_of(server)
        held = [sockets(kernel.pid) for kernel in nursery.children()]
        assert len(held) >= 3
        assert all(len(each) == 2 for each in held), "its own data and message connection"
        assert len(set[str].union(*held)) == 2 * len(held), "and nobody else's"
    finally:
        for link in links:
            link.close()


def test_a_killed_nursery_is_replaced_and_its_kernels_live_on(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"Mathics": {"MinimumKernelNumber": 1}})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part, connect(part) as link:
        value(link, code("kept = 1"))
        nursery = nursery_of(part)
        nursery.kill()
        nursery.wait(10)
        assert value(link, Symbol("kept")) == 1
        with connect(part) as first:
            assert value(first, 1) == 1
        with connect(part) as second:
            assert value(second, 2) == 2
        wait_until(lambda: part.logged("started again"), "a line that says so")
        assert nursery_of(part).pid != nursery.pid


@pytest.mark.parametrize("kill", ["server", "server and nursery"])
def test_nothing_is_left_of_a_killed_server_however_busy(tmp_path: Path, kill: str) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"Mathics": {"MinimumKernelNumber": 1}})
    with Part("serve", "-p", "0", "-c", config) as part, connect(part) as link:
        link.put(EVALUATE(code("While[True]")), end_packet=True)
        link.flush()
        below = part.children()
        assert len(below) >= 2
        if kill == "server and nursery":
            # Stop it first, so that neither sees the other end.
            os.kill(part.process.pid, signal.SIGSTOP)
            nursery_of(part).kill()
        part.kill()
        _, alive = psutil.wait_procs(below, 15)
        assert not alive
        with pytest.raises(wstp.LinkLost):
            link.get(timeout=10)


def test_where_the_nursery_cannot_load_the_log_says_why(tmp_path: Path) -> None:
    """A kernel that is started by itself fails in the same way, and the pool backs off."""
    broken = tmp_path / "mathics"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('this Mathics3 is broken', name='mathics')\n")
    config = write_config(tmp_path / "c.conf", Pools={"Mathics": {"MinimumKernelNumber": 1}})
    with Part("serve", "-p", "0", "-c", config, environment={"PYTHONPATH": str(tmp_path)}) as part:
        wait_until(lambda: part.logged("the nursery of embedded kernels exited with status 1"), "the nursery's failure")
        wait_until(lambda: part.logged("pool Mathics: trying again"), "the pool's back-off")


def test_a_server_without_the_second_engine(tmp_path: Path) -> None:
    """What the engine would answer stays as it is, the rest works, and the log says why once."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['woxi'] = None\n")
    config = write_config(tmp_path / "c.conf", Pools={"Mathics": {"MinimumKernelNumber": 1}})
    with Part("serve", "-p", "0", "-c", config, environment={"PYTHONPATH": str(tmp_path)}) as part, connect(part) as link:
        why = "woxi is not installed: pip install 'kernelbus[engine]'"
        assert len([line for line in part.log if why in line]) == 1
        for source, expected in (
            ("PDF[NormalDistribution[0, 1], x]", "PDF[NormalDistribution[0, 1], x]"),
            ("Simplify[Sqrt[a^2], a > 0]", "a"),
            ("Assuming[n > 0, Integrate[x^n, {x, 0, 1}]]", "(1 + n)^(-1)"),
            ("{1 < x <= 3, Normal[SparseArray[{2 -> 1}]], Head[Now]}", "{Inequality[1, Less, x, LessEqual, 3], {0, 1}, DateObject}"),
            ("StringTake[ExportString[Plot[x, {x, 0, 1}], \"SVG\"], 5]", '"<svg "'),
            ("DateString[{2020, 1, 2}, \"ISODate\"]", '"2020-01-02"'),
            ("UnitConvert[Quantity[3, \"kilometer\"], \"meter\"]", 'Quantity[3000, "meter"]'),
        ):
            assert value(link, Symbol("ToString")(code(source), Symbol("InputForm"))) == expected

"""The initialisation of embedded kernels: run once, in the parent that kernels are forked from.

Also what happens when it fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from asking import command, order, value
from serving import Part, wait_until, write_config

import wstp
from wstp import Function, Symbol

pytestmark = pytest.mark.timeout(180)

_FILE = """
BeginPackage["Tools`"];
double::usage = "twice";
Begin["`Private`"];
double[x_] := 2 x;
End[];
EndPackage[];
Print["tools are there"];
1/0;
drawn = RandomReal[]; SeedRandom[7]; seeded = RandomReal[];
parentPid = $ProcessID; parentStart = AbsoluteTime[]; parentSession = $SessionID;
TimeConstrained[While[True], 0.2];
shared = Range[1000];
"""
_WRONG = "a = 1;\nb = ((;\n"


def pool(**keys: object) -> dict[str, object]:
    return {"MinimumKernelNumber": 0, **keys}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    folder = tmp_path_factory.mktemp("initialised")
    (folder / "tools.m").write_text(_FILE)
    (folder / "wrong.m").write_text(_WRONG)
    pools = {
        "Plain": pool(Default=True),
        "Tools": pool(InitializationFile="tools.m", MinimumKernelNumber=2),
        "Same": pool(InitializationFile="tools.m"),
        "Code": pool(InitializationFile="tools.m", InitializationCode="more = double[21]; $Failed; more"),
        "Stream": pool(InitializationCode='stream = OpenWrite[]; ours = "yes";'),
        "Missing": pool(InitializationFile="missing.m", MinimumKernelNumber=1),
        "Wrong": pool(InitializationFile="wrong.m"),
        "WrongCode": pool(InitializationCode="a = ((("),
        "Failed": pool(InitializationCode='Print["so far"]; $Failed'),
        "Quits": pool(InitializationCode="Exit[3]"),
        "Aborts": pool(InitializationCode="Abort[]"),
        "Throws": pool(InitializationCode="Throw[1]"),
    }
    config = write_config(folder / "c.conf", Pools=pools, EnableAutomaticKernelConnection=False)
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def code(text: str) -> Function:
    return Symbol("ToExpression")(text)


def open_link(server: Part) -> wstp.Link:
    return wstp.connect(server.server, mode="uuid", timeout=10)


def connect_to(server: Part, name: str) -> wstp.Link:
    """Connect to a kernel of pool `name`, and read its first prompt."""
    link = open_link(server)
    answer = order(link, command("ConnectKernel", Symbol("Association")(Symbol("Rule")("Pool", name))))
    assert isinstance(answer, str), answer
    assert link.get(timeout=30) == Symbol("InputNamePacket")("In[1]:= ")
    return link


def test_an_initialised_kernel_has_everything_and_a_clean_history(server: Part) -> None:
    with connect_to(server, "Tools") as link:
        assert value(link, code("double[21]")) == 42
        assert value(link, code("Names[\"Tools`*\"]")) == ["double"]
        assert value(link, code("$Context")) == "Global`"
        assert value(link, code("Total[shared]")) == 500500
        assert value(link, code("WSTPServer`$PoolName")) == "Tools"
        assert value(link, code("WSTPServer`$KernelID")) == order(link, command("KernelID"))
        assert value(link, code("{$Line, Length[DownValues[In]], Length[DownValues[Out]]}")) == [1, 0, 0]
        link.put(Symbol("EnterTextPacket")("%"), end_packet=True)
        link.flush()
        assert "Out[0]" in str(link.get(timeout=10)) + str(link.get(timeout=10))


def test_its_output_is_logged_once_with_the_pool_and_the_file(server: Part) -> None:
    for _ in range(3):
        connect_to(server, "Tools").close()
    connect_to(server, "Same").close()
    for level, text in (("INFO", "tools are there"), ("WARNING", "Power::infy: Infinite")):
        (said,) = server.told(rf"pool (Tools|Same) \(InitializationFile .*tools\.m\) said: {text}")
        assert level in said


def test_siblings_share_nothing_that_tells_them_apart(server: Part) -> None:
    questions = ["RandomReal[]", "RandomInteger[10^12]", "Mod[$RandomState, 10^50]", "$SessionID", "$ProcessID", "First[OpenWrite[]]"]
    links = [connect_to(server, name) for name in ("Tools", "Tools", "Same", "Code")]
    try:
        for question in questions:
            answers = [value(link, code(question)) for link in links]
            assert len(set(map(str, answers))) == len(links), (question, answers)
        # A random number that was drawn in the parent is the same in all of its kernels.
        for question in ("drawn", "seeded", "parentPid", "parentSession"):
            assert len({str(value(link, Symbol(question))) for link in links[:3]}) == 1
        for link in links:
            assert value(link, code("$SessionID != parentSession && SessionTime[] < AbsoluteTime[] - parentStart")) == Symbol("True")
            value(link, code("SeedRandom[7]"))
            assert value(link, code("RandomReal[] === seeded")) == Symbol("True"), "a seed of one's own is obeyed"
    finally:
        for link in links:
            link.close()


def test_siblings_share_no_descriptors_or_signals(server: Part) -> None:
    links = [connect_to(server, "Tools") for _ in range(2)]
    try:
        kernels = [psutil.Process(value(link, code("$ProcessID"))) for link in links]  # type: ignore[arg-type]
        described = []
        for kernel in kernels:
            folder = Path(f"/proc/{kernel.pid}/fd")
            described.append({link.readlink() for link in folder.iterdir()})
        shared = described[0] & described[1]
        assert {str(name) for name in shared} == {"/dev/null"}
        assert len(described[0]) == len(described[1])
        for kernel in kernels:
            status = Path(f"/proc/{kernel.pid}/status").read_text()
            assert re.search(r"^SigBlk:\s*0+$", status, re.MULTILINE)
            assert kernel.num_threads() == 2, "the one that evaluates, and the one that reads the link"
    finally:
        for link in links:
            link.close()


def test_pools_with_the_same_initialisation_share_a_parent(server: Part) -> None:
    with connect_to(server, "Tools") as one, connect_to(server, "Same") as other, connect_to(server, "Code") as third:
        pids = [psutil.Process(value(link, code("$ProcessID"))).ppid() for link in (one, other, third)]  # type: ignore[arg-type]
        assert pids[0] == pids[1] != pids[2]
        assert value(one, code("$ParentProcessID")) == pids[0] == value(one, Symbol("parentPid"))
        assert value(third, Symbol("more")) == 42


def test_an_initialisation_that_leaves_a_file_open_is_run_by_each_kernel(server: Part) -> None:
    with connect_to(server, "Stream") as one, connect_to(server, "Stream") as other:
        assert value(one, Symbol("ours")) == "yes"
        assert value(one, code("First[stream]")) != value(other, code("First[stream]"))
        assert value(one, code('WriteString[stream, "x"]; Close[stream]; 5')) == 5
    assert server.told(r"pool Stream \(InitializationCode\) cannot be shared: it leaves .* open")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Missing", r"InitializationFile .*missing\.m gave \$Failed; its last message: Get::noopen"),
        ("Wrong", r"InitializationFile .*wrong\.m gave \$Failed; its last message: Syntax::"),
        ("WrongCode", r"InitializationCode gave \$Failed; its last message: ToExpression::|Syntax::"),
        ("Failed", r"InitializationCode gave \$Failed$"),
        ("Quits", r"InitializationCode quit the kernel \(exit status 3\)"),
        ("Aborts", r"InitializationCode was aborted"),
        ("Throws", r"InitializationCode was left by Throw or Return; its last message: Throw::nocatch"),
    ],
)
def test_waiting_clients_are_told_of_a_failing_initialisation_at_once(server: Part, name: str, words: str) -> None:
    with open_link(server) as link:
        link.put(command("ConnectKernel", Symbol("Association")(Symbol("Rule")("Pool", name))), end_packet=True)
        link.flush()
        text = ""
        while "Packet" in (packet := str(link.get(timeout=30))) and "ReturnPacket" not in packet:
            text += packet
        assert re.search(words.removesuffix("$"), text), text
        assert "do not start: could not be initialised" in text
    wait_until(lambda: server.logged(f"ERROR.*pool {name} did not start: it could not be initialised: {words}"), "the log says so")


def test_a_failing_initialisation_is_tried_with_back_off_logged_once_and_mended(server: Part) -> None:
    wait_until(lambda: server.logged("pool Missing: trying again in 4 s"), "the third try")
    assert len(server.told("ERROR.*pool Missing did not start")) == 1
    found = re.search(r"InitializationFile (\S+missing\.m)", " ".join(server.log))
    assert found
    Path(found.group(1)).write_text("found = True;\n")
    wait_until(lambda: server.logged("pool Missing: its kernels start again"), "a kernel")
    with connect_to(server, "Missing") as link:
        assert value(link, Symbol("found")) == Symbol("True")


def test_a_killed_parent_is_replaced_before_it_is_wanted(server: Part) -> None:
    with connect_to(server, "Tools") as link:
        parent = psutil.Process(value(link, code("$ParentProcessID")))  # type: ignore[arg-type]
        ready = r"the parent of pool (Tools|Same) .*tools\.m\) is ready after"
        assert len(server.told(ready)) == 1
        parent.kill()
        wait_until(lambda: server.logged(r"the parent of pool (Tools|Same) .*is started again: it was ended by SIGKILL"), "it is noticed")
        wait_until(lambda: len(server.logged(ready)) == 2, "another, which nobody has asked for yet")
        assert value(link, code("double[4]")) == 8, "its kernels live on"
        with connect_to(server, "Tools") as other:
            assert value(other, code("double[5]")) == 10


def test_without_fork_each_kernel_is_started_and_initialised_by_itself(tmp_path: Path) -> None:
    (tmp_path / "tools.m").write_text(_FILE)
    pools = {"Tools": pool(InitializationFile="tools.m", MinimumKernelNumber=1), "Missing": pool(InitializationFile="missing.m")}
    config = write_config(tmp_path / "c.conf", Pools=pools, EnableAutomaticKernelConnection=False)
    with Part("serve", "-p", "0", "-l", "debug", "-c", config, environment={"KERNELBUS_NO_FORK": "1"}) as part:
        with connect_to(part, "Tools") as link:
            assert value(link, code("double[21]")) == 42
            assert value(link, code("$ParentProcessID")) == part.process.pid
            assert not any("parent of" in child.cmdline()[0] for child in part.children())
            assert value(link, code("{$Line, Length[DownValues[In]]}")) == [1, 0]
        assert part.told(r"INFO.*of pool Tools said while it was initialised: tools are there")
        assert part.told(r"WARNING.*of pool Tools said while it was initialised: Power::infy")
        with open_link(part) as link:
            link.put(command("ConnectKernel", Symbol("Association")(Symbol("Rule")("Pool", "Missing"))), end_packet=True)
            link.flush()
            link.get(timeout=60)
            words = r"could not be initialised: InitializationFile .*missing\.m gave \$Failed; its last message: Get::noopen"
            assert re.search(words, str(link.get()))

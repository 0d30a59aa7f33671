"""The embedded kernel as a process, over a real link, as a front end uses it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mathics_kernel import ROOT, WAIT, Kernel, Parent, returned

import wstp
from wstp import Function, Symbol

S = Symbol
Start = Callable[..., Kernel]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a kernel for one test."""
    kernels: list[Kernel] = []

    def make(mode: str = "default", options: tuple[str, ...] = (), ready: bool = True) -> Kernel:
        kernels.append(Kernel(mode, tmp_path, options))
        if ready:
            assert kernels[-1].next() == Function("InputNamePacket", "In[1]:= ")
        return kernels[-1]

    yield make
    for kernel in kernels:
        kernel.close()


@pytest.fixture(scope="module")
def parent() -> Iterator[Parent]:
    """Share one process that has loaded Mathics3 and forks kernels."""
    shared = Parent()
    yield shared
    shared.close()


@pytest.fixture
def fork(parent: Parent) -> Iterator[Start]:
    """Give a function that forks a kernel for one test: like a started one, but ready sooner."""
    kernels: list[Kernel] = []

    def make() -> Kernel:
        kernels.append(parent.fork())
        assert kernels[-1].next() == Function("InputNamePacket", "In[1]:= ")
        return kernels[-1]

    yield make
    for kernel in kernels:
        kernel.close()


@pytest.fixture(scope="module", params=["default", "uuid"])
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Share one kernel for each connection mode between tests that leave it unchanged."""
    shared = Kernel(request.param, tmp_path_factory.mktemp("kernel"))
    try:
        assert shared.next() == Function("InputNamePacket", "In[1]:= ")
        yield shared
    finally:
        shared.close()


def test_packets_are_answered(kernel: Kernel) -> None:
    assert kernel.ask(S("EvaluatePacket")(S("Plus")(2, 2))) == returned(4)
    first, *_, last = kernel.ask(S("EnterTextPacket")("2+2"))
    number = int(first.args[0].removeprefix("Out[").removesuffix("]= "))
    assert last == Function("InputNamePacket", f"In[{number + 1}]:= ")
    name, text, last = kernel.ask(S("EnterTextPacket")("% + 1"))
    assert name == Function("OutputNamePacket", f"Out[{number + 1}]= ")
    assert text == Function("ReturnTextPacket", "5")
    name, answer, last = kernel.ask(S("EnterExpressionPacket")(S("Out")()))
    assert name == Function("OutputNamePacket", f"Out[{number + 2}]= ")
    assert answer == Function("ReturnExpressionPacket", 5)
    assert last == Function("InputNamePacket", f"In[{number + 3}]:= ")


@pytest.mark.parametrize(
    "value",
    [
        10**200,
        wstp.BigReal("3.14`20."),
        'é日\U0001f600\uf74c"\\\n',
        b"\x00\xff" * 500,
        S("f")(S("x"), [1, 2.5, "s"], S("Rational")(1, 3), S("Complex")(0, 1)),
        np.arange(1000) / 7,
        np.arange(1000, dtype=np.int64).reshape(10, 100) << 40,
    ],
    ids=["integer", "precise real", "text", "bytes", "tree", "reals", "matrix"],
)
def test_values_go_in_and_come_out(value: Any, kernel: Kernel) -> None:
    answer = kernel.ask(S("EvaluatePacket")(S("Identity")(value)))[-1].args[0]
    assert wstp.same(answer, value)


def test_a_million_reals_go_in_and_come_out(kernel: Kernel) -> None:
    values = np.random.default_rng(1).random(1_000_000)
    answer = kernel.ask(S("EvaluatePacket")(S("Identity")(values)))[-1].args[0]
    assert isinstance(answer, np.ndarray)
    assert np.array_equal(answer, values)


def test_half_a_surrogate_pair_is_a_character_too(kernel: Kernel) -> None:
    half = S("FromCharacterCode")(0xD800)
    assert kernel.ask(S("EvaluatePacket")(half)) == returned("\ud800")
    assert kernel.ask(S("EvaluatePacket")(S("Print")(half)))[0] == Function("TextPacket", "\ud800\n")


def test_input_form_is_the_languages(kernel: Kernel) -> None:
    text = kernel.evaluate("ToString[Expand[(x+y)^3], InputForm]")
    assert text == "x^3 + 3*x^2*y + 3*x*y^2 + y^3"


def test_output_comes_while_it_happens(kernel: Kernel, tmp_path: Path) -> None:
    # The evaluation waits for a file that is made only after its first output has come.
    flag = tmp_path / "go"
    kernel.put(
        S("EvaluatePacket")(
            S("ToExpression")(
                f'Print["first"]; 1/0; While[!FileExistsQ["{flag}"], Pause[0.01]]; Print["last"]; 5'
            )
        )
    )
    assert kernel.next() == Function("TextPacket", "first\n")
    assert kernel.next() == Function("MessagePacket", S("Power"), "infy")
    assert kernel.next().args[0].startswith("Power::infy: ")
    assert not kernel.link.ready()
    flag.touch()
    assert kernel.next() == Function("TextPacket", "last\n")
    assert kernel.next() == returned(5)[0]


@pytest.mark.parametrize(
    "code",
    [
        "While[True]",
        "Pause[100]",
        "Do[Integrate[Sin[x]^n Exp[x], x], {n, 10^4}]",
        "TimeConstrained[While[True], 100]",
    ],
)
def test_abort(code: str, kernel: Kernel) -> None:
    kernel.put(S("EvaluatePacket")(S("ToExpression")(f'Print["go"]; {code}')))
    assert kernel.next() == Function("TextPacket", "go\n")
    kernel.link.put_message(wstp.MessageCode.ABORT)
    assert kernel.next() == returned(S("$Aborted"))[0]
    assert kernel.evaluate("1+1") == 2


def test_abort_is_caught(kernel: Kernel) -> None:
    kernel.put(S("EvaluatePacket")(S("ToExpression")('CheckAbort[Print["go"]; While[True], caught]')))
    kernel.next()
    kernel.link.put_message(wstp.MessageCode.ABORT)
    assert kernel.next() == returned(S("caught"))[0]


def test_abort_of_the_main_loop(kernel: Kernel) -> None:
    kernel.put(S("EnterTextPacket")('Print["go"]; While[True]\n5'))
    kernel.next()
    kernel.link.put_message(wstp.MessageCode.ABORT)
    assert kernel.next().head == S("OutputNamePacket")
    assert kernel.next() == Function("ReturnTextPacket", "$Aborted")
    assert kernel.next().head == S("InputNamePacket")


def test_abort_right_behind_a_packet(kernel: Kernel) -> None:
    for number in range(20):
        kernel.put(S("EvaluatePacket")(S("While")(S("True"))))
        kernel.link.put_message(wstp.MessageCode.ABORT)
        assert kernel.next() == returned(S("$Aborted"))[0]
        assert kernel.ask(S("EvaluatePacket")(S("Plus")(1, number))) == returned(number + 1)


def test_abort_behind_a_packet_that_is_soon_done_does_not_hit_the_next(kernel: Kernel) -> None:
    for number in range(20):
        kernel.put(S("EvaluatePacket")(S("Plus")(1, number)))
        kernel.link.put_message(wstp.MessageCode.ABORT)
        assert kernel.next().args[0] in (number + 1, S("$Aborted"))
        assert kernel.ask(S("EvaluatePacket")(S("Plus")(2, number))) == returned(number + 2)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the time stamps of Linux")
def test_abort_of_nothing_does_not_hit_what_comes_right_behind(kernel: Kernel) -> None:
    for number in range(20):
        kernel.link.put_message(wstp.MessageCode.ABORT)
        assert kernel.ask(S("EvaluatePacket")(S("Plus")(2, number))) == returned(number + 2)


def test_abort_of_a_packet_that_has_arrived_in_part(kernel: Kernel) -> None:
    buffers = [
        bytes(b)
        for b in wstp.write_expression(S("EvaluatePacket")(S("While")(S("True"))), kernel.link.peer_features)
    ]
    whole = b"".join(buffers) + b"]"
    kernel.link.put_raw([whole[:20]])
    kernel.link.flush(WAIT)
    kernel.link.put_message(wstp.MessageCode.ABORT)
    kernel.link.put_raw([whole[20:]])
    kernel.link.flush(WAIT)
    assert kernel.next() == returned(S("$Aborted"))[0]
    assert kernel.evaluate("1+1") == 2


def test_abort_of_a_packet_stops_none_of_those_behind_it(kernel: Kernel) -> None:
    kernel.put(S("EvaluatePacket")(S("ToExpression")('Print["go"]; While[True]')))
    kernel.next()
    for number in range(100):
        kernel.put(S("EvaluatePacket")(number))
    kernel.link.put_message(wstp.MessageCode.ABORT)
    assert kernel.next() == returned(S("$Aborted"))[0]
    assert [kernel.next().args[0] for _ in range(100)] == list(range(100))


def test_foreign_packets_and_messages_do_no_harm(kernel: Kernel) -> None:
    kernel.put(S("CallPacket")(1, [2]))
    kernel.put(S("ReturnPacket")(1))
    for code in (2, 5, 8, 11, 12, 200):
        kernel.link.put_message(code, 7)
    kernel.put(S("Plus")(1, 1))
    assert kernel.next() == returned(2)[0]


def test_depth_is_answered(kernel: Kernel) -> None:
    value: Any = S("x")
    for _ in range(20_000):
        value = S("f")(value)
    answers = kernel.ask(S("EvaluatePacket")(value))
    assert answers[-1] == returned(S("$Aborted"))[0]
    assert answers[0].head == S("MessagePacket")


def jlink_records() -> list[tuple[str, bytes]]:
    records = json.loads((Path(__file__).parents[1] / "recordings" / "jlink.json").read_text())["records"]
    return [(record["call"], bytes.fromhex(record["hex"])) for record in records]


JLINK: dict[str, Any] = {
    'evaluate("2+2")': 4,
    'evaluateToInputForm("Expand[(x+y)^3]", 0)': "x^3 + 3*x^2*y + 3*x*y^2 + y^3",
    'evaluateToOutputForm("Expand[(x+y)^3]", 40)': " 3      2          2    3\nx  + 3 x  y + 3 x y  + y",
    'evaluate("Range[10]*1.5")': [1.5 * n for n in range(1, 11)],
    "putFunction EvaluatePacket, Total, double[3]": 6.5,
    'evaluate("\\"é日\\"<>\\"x\\"")': "é日x",
    "evaluateToImage: first packet": S("Null"),
}


@pytest.mark.parametrize(("call", "recorded"), jlink_records(), ids=[call for call, _ in jlink_records()])
def test_jlink_is_answered(call: str, recorded: bytes, kernel: Kernel) -> None:
    kernel.link.put_raw([recorded])
    kernel.link.flush(WAIT)
    answer = kernel.next()
    while answer.head != S("ReturnPacket"):
        assert answer.head in (S("MessagePacket"), S("TextPacket"))
        answer = kernel.next()
    value = answer.args[0].tolist() if isinstance(answer.args[0], np.ndarray) else answer.args[0]
    assert value == JLINK[call]
    # There was exactly one answer: the next one is for the next packet.
    assert kernel.ask(S("EvaluatePacket")(1)) == returned(1)


# -- beginning and ending -----------------------------------------


@pytest.mark.parametrize(("how", "code", "status"), [("fork", "Quit[]", 0), ("start", "Exit[7]", 7)])
def test_leaving(how: str, code: str, status: int, request: pytest.FixtureRequest) -> None:
    kernel = request.getfixturevalue(how)()
    kernel.put(S("EvaluatePacket")(S("ToExpression")(f'Print["bye"]; {code}')))
    assert kernel.next() == Function("TextPacket", "bye\n")
    with pytest.raises(wstp.LinkClosed):
        kernel.next()
    assert kernel.exit_status() == status


@pytest.mark.parametrize("code", ["While[True]", None])
def test_the_peer_closes(code: str | None, fork: Start) -> None:
    end_by_closing(fork(), code)


def test_the_peer_closes_in_uuid_mode(start: Start) -> None:
    end_by_closing(start("uuid"), "Pause[100]")


def end_by_closing(kernel: Kernel, code: str | None) -> None:
    if code is not None:
        kernel.put(S("EvaluatePacket")(S("ToExpression")(f'Print["go"]; {code}')))
        kernel.next()
    kernel.link.close()
    assert kernel.exit_status() == 0


@pytest.mark.parametrize("code", ["While[True]", None])
def test_the_peer_vanishes(code: str | None, start: Start) -> None:
    kernel = start()
    if code is not None:
        kernel.put(S("EvaluatePacket")(S("ToExpression")(f'Print["go"]; {code}')))
        kernel.next()
    kernel.link.abort()
    assert kernel.exit_status() == 3
    assert "lost" in kernel.log.read_text()


def test_a_kernel_that_nobody_reads_from_ends_when_the_peer_does(fork: Start) -> None:
    kernel = fork()
    kernel.put(S("EvaluatePacket")(S("ToExpression")('While[True, Print[StringJoin[Table["x", {10000}]]]]')))
    kernel.next()
    kernel.link.abort()
    assert kernel.exit_status() == 3


def test_told_to_terminate(fork: Start) -> None:
    kernel = fork()
    kernel.put(S("EvaluatePacket")(S("ToExpression")('Print["go"]; While[True]')))
    kernel.next()
    kernel.link.put_message(wstp.MessageCode.TERMINATE)
    assert kernel.exit_status() == 0


def test_the_peer_speaks_nonsense(start: Start) -> None:
    kernel = start()
    kernel.link.put_raw([b"\x01\x02\x03"])
    kernel.link.flush(WAIT)
    assert kernel.exit_status() == 4
    assert "cannot be read" in kernel.log.read_text()


def test_an_interrupt_signal_is_an_abort(start: Start) -> None:
    kernel = start()
    kernel.process.send_signal(signal.SIGINT)
    kernel.put(S("EvaluatePacket")(S("ToExpression")('Print["go"]; While[True]')))
    assert kernel.next() == Function("TextPacket", "go\n")
    kernel.process.send_signal(signal.SIGINT)
    assert kernel.next() == returned(S("$Aborted"))[0]


def test_options(start: Start, tmp_path: Path) -> None:
    (tmp_path / "init.m").write_text('fromfile = 3; Print["file"]\n')
    options = ("-initfile", "init.m", "-run", 'Print["code"]; fromcode = 4', "-noprompt", "-mystery")
    kernel = start(options=options, ready=False)
    assert kernel.next() == Function("TextPacket", "file\n")
    assert kernel.next() == Function("TextPacket", "code\n")
    assert kernel.evaluate("fromfile + fromcode") == 7
    kernel.put(S("EnterTextPacket")("2+2"))
    assert kernel.next() == Function("ReturnTextPacket", "4")
    assert "-mystery" in kernel.log.read_text()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kernelbus.kernelhost.mathics", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )


def test_a_link_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = run("-wstp", "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", f"{port}@127.0.0.1")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert f"{port}@127.0.0.1" in line


@pytest.mark.parametrize("arguments", [(), ("-wstp",), ("-linkname",), ("-linkname", "nonsense")])
def test_options_that_name_no_link(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


FORKING = """
import os, sys
from kernelbus.kernelhost.mathics.start.run import run
from kernelbus.kernelhost.mathics.evaluation.loading import load

loaded = load()
assert len(os.listdir("/proc/self/task")) == 1, "a thread before the fork"
children = []
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        os._exit(run(["-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", name], loaded))
    children.append(child)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def test_a_parent_that_has_loaded_forks_kernels() -> None:
    """Two kernels of one parent do not share definitions or random numbers."""
    with wstp.listen(0, mode="default") as one, wstp.listen(0, mode="default") as other:
        names = [f"{listener.port}@127.0.0.1" for listener in (one, other)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        parent = subprocess.Popen(
            [sys.executable, "-c", FORKING, *names], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            links = [listener.accept(WAIT) for listener in (one, other)]
            drawn = []
            for link, code in zip(links, ["x = 5; RandomInteger[10^9]", "RandomInteger[10^9]"], strict=True):
                assert link.next_packet(WAIT) == Function("InputNamePacket", "In[1]:= ")
                link.put(S("EvaluatePacket")(S("ToExpression")(code)), end_packet=True)
                drawn.append(link.next_packet(WAIT).args[0])
            assert drawn[0] != drawn[1]
            for link, value in zip(links, [5, S("x")], strict=True):
                link.put(S("EvaluatePacket")(S("x")), end_packet=True)
                assert link.next_packet(WAIT).args[0] == value
                link.put(S("EvaluatePacket")(S("While")(S("True"))), end_packet=True)
                link.flush(WAIT)
                link.put_message(wstp.MessageCode.ABORT)
                assert link.next_packet(WAIT) == returned(S("$Aborted"))[0]
                link.close()
            assert parent.wait(WAIT) == 0
        finally:
            parent.kill()
            parent.wait()

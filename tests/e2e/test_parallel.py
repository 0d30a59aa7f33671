"""Parallel computation in kernels of a server: they are its kernels for parallel work."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import ask, connect, value
from serving import Part, write_config

import wstp
from wstp import Symbol

pytestmark = pytest.mark.timeout(240)

S = Symbol


def text(link: wstp.Link, code: str) -> str:
    return str(value(link, S("ToString")(S("ToExpression")(code), S("InputForm"))))


#: Inputs of one session, with their values.
_SHARED = (
    ("SetSharedVariable[x]; x = 0; ParallelDo[x++, {10}]; x", "10"),
    ("list = {}; SetSharedVariable[list]; ParallelDo[AppendTo[list, i], {i, 6}]; Sort[list]", "{1, 2, 3, 4, 5, 6}"),
    ("{ParallelEvaluate[x = $KernelID], 1 <= x <= 2, x = 7, ParallelEvaluate[x]}", "{{1, 2}, True, 7, {7, 7}}"),
    ("m = {1, 2, 3}; SetSharedVariable[m]; ParallelDo[m[[i]] = 10 i, {i, 3}]; m", "{10, 20, 30}"),
    ("b = <||>; SetSharedVariable[b]; ParallelDo[b[i] = i; b[i]++, {i, 3}]; KeySort[b]", "<|1 -> 2, 2 -> 3, 3 -> 4|>"),
    (
        "fib[1] = fib[2] = 1; fib[n_] := fib[n] = fib[n - 1] + fib[n - 2]; SetSharedFunction[fib];"
        " {ParallelTable[fib[i], {i, 4}], Length[DownValues[fib]]}",
        "{{1, 1, 2, 3}, 5}",
    ),
    ("id[] := {$KernelID, ParallelTable[i, {i, 2}]}; SetSharedFunction[id]; ParallelEvaluate[id[]]", "{{0, {1, 2}}, {0, {1, 2}}}"),
    ("n = 0; SetSharedVariable[n]; ParallelDo[CriticalSection[lock, n = n + 1], {20}]; n", "20"),
    ("n = 0; TimeConstrained[ParallelDo[n++; Pause[60], {4}], 1]; {n, ParallelEvaluate[n]}", "{2, {2, 2}}"),
    ("a[] := Abort[]; SetSharedFunction[a]; {CheckAbort[ParallelEvaluate[a[]], 0], ParallelEvaluate[n]}", "{0, {2, 2}}"),
    ("ParallelTry[(n++; If[# > 1, #, $Failed]) &, {1, 2}]; WaitAll[{ParallelSubmit[n++]}]; n >= 4", "True"),
    ("UnsetShared[x]; x = 3; {ParallelTable[x, {2}], ParallelDo[x++, {4}], x}", "{{3, 3}, Null, 3}"),
    ("n = 0; ParallelDo[If[i == 3, Quit[]]; n++, {i, 4}]; {n >= 3, $KernelCount}", "{True, 0}"),
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    folder: Path = tmp_path_factory.mktemp("parallel")
    pools = {
        "Main": {"MinimumKernelNumber": 1, "MaximumKernelNumber": 2},
        "Workers": {"ParallelKernels": True, "ParallelKernelDefault": True, "MinimumKernelNumber": 2, "MaximumKernelNumber": 2},
    }
    with Part("serve", "-p", "0", "-c", write_config(folder / "c.conf", Pools=pools)) as part:
        yield part


def test_kernels_of_the_server_do_the_work(server: Part) -> None:
    with connect(server) as link:
        assert text(link, "{Length[LaunchKernels[2]], $KernelCount, ParallelEvaluate[$KernelID]}") == "{2, 2, {1, 2}}"
        assert text(link, "Unequal @@ Append[ParallelEvaluate[$ProcessID], $ProcessID]") == "True"
        assert text(link, "{ParallelTable[i^2, {i, 4}], ParallelTable[i j, {i, 3}, {j, i}]}") == "{{1, 4, 9, 16}, {{1}, {2, 4}, {3, 6, 9}}}"
        assert text(link, "f[x_] := g[x] + n; g[x_] := 2 x; n = 1; {ParallelMap[f, {1, 2}], n = 2, ParallelMap[f, h[1, 2]]}") == (
            "{{3, 5}, 2, h[4, 6]}"
        )
        assert text(link, "{ParallelSum[i, {i, 100}], ParallelCombine[Total, Range[10], Plus], Parallelize[{1 + 1}]}") == "{5050, 55, {2}}"
        assert text(link, "j = 3; WaitAll[{ParallelSubmit[{j}, j + 1], 5}]") == "{4, 5}"
        *said, answer = ask(link, S("ToExpression")('ParallelDo[Print["x"]; 1/0, {1}]'))
        assert S("TextPacket")("x\n") in said
        assert S("MessagePacket")(S("Power"), "infy") in said
        assert answer.args == (S("Null"),)
        link.put(S("EvaluatePacket")(S("ToExpression")('ParallelEvaluate[Input["a"] + 1]')), end_packet=True)
        for _ in range(2):
            assert link.get(timeout=60) == S("InputPacket")("a")
            link.put(S("EnterTextPacket")("4"), end_packet=True)
        assert link.get(timeout=60) == S("ReturnPacket")([5, 5])
        assert text(link, "TimeConstrained[ParallelMap[Pause, {60, 60}], 1, late]") == "late"
        assert text(link, "ParallelEvaluate[1 + 1]") == "{2, 2}"
        assert text(link, "{ParallelEvaluate[Quit[]], $KernelCount}") == "{{$Failed, $Failed}, 0}"


def test_shared_symbols(server: Part) -> None:
    with connect(server) as link:
        for code, expected in _SHARED:
            assert (code, text(link, code)) == (code, expected)


def test_kernels_end_with_their_master(server: Part) -> None:
    with connect(server) as first, connect(server) as second:
        assert text(first, "Length[LaunchKernels[2]]") == "2"
        *said, answer = ask(second, S("ToExpression")("ParallelTable[i, {i, 3}]"))
        assert said[0] == S("MessagePacket")(S("ParallelTable"), "nopar")
        assert answer.args == ([1, 2, 3],)
        os.kill(int(text(first, "$ProcessID")), signal.SIGKILL)
        assert text(second, "k = $Failed; Do[If[k === $Failed, k = Quiet[LaunchKernels[1]]], {20}]; Length[k]") == "1"
        assert text(second, "Length[CloseKernels[]]") == "1"

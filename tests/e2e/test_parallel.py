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
        assert text(link, "TimeConstrained[ParallelMap[Pause, {60, 60}], 1, late]") == "late"
        assert text(link, "ParallelEvaluate[1 + 1]") == "{2, 2}"
        assert text(link, "{ParallelEvaluate[Quit[]], $KernelCount}") == "{{$Failed, $Failed}, 0}"


def test_kernels_end_with_their_master(server: Part) -> None:
    with connect(server) as first, connect(server) as second:
        assert text(first, "Length[LaunchKernels[2]]") == "2"
        *said, answer = ask(second, S("ToExpression")("ParallelTable[i, {i, 3}]"))
        assert said[0] == S("MessagePacket")(S("ParallelTable"), "nopar")
        assert answer.args == ([1, 2, 3],)
        os.kill(int(text(first, "$ProcessID")), signal.SIGKILL)
        assert text(second, "k = $Failed; Do[If[k === $Failed, k = Quiet[LaunchKernels[1]]], {20}]; Length[k]") == "1"
        assert text(second, "Length[CloseKernels[]]") == "1"

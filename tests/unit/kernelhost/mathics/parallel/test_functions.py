"""The functions for parallel computation in a kernel without a server.

tests/e2e/test_parallel.py has them with one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mathics_values import Recorder, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded


@pytest.fixture(autouse=True)
def no_server(loaded: Loaded) -> Iterator[None]:
    assert loaded.workers.server == ""
    yield
    assert loaded.workers.all() == []


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("ParallelTable[i^2, {i, 4}]", "{1, 4, 9, 16}"),
        ("ParallelTable[x, {3}]", "{x, x, x}"),
        ("ParallelTable[i j, {i, 3}, {j, i}]", "{{1}, {2, 4}, {3, 6, 9}}"),
        ("ParallelMap[f, {1, 2}]", "{f[1], f[2]}"),
        ("ParallelMap[f, h[1, 2]]", "h[f[1], f[2]]"),
        ("ParallelMap[f][{1}]", "{f[1]}"),
        ("s = 0; ParallelDo[s += i, {i, 3}]; s", "6"),
        ("{ParallelSum[i, {i, 100}], ParallelProduct[i, {i, 5}]}", "{5050, 120}"),
        ("ParallelCombine[Total, Range[10], Plus]", "55"),
        ("ParallelTry[If[# > 1, #, $Failed] &, {1, 2, 3}]", "2"),
        ("ParallelEvaluate[1 + 1]", "2"),
        ("Parallelize[{1 + 1, 2 + 2}]", "{2, 4}"),
        ("Parallelize[Map[f, {1, 2}]]", "{f[1], f[2]}"),
        ("{Parallelize[Select[Range[6], EvenQ]], Parallelize[Count[{1, a}, _Symbol]]}", "{{2, 4, 6}, 1}"),
        ("Parallelize[PrimeQ[{2, 4}]]", "{True, False}"),
        ("{ParallelArray[f, 2], ParallelArray[f, {2, 1}], ParallelArray[f, 2, 5]}", "{{f[1], f[2]}, {{f[1, 1]}, {f[2, 1]}}, {f[5], f[6]}}"),
        ('ParallelNeeds["Developer`"]', "Null"),
        ("i = 3; WaitAll[{ParallelSubmit[{i}, i + 1], 5}]", "{4, 5}"),
        ("First[WaitNext[{ParallelSubmit[1 + 1], ParallelSubmit[2 + 2]}]]", "2"),
        ("{Kernels[], CloseKernels[], $KernelCount, $KernelID}", "{{}, {}, 0, 0}"),
        ("LaunchKernels[]", "$Failed"),
        ('f[x_] := g[x]; g[x_] := x; DistributeDefinitions[f]', '{"f", "g"}'),
    ],
)  # fmt: skip
def test_work_is_done_here(loaded: Loaded, code: str, value: str) -> None:
    assert text_of(loaded, code) == value


@pytest.mark.parametrize(
    ("code", "messages"),
    [
        ("ParallelTable[i, {i, 3}]", ["ParallelTable::nopar"]),
        ("ParallelMap[f, {1}]", ["ParallelMap::nopar"]),
        ("LaunchKernels[2]", ["LaunchKernels::nokern"]),
        ("Parallelize[1 + 1]", ["Parallelize::nopar1"]),
        ("$KernelID = 2; ParallelTable[i, {i, 3}]", []),
    ],
)
def test_it_is_said(loaded: Loaded, code: str, messages: list[str]) -> None:
    heard = Recorder()
    evaluator = Evaluator(loaded, heard)
    evaluator.read(code, False, lambda query, _: bool(evaluator.evaluate(lambda: query)))
    assert heard.lines == messages

"""The functions for shared symbols and locks, in a kernel that has no workers."""

from __future__ import annotations

import pytest
from mathics_values import Recorder, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("SetSharedVariable[sx]; sx = 0; ParallelDo[sx++, {10}]; sx", "10"),
        ("sl = {}; SetSharedVariable[sl]; ParallelDo[AppendTo[sl, i], {i, 3}]; sl", "{1, 2, 3}"),
        ("sf[n_] := n + 1; {SetSharedFunction[sf], ParallelTable[sf[i], {i, 2}]}", "{Null, {2, 3}}"),
        ("SetSharedVariable[sv]; SetSharedFunction[sv]; {FreeQ[$SharedVariables, sv], Last[$SharedFunctions]}", "{True, Hold[sv]}"),
        ("SetSharedVariable[s1, s2]; UnsetShared[s1]; {FreeQ[$SharedVariables, s1], Last[$SharedVariables]}", "{True, Hold[s2]}"),
        ('SetSharedVariable[s3]; UnsetShared["s*"]; $SharedVariables', "{}"),
        ("sy = 1; {CriticalSection[lock, sy++], CriticalSection[{a, b[1]}, sy], WithLock[lock, sy + 1]}", "{1, 2, 3}"),
    ],
)  # fmt: skip
def test_work_is_done_here(loaded: Loaded, code: str, value: str) -> None:
    assert text_of(loaded, f"Quiet[{code}]") == value


@pytest.mark.parametrize("code", ["SetSharedVariable[1]", "SetSharedVariable[x, f[2]]", "SetSharedFunction[Plus]"])
def test_what_cannot_be_shared_is_named(loaded: Loaded, code: str) -> None:
    heard = Recorder()
    evaluator = Evaluator(loaded, heard)
    evaluator.read(code, False, lambda query, _: bool(evaluator.evaluate(lambda: query)))
    assert heard.lines == [f"{code.partition('[')[0]}::sym"]


def test_locks_are_given_to_one_kernel(loaded: Loaded) -> None:
    ask = 'Block[{$ContextPath = {"System`"}}, kernelbus`Lock[{"a", "b"}, 1]; {kernelbus`Lock[{"b"}, 1], kernelbus`Unlock[{"a", "b"}, 1]}]'
    assert text_of(loaded, ask) == "{True, Null}"

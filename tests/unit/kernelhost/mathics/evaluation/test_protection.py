"""MemoryConstrained, WithLocalSettings, InheritedBlock."""

from __future__ import annotations

import sys

import pytest
from mathics_values import Recorder, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("MemoryConstrained[1 + 1, 10^8]", "2"),
        ("MemoryConstrained[1 + 1, Infinity]", "2"),
        ("MemoryConstrained[CheckAbort[Abort[], 5], 10^8]", "5"),
        ("CheckAbort[MemoryConstrained[Abort[], 10^8], 6]", "6"),
        ("MemoryConstrained[1, -1]", "MemoryConstrained[1, -1]"),
        pytest.param("{MemoryConstrained[Range[10^7]; 1, 10^7], 1 + 1}", "{$Aborted, 2}", marks=LINUX),
        pytest.param("MemoryConstrained[l = {}; While[True, l = {l, Range[1000]}], 2 10^7, 1 + 2]", "3", marks=LINUX),
        ("Internal`WithLocalSettings[a, 5, b]", "5"),
        ("{CheckAbort[Internal`WithLocalSettings[1, Abort[], x = 1], caught], x}", "{caught, 1}"),
        ("{Catch[Internal`WithLocalSettings[1, Throw[3], x = 2]], x}", "{3, 2}"),
        ("{TimeConstrained[Internal`WithLocalSettings[1, While[True], x = 3], 0.2, late], x}", "{late, 3}"),
        ("q = 4; {Internal`InheritedBlock[{q}, q = q + 1; q], q}", "{5, 4}"),
        ("f[1] = 1; {Internal`InheritedBlock[{f}, f[2] = 2; {f[1], f[2]}], f[2]}", "{{1, 2}, f[2]}"),
        ("q = 4; {Internal`InheritedBlock[{q = 7}, q], q}", "{7, 4}"),
        ("q = 4; {Catch[Internal`InheritedBlock[{q}, q = 5; Throw[q]]], q}", "{5, 4}"),
    ],
)
def test_values(loaded: Loaded, code: str, value: str) -> None:
    assert text_of(loaded, code) == value


def test_an_abort_behind_a_limit_of_memory_aborts(loaded: Loaded) -> None:
    evaluator = Evaluator(loaded, Recorder())
    values = []
    for code in ("MemoryConstrained[Abort[]; 1, 10^8]", "1 + 1"):
        evaluator.read(code, False, lambda query, _: bool(values.append(evaluator.evaluate(lambda: query))))
    assert [str(value) for value in values] == ["System`$Aborted", "2"]

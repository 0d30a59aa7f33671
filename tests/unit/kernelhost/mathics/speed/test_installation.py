"""The fast ways are in place, and hundreds of turns take hardly longer than one."""

from __future__ import annotations

import sys
from collections.abc import Callable

from kernelbus.kernelhost.mathics.speed import installation


def test_python_may_recurse_as_deep_as_the_language(value: Callable[[str], str]) -> None:
    assert value("$RecursionLimit") == str(installation.RECURSION_LIMIT)
    assert sys.getrecursionlimit() > 30 * installation.RECURSION_LIMIT


def test_large_inputs_end(value: Callable[[str], str]) -> None:
    assert value("Length[Table[i, {i, 10^5}]]") == "100000"
    assert value("s = 0\nDo[s += i, {i, 10^4}]\ns") == "50005000"
    assert value("m = Table[i + j, {i, 100}, {j, 100}]\n(m . m)[[1, 1]]") == "348550"

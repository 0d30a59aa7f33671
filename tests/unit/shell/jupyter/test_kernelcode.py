"""Code for kernels: kernelbus.shell.jupyter.kernelcode."""

from __future__ import annotations

from kernelbus.shell.jupyter.kernelcode import code, quoted
from wstp import Symbol


def test_each_name_has_its_context() -> None:
    source = 'f[x_, n_] := If[x === $Failed, "a String\\"s b", Map[#2 &, x]]'
    assert code(source) == Symbol("ToExpression")(
        "Kernelbus`Notebook`f[Kernelbus`Notebook`x_, Kernelbus`Notebook`n_] := System`If[Kernelbus`Notebook`x === System`$Failed, "
        '"a String\\"s b", System`Map[#2 &, Kernelbus`Notebook`x]]'
    )


def test_strings() -> None:
    assert quoted('a\\b"c') == '"a\\\\b\\"c"'

"""Expressions as text for people."""

from __future__ import annotations

import pytest

from kernelbus.shell.clients.forms import full_form
from wstp import BigReal, Expr, Function, Symbol


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Symbol("System`Plus")(1, Symbol("x")), "Plus[1, x]"),
        ([1, [2.5, "a"], []], 'List[1, List[2.5, "a"], List[]]'),
        ('a "b" \\c', '"a \\"b\\" \\\\c"'),
        (BigReal("1.5`20."), "1.5`20."),
        (Symbol("f")(1)(2), "f[1][2]"),
        (Symbol("$Aborted"), "$Aborted"),
    ],
)
def test_what_is_written(value: Expr, text: str) -> None:
    assert full_form(value) == text


def test_depth_does_not_matter() -> None:
    deep: Expr = 1
    for _ in range(50_000):
        deep = Function(Symbol("f"), deep)
    assert full_form(deep) == "f[" * 50_000 + "1" + "]" * 50_000

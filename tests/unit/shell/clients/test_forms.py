"""Expressions as text for people."""

from __future__ import annotations

import pytest

from kernelbus.shell.clients.forms import full_form
from wstp import BigReal, Expr, Symbol


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Symbol("f")(1, "a\"b\\", Symbol("System`x")), 'f[1, "a\\"b\\\\", x]'),
        ([], "List[]"),
        ([1, [2.5]], "List[1, List[2.5]]"),
        (Symbol("f")(1)(2), "f[1][2]"),
        (BigReal("1.5`20."), "1.5`20."),
    ],
)
def test_it_is_full_form(value: Expr, text: str) -> None:
    assert full_form(value) == text


def test_depth_costs_no_stack() -> None:
    value: Expr = 1
    for _ in range(5000):
        value = Symbol("f")(value)
    assert full_form(value) == "f[" * 5000 + "1" + "]" * 5000

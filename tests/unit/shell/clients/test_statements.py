"""A file's text, divided into its expressions."""

from __future__ import annotations

import pytest

from kernelbus.shell.clients.statements import statements


def divided(text: str) -> list[tuple[str, int]]:
    return [(found.text, found.line) for found in statements(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("#!/usr/bin/env x", []),
        ("#!/usr/bin/env x\n\n(* a (* b\n *) *)\n1", [("1", 5)]),
        ("a\nb\r\n\n c ", [("a", 1), ("b", 2), ("c", 4)]),
        ("a = 1; b = 2\nc;\nd", [("a = 1; b = 2", 1), ("c;", 2), ("d", 3)]),
        ("f[1,\n 2]\n{3\n}\n<|1 ->\n2|>\n(4\n)", [("f[1,\n 2]", 1), ("{3\n}", 3), ("<|1 ->\n2|>", 5), ("(4\n)", 7)]),
        ("x[[\n1]]", [("x[[\n1]]", 1)]),
        ('"a\n]b\\"\n" <> "c"\nd', [('"a\n]b\\"\n" <> "c"', 1), ("d", 4)]),
        ('f[x_] :=\n x\ny = "["', [("f[x_] :=\n x", 1), ('y = "["', 3)]),
        ("a \\\n b\nc", [("a \\\n b", 1), ("c", 3)]),
        ("a (* ] *) + (* x *)\nb\nc", [("a (* ] *) + (* x *)\nb", 1), ("c", 3)]),
        ("\\[Alpha] \\[Rule]\nb\n\\[Pi]\nc", [("\\[Alpha] \\[Rule]\nb", 1), ("\\[Pi]", 3), ("c", 4)]),
    ],
)
def test_a_text_is_divided_where_an_expression_may_end(text: str, found: list[tuple[str, int]]) -> None:
    assert divided(text) == found


@pytest.mark.parametrize(
    "end",
    ["a;", "a &", "a!", "f'", "i++", "i--", "x =.", "x..", "x...", "2.", "x_.", "#", "%", "a;;", "Null", "x[[1]]", "<||>"],
)  # fmt: skip
def test_an_expression_may_end_so(end: str) -> None:
    assert divided(f"{end}\nnext") == [(end, 1), ("next", 2)]


@pytest.mark.parametrize(
    "end", ["a +", "a -", "a *", "a =", "a :=", "a ->", "a :>", "a &&", "a ||", "a /;", "a /.", "a //.", "a //", "a @", "a /@", "a @@",
            "a .", "a <>", "a ~", "x_?", "a |", "a ==", "a ===", "a =!=", "a ^", "a ^:=", "a |->", "a //="],
)  # fmt: skip
def test_an_operator_wants_more(end: str) -> None:
    assert divided(f"{end}\nnext\nafter") == [(f"{end}\nnext", 1), ("after", 3)]


@pytest.mark.parametrize(
    ("text", "fault", "line"),
    [
        ("1\nf[2,\n3\n", "[ is never closed", 2),
        ("\n<|1 -> 2", "<| is never closed", 2),
        ("f[1,\n2)", ") does not close the [ of line 1", 2),
        ("a\n]", "] closes nothing", 2),
        ('a\nb = "c\n\nd', "the string that begins here is never closed", 2),
        ("a\n(* b\n", "the comment that begins here is never closed", 2),
    ],
)
def test_what_is_wrong_with_brackets_is_said(text: str, fault: str, line: int) -> None:
    last = list(statements(text))[-1]
    assert (last.fault, last.fault_line) == (fault, line)


def test_a_long_text_takes_time_in_proportion() -> None:
    # Quadratic work on this text would take hours.
    text = "x = {1, 2};\n" * 20_000
    assert sum(1 for _ in statements(text)) == 20_000

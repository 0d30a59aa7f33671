"""What is sent to the engine for an expression."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.evaluation import Evaluation
from mathics.core.parser import parse
from mathics.core.parser.feed import MathicsSingleLineFeeder

from kernelbus.kernelhost.mathics.engine import sending
from kernelbus.kernelhost.mathics.engine.sending import TooLarge, written


def sent(definitions: Any, before: str, source: str) -> str:
    """Return what is sent for `source`, after `before` was evaluated."""
    if before:
        parse(definitions, MathicsSingleLineFeeder(before, "")).evaluate(Evaluation(definitions))
    return written(parse(definitions, MathicsSingleLineFeeder(source, "")), definitions)


@pytest.mark.parametrize(
    ("before", "source", "lines"),
    [
        ("", 'h[x^2/3, 1.5`20, 0.1, "a\\"b"]', ['ToString[{h[x^2/3, 1.5`20., 0.1, "a\\"b"]}, InputForm]']),
        ("f[n_] := 1/n^2", "h[f[n]]", ["f[n_] := (1/n^2)", "ToString[{h[f[n]]}, InputForm]"]),
        ("f[n_] := g[n]; g[n_] := c n; c := 5", "f[1]", ["f[n_] := (g[n])", "g[n_] := (c*n)", "c := (5)", "ToString[{f[1]}, InputForm]"]),
        ("f[x_] := (g[x]; x)", "f[1]", ["f[x_] := (g[x]; x)", "ToString[{f[1]}, InputForm]"]),
        ("f[x_] := x /; x > 2", "f[1]", ["f[x_] := (x /; x > 2)", "ToString[{f[1]}, InputForm]"]),
        ("f[n_] := f[n - 1]", "f", ["f[n_] := (f[n - 1])", "ToString[{f}, InputForm]"]),
        ("SetAttributes[f, {Listable, HoldFirst}]", "f[1]", ["SetAttributes[f, {HoldFirst, Listable}]", "ToString[{f[1]}, InputForm]"]),
        ("Protect[f]", "f[1]", ["ToString[{f[1]}, InputForm]"]),
        ("f[a_][b_] := b", "f[1][2]", ["f[a_][b_] := (b)", "ToString[{f[1][2]}, InputForm]"]),
        ("f /: g[f] := 7", "g[f]", ["g[f] ^:= (7)", "ToString[{g[f]}, InputForm]"]),
        ("Options[f] = {k -> 1}", "f[]", ["Options[f] = {k -> 1}", "ToString[{f[]}, InputForm]"]),
        ('f::odd = "Odd."', "f[]", ['f::odd = ("Odd.")', "ToString[{f[]}, InputForm]"]),
        ("a`b`c = 5", "h[a`b`c]", ["a`b`c := (5)", "ToString[{h[a`b`c]}, InputForm]"]),
    ],
)
def test_a_question_carries_what_it_needs(definitions: Any, before: str, source: str, lines: list[str]) -> None:
    assert sorted(sent(definitions, before, source).split("\n")) == sorted(lines)


def test_the_current_context_changes_nothing(definitions: Any) -> None:
    definitions.set_current_context("mine`")
    assert sent(definitions, "", "h[x, Global`y]") == "ToString[{mine`h[mine`x, y]}, InputForm]"


def test_random_numbers_are_noticed(definitions: Any) -> None:
    for source, random in [("RandomVariate[x]", True), ("h[RandomReal[]]", True), ("h[x]", False)]:
        question = written(parse(definitions, MathicsSingleLineFeeder(source, "")), definitions)
        assert question.random is random


def test_what_is_too_large_is_not_sent(definitions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MOST_TEXT", 100)
    assert sent(definitions, "", f'h["{"x" * 70}"]')
    with pytest.raises(TooLarge) as caught:
        sent(definitions, "", f'h["{"x" * 100}"]')
    assert caught.value.size > 100

"""Label and Goto (kernelbus.kernelhost.mathics.library.control), and what changes the session."""

from __future__ import annotations

from typing import Any

import pytest

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded


class Said:
    def __init__(self) -> None:
        self.said: list[str] = []

    def text(self, text: str) -> None:
        self.said.append(text)

    def message(self, symbol: str, tag: str, text: str) -> None:
        self.said.append(f"{symbol}::{tag}: {text}")


def value(loaded: Loaded, source: str, said: Said) -> str:
    evaluator = Evaluator(loaded, said)
    values: list[Any] = []

    def use(query: Any, _: str) -> bool:
        values.append(evaluator.evaluate(lambda: query))
        return True

    evaluator.read(source, False, use)
    return evaluator.shown(values[-1])


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("(n = 0; Label[again]; n++; If[n < 3, Goto[again]]; n)", "3"),
        ("(Goto[end]; Print[1]; Label[end]; 7)", "7"),
        ("(Label[a]; (Goto[b]; Label[c]; 1); Label[b]; 2)", "2"),
        ("(k = 0; Label[a]; (k++; If[k < 4, Goto[a]]; k))", "4"),
        ("(t = end; Goto[t]; Print[1]; Label[end]; 8)", "8"),
        ("{1, Splice[{2, 3}], 4, Splice[{}]}", "{1, 2, 3, 4}"),
        ("{Splice[x], f[Splice[{1}]]}", "{Splice[x], f[Splice[{1}]]}"),
        ("x = {1, 2}; ApplyTo[x, Total]; x", "3"),
        ("c = 0; {Once[++c], Once[++c], c}", "{1, 1, 1}"),
    ],
)
def test_values(loaded: Loaded, source: str, shown: str) -> None:
    said = Said()
    assert value(loaded, source, said) == shown
    assert said.said == []


def test_a_label_that_is_missing_is_named(loaded: Loaded) -> None:
    said = Said()
    assert value(loaded, "(Goto[nowhere]; 1)", said) == "$Failed"
    assert "Label Global`nowhere not found." in said.said[0]

"""Functions that Mathics3 lacks, defined from functions.m."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.forms.inputform import input_form
from kernelbus.kernelhost.mathics.library import functions


def value(code: str, definitions: Any) -> str:
    evaluation = Evaluation(definitions, format="unformatted")
    return input_form(evaluation.parse(code).evaluate(evaluation), evaluation)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("BitXor[12, 10]", "6"),
        ("Clip[{-3, 1/2, 3}]", "{-1, 1/2, 1}"),
        ("Differences[{1, 4, 9}]", "{3, 5}"),
        ("DuplicateFreeQ[{1, 2, 1}]", "False"),
        ("Context[BitXor]", '"System`"'),
        ("Attributes[Unitize]", "{Listable, Protected}"),
        ("BitXor[x, 1.5]", "BitXor[1.5, x]"),
        ('ClearAll["Global`*"]; BitXor[12, 10]', "6"),
    ],
)
def test_the_file_defines(code: str, expected: str, definitions: Any) -> None:
    assert value(code, definitions) == expected


def test_a_file_adds_functions_with_attributes(definitions: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, "SetAttributes[mine`twice, Listable]\nmine`twice[x_] := 2 x\n")
    builtin = definitions.builtin
    monkeypatch.setattr(definitions, "builtin", dict(builtin))
    functions.add_functions(definitions)
    assert value("mine`twice[{1, 2}]", definitions) == "{2, 4}"


@pytest.mark.parametrize("line", ["1 + 1", "mine`x = 5", "Print[1]"])
def test_a_file_may_hold_nothing_else(line: str, definitions: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, f"(* a comment *)\n{line}\n")
    with pytest.raises(ValueError, match=r"functions\.m, line \d+: neither a definition nor SetAttributes"):
        functions.add_functions(definitions)


def write(directory: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let the module read a functions.m with this text."""
    (directory / "functions.m").write_text(text)
    monkeypatch.setattr(functions, "__file__", str(directory / "functions.py"))

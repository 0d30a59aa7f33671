"""Definitions that are saved in files, and read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.library.saving import saved

GIVEN = 'f[x_] := x^2; f[0] = 5; g[x_] := f[x] + c; c = 3; Options[f] = {"a" -> 1}; SetAttributes[g, Listable]; f::usage = "squares";\n'


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('Save["FILE", g]; ClearAll[f, g, c];\nGet["FILE"]; {f[0], g[{1, 2}], f::usage}', '{5, {4, 7}, "squares"}'),
        ('DumpSave["FILE", g]; ClearAll[f, g, c];\nGet["FILE"]; g[2]', "c + f[2]"),
        ('DumpSave["FILE", {f, g}]', "{f, g}"),
        ('Save["FILE", "g"]; Save["FILE", c]; StringCount[Import["FILE", "Text"], "c = 3"]', "2"),
        ('Protect[c]; Save["FILE", c]; Unprotect[c]; ClearAll[c];\nGet["FILE"]; {c, Attributes[c]}', "{3, {Protected}}"),
        ('Save["FILE/x", c]', "$Failed"),
        ("ClearAll[f]; Options[f]", "{}"),
    ],
)
def test_definitions_are_saved(code: str, expected: str, value: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "s.m").write_text("")
    assert value(GIVEN + code.replace("FILE", str(tmp_path / "s.m"))) == expected


def test_names_are_whole_in_files(definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    evaluation.parse("Pk`h[x_] := Pk`Private`k[x] + y").evaluate(evaluation)
    definitions.set_context_path(["Pk`", "System`"])
    assert saved(["Pk`h"], definitions) == "Pk`h[x_] := Pk`Private`k[x] + y\n \n"

"""Tables, matrices and grids as text."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.forms.outputform import output_form


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("TableForm[{1, 22}]", ["1", "", "22"]),
        ("TableForm[{1, 22}, TableDirections -> Row]", ["1   22"]),
        ("TableForm[{{1, 2}, {3}}]", ["1   2", "", "3"]),
        ("TableForm[{{1, 22}, {333, 4}}, TableAlignments -> Right]", ["  1   22", "", "333    4"]),
        ("TableForm[{{1, 22}, {333, 4}}, TableAlignments -> Center, TableSpacing -> {0, 1}]", [" 1  22", "333 4"]),
        ('TableForm[{{1, 2}, {3, 4}}, TableHeadings -> {{"a", "b"}, {"c", "d"}}]', ["    c   d", "", "a   1   2", "", "b   3   4"]),
        ('TableForm[{{1, 2}}, TableHeadings -> {None, {"c", "d"}}]', ["c   d", "", "1   2"]),
        ("TableForm[{{1, 2}}, TableHeadings -> Automatic]", ["    1   2", "", "1   1   2"]),
        ("MatrixForm[{{a/b, x^2}}]", ["a    2", "-   x", "b"]),
        ("MatrixForm[{1, 2}]", ["1", "", "2"]),
        ("Grid[{{a, b}, {c}}, Frame -> All]", ["a   b", "", "c"]),
        ("MatrixForm[5]", ["5"]),
    ],
)
def test_tables(code: str, lines: list[str], definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted")
    shown = output_form(evaluation.parse(code).evaluate(evaluation), evaluation)
    assert shown is not None
    assert [line.rstrip() for line in shown.split("\n")] == lines

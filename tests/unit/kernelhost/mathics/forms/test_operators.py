"""The table of infix operators, compared with what Mathics3's parser makes of each operator."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.forms.operators import INFIX, PLUS, Operator

# Mathics3's parser reads these otherwise: as another head with the same value, or not at all.
_OTHERWISE = {"Subtract", "Divide", "TwoWayRule", "MapApply"}


@pytest.mark.parametrize("name", sorted(INFIX.keys() - _OTHERWISE))
def test_an_operator_is_read_as_its_head(name: str, definitions: Any) -> None:
    held = Evaluation(definitions, format="unformatted").parse(f"Hold[a{INFIX[name].text}b]").elements[0]
    assert [held.get_head_name(), *(e.get_name() for e in held.elements)] == [f"System`{name}", "Global`a", "Global`b"]


@pytest.mark.parametrize(
    ("grouping", "least"), [("flat", [11, 11, 11]), ("left", [10, 11, 11]), ("right", [11, 11, 10])]
)
def test_the_grouping_decides_who_needs_parentheses(grouping: Any, least: list[int]) -> None:
    operator = Operator("@", 10, grouping)
    assert [operator.least(index, 3) for index in range(3)] == least


def test_numbers_of_operands() -> None:
    assert [INFIX["Subtract"].takes(count) for count in range(4)] == [False, False, True, False]
    assert INFIX["And"].takes(100)
    assert INFIX["Subtract"].precedence == PLUS

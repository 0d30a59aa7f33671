"""Names in TeX."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.evaluation import Evaluation


@pytest.mark.parametrize(
    ("code", "tex"),
    [
        ("Sin[x]^2", r"\sin ^2(x)"),
        ("Log[y]", r"\log (y)"),
        ("Exp[z]", "e^z"),
        ("ArcTan[x]", r"\tan ^{-1}(x)"),
        ("1 + 2 I", "1+2 i"),
        # What is a text stays one, and so does a name that TeX does not have.
        ('foo["Sin", "E"]', r"\text{foo}(\text{Sin},\text{E})"),
    ],
)
def test_names(code: str, tex: str, definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted", catch_interrupt=False)
    assert evaluation.parse(f"ToString[TeXForm[{code}]]").evaluate(evaluation).value == tex

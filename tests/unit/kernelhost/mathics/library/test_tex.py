"""Names in TeX."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.evaluation import Evaluation


@pytest.mark.parametrize(
    ("code", "tex"),
    [
        ("{Sin[x]^2, Log[y], Exp[z]}", r"\{\sin (x)^2, \log (y), e^z\}"),
        ("{ArcTan[x], Gamma[x], Max[a, b], 1 + 2 I}", r"\{\tan ^{-1}(x), \Gamma (x), \max (a, b), 1+2 i\}"),
        # What is a text stays one, and so does a name that TeX does not have.
        ('{"Sin", "E", foo[x]}', r"\{\text{Sin}, \text{E}, \text{foo}(x)\}"),
    ],
)
def test_names(code: str, tex: str, definitions: Any) -> None:
    evaluation = Evaluation(definitions, format="unformatted", catch_interrupt=False)
    assert evaluation.parse(f"ToString[TeXForm[{code}]]").evaluate(evaluation).value == tex

"""``Label`` and ``Goto``, which Mathics3 lacks.

``Goto[tag]`` leaves what is evaluated up to the innermost ``CompoundExpression`` that has
``Label[tag]`` as one of its elements, and goes on after that.
"""

from __future__ import annotations

from typing import Any

from mathics.core.attributes import A_HOLD_FIRST, A_PROTECTED
from mathics.core.builtin import Builtin
from mathics.core.symbols import SymbolNull

__all__ = ["BUILTINS", "GotoInterrupt", "mend_compound_expressions"]


class GotoInterrupt(Exception):
    """Unwind the evaluation up to a label."""

    def __init__(self, tag: Any) -> None:
        super().__init__(tag)
        self.tag = tag

    def __str__(self) -> str:
        return f"Label {self.tag} not found."


def mend_compound_expressions() -> None:
    """Have ``CompoundExpression`` obey ``Goto``; call this before definitions are made."""
    from mathics.builtin.procedural import CompoundExpression

    theirs = CompoundExpression.eval

    def compound(self: Any, expr: Any, evaluation: Any) -> Any:
        items = expr.get_sequence()
        labels = [item.elements[0] if item.has_form("Label", 1) else None for item in items]
        if not any(label is not None for label in labels):
            return theirs(self, expr, evaluation)
        result, at = SymbolNull, 0
        while at < len(items):
            depth = evaluation.recursion_depth
            try:
                result = items[at].evaluate(evaluation)
                at += 1
            except GotoInterrupt as goto:
                targets = [i for i, label in enumerate(labels) if label is not None and label.evaluate(evaluation).sameQ(goto.tag)]
                if not targets:
                    raise
                evaluation.recursion_depth = depth
                result, at = SymbolNull, targets[0] + 1
        return result

    compound.__doc__ = theirs.__doc__
    CompoundExpression.eval = compound


class Label(Builtin):
    """Mark a place that ``Goto`` goes to."""

    attributes = A_HOLD_FIRST | A_PROTECTED
    summary_text = "mark a place in a compound expression"

    def eval(self, tag: Any, evaluation: Any) -> Any:
        "Label[tag_]"
        return SymbolNull


class Goto(Builtin):
    """Go to a label."""

    summary_text = "go to a label"

    def eval(self, tag: Any, evaluation: Any) -> Any:
        "Goto[tag_]"
        raise GotoInterrupt(tag)


#: The functions to define.
BUILTINS = (Label, Goto)

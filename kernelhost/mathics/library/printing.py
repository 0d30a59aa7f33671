"""What a front end may have done with things that are printed and are more than text.

``Kernelbus`$Printing`` is a function, or None. Print applies it to the list of its arguments before
it prints their text, if one of them is a picture, a table, or in a row or a list of such. A client
sets it, and sees to it that it does nothing in the evaluations of other clients. Print itself looks
at the heads alone, since a function of the language for it costs more than the printing.
"""

from __future__ import annotations

from typing import Any, ClassVar

from mathics.core.attributes import A_NO_ATTRIBUTES
from mathics.core.builtin import Builtin
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

__all__ = ["Printing", "mend_printing"]

_FUNCTION = "Kernelbus`$Printing"
_NAMES = (
    "Graphics Graphics3D Graph Image Image3D Legended GeoGraphics Dataset Grid TableForm Column MatrixForm "
    "Labeled Style Framed Panel Pane Tooltip Annotation Magnify Deploy Item"
)
_DRAWN = frozenset(f"System`{name}" for name in _NAMES.split())
_CONTAINERS = frozenset({"System`List", "System`Row"})
#: How many parts of a list, and how deep, are looked at.
_PARTS = 30
_DEPTH = 3


class Printing(Builtin):
    """``Kernelbus`$Printing``: what is done with the arguments of Print that are no text."""

    name = "$Printing"
    context = "Kernelbus`"
    attributes = A_NO_ATTRIBUTES
    rules: ClassVar[dict[str, str]] = {"Kernelbus`$Printing": "None"}
    summary_text = "what is done with what is printed and is no text"


def mend_printing() -> None:
    """Have Print look for the function; call this before definitions are made."""
    from mathics.builtin.inout import Print

    theirs = Print.eval

    def eval_print(self: Any, expr: Any, evaluation: Any) -> Any:
        if any(_is_drawn(argument, _DEPTH) for argument in expr.get_sequence()):
            function = Symbol(_FUNCTION).evaluate(evaluation)
            if function.get_name() != "System`None":
                Expression(function, ListExpression(*expr.get_sequence())).evaluate(evaluation)
        return theirs(self, expr, evaluation)

    eval_print.__doc__ = theirs.__doc__
    Print.eval = eval_print


def _is_drawn(expression: Any, depth: int) -> bool:
    head = expression.get_head_name()
    if head in _DRAWN:
        return True
    if not depth or head not in _CONTAINERS:
        return False
    return any(_is_drawn(part, depth - 1) for part in expression.elements[:_PARTS])

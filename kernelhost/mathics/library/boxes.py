"""Read boxes as expressions: ``ToExpression[boxes]``, ``MakeExpression``.

Boxes become text in one line, which is read as input is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mathics.core.atoms import String
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import call, define

__all__ = ["install_boxes", "linear"]

#: Signs of notebooks that are operators of text.
_SIGNS: Final = str.maketrans({
    "\uf522": "->", "\u21fe": "->", "\uf51f": ":>", "\u29f4": ":>", "\uf431": "==", "\u2a75": "==", "\u2260": "!=", "\u2264": "<=",
    "\u2265": ">=", "\u2227": "&&", "\u2228": "||", "\u00ac": "!", "\u301a": "[[", "\u301b": "]]", "\uf3b1": " ", "\u2062": "*",
    "\uf74e": "I", "\uf74d": "E",
})  # fmt: skip
#: Boxes that show their first argument in a certain way.
_SHOWN: Final = frozenset(
    {"AdjustmentBox", "BoxData", "ButtonBox", "Cell", "FormBox", "FrameBox", "PanelBox", "StyleBox", "TagBox", "TooltipBox"}
)

_Maker = Callable[..., str]
_MADE: Final[dict[str, tuple[int, _Maker]]] = {
    "FractionBox": (2, lambda over, under: f"(({over})/({under}))"),
    "SuperscriptBox": (2, lambda base, power: f"(({base})^({power}))"),
    "SqrtBox": (1, lambda inner: f"Sqrt[{inner}]"),
    "RadicalBox": (2, lambda inner, order: f"(({inner})^(1/({order})))"),
    "SubscriptBox": (2, lambda base, index: f"Subscript[{base}, {index}]"),
    "SubsuperscriptBox": (3, lambda base, index, power: f"(Subscript[{base}, {index}]^({power}))"),
    "OverscriptBox": (2, lambda base, over: f"Overscript[{base}, {over}]"),
    "UnderscriptBox": (2, lambda base, under: f"Underscript[{base}, {under}]"),
}


def linear(box: Any) -> str | None:
    """Return boxes as text in one line, None if they are none that can be read."""
    if hasattr(box, "to_expression"):
        box = box.to_expression()
    if isinstance(box, String):
        text = str(box.value)
        return text if text.startswith('"') else text.translate(_SIGNS)
    if not isinstance(box, Expression):
        return None
    name, elements = box.get_head_name().removeprefix("System`"), box.elements
    if name == "RowBox" and len(elements) == 1 and elements[0].has_form("List", None):
        parts = [linear(each) for each in elements[0].elements]
        return None if None in parts else "".join(part for part in parts if part is not None)
    if name == "GridBox" and elements and elements[0].has_form("List", None):
        rows = [[linear(cell) for cell in row.get_elements()] for row in elements[0].elements]
        if any(None in row for row in rows):
            return None
        return "{" + ", ".join("{" + ", ".join(str(cell) for cell in row) + "}" for row in rows) + "}"
    if name in _SHOWN and elements:
        return linear(elements[0])
    made = _MADE.get(name)
    if made is None:
        return None
    plain = [linear(each) for each in elements if not each.has_form(("Rule", "RuleDelayed"), 2)]
    return None if len(plain) != made[0] or None in plain else made[1](*plain)


def _is_box(expr: Any) -> bool:
    return hasattr(expr, "to_expression") or expr.get_head_name().endswith(("Box", "`Cell", "`BoxData"))


def _to_expression(expression: Any, evaluation: Any) -> Any:
    """``ToExpression[boxes]``, ``ToExpression[boxes, form, head]``."""
    elements = expression.elements
    if not elements or len(elements) > 3 or isinstance(elements[0], String) or not _is_box(elements[0]):
        return None
    text = linear(elements[0])
    return None if text is None else Expression(expression.head, String(text), Symbol("System`InputForm"), *elements[2:])


def _make_expression(expression: Any, evaluation: Any) -> Any:
    """``MakeExpression[boxes, form]``: the expression, in ``HoldComplete``."""
    if not 1 <= len(expression.elements) <= 2:
        return None
    text = linear(expression.elements[0])
    return None if text is None else call("ToExpression", String(text), Symbol("System`InputForm"), Symbol("System`HoldComplete"))


#: Operators that stay as they are typed.
_TYPED: Final = {"And": "&&", "Equal": "==", "Or": "||"}


def install_boxes(definitions: Any) -> None:
    """Define the functions, and have ``ToBoxes`` write some operators as they are typed."""
    from mathics.format.box import operators

    operators.operator_to_unicode = {**operators.operator_to_unicode, **_TYPED}
    define(definitions, "ToExpression", _to_expression)
    define(definitions, "MakeExpression", _make_expression)

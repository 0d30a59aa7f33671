"""The language's infix operators and precedences, which InputForm and OutputForm share."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["ATOM", "CALL", "DIVIDE", "INFIX", "MINUS", "PLUS", "POWER", "TIMES", "Operator"]

# How tightly each notation binds: the language's own precedence numbers. ATOM is for what never
# needs parentheses.
PLUS: Final = 310
TIMES: Final = 400
DIVIDE: Final = 470
MINUS: Final = 480
POWER: Final = 590
CALL: Final = 670
ATOM: Final = 1000


class Operator(NamedTuple):
    """Describe one infix operator.

    Attributes:
        text: the operator with the spaces around it.
        precedence: how tightly it binds.
        grouping: on which side an operand of the same precedence needs no parentheses; "flat" for
            neither.
        most: the greatest number of operands, None for any number. The least is two.
    """

    text: str
    precedence: int
    grouping: Literal["flat", "left", "right"]
    most: int | None = None

    def takes(self, count: int) -> bool:
        """Tell whether the operator can be written with this number of operands."""
        return count >= 2 and (self.most is None or count <= self.most)

    def least(self, index: int, count: int) -> int:
        """Return the least precedence of operand ``index`` of ``count`` that needs no parentheses.
        """
        same = (self.grouping == "left" and index == 0) or (self.grouping == "right" and index == count - 1)
        return self.precedence if same else self.precedence + 1


#: The infix operators of heads in System`, by the head's name.
INFIX: Final[dict[str, Operator]] = {
    "CompoundExpression": Operator("; ", 10, "flat"),
    "Set": Operator(" = ", 40, "right", 2),
    "SetDelayed": Operator(" := ", 40, "right", 2),
    "UpSet": Operator(" ^= ", 40, "right", 2),
    "UpSetDelayed": Operator(" ^:= ", 40, "right", 2),
    "AddTo": Operator(" += ", 100, "right", 2),
    "SubtractFrom": Operator(" -= ", 100, "right", 2),
    "TimesBy": Operator(" *= ", 100, "right", 2),
    "DivideBy": Operator(" /= ", 100, "right", 2),
    "ReplaceAll": Operator(" /. ", 110, "left", 2),
    "ReplaceRepeated": Operator(" //. ", 110, "left", 2),
    "Rule": Operator(" -> ", 120, "right", 2),
    "RuleDelayed": Operator(" :> ", 120, "right", 2),
    "TwoWayRule": Operator(" <-> ", 125, "right", 2),
    "Condition": Operator(" /; ", 130, "left", 2),
    "StringExpression": Operator("~~", 135, "flat"),
    "Alternatives": Operator(" | ", 160, "flat"),
    "Or": Operator(" || ", 215, "flat"),
    "And": Operator(" && ", 215, "flat"),
    "SameQ": Operator(" === ", 290, "flat"),
    "UnsameQ": Operator(" =!= ", 290, "flat"),
    "Equal": Operator(" == ", 290, "flat"),
    "Unequal": Operator(" != ", 290, "flat"),
    "Less": Operator(" < ", 290, "flat"),
    "LessEqual": Operator(" <= ", 290, "flat"),
    "Greater": Operator(" > ", 290, "flat"),
    "GreaterEqual": Operator(" >= ", 290, "flat"),
    "Span": Operator(" ;; ", 305, "flat", 3),
    "Subtract": Operator(" - ", PLUS, "left", 2),
    "Divide": Operator("/", DIVIDE, "left", 2),
    "Dot": Operator(" . ", 490, "flat"),
    "NonCommutativeMultiply": Operator("**", 510, "flat"),
    "StringJoin": Operator("<>", 600, "flat"),
    "Map": Operator(" /@ ", 620, "right", 2),
    "Apply": Operator(" @@ ", 620, "right", 2),
    "MapApply": Operator(" @@@ ", 620, "right", 2),
    "RightComposition": Operator(" /* ", 624, "flat"),
    "Composition": Operator(" @* ", 625, "flat"),
}

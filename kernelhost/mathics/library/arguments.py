"""Say so where a function has too few or too many arguments.

Mathics3 leaves such a call as it is, mostly without a word. The table here has functions with the
least and the most number of arguments that they take, without options; None means any number. The
message is one of ``General``'s: ``argx``, ``argr``, ``argrx``, ``argt``, ``argtu``, ``argb``,
``argbu``, ``argm``, ``argmu``.
"""

from __future__ import annotations

from typing import Any, Final

from mathics.core.atoms import Integer
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import NativeRule, add_message, definition_of

__all__ = ["install_arguments"]

#: The least and the most arguments, and the functions that take as many.
_TABLE: Final[dict[tuple[int, int | None], str]] = {
    (1, 1): """
        Abs Arg ArcCos ArcCosh ArcCot ArcCoth ArcCsc ArcCsch ArcSec ArcSech ArcSin ArcSinh ArcTanh AtomQ Boole Cos Cosh
        Cot Coth Csc Csch Denominator EulerPhi EvenQ Exp Factorial Factorial2 FractionalPart Im IntegerPart IntegerQ
        Inverse Length LetterQ ListQ Log10 Log2 LowerCaseQ MachineNumberQ Minus MoebiusMu Most Negative NonNegative
        NonPositive Not NumberQ Numerator NumericQ OddQ Positive Prime PrimePi Re Rest Sec Sech Sin Sinc Sinh Sqrt
        StringLength StringQ SymbolName Tan Tanh TrueQ UpperCaseQ
        """,
    (1, 2): "ArcTan Ceiling First Floor Head Last Log Round",
    (2, 2): "Divide Subtract",
    (2, 3): "Mod Quotient",
    (3, 3): "Nest NestList PowerMod",
}

_MESSAGES: Final = {
    "argx": "`1` called with `2` arguments; 1 argument is expected.",
    "argr": "`1` called with 1 argument; `2` arguments are expected.",
    "argrx": "`1` called with `2` arguments; `3` arguments are expected.",
    "argt": "`1` called with `2` arguments; `3` or `4` arguments are expected.",
    "argtu": "`1` called with 1 argument; `2` or `3` arguments are expected.",
    "argb": "`1` called with `2` arguments; between `3` and `4` arguments are expected.",
    "argbu": "`1` called with 1 argument; between `2` and `3` arguments are expected.",
    "argm": "`1` called with `2` arguments; `3` or more arguments are expected.",
    "argmu": "`1` called with 1 argument; `2` or more arguments are expected.",
}


class _Count:
    """Say so where a call has another number of arguments."""

    def __init__(self, least: int, most: int | None) -> None:
        self._least, self._most = least, most

    def __call__(self, expression: Any, evaluation: Any) -> Any:
        """Return a call with too few or too many arguments, with a message; None for others."""
        given = len(expression.elements)
        if given >= self._least and (self._most is None or given <= self._most):
            return None
        numbers: tuple[int, ...]
        if self._most is None:
            kind, numbers = "argm", (self._least,)
        elif self._least == self._most:
            kind, numbers = "argr" if given == 1 else "argx" if self._least == 1 else "argrx", (self._least,) * (self._least != 1)
        else:
            kind, numbers = "argt" if self._most == self._least + 1 else "argb", (self._least, self._most)
        if given == 1:
            kind += "u" * (kind != "argr")
        else:
            numbers = (given, *numbers)
        name = expression.head.get_name(short=True)
        evaluation.message(name, kind, Symbol(expression.head.get_name()), *map(Integer, numbers))
        return expression


def install_arguments(definitions: Any) -> None:
    """Give the functions another rule, which is tried first; call this when they have all others.

    It is the first because Mathics3's own rules for some of them take any number of arguments.
    """
    for tag, text in _MESSAGES.items():
        add_message(definitions, "General", tag, text)
    for (least, most), names in _TABLE.items():
        count = _Count(least, most)
        for name in names.split():
            head = Symbol(f"System`{name}")
            definition_of(definitions, head.name).downvalues.insert(0, NativeRule(head, count))

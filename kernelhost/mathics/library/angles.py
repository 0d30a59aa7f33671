"""Trigonometric functions of rational multiples of Pi, in the forms of Wolfram kernels.

SymPy gives ``Sin[Pi/12]`` as a sum of two roots, and radicals for multiples of Pi/8 and Pi/24,
which Wolfram kernels leave as they are. Here are the values for twelfths, tenths and fifths;
multiples of quarters and sixths are Mathics3's.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from mathics.core.atoms import Integer, IntegerM1, Rational
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import call, define

__all__ = ["install_angles"]

_PI: Final = Symbol("System`Pi")
_DEGREE: Final = Symbol("System`Degree")
#: Sines of twelfths, tenths and fifths of Pi below a half.
_SINES: Final = {
    (1, 12): "(-1 + Sqrt[3])/(2*Sqrt[2])",
    (5, 12): "(1 + Sqrt[3])/(2*Sqrt[2])",
    (1, 10): "(-1 + Sqrt[5])/4",
    (3, 10): "(1 + Sqrt[5])/4",
    (1, 5): "Sqrt[5/8 - Sqrt[5]/8]",
    (2, 5): "Sqrt[5/8 + Sqrt[5]/8]",
}
_TANGENTS: Final = {
    (1, 12): "2 - Sqrt[3]",
    (5, 12): "2 + Sqrt[3]",
    (1, 10): "Sqrt[1 - 2/Sqrt[5]]",
    (3, 10): "Sqrt[1 + 2/Sqrt[5]]",
    (1, 5): "Sqrt[5 - 2*Sqrt[5]]",
    (2, 5): "Sqrt[5 + 2*Sqrt[5]]",
}
_COSECANTS: Final = {
    (1, 12): "Sqrt[2]*(1 + Sqrt[3])",
    (5, 12): "Sqrt[2]*(-1 + Sqrt[3])",
    (1, 10): "1 + Sqrt[5]",
    (3, 10): "-1 + Sqrt[5]",
    (1, 5): "Sqrt[2 + 2/Sqrt[5]]",
    (2, 5): "Sqrt[2 - 2/Sqrt[5]]",
}
#: Of each function: the table, whether it is that of the complement, and its sign in each quadrant.
_FUNCTIONS: Final = {
    "Sin": (_SINES, False, (1, 1, -1, -1)),
    "Cos": (_SINES, True, (1, -1, -1, 1)),
    "Tan": (_TANGENTS, False, (1, -1, 1, -1)),
    "Cot": (_TANGENTS, True, (1, -1, 1, -1)),
    "Csc": (_COSECANTS, False, (1, 1, -1, -1)),
    "Sec": (_COSECANTS, True, (1, -1, -1, 1)),
}
#: Denominators whose multiples have values elsewhere.
_THEIRS: Final = frozenset({1, 2, 3, 4, 6})
_HALF: Final = Fraction(1, 2)


def turned(expr: Any) -> Fraction | None:
    """Return how many times Pi an angle is; None if it is no rational multiple."""
    if not expr.has_form("Times", 2):
        return None
    number, unit = expr.elements
    if not isinstance(number, (Integer, Rational)) or (unit is not _PI and unit is not _DEGREE):
        return None
    value = number.value
    found = Fraction(value) if isinstance(value, int) else Fraction(int(value.p), int(value.q))
    return found if unit is _PI else found / 180


class _Function:
    """The values of one function."""

    def __init__(self, name: str) -> None:
        self._table, self._complement, self._signs = _FUNCTIONS[name]
        self._read: dict[tuple[int, int], Any] = {}

    def __call__(self, expression: Any, evaluation: Any) -> Any:
        """Return the value of a call; the call where it has none, None where Mathics3 has it."""
        if len(expression.elements) == 1 and isinstance(expression.elements[0], Integer) and expression.elements[0].value > 0:
            # SymPy takes long to find out that it stays.
            return expression
        turns = turned(expression.elements[0]) if len(expression.elements) == 1 else None
        if turns is None or turns.denominator in _THEIRS:
            return None
        quadrant, rest = divmod(turns % 2, _HALF)
        within = _HALF - rest if quadrant % 2 else rest
        if self._complement:
            within = _HALF - within
        place = within.numerator, within.denominator
        text = self._table.get(place)
        if text is None:
            # Only the argument is reduced, by Mathics3, to the first quadrant.
            return expression if 0 < turns < _HALF else None
        if place not in self._read:
            self._read[place] = evaluation.parse(text)
        value = self._read[place]
        return value if self._signs[quadrant] > 0 else call("Times", IntegerM1, value)


def install_angles(definitions: Any) -> None:
    """Give the functions their values."""
    for name in _FUNCTIONS:
        define(definitions, name, _Function(name))

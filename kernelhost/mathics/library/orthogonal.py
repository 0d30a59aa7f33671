"""Write Legendre and Laguerre polynomials over one denominator: ``(-1 + 3 x^2)/2``.

Mathics3 gives a sum of fractions, and does not leave those of a symbolic degree as they are.
"""

from __future__ import annotations

from math import lcm
from typing import Any

from mathics.core.atoms import Integer, Number, Rational
from mathics.core.expression import Expression

from kernelbus.kernelhost.mathics.native import call, define

__all__ = ["install_orthogonal"]


class _OverOne:
    """Polynomials with one denominator."""

    def __init__(self) -> None:
        self._running = False

    def __call__(self, expression: Any, evaluation: Any) -> Any:
        """Return a polynomial's value with one denominator; None for what has none."""
        if self._running or len(expression.elements) != 2:
            return None
        if not isinstance(expression.elements[0], Integer):
            # SymPy gives those of a symbol other arguments, again and again.
            return None if isinstance(expression.elements[0], Number) else expression
        self._running = True
        try:
            found = Expression(expression.head, *expression.elements).evaluate(evaluation)
        finally:
            self._running = False
        if not found.has_form("Plus", None):
            return found
        numbers = [each.elements[0] if each.has_form("Times", None) else each for each in found.elements]
        common = lcm(*(int(each.value.q) for each in numbers if isinstance(each, Rational)))
        if common == 1:
            return found
        whole = call("Plus", *(call("Times", Integer(common), each) for each in found.elements)).evaluate(evaluation)
        return call("Times", Rational(1, common), whole)


def install_orthogonal(definitions: Any) -> None:
    """Define the polynomials; call this when they have all other values."""
    for name in ("LegendreP", "LaguerreL"):
        define(definitions, name, _OverOne())

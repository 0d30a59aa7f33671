"""Correct limits and derivatives.

* ``Limit`` stays as it is where SymPy finds none; Mathics3 fails to read SymPy's own limit.
* The derivative of a list by a vector, ``D[{f, g}, {{x, y}}]``, has a row for each element of the
  list. Mathics3 gives the transposed matrix.
* The derivative of ``Piecewise`` is that of its values; Mathics3 never comes to an end.
"""

from __future__ import annotations

from typing import Any

from mathics.core.atoms import Integer0
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import call, define

__all__ = ["correct_limits", "install_derivatives"]


def correct_limits() -> None:
    """Change Mathics3's function; call this before definitions are made of it."""
    from mathics.builtin.numbers.calculus import Limit

    theirs = Limit.eval

    def limit(self: Any, expr: Any, x: Any, x0: Any, evaluation: Any, options: Any) -> Any:
        try:
            return theirs(self, expr, x, x0, evaluation, options)
        except ValueError as error:
            if "SymPy" not in str(error):
                raise
            return None

    limit.__doc__ = theirs.__doc__
    Limit.eval = limit


def _derivative(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    if len(elements) != 2:
        return None
    function, by = elements
    vector = by.has_form("List", 1) and by.elements[0].has_form("List", None)
    if vector and isinstance(function, ListExpression):
        return ListExpression(*(call("D", each, by) for each in function.elements))
    if function.has_form("Piecewise", 1, 2) and isinstance(by, Symbol) and function.elements[0].has_form("List", None):
        cases = function.elements[0].elements
        if not all(case.has_form("List", 2) for case in cases):
            return None
        default = function.elements[1] if len(function.elements) > 1 else Integer0

        def derived(value: Any) -> Any:
            # Piecewise holds its arguments.
            return call("D", value, by).evaluate(evaluation)

        pieces = (ListExpression(derived(value), condition) for value, condition in (case.elements for case in cases))
        return call("Piecewise", ListExpression(*pieces), derived(default))
    return None


def install_derivatives(definitions: Any) -> None:
    """Give ``D`` its values for lists and pieces."""
    define(definitions, "D", _derivative)

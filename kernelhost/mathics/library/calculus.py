"""Correct limits and derivatives.

* ``Limit`` stays as it is where SymPy finds none; Mathics3 fails to read SymPy's own limit.
* The derivative of a list by a vector, ``D[{f, g}, {{x, y}}]``, has a row for each element of the
  list. Mathics3 gives the transposed matrix.
* The derivative of ``Piecewise`` is that of its values; Mathics3 never comes to an end.
* ``DSolve`` takes initial and boundary values: the constants of the general solution are found.
"""

from __future__ import annotations

from typing import Any

from mathics.core.atoms import Integer0
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolTrue

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


def _with_values(expression: Any, evaluation: Any) -> Any:
    """Solve one differential equation with values of its solution at points."""
    if len(expression.elements) != 3 or not isinstance(expression.elements[0], ListExpression):
        return None
    given, wanted, variable = expression.elements
    equations = [each for each in given.elements if not _is_free(each, variable, evaluation)]
    values = [each for each in given.elements if _is_free(each, variable, evaluation)]
    if len(equations) != 1 or not isinstance(variable, Symbol):
        return None
    if not values:
        return call("DSolve", equations[0], wanted, variable)
    function = wanted if isinstance(wanted, Symbol) else wanted.head
    general = call("DSolve", equations[0], function, variable).evaluate(evaluation)
    if not isinstance(function, Symbol) or not general.has_form("List", None):
        return None
    found = []
    for solution in general.elements:
        if not solution.has_form("List", 1) or not solution.elements[0].has_form("Rule", 2):
            return None
        made = solution.elements[0].elements[1]
        constants = call("Union", call("Cases", made, call("Blank", Symbol("System`C")), Symbol("System`Infinity"))).evaluate(evaluation)
        at = call("ReplaceAll", ListExpression(*values), call("Rule", function, made)).evaluate(evaluation)
        solved = call("Solve", at, constants).evaluate(evaluation)
        if not solved.has_form("List", None):
            return None
        for rules in solved.elements:
            whole = call("ReplaceAll", made, rules).evaluate(evaluation)
            if whole.has_form("Function", 2):
                # It holds its body, in which the constants were replaced.
                whole = call("Function", whole.elements[0], whole.elements[1].evaluate(evaluation))
            shown = whole if wanted is function else Expression(whole, *wanted.elements).evaluate(evaluation)
            found.append(ListExpression(call("Rule", wanted, shown)))
    return ListExpression(*found)


def _is_free(expr: Any, variable: Any, evaluation: Any) -> bool:
    return call("FreeQ", expr, variable).evaluate(evaluation) is SymbolTrue


def install_derivatives(definitions: Any) -> None:
    """Give ``D`` its values for lists and pieces, and ``DSolve`` those with given values."""
    define(definitions, "DSolve", _with_values)
    define(definitions, "D", _derivative)

"""Correct limits and derivatives.

* ``Limit`` stays as it is where SymPy finds none; Mathics3 fails to read SymPy's own limit.
* The derivative of a list by a vector, ``D[{f, g}, {{x, y}}]``, has a row for each element of the
  list. Mathics3 gives the transposed matrix.
* The derivative of ``Piecewise`` is that of its values; Mathics3 never comes to an end.
* The derivative of a power whose base and exponent depend on the variable has the power in front.
* ``Integrate`` over several variables integrates over the last one first. Mathics3 starts with the
  first, whose limits then are left in the result.
* A logarithm in an integral is a term of a sum: ``-x + x Log[x]``. Integrals that do not converge
  stay, with ``Integrate::idiv``.
* ``DSolve`` takes initial and boundary values: the constants of the general solution are found.
"""

from __future__ import annotations

from typing import Any

from mathics.core.atoms import Integer0, IntegerM1
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolTrue

from kernelbus.kernelhost.mathics.native import add_message, call, define

__all__ = ["correct_limits", "install_derivatives", "install_integrals"]


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
    if function.has_form("Power", 2) and isinstance(by, Symbol):
        return _of_power(function.elements[0], function.elements[1], by, evaluation)
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


def _of_power(base: Any, exponent: Any, by: Any, evaluation: Any) -> Any:
    if _is_free(base, by, evaluation) or _is_free(exponent, by, evaluation):
        return None
    of_base = call("Times", exponent, call("D", base, by), call("Power", base, IntegerM1))
    of_exponent = call("Times", call("D", exponent, by), call("Log", base))
    return call("Times", call("Power", base, exponent), call("Plus", of_base, of_exponent))


def _over_several(expression: Any, evaluation: Any) -> Any:
    """Integrate over the last variable, then over the others."""
    elements = expression.elements
    count = next((at for at, each in enumerate(elements) if at and each.has_form(("Rule", "RuleDelayed"), 2)), len(elements))
    options = elements[count:]
    if count < 3:
        return None
    over = elements[1:count]
    if not all(isinstance(each, Symbol) or (each.has_form("List", 3) and isinstance(each.elements[0], Symbol)) for each in over):
        return None
    inner = call("Integrate", elements[0], elements[count - 1], *options).evaluate(evaluation)
    if inner.get_head_name() == "System`Integrate":
        return None
    return call("Integrate", inner, *elements[1 : count - 1], *options)


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


class _Integrals:
    """Finish integrals: logarithms stand in sums, and what does not converge is said."""

    def __init__(self) -> None:
        self._running: set[str] = set()

    def __call__(self, expression: Any, evaluation: Any) -> Any:
        """Return the value of an integral; None if that is as it should be, or there is none."""
        elements = expression.elements
        if len(elements) != 2:
            return None
        over = elements[1]
        definite = over.has_form("List", 3)
        if not definite and not (isinstance(over, Symbol) and "System`Log" in str(elements[0])):
            return None
        key = str(expression)
        if key in self._running:
            return None
        self._running.add(key)
        try:
            # A new one: this one counts as evaluated.
            found = Expression(expression.head, *elements).evaluate(evaluation)
        finally:
            self._running.discard(key)
        if definite:
            if found.get_head_name() != "System`DirectedInfinity" and found.get_name() != "System`Indeterminate":
                return found
            evaluation.message("Integrate", "idiv", elements[0], call("List", *over.elements[1:]))
            return expression
        if found.has_form("Times", None) and any(each.has_form("Plus", None) and "System`Log" in str(each) for each in found.elements):
            return call("Expand", found)
        return found


def install_integrals(definitions: Any) -> None:
    """Give ``Integrate`` the rule that finishes integrals; call this when it has all others."""
    add_message(definitions, "Integrate", "idiv", "Integral of `1` does not converge on `2`.")
    define(definitions, "Integrate", _Integrals())


def _is_free(expr: Any, variable: Any, evaluation: Any) -> bool:
    return call("FreeQ", expr, variable).evaluate(evaluation) is SymbolTrue


def install_derivatives(definitions: Any) -> None:
    """Give ``D`` its values for lists, pieces and powers, ``DSolve`` those with given values, and
    ``Integrate`` those over several variables.
    """
    define(definitions, "DSolve", _with_values)
    define(definitions, "D", _derivative)
    define(definitions, "Integrate", _over_several)

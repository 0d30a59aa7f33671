"""Find out whether two values of an expression are the same in numbers.

The second engine often gives a result in the form that Wolfram kernels give, where Mathics3's is
another form of the same. Its form is taken if both agree: with numbers in place of all symbols, the
two differ by no more than rounding. Symbols get fixed numbers between 0 and 1.

What agreement means depends on the function:

* ``Solve`` and ``NSolve``: the same solutions, in any order.
* ``Integrate`` without limits: a difference that does not depend on the variable.
* ``DSolve``: the engine's solution satisfies the equations, and has as many constants.
* every other function: the same value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mathics.core.atoms import Complex, Integer0, MachineReal, Number
from mathics.core.evaluation import Output
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import call

__all__ = ["agree"]

#: Two numbers that differ by less than this part of them are the same.
_NEAR: Final = 1e-7
#: A value of an expression that is as large is none.
_LARGE: Final = 1e12


class _Silent(Output):
    def out(self, out: Any) -> None:
        """Say nothing."""


def _variables(expr: Any, found: dict[str, Any]) -> None:
    """Collect symbols of the user and constants of integration."""
    if isinstance(expr, Symbol):
        if not expr.name.startswith("System`"):
            found[expr.name] = expr
    elif isinstance(expr, Expression):
        if expr.has_form("C", 1):
            found[str(expr)] = expr
            return
        _variables(expr.head, found)
        for element in expr.elements:
            _variables(element, found)


class _Numbers:
    """Put numbers in place of symbols."""

    def __init__(self, exprs: tuple[Any, ...], evaluation: Any) -> None:
        self._evaluation = evaluation
        self.variables: dict[str, Any] = {}
        for expr in exprs:
            _variables(expr, self.variables)

    def __call__(self, expr: Any, turn: int = 0) -> Any:
        """Return an expression's value in numbers."""
        names = sorted(self.variables)
        rules = [
            call("Rule", self.variables[name], MachineReal(0.21 + ((at * 0.3819660113 + turn * 0.2360679775) % 0.7)))
            for at, name in enumerate(names)
        ]
        return call("N", call("ReplaceAll", expr, call("List", *rules))).evaluate(self._evaluation)


def _plain(number: Any) -> complex | None:
    try:
        found = complex(number.real.value, number.imag.value) if isinstance(number, Complex) else complex(number.value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if abs(found) < _LARGE else None


def _near(one: Any, other: Any) -> bool:
    if isinstance(one, Number) and isinstance(other, Number):
        first, second = _plain(one), _plain(other)
        return first is not None and second is not None and abs(first - second) <= _NEAR * (1 + abs(first))
    if isinstance(one, Expression) and isinstance(other, Expression):
        if not one.head.sameQ(other.head) or len(one.elements) != len(other.elements):
            return False
        return all(map(_near, one.elements, other.elements))
    return bool(one.sameQ(other))


def _same_value(question: Any, theirs: Any, engines: Any, evaluation: Any) -> bool:
    numbers = _Numbers((theirs, engines), evaluation)
    return all(_near(numbers(theirs, turn), numbers(engines, turn)) for turn in (0, 1))


def _same_solutions(question: Any, theirs: Any, engines: Any, evaluation: Any) -> bool:
    if not theirs.has_form("List", None) or not engines.has_form("List", None) or len(theirs.elements) != len(engines.elements):
        return False
    # Mathics3 has the first of solutions without end, the engine all of them.
    engines = _without_parameters(engines).evaluate(evaluation)
    numbers = _Numbers((theirs, engines), evaluation)
    left = [_by_variable(numbers(each)) for each in theirs.elements]
    for solution in engines.elements:
        mine = _by_variable(numbers(solution))
        found = next((at for at, each in enumerate(left) if _near(each, mine)), None)
        if found is None:
            return False
        del left[found]
    return True


def _without_parameters(solutions: Any) -> Any:
    """Return solutions with 0 for the parameters of those that have any."""
    if isinstance(solutions, ListExpression):
        return ListExpression(*map(_without_parameters, solutions.elements))
    if solutions.has_form("Rule", 2) and solutions.elements[1].has_form("ConditionalExpression", 2):
        value, where = solutions.elements[1].elements
        if where.has_form("Element", 2) and where.elements[0].has_form("C", 1):
            return call("Rule", solutions.elements[0], call("ReplaceAll", value, call("Rule", where.elements[0], Integer0)))
    return solutions


def _by_variable(solution: Any) -> Any:
    """Return a solution with its rules in order."""
    return Expression(solution.head, *sorted(solution.elements, key=str)) if isinstance(solution, Expression) else solution


def _same_integral(question: Any, theirs: Any, engines: Any, evaluation: Any) -> bool:
    if len(question.elements) != 2 or not isinstance(question.elements[1], Symbol):
        return _same_value(question, theirs, engines, evaluation)
    variable = question.elements[1]
    numbers = _Numbers((theirs, engines, variable), evaluation)
    del numbers.variables[variable.name]
    values = []
    for point in (0.31, 0.47, 0.62):
        difference = call("ReplaceAll", call("Subtract", theirs, engines), call("Rule", variable, MachineReal(point)))
        values.append(_plain(numbers(difference)))
    first = values[0]
    return first is not None and all(each is not None and abs(each - first) <= _NEAR * (1 + abs(first)) for each in values[1:])


def _satisfies(question: Any, theirs: Any, engines: Any, evaluation: Any) -> bool:
    if not theirs.has_form("List", None) or not engines.has_form("List", None) or len(theirs.elements) != len(engines.elements):
        return False
    if len(question.elements) != 3:
        return False
    equations, wanted, variable = question.elements
    if not isinstance(variable, Symbol) or wanted.has_form("List", None):
        return False
    function = wanted if isinstance(wanted, Symbol) else wanted.head
    for mine, solution in zip(theirs.elements, engines.elements, strict=True):
        constants: list[dict[str, Any]] = [{}, {}]
        _variables(mine, constants[0])
        _variables(solution, constants[1])
        of_integration = [{name for name, each in found.items() if not isinstance(each, Symbol)} for found in constants]
        if of_integration[0] != of_integration[1]:
            return False
        if not solution.has_form("List", 1) or not solution.elements[0].has_form("Rule", 2):
            return False
        made = solution.elements[0].elements[1]
        if not isinstance(wanted, Symbol):
            made = call("Function", call("List", variable), made)
        given = equations.elements if equations.has_form("List", None) else (equations,)
        for equation in given:
            if not equation.has_form("Equal", 2):
                return False
            left, right = (
                call("ReplaceAll", side, call("Rule", function, made)).evaluate(evaluation) for side in equation.elements
            )
            numbers = _Numbers((left, right), evaluation)
            if not all(_near(numbers(left, turn), numbers(right, turn)) for turn in (0, 1)):
                return False
    return True


def _leaves(expr: Any) -> int:
    return 1 + sum(map(_leaves, expr.elements)) if isinstance(expr, Expression) else 1


_KINDS: Final[dict[str, Callable[[Any, Any, Any, Any], bool]]] = {
    "System`Solve": _same_solutions,
    "System`NSolve": _same_solutions,
    "System`Integrate": _same_integral,
    "System`DSolve": _satisfies,
}


def agree(question: Any, theirs: Any, engines: Any, evaluation: Any) -> bool:
    """Return whether the engine's value of an expression is another form of Mathics3's.

    Args:
        question: the expression.
        theirs: Mathics3's value.
        engines: the engine's value.
        evaluation: the running evaluation, which says nothing meanwhile.
    """
    said = evaluation.output
    evaluation.output = _Silent()
    try:
        same = _KINDS.get(question.get_head_name(), _same_value)
        if same is _same_integral and _leaves(engines) > _leaves(theirs):
            # ArcTan[Tan[x]] is no better than x.
            return False
        return same(question, theirs, engines, evaluation)
    finally:
        evaluation.output = said

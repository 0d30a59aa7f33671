"""``Solve`` and ``Reduce`` over domains and with inequalities.

* ``Solve`` over the reals or the integers keeps the solutions that lie in the domain, of any number
  of variables; Mathics3 keeps those of one variable that are numbers already. Inequalities among
  the equations are conditions that solutions must satisfy.
* Over the integers, several variables that are bounded, by inequalities or by the equations, are
  searched through. A linear equation of two variables without bounds has a parameter.
* ``Reduce`` of inequalities of one real variable, joined by and and or, is a union of intervals.
* What is no equation and no inequality is said so: ``Solve::naqs``.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import sympy
from mathics.core.atoms import Complex, Integer, Number
from mathics.core.convert.sympy import from_sympy
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.native import add_message, call, define

__all__ = ["install_solving"]

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "System`Equal": operator.eq,
    "System`Unequal": operator.ne,
    "System`Less": operator.lt,
    "System`LessEqual": operator.le,
    "System`Greater": operator.gt,
    "System`GreaterEqual": operator.ge,
}
_RELATIONS: Final = {
    "System`Equal": sympy.Eq,
    "System`Unequal": sympy.Ne,
    "System`Less": sympy.Lt,
    "System`LessEqual": sympy.Le,
    "System`Greater": sympy.Gt,
    "System`GreaterEqual": sympy.Ge,
}
_LOGICAL: Final = frozenset(
    f"System`{name}"
    for name in ("And", "Or", "Not", "Implies", "Equivalent", "Xor", "Exists", "ForAll", "Element", "NotElement", "Inequality", "List",
                 "ConditionalExpression", "Nand", "Nor", "Condition")
)  # fmt: skip
_REALS: Final = frozenset({"System`Reals", "System`PositiveReals", "System`NonNegativeReals", "System`Rationals"})
_INTEGERS: Final = {"System`Integers": -math.inf, "System`PositiveIntegers": 1, "System`NonNegativeIntegers": 0, "System`Primes": 2}
_INEQUALITIES: Final = frozenset({*_COMPARISONS, "System`Inequality"}) - {"System`Equal", "System`Unequal"}
#: How many values of a parameter are tried on each side of zero.
_CASES: Final = 40
#: How many places are searched through at most.
_MOST: Final = 2_000_000

#: A comparison: the name of its operator, and its two sides.
_Comparison = tuple[str, Any, Any]


class _Unknown(Exception):
    """Say that an input is not for the functions here."""


def _parts(expr: Any) -> Iterator[Any]:
    """Yield the conditions that are joined by and, or in a list."""
    if expr.has_form(("List", "And"), None):
        for each in expr.elements:
            yield from _parts(each)
    else:
        yield expr


def _comparisons(expr: Any) -> Iterator[_Comparison]:
    """Yield the comparisons of a chain.

    Raises:
        _Unknown: it is none.
    """
    if not isinstance(expr, Expression):
        raise _Unknown
    name = expr.get_head_name()
    if name in _COMPARISONS and len(expr.elements) >= 2:
        for one, other in itertools.pairwise(expr.elements):
            yield name, one, other
    elif name == "System`Inequality" and len(expr.elements) % 2:
        for at in range(0, len(expr.elements) - 2, 2):
            one, kind, other = expr.elements[at : at + 3]
            if kind.get_name() not in _COMPARISONS:
                raise _Unknown
            yield kind.get_name(), one, other
    else:
        raise _Unknown


def _variables(expr: Any) -> list[Any]:
    found = list(expr.elements) if isinstance(expr, ListExpression) else [expr]
    if not found or not all(isinstance(each, Symbol) for each in found):
        raise _Unknown
    return found


# -- the search over integers


class _Search:
    """Find the integers that satisfy polynomial equations and other comparisons."""

    def __init__(self, comparisons: Sequence[_Comparison], variables: Sequence[Any], least: float) -> None:
        self.symbols = [each.to_sympy() for each in variables]
        self.tests: list[Any] = []
        self.bounds = {each: [least, math.inf] for each in self.symbols}
        self.sums: list[tuple[str, Any]] = []
        for name, one, other in comparisons:
            left, right = one.to_sympy(), other.to_sympy()
            if left is None or right is None:
                raise _Unknown
            difference = sympy.expand(left - right)
            if not difference.free_symbols <= set(self.symbols):
                raise _Unknown
            self.tests.append((name, sympy.lambdify(self.symbols, left - right, "math")))
            if difference.is_polynomial(*self.symbols):
                self.sums += [(kind, part) for kind, part in _as_at_most(name, difference)]
        for _ in range(8):
            before = {each: list(value) for each, value in self.bounds.items()}
            for strict, part in self.sums:
                self._narrow(strict == "<", part)
            if before == self.bounds:
                break

    def _range(self, term: Any) -> tuple[float, float]:
        """Return between which numbers a term lies."""
        low, high = 1.0, 1.0
        for base, exponent in term.as_powers_dict().items():
            if base.is_number:
                value = float(base**exponent)
                one = two = value
            else:
                one, two = self.bounds[base]
                power = int(exponent)
                if power % 2 == 0:
                    ends = sorted((abs(one), abs(two)))
                    one, two = (0.0 if self.bounds[base][0] <= 0 <= self.bounds[base][1] else ends[0]), ends[1]
                one, two = _power(one, power), _power(two, power)
            products = [_times(left, right) for left in (low, high) for right in (one, two)]
            low, high = min(products), max(products)
        return low, high

    def _narrow(self, strict: bool, part: Any) -> None:
        """Use that a sum is at most zero."""
        terms = sympy.Add.make_args(part)
        ranges = [self._range(each) for each in terms]
        for at, term in enumerate(terms):
            factor, rest = term.as_coeff_Mul()
            others = sum(low for other, (low, _) in enumerate(ranges) if other != at)
            if not math.isfinite(others):
                continue
            bases = rest.as_powers_dict()
            if len(bases) > 1:
                self._narrow_product(float(factor), bases, -others)
                continue
            base, exponent = rest.as_base_exp()
            if base not in self.bounds or not exponent.is_Integer or exponent <= 0:
                continue
            limit, power, number = -others, int(exponent), float(factor)
            bounds = self.bounds[base]
            if power % 2 == 0:
                if number > 0:
                    most = math.floor((max(limit, 0) / number) ** (1 / power) + 1e-9)
                    bounds[0], bounds[1] = max(bounds[0], -most), min(bounds[1], most)
                continue
            edge = math.copysign(abs(limit / number) ** (1 / power), limit / number)
            if number > 0:
                found = math.floor(edge + 1e-9)
                bounds[1] = min(bounds[1], found - (strict and found == edge))
            else:
                found = math.ceil(edge - 1e-9)
                bounds[0] = max(bounds[0], found + (strict and found == edge))

    def _narrow_product(self, number: float, bases: Any, limit: float) -> None:
        """Use that a product of positive integers is at most a number."""
        if number <= 0 or any(base not in self.bounds or self.bounds[base][0] < 1 for base in bases):
            return
        least = math.prod(self.bounds[base][0] ** int(exponent) for base, exponent in bases.items())
        for base, exponent in bases.items():
            others = least / self.bounds[base][0] ** int(exponent)
            most = math.floor((max(limit, 0) / (number * others)) ** (1 / int(exponent)) + 1e-9)
            self.bounds[base][1] = min(self.bounds[base][1], most)

    def solutions(self) -> list[tuple[int, ...]]:
        """Return all solutions, in order.

        Raises:
            _Unknown: there are no bounds, or too many places within them.
        """
        if not all(math.isfinite(end) for bounds in self.bounds.values() for end in bounds):
            raise _Unknown
        ranges = [range(int(low), int(high) + 1) for low, high in self.bounds.values()]
        if math.prod(map(len, ranges)) > _MOST:
            raise _Unknown
        tests = [(_COMPARISONS[name], function) for name, function in self.tests]
        found = []
        for place in itertools.product(*ranges):
            try:
                if all(compare(function(*place), 0) for compare, function in tests):
                    found.append(place)
            except (ArithmeticError, ValueError):
                continue
        return found


def _power(value: float, power: int) -> float:
    try:
        return value**power
    except OverflowError:
        return math.inf if value > 0 or power % 2 == 0 else -math.inf


def _times(one: float, other: float) -> float:
    return 0.0 if not one or not other else one * other


def _as_at_most(name: str, difference: Any) -> list[tuple[str, Any]]:
    """Return a comparison with zero as sums that are at most, or less than, zero."""
    kind = name.removeprefix("System`")
    if kind == "Equal":
        return [("<=", difference), ("<=", -difference)]
    if kind in ("Less", "LessEqual"):
        return [("<" if kind == "Less" else "<=", difference)]
    if kind in ("Greater", "GreaterEqual"):
        return [("<" if kind == "Greater" else "<=", sympy.expand(-difference))]
    return []


def _linear(comparisons: Sequence[_Comparison], variables: Sequence[Any]) -> list[Any] | None:
    """Return the values of two integers of a linear equation, with a parameter.

    [] if there are none; None if it is no such equation.
    """
    if len(comparisons) != 1 or len(variables) != 2 or comparisons[0][0] != "System`Equal":
        return None
    left, right = (side.to_sympy() for side in comparisons[0][1:])
    symbols = [each.to_sympy() for each in variables]
    if left is None or right is None:
        return None
    polynomial = sympy.Poly(left - right, *symbols) if (left - right).is_polynomial(*symbols) else None
    if polynomial is None or polynomial.total_degree() != 1 or not all(each.is_Integer for each in polynomial.coeffs()):
        return None
    first, second = (int(polynomial.coeff_monomial(each)) for each in symbols)
    constant = -int(polynomial.coeff_monomial(1))
    if not first or not second:
        return None
    common = math.gcd(first, second)
    if constant % common:
        return []
    first, second, constant = first // common, second // common, constant // common
    if second < 0:
        first, second, constant = -first, -second, -constant
    start = constant * pow(first, -1, second) % second if second > 1 else 0
    parameter = call("C", Integer(1))
    one = call("Plus", Integer(start), call("Times", Integer(second), parameter))
    other = call("Plus", Integer((constant - first * start) // second), call("Times", Integer(-first), parameter))
    where = call("Element", parameter, Symbol("System`Integers"))
    return [call("ConditionalExpression", each, where) for each in (one, other)]


# -- Solve


def _numeric(value: Any, evaluation: Any) -> Any:
    return value if isinstance(value, Number) else call("N", value).evaluate(evaluation)


def _is_real(value: Any, evaluation: Any) -> bool | None:
    """Tell whether a value is real; None if that is not known."""
    number = _numeric(value, evaluation)
    if isinstance(number, Complex):
        return abs(float(number.imag.value)) < 1e-12
    return True if isinstance(number, Number) else None


def _holds(condition: Any, rules: Any, evaluation: Any) -> bool | None:
    """Tell whether a condition holds for a solution; None if that is not known."""
    value = call("ReplaceAll", condition, rules).evaluate(evaluation)
    if value is SymbolTrue or value is SymbolFalse:
        return value is SymbolTrue
    try:
        for name, one, other in _comparisons(value):
            numbers = [_numeric(each, evaluation) for each in (one, other)]
            if any(isinstance(each, Complex) for each in numbers):
                return False
            if not all(isinstance(each, Number) for each in numbers):
                return None
            if not _COMPARISONS[name](float(numbers[0].value), float(numbers[1].value)):
                return False
    except _Unknown:
        return None
    return True


def _is_condition(expr: Any) -> bool:
    return isinstance(expr, Expression) and (expr.get_head_name() in _LOGICAL or expr.get_head_name() in _COMPARISONS)


def _solve(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    if not 2 <= len(elements) <= 3 or (len(elements) == 3 and elements[2].has_form(("Rule", "RuleDelayed"), 2)):
        return None
    equations = elements[0]
    for part in _parts(equations):
        if part is not SymbolTrue and part is not SymbolFalse and not _is_condition(part):
            evaluation.message("Solve", "naqs", equations)
            return expression
    domain = elements[2].get_name() if len(elements) == 3 else ""
    try:
        return _solved(equations, elements[1], domain, evaluation)
    except _Unknown:
        return None


def _solved(given: Any, of: Any, domain: str, evaluation: Any) -> Any:
    parts = [each for each in _parts(given) if each is not SymbolTrue]
    if any(each is SymbolFalse for each in parts):
        return ListExpression()
    variables = _variables(of)
    equations = [each for each in parts if each.has_form("Equal", 2)]
    conditions = [each for each in parts if not each.has_form("Equal", 2)]
    if not domain and not conditions:
        raise _Unknown
    if domain in _INTEGERS:
        found = _over_integers(parts, variables, domain)
        if found is not None:
            return found
    elif domain and domain not in _REALS:
        raise _Unknown
    if not equations:
        raise _Unknown
    base = call("Solve", ListExpression(*equations) if len(equations) > 1 else equations[0], of).evaluate(evaluation)
    if not isinstance(base, ListExpression):
        raise _Unknown
    kept = []
    for solution in _real_cases(base.elements, bool(conditions) or domain in _INTEGERS, evaluation):
        if not isinstance(solution, ListExpression) or "System`ConditionalExpression" in str(solution):
            if isinstance(solution, ListExpression) and domain and not conditions:
                kept.append(solution)
                continue
            raise _Unknown
        values = [rule.elements[1] for rule in solution.elements]
        answers: list[bool | None] = [_holds(each, solution, evaluation) for each in conditions]
        if domain in _INTEGERS:
            answers += [isinstance(value, Integer) and value.value >= _INTEGERS[domain] for value in values]
        elif domain:
            answers += [_is_real(value, evaluation) for value in values]
        if False in answers:
            continue
        if None in answers and conditions:
            raise _Unknown
        kept.append(solution)
    if conditions and len(variables) == 1 and "System`ConditionalExpression" in str(base):
        kept.sort(key=lambda solution: _size(solution, evaluation))
    return ListExpression(*kept)


def _size(solution: Any, evaluation: Any) -> float:
    number = _numeric(solution.elements[0].elements[1], evaluation)
    return float(number.value) if isinstance(number, Number) and not isinstance(number, Complex) else math.inf


def _real_cases(solutions: Sequence[Any], bounded: bool, evaluation: Any) -> Iterator[Any]:
    """Yield solutions; of one with an integer parameter only what is real.

    That is the solution itself where all values are real, and its cases where a few are, or where
    conditions choose among them.
    """
    for solution in solutions:
        rule = solution.elements[0] if solution.has_form("List", 1) else None
        if rule is None or not rule.has_form("Rule", 2) or not rule.elements[1].has_form("ConditionalExpression", 2):
            yield solution
            continue
        value, where = rule.elements[1].elements
        if not where.has_form("Element", 2):
            yield solution
            continue
        reach = _CASES if bounded else 2
        cases = [
            call("ReplaceAll", value, call("Rule", where.elements[0], Integer(at))).evaluate(evaluation) for at in range(-reach, reach + 1)
        ]
        real = [each for each in cases if _is_real(each, evaluation)]
        if len(real) == len(cases) and not bounded:
            yield solution
            continue
        for each in real:
            yield ListExpression(call("Rule", rule.elements[0], call("Simplify", each).evaluate(evaluation)))


def _over_integers(parts: Sequence[Any], variables: Sequence[Any], domain: str) -> Any:
    """Return the integers that satisfy conditions; None if one variable is better solved for."""
    comparisons = [each for part in parts for each in _comparisons(part)]
    if domain == "System`Integers" and (found := _linear(comparisons, variables)) is not None:
        rules = [call("Rule", name, value) for name, value in zip(variables, found, strict=False)]
        return ListExpression(ListExpression(*rules)) if rules else ListExpression()
    try:
        places = _Search(comparisons, variables, _INTEGERS[domain]).solutions()
    except _Unknown:
        if len(variables) > 1:
            raise
        return None
    if domain == "System`Primes":
        places = [place for place in places if all(map(sympy.isprime, place))]
    return ListExpression(
        *(ListExpression(*(call("Rule", name, Integer(value)) for name, value in zip(variables, place, strict=True))) for place in places)
    )


# -- Reduce


def _set_of(expr: Any, symbol: Any) -> Any:
    """Return the real numbers that satisfy a condition.

    Raises:
        _Unknown: it is of another kind.
    """
    if expr is SymbolTrue or expr is SymbolFalse:
        return sympy.S.Reals if expr is SymbolTrue else sympy.S.EmptySet
    if expr.has_form(("And", "List"), None):
        return sympy.Intersection(*(_set_of(each, symbol) for each in expr.elements))
    if expr.has_form("Or", None):
        return sympy.Union(*(_set_of(each, symbol) for each in expr.elements))
    found = sympy.S.Reals
    for name, one, other in _comparisons(expr):
        left, right = one.to_sympy(), other.to_sympy()
        if left is None or right is None or not (left - right).free_symbols <= {symbol}:
            raise _Unknown
        if not (left - right).free_symbols:
            raise _Unknown
        found = sympy.Intersection(found, _RELATIONS[name](left, right).subs(symbol, _REAL).as_set())
    return found


_REAL: Final = sympy.Symbol("real", real=True)


def _has_inequality(expr: Any) -> bool:
    if expr.has_form(("And", "Or", "List"), None):
        return any(map(_has_inequality, expr.elements))
    return isinstance(expr, Expression) and expr.get_head_name() in _INEQUALITIES


def _is_equal(variable: Any, value: int) -> Any:
    return call("Equal", variable, Integer(value))


def _piece(piece: Any, variable: Any) -> Any:
    """Return the condition that a variable lies in an interval, or in a finite set."""
    if isinstance(piece, sympy.FiniteSet):
        return [call("Equal", variable, from_sympy(each)) for each in sorted(piece, key=float)]
    if not isinstance(piece, sympy.Interval):
        raise _Unknown
    low, high = from_sympy(piece.start), from_sympy(piece.end)
    low_kind, high_kind = ("Less" if is_open else "LessEqual" for is_open in (piece.left_open, piece.right_open))
    if piece.start.is_infinite:
        return [call(high_kind, variable, high)]
    if piece.end.is_infinite:
        return [call("Greater" if piece.left_open else "GreaterEqual", variable, low)]
    if low_kind == high_kind:
        return [call(low_kind, low, variable, high)]
    return [call("Inequality", low, Symbol(f"System`{low_kind}"), variable, Symbol(f"System`{high_kind}"), high)]


def _reduce(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    if not 2 <= len(elements) <= 3:
        return None
    domain = elements[2].get_name() if len(elements) == 3 else "System`Reals"
    try:
        variables = _variables(elements[1])
        if domain in _INTEGERS and len(variables) > 1:
            comparisons = [each for part in _parts(elements[0]) for each in _comparisons(part)]
            places = _Search(comparisons, variables, _INTEGERS[domain]).solutions()
            cases = [call("And", *map(_is_equal, variables, place)) for place in places]
            return call("Or", *cases) if cases else SymbolFalse
        if domain != "System`Reals" or len(variables) != 1 or not _has_inequality(elements[0]):
            return None
        symbol = variables[0].to_sympy()
        found = _set_of(elements[0], symbol)
        if found is sympy.S.EmptySet or found == sympy.S.Reals:
            return SymbolTrue if found == sympy.S.Reals else SymbolFalse
        pieces = found.args if isinstance(found, sympy.Union) else (found,)
        made = [(float(each.inf), each) for each in pieces]
        conditions = [condition for _, piece in sorted(made, key=lambda each: each[0]) for condition in _piece(piece, variables[0])]
    except (_Unknown, NotImplementedError, TypeError, ValueError, AttributeError):
        return None
    return conditions[0] if len(conditions) == 1 else call("Or", *conditions)


def install_solving(definitions: Any) -> None:
    """Give ``Solve`` and ``Reduce`` their values over domains and with inequalities."""
    add_message(definitions, "Solve", "naqs", "`1` is not a quantified system of equations and inequalities.")
    define(definitions, "Solve", _solve)
    define(definitions, "Reduce", _reduce)

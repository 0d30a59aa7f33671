"""Power series: ``Series``, ``SeriesData`` and what is computed with them.

Mathics3 expands by derivatives at the point only, so that a pole, a root or a logarithm there gives
``Indeterminate``, and does not compute powers and functions of series. Here an expression is
expanded from its parts: sums, products and powers of series, then functions of them by their own
Taylor series. Exponents may be negative and fractions. Logarithms of the variable are part of the
coefficients, as in Wolfram kernels.

``SeriesData[x, x0, {a0, a1, ...}, nmin, nmax, den]`` has powers of ``x - x0`` from ``nmin/den`` on,
up to the order ``nmax/den``. About ``Infinity`` they are powers of ``1/x``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil, lcm
from typing import Any, Final

import sympy
from mathics.core.atoms import Integer, Integer0, Integer1, IntegerM1, Rational
from mathics.core.convert.sympy import from_sympy
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolTrue

from kernelbus.kernelhost.mathics.native import NativeRule, call, define, define_up, definition_of

__all__ = ["install_series"]

_SERIES: Final = Symbol("System`SeriesData")
_INFINITE: Final = frozenset({"System`DirectedInfinity", "System`Indeterminate", "System`ComplexInfinity"})
#: Functions that are expanded as quotients, because they have poles.
_QUOTIENTS: Final = {
    "Tan": ("Sin", "Cos"), "Cot": ("Cos", "Sin"), "Sec": (None, "Cos"), "Csc": (None, "Sin"),
    "Tanh": ("Sinh", "Cosh"), "Coth": ("Cosh", "Sinh"), "Sech": (None, "Cosh"), "Csch": (None, "Sinh"),
}  # fmt: skip
_OPTIONS: Final = frozenset({"System`Analytic", "System`Assumptions", "System`SeriesTermGoal"})
#: Terms of one series at most.
_MOST: Final = 400


class _NoSeries(Exception):
    """Say that there is no series here."""


class _Series:
    """A series in one variable: coefficients by exponents, and the first exponent that is unknown.

    ``order`` is None for an exact one.
    """

    def __init__(self, terms: dict[Fraction, Any], order: Fraction | None) -> None:
        self.order = order
        self.terms = {each: value for each, value in terms.items() if (order is None or each < order) and not _is_zero(value)}
        if len(self.terms) > _MOST:
            raise _NoSeries

    @property
    def least(self) -> Fraction:
        """Return the exponent of the first term, or the order."""
        if self.terms:
            return min(self.terms)
        if self.order is None:
            raise _NoSeries  # zero
        return self.order


def _is_zero(expr: Any) -> bool:
    return isinstance(expr, Integer) and expr.value == 0


def _least(orders: Iterable[Fraction | None]) -> Fraction | None:
    found = [each for each in orders if each is not None]
    return min(found) if found else None


def _number(value: Fraction) -> Any:
    return Integer(value.numerator) if value.denominator == 1 else Rational(value.numerator, value.denominator)


class _Expansion:
    """Expand expressions about one point, up to an order."""

    def __init__(self, variable: Any, point: Any, order: Fraction, evaluation: Any) -> None:
        self.variable, self.point, self.order, self.evaluation = variable, point, order, evaluation
        self.at_infinity = point.has_form("DirectedInfinity", 1) and point.elements[0].sameQ(Integer1)

    def _value(self, expr: Any) -> Any:
        return expr.evaluate(self.evaluation)

    def is_free(self, expr: Any) -> bool:
        """Tell whether an expression does not depend on the variable."""
        return call("FreeQ", expr, self.variable).evaluate(self.evaluation) is SymbolTrue

    def cut(self, series: _Series) -> _Series:
        """Return a series without what is beyond the order."""
        order = self.order if series.order is None else min(self.order, series.order)
        return _Series(series.terms, order) if any(each >= order for each in series.terms) or series.order is not None else series

    # -- arithmetic

    def add(self, parts: Sequence[_Series]) -> _Series:
        """Return the sum of series."""
        terms: dict[Fraction, list[Any]] = {}
        for part in parts:
            for exponent, value in part.terms.items():
                terms.setdefault(exponent, []).append(value)
        order = _least(part.order for part in parts)
        return _Series({each: self._value(call("Plus", *values)) for each, values in terms.items()}, order)

    def multiply(self, one: _Series, other: _Series) -> _Series:
        """Return the product of two series."""
        if (not one.terms and one.order is None) or (not other.terms and other.order is None):
            return _Series({}, None)
        orders = [each.order + than.least for each, than in ((one, other), (other, one)) if each.order is not None]
        order = min([*orders, self.order])
        exact = not orders
        terms: dict[Fraction, list[Any]] = {}
        for first, left in one.terms.items():
            for second, right in other.terms.items():
                if first + second < order:
                    terms.setdefault(first + second, []).append(call("Times", left, right))
                else:
                    exact = False
        found = {each: self._value(call("Plus", *values)) for each, values in terms.items()}
        return _Series(found, None if exact else order)

    def scale(self, series: _Series, factor: Any) -> _Series:
        """Return a series times an expression without the variable."""
        return _Series({each: self._value(call("Times", factor, value)) for each, value in series.terms.items()}, series.order)

    def _split(self, series: _Series) -> tuple[Any, Fraction, _Series]:
        """Return c, e and rest of a series that is c t^e (1 + rest)."""
        if not series.terms:
            raise _NoSeries
        exponent = series.least
        first = series.terms[exponent]
        inverse = call("Power", first, IntegerM1)
        rest = {each - exponent: self._value(call("Times", value, inverse)) for each, value in series.terms.items() if each != exponent}
        return first, exponent, _Series(rest, None if series.order is None else series.order - exponent)

    def _compose(self, rest: _Series, coefficients: Iterable[Any], reach: Fraction) -> _Series:
        """Return the sum of coefficients times powers of a series without a constant term."""
        total: list[_Series] = []
        power = _Series({Fraction(0): Integer1}, None)
        inner = _Expansion(self.variable, self.point, reach, self.evaluation)
        exact = True
        for coefficient in coefficients:
            total.append(self.scale(power, coefficient))
            if not rest.terms and rest.order is None:
                break
            power = inner.multiply(power, rest)
            if not power.terms or power.least >= reach:
                exact = exact and not power.terms and power.order is None
                total.append(_Series({}, None if exact else min(reach, power.order) if power.order is not None else reach))
                break
        else:
            total.append(_Series({}, reach))
        return self.add(total)

    def power(self, series: _Series, exponent: Any) -> _Series:
        """Return a power of a series, whose exponent does not depend on the variable."""
        if isinstance(exponent, Integer) and 0 <= exponent.value <= 3:
            found = _Series({Fraction(0): Integer1}, None)
            for _ in range(exponent.value):
                found = self.multiply(found, series)
            return found
        if not series.terms and series.order is not None and isinstance(exponent, (Integer, Rational)) and exponent.value > 0:
            return _Series({}, series.order * Fraction(str(exponent.value)))
        first, least, rest = self._split(series)
        shift = Fraction(0)
        if least:
            if not isinstance(exponent, (Integer, Rational)):
                raise _NoSeries
            shift = least * Fraction(str(exponent.value))

        def binomials() -> Iterable[Any]:
            factor, at = Integer1, 0
            while True:
                yield factor
                step = call("Times", call("Plus", exponent, Integer(-at)), _number(Fraction(1, at + 1)))
                factor = self._value(call("Times", factor, step))
                at += 1
                if _is_zero(factor):
                    yield Integer0
                    return

        found = self._compose(rest, binomials(), self.order - shift)
        scaled = self.scale(found, self._value(call("Power", first, exponent)))
        order = None if scaled.order is None else scaled.order + shift
        return _Series({each + shift: value for each, value in scaled.terms.items()}, order)

    def logarithm(self, series: _Series) -> _Series:
        """Return the logarithm of a series; that of the variable is part of the constant term."""
        first, least, rest = self._split(series)
        constant = call("Log", first)
        if least:
            constant = call("Plus", constant, call("Times", _number(least), call("Log", self._step())))

        def coefficients() -> Iterable[Any]:
            yield Integer0
            at = 1
            while True:
                yield _number(Fraction(1 if at % 2 else -1, at))
                at += 1

        found = self._compose(rest, coefficients(), self.order)
        return self.add([found, _Series({Fraction(0): self._value(constant)}, None)])

    def _step(self) -> Any:
        """Return what the powers are of."""
        if self.at_infinity:
            return call("Power", self.variable, IntegerM1)
        return self._value(call("Subtract", self.variable, self.point))

    # -- expressions

    def of(self, expr: Any) -> _Series:
        """Return the series of an expression."""
        if expr.has_form("SeriesData", 6) and expr.elements[0].sameQ(self.variable):
            if not expr.elements[1].sameQ(self.point):
                raise _NoSeries
            return _read(expr)
        if self.is_free(expr):
            return _Series({Fraction(0): expr}, None)
        if expr.sameQ(self.variable):
            if self.at_infinity:
                return _Series({Fraction(-1): Integer1}, None)
            return _Series({Fraction(0): self.point, Fraction(1): Integer1}, None)
        if not isinstance(expr, Expression):
            raise _NoSeries
        name = expr.head.get_name().removeprefix("System`") if isinstance(expr.head, Symbol) else ""
        elements = expr.elements
        if name == "Plus":
            return self.add([self.of(each) for each in elements])
        if name == "Times":
            return self._product(elements)
        if name == "Power" and len(elements) == 2:
            return self._of_power(*elements)
        if name == "Log" and len(elements) == 1:
            return self.logarithm(self.of(elements[0]))
        if name in _QUOTIENTS and len(elements) == 1:
            above, below = _QUOTIENTS[name]
            over = self.power(self.of(call(below, elements[0])), IntegerM1)
            return over if above is None else self.multiply(self.of(call(above, elements[0])), over)
        if len(elements) == 1:
            return self.function(expr.head, self.of(elements[0]))
        return self._taylor(expr)

    def _product(self, elements: Sequence[Any]) -> _Series:
        found = _Series({Fraction(0): Integer1}, None)
        for each in elements:
            found = self.multiply(found, self.of(each))
        return found

    def _of_power(self, base: Any, exponent: Any) -> _Series:
        if self.is_free(exponent):
            return self.power(self.of(base), exponent)
        raised = self.of(exponent)
        if not self.is_free(base):
            raised = self.multiply(raised, self.logarithm(self.of(base)))
        elif base.get_name() != "System`E":
            raised = self.scale(raised, self._value(call("Log", base)))
        return self.function(Symbol("System`Exp"), raised)

    def function(self, head: Any, inner: _Series) -> _Series:
        """Return the series of a function of a series."""
        if (inner.terms and inner.least < 0) or (not inner.terms and inner.order is not None and inner.order <= 0):
            raise _NoSeries
        at = inner.terms.get(Fraction(0), Integer0)
        if not self.is_free(at) and head.get_name() != "System`Exp":
            raise _NoSeries
        rest = _Series({each: value for each, value in inner.terms.items() if each}, inner.order)
        if head.get_name() == "System`Exp":
            first = self._value(call("Power", Symbol("System`E"), at))

            def exponentials() -> Iterable[Any]:
                factor, k = first, 0
                while True:
                    yield factor
                    k += 1
                    factor = self._value(call("Times", factor, _number(Fraction(1, k))))

            return self._compose(rest, exponentials(), self.order)
        return self._compose(rest, self._derivatives(head, at), self.order)

    def _derivatives(self, head: Any, at: Any) -> Iterable[Any]:
        """Yield the Taylor coefficients of a function at a point."""
        dummy = Symbol("kernelbus`series")
        expr: Any = Expression(head, dummy).evaluate(self.evaluation)
        factorial, k = 1, 0
        while True:
            value = self._finite(call("ReplaceAll", expr, call("Rule", dummy, at)))
            yield self._value(call("Times", value, _number(Fraction(1, factorial))))
            k += 1
            factorial *= k
            expr = call("D", expr, dummy).evaluate(self.evaluation)

    def _finite(self, expr: Any) -> Any:
        said, self.evaluation.output = self.evaluation.output, _silent()
        try:
            value = expr.evaluate(self.evaluation)
        finally:
            self.evaluation.output = said
        if _has_infinity(value):
            raise _NoSeries
        return value

    def _taylor(self, expr: Any) -> _Series:
        """Expand by derivatives of the whole expression."""
        if self.at_infinity:
            raise _NoSeries
        terms, factorial, k = {}, 1, 0
        while k < self.order:
            value = self._finite(call("ReplaceAll", expr, call("Rule", self.variable, self.point)))
            terms[Fraction(k)] = self._value(call("Times", value, _number(Fraction(1, factorial))))
            k += 1
            factorial *= k
            expr = call("D", expr, self.variable).evaluate(self.evaluation)
        return _Series(terms, Fraction(k))


def _silent() -> Any:
    from mathics.core.evaluation import Output

    class Silent(Output):
        def out(self, out: Any) -> None:
            """Say nothing."""

    return Silent()


def _has_infinity(expr: Any) -> bool:
    if isinstance(expr, Symbol):
        return expr.name in _INFINITE
    if not isinstance(expr, Expression):
        return False
    return expr.get_head_name() in _INFINITE or any(map(_has_infinity, expr.elements))


def _read(expr: Any) -> _Series:
    """Return the series that a ``SeriesData`` is."""
    _, _, data, least, most, den = expr.elements
    step = den.value
    terms = {Fraction(least.value + at, step): value for at, value in enumerate(data.elements)}
    return _Series(terms, Fraction(most.value, step))


def _is_series(expr: Any) -> bool:
    return (
        isinstance(expr, Expression)
        and expr.head is _SERIES
        and len(expr.elements) == 6
        and isinstance(expr.elements[2], ListExpression)
        and all(isinstance(each, Integer) for each in expr.elements[3:])
        and expr.elements[5].value > 0
    )


def _written(series: _Series, variable: Any, point: Any) -> Any:
    """Return the ``SeriesData`` of a series with an order."""
    assert series.order is not None
    den = lcm(series.order.denominator, *(each.denominator for each in series.terms))
    most = int(series.order * den)
    least = int(min(series.terms) * den) if series.terms else most
    last = int(max(series.terms) * den) if series.terms else least - 1
    data = [series.terms.get(Fraction(at, den), Integer0) for at in range(least, last + 1)]
    return call("SeriesData", variable, point, ListExpression(*data), Integer(least), Integer(most), Integer(den))


def _expanded(expr: Any, variable: Any, point: Any, order: Fraction, evaluation: Any) -> _Series:
    """Return the series of an expression, known up to an order as far as possible."""
    more = Fraction(0)
    found = None
    for _ in range(5):
        found = _Expansion(variable, point, order + more, evaluation).of(expr)
        if found.order is None or found.order >= order:
            break
        # What was divided by has taken orders away.
        more += max(order - found.order, Fraction(1))
    assert found is not None
    return _Series(found.terms, order if found.order is None else min(order, found.order))


def _series(expression: Any, evaluation: Any) -> Any:
    elements = [each for each in expression.elements if not _is_option(each)]
    if len(elements) < 2:
        return None
    expr, *specs = elements
    if not all(_is_spec(each) for each in specs):
        return None
    found = _one(expr, specs[0], evaluation)
    if found is None:
        return expression
    return found if len(specs) == 1 else _inside(found, specs[1:], evaluation)


def _is_option(expr: Any) -> bool:
    return bool(expr.has_form(("Rule", "RuleDelayed"), 2)) and expr.elements[0].get_name() in _OPTIONS


def _is_spec(spec: Any) -> bool:
    if spec.has_form("Rule", 2):
        return True
    return bool(spec.has_form("List", 3)) and isinstance(spec.elements[2], Integer)


def _one(expr: Any, spec: Any, evaluation: Any) -> Any:
    variable, point = spec.elements[:2]
    if isinstance(expr, ListExpression):
        each_one = [_one(each, spec, evaluation) for each in expr.elements]
        return None if any(each is None for each in each_one) else ListExpression(*each_one)
    leading = spec.has_form("Rule", 2)
    if call("FreeQ", expr, variable).evaluate(evaluation) is SymbolTrue:
        return expr
    try:
        if leading:
            return _leading(expr, variable, point, evaluation)
        order = Fraction(spec.elements[2].value + 1)
        found: _Series | None = _expanded(expr, variable, point, order, evaluation)
    except _NoSeries:
        found = _by_sympy(expr, variable, point, int(spec.elements[2].value) + 1) if not leading else None
    if found is None:
        return None
    den = lcm(*(each.denominator for each in found.terms))
    if den > 1 and found.order is not None:
        # Of powers of a root, the first unknown one is the next of those.
        found = _Series(found.terms, min(found.order, order - 1 + Fraction(1, den)))
    return _written(found, variable, point)


def _by_sympy(expr: Any, variable: Any, point: Any, order: int) -> _Series | None:
    """Return the series that SymPy finds, as about poles of special functions."""
    symbol, at, whole = (each.to_sympy() for each in (variable, point, expr))
    if None in (symbol, at, whole) or not at.is_finite:
        return None
    step = sympy.Dummy("step")
    try:
        found = sympy.series(whole.subs(symbol, at + step), step, 0, order).removeO()
        terms: dict[Fraction, Any] = {}
        for term in sympy.Add.make_args(sympy.expand(found)):
            factor, power = term.as_independent(step)
            exponent = sympy.Integer(0) if power == 1 else power.as_base_exp()[1]
            if not exponent.is_Rational or power != step**exponent:
                return None
            key = Fraction(int(exponent.p), int(exponent.q))
            terms[key] = terms.get(key, sympy.Integer(0)) + factor
    except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError, sympy.PoleError):
        return None
    return _Series({key: from_sympy(value) for key, value in terms.items()}, Fraction(order))


def _leading(expr: Any, variable: Any, point: Any, evaluation: Any) -> Any:
    """Return the first term and the order of the next."""
    for order in (4, 12):
        found = _expanded(expr, variable, point, Fraction(order), evaluation)
        if len(found.terms) > 1:
            first, second = sorted(found.terms)[:2]
            return _written(_Series({first: found.terms[first]}, Fraction(ceil(second))), variable, point)
    raise _NoSeries


def _inside(expr: Any, specs: Sequence[Any], evaluation: Any) -> Any:
    """Expand the coefficients of a series by the other variables."""
    if not _is_series(expr):
        return Expression(Symbol("System`Series"), expr, *specs)
    elements = list(expr.elements)
    data = [Expression(Symbol("System`Series"), each, *specs).evaluate(evaluation) for each in elements[2].elements]
    return call("SeriesData", elements[0], elements[1], ListExpression(*data), *elements[3:])


def _of_series(expression: Any, evaluation: Any) -> Any:
    """Compute sums, products, powers and functions of series."""
    head = expression.head
    if not isinstance(head, Symbol):
        return None
    name = head.name.removeprefix("System`")
    if name not in _COMPUTED:
        return None
    series = [each for each in expression.elements if _is_series(each)]
    if not series or (name not in ("Plus", "Times", "Power") and len(expression.elements) != 1):
        return None
    variable, point = series[0].elements[:2]
    same = [each for each in series if each.elements[0].sameQ(variable) and each.elements[1].sameQ(point)]
    if len(same) < len(series):
        return None
    order = max(_read(each).order or Fraction(0) for each in series)
    least = min(Fraction(each.elements[3].value, each.elements[5].value) for each in series)
    try:
        expansion = _Expansion(variable, point, order + abs(least) + 1, evaluation)
        found = expansion.of(expression)
    except _NoSeries:
        return None
    if found.order is None:
        return None
    result = _written(found, variable, point)
    return None if result.sameQ(expression) else result


_COMPUTED: Final = frozenset(
    {"Plus", "Times", "Power", "Log", "Exp", "Sqrt", "Sin", "Cos", "Tan", "Cot", "Sec", "Csc", "Sinh", "Cosh", "Tanh", "Coth", "Sech",
     "Csch", "ArcSin", "ArcCos", "ArcTan", "ArcSinh", "ArcCosh", "ArcTanh", "Erf", "Gamma"}
)  # fmt: skip


def _order(expression: Any, evaluation: Any) -> Any:
    """Return the series that is only an order: ``O[x]``, ``O[x, x0]``."""
    if not 1 <= len(expression.elements) <= 2:
        return None
    variable, point = expression.elements[0], expression.elements[1] if len(expression.elements) == 2 else Integer0
    return call("SeriesData", variable, point, ListExpression(), Integer1, Integer1, Integer1)


def _reduced(expression: Any, evaluation: Any) -> Any:
    """Return a series without zeros at its ends."""
    if not _is_series(expression):
        return None
    variable, point = expression.elements[:2]
    result = _written(_read(expression), variable, point)
    same = all(one.sameQ(other) for one, other in zip(result.elements, expression.elements, strict=True))
    return None if same or _fraction_is_lower(expression, result) else result


def _fraction_is_lower(before: Any, after: Any) -> bool:
    # A common denominator that was given is kept.
    return bool(before.elements[5].value != after.elements[5].value)


def _coefficient(expression: Any, evaluation: Any) -> Any:
    """Return a coefficient: of a series, or of an expression's series."""
    elements = expression.elements
    if len(elements) != 2:
        return None
    if _is_series(elements[0]) and isinstance(elements[1], (Integer, Rational)):
        series, wanted = _read(elements[0]), Fraction(str(elements[1].value))
        if series.order is not None and wanted >= series.order:
            return Symbol("System`Indeterminate")
        return series.terms.get(wanted, Integer0)
    spec = elements[1]
    if not spec.has_form("List", 3) or not isinstance(spec.elements[2], (Integer, Rational)):
        return None
    wanted = Fraction(str(spec.elements[2].value))
    try:
        found = _expanded(elements[0], spec.elements[0], spec.elements[1], Fraction(int(wanted) + 1 + (wanted > 0)), evaluation)
    except _NoSeries:
        return None
    return found.terms.get(wanted, Integer0) if found.order is None or wanted < found.order else None


def _shown(expression: Any, evaluation: Any) -> Any:
    """Return a series as it is printed: a sum by exponents, with the order last."""
    if not _is_series(expression):
        return None
    variable, point = expression.elements[:2]
    series = _read(expression)
    infinite = point.has_form("DirectedInfinity", 1)
    base = call("Power", variable, IntegerM1) if infinite else call("Subtract", variable, point)
    base = base.evaluate(evaluation)

    def power(exponent: Fraction) -> Any:
        if infinite:
            return call("Power", variable, _number(-exponent)).evaluate(evaluation)
        return call("Power", base, _number(exponent)).evaluate(evaluation)

    terms = [call("Times", series.terms[each], power(each)).evaluate(evaluation) for each in sorted(series.terms)]
    order: Any = call("O", variable) if _is_zero(point) else call("O", variable, point)
    if infinite:
        order = call("O", call("Power", variable, IntegerM1))
    elif not _is_zero(point):
        order = call("O", base)
    assert series.order is not None
    terms.append(order if series.order == 1 else call("Power", order, _number(series.order)))
    return call("HoldForm", terms[0] if len(terms) == 1 else call("Plus", *terms))


def install_series(definitions: Any) -> None:
    """Define the functions of series in the place of Mathics3's."""
    define(definitions, "Series", _series)
    define(definitions, "SeriesCoefficient", _coefficient)
    define(definitions, "O", _order, replace=True)
    definition = definition_of(definitions, _SERIES.name)
    definition.upvalues = [rule for rule in definition.upvalues if rule.pattern.expr.get_head_name() not in ("System`Plus", "System`Times")]
    for rules in definition.formatvalues.values():
        for at, rule in enumerate(rules):
            if rule.pattern.expr.get_head() is _SERIES:
                rules[at] = NativeRule(_SERIES, _shown)
    define_up(definitions, "SeriesData", _of_series)
    define(definitions, "SeriesData", _reduced, replace=True)

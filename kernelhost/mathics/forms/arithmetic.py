"""Take sums, products and powers apart as they are written: signs, numerators, denominators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mathics.core.atoms import Complex, Integer, MachineReal, PrecisionReal, Rational
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol

__all__ = [
    "inverse",
    "is_call",
    "is_negative",
    "is_number",
    "is_rule",
    "is_zero",
    "negated",
    "product",
    "quotient",
    "times_negated",
    "without_minus",
]

_TIMES, _POWER = Symbol("System`Times"), Symbol("System`Power")


def is_number(expr: Any) -> bool:
    """Tell whether an expression is a real number, exact or not."""
    return isinstance(expr, (Integer, Rational, MachineReal, PrecisionReal))


def is_zero(expr: Any) -> bool:
    """Tell whether an expression is the exact integer zero."""
    return isinstance(expr, Integer) and expr.value == 0


def is_negative(expr: Any) -> bool:
    """Tell whether a number has a leading minus sign that a sum or a quotient can take over."""
    if isinstance(expr, Complex):
        return is_zero(expr.real) and is_negative(expr.imag)
    return is_number(expr) and bool(expr.value < 0)


def negated(number: Any) -> Any:
    """Return minus a number."""
    return -number


def is_call(expr: Any, name: str, count: int | None = None) -> bool:
    """Tell whether an expression's head is the symbol of this full name.

    Args:
        expr: the expression.
        name: the symbol's name with its context.
        count: the number of elements that it must have; None for any.
    """
    if not isinstance(expr, Expression) or not isinstance(expr.head, Symbol) or expr.head.name != name:
        return False
    return count is None or len(expr.elements) == count


def is_rule(expr: Any) -> bool:
    """Tell whether an expression is a ``Rule`` or ``RuleDelayed`` of two elements."""
    return is_call(expr, "System`Rule", 2) or is_call(expr, "System`RuleDelayed", 2)


def without_minus(term: Any) -> Any | None:
    """Return minus a term that begins with a minus sign, None for any other term."""
    if is_negative(term):
        return negated(term)
    if is_call(term, "System`Times") and len(term.elements) > 1 and is_negative(term.elements[0]):
        return times_negated(term)
    return None


def times_negated(term: Any) -> Any:
    """Return minus a product whose first factor is a number."""
    first, *rest = term.elements
    first = negated(first)
    if isinstance(first, Integer) and first.value == 1:
        return rest[0] if len(rest) == 1 else Expression(_TIMES, *rest)
    return Expression(_TIMES, first, *rest)


def product(factors: Sequence[Any]) -> Any:
    """Return the product of one or more factors, unevaluated."""
    return factors[0] if len(factors) == 1 else Expression(_TIMES, *factors)


def inverse(factor: Any) -> Any | None:
    """Return the divisor that a factor with a negative exponent stands for, None for other factors.
    """
    if not is_call(factor, "System`Power", 2):
        return None
    base, exponent = factor.elements
    positive = None
    if is_number(exponent) and exponent.value < 0:
        positive = negated(exponent)
    elif is_call(exponent, "System`Times") and len(exponent.elements) > 1:
        first = exponent.elements[0]
        if is_number(first) and first.value < 0:
            positive = times_negated(exponent)
    if positive is None:
        return None
    if isinstance(positive, Integer) and positive.value == 1:
        return base
    return Expression(_POWER, base, positive)


def quotient(factors: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return the factors of a product that are over the bar of a fraction, and those under it.

    A leading rational number is taken apart, so that ``2/3 x`` is written as ``2 x`` over ``3``.
    """
    over: list[Any] = []
    under: list[Any] = []
    first = factors[0]
    if isinstance(first, Rational):
        factors = factors[1:]
        if first.value.p != 1:
            over.append(Integer(int(first.value.p)))
        under.append(Integer(int(first.value.q)))
    for factor in factors:
        divisor = inverse(factor)
        if divisor is None:
            over.append(factor)
        else:
            under.append(divisor)
    return over, under

"""The order of sums and products: that of polynomials, as in Wolfram kernels.

Mathics3 sorts terms and factors by their names and depth. Here two products are compared from their
last factors, and so are two sums from their last terms; powers by base, then by exponent; of two
that agree so far the shorter comes first, and numbers in front decide last. A symbol comes before
any call, and a call with fewer arguments before one with more. No evaluation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import Any, Final

from mathics.core.atoms import Complex, Integer, MachineReal, Number, PrecisionReal, Rational, String
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol
from mathics.core.systemsymbols import SymbolPlus, SymbolPower, SymbolTimes

from kernelbus.kernelhost.mathics.speed.roots import with_roots

__all__ = ["compared", "correct_order", "sorted_terms"]

_REALS: Final = (Integer, MachineReal, Rational, PrecisionReal)
#: Expressions that are nested deeper are left to Mathics3's order.
_DEEPEST: Final = 100


class _TooDeep(Exception):
    """Say that expressions are nested too deeply to be compared here."""


def _sign(one: Any, other: Any) -> int:
    return (one > other) - (one < other)


def _numbers(one: Any, other: Any) -> int:
    """Compare numbers: by their real parts, then their imaginary parts, exact ones first."""
    real = (one.real if isinstance(one, Complex) else one).value, (other.real if isinstance(other, Complex) else other).value
    found = _sign(*real)
    if found:
        return int(found)
    zero = Integer(0)
    imaginary = (one.imag if isinstance(one, Complex) else zero).value, (other.imag if isinstance(other, Complex) else zero).value
    return int(_sign(*imaginary)) or _sign(not isinstance(one, (Integer, Rational)), not isinstance(other, (Integer, Rational)))


def _names(one: str, other: str) -> int:
    """Compare names: by their letters, lower case before upper case, then by their contexts."""
    first, second = one.rpartition("`")[2], other.rpartition("`")[2]
    return _sign(first.lower(), second.lower()) or _sign(first.swapcase(), second.swapcase()) or _sign(one, other)


def _from_last(one: Sequence[Any], other: Sequence[Any], depth: int) -> int:
    for first, second in zip(reversed(one), reversed(other), strict=False):
        found = compared(first, second, depth)
        if found:
            return found
    return _sign(len(one), len(other))


def _factors(expr: Any) -> tuple[Sequence[Any], Any]:
    """Return the factors of a product without the number in front, and that number or None."""
    if isinstance(expr, Expression) and expr.head is SymbolTimes and expr.elements:
        elements = expr.elements
        return (elements[1:], elements[0]) if isinstance(elements[0], Number) else (elements, None)
    return (expr,), None


def compared(one: Any, other: Any, depth: int = 0) -> int:
    """Return -1, 0 or 1: whether one expression comes before, with or behind another.

    Raises:
        _TooDeep: they are nested too deeply.
    """
    if one is other:
        return 0
    if depth > _DEEPEST:
        raise _TooDeep
    first, second = isinstance(one, Expression), isinstance(other, Expression)
    if not first and not second:
        return _atoms(one, other)
    heads = {each.head for each in (one, other) if isinstance(each, Expression) and isinstance(each.head, Symbol)}
    if isinstance(one, Number) or isinstance(other, Number):
        # A number comes before all that is none, and before a product with it.
        return -1 if isinstance(one, Number) else 1
    if SymbolTimes in heads:
        (left, number), (right, second_number) = _factors(one), _factors(other)
        found = _from_last(left, right, depth + 1)
        if found or (number is None and second_number is None):
            return found
        return _numbers(number or Integer(1), second_number or Integer(1))
    if SymbolPower in heads:
        base, exponent = one.elements if one.has_form("Power", 2) else (one, Integer(1))
        other_base, other_exponent = other.elements if other.has_form("Power", 2) else (other, Integer(1))
        if base is not one or other_base is not other:
            return compared(base, other_base, depth + 1) or compared(exponent, other_exponent, depth + 1)
    if SymbolPlus in heads:
        terms = [each.elements if isinstance(each, Expression) and each.head is SymbolPlus else (each,) for each in (one, other)]
        if len(terms[0]) != 1 or len(terms[1]) != 1:
            return _from_last(terms[0], terms[1], depth + 1)
    if not first or not second:
        return 1 if first else -1
    return _calls(one, other, depth)


def _atoms(one: Any, other: Any) -> int:
    for kind in (Number, String, Symbol):
        if isinstance(one, kind) and isinstance(other, kind):
            if kind is Number:
                return _numbers(one, other)
            return _names(one.name, other.name) if kind is Symbol else _names(one.value, other.value)
        if isinstance(one, kind) or isinstance(other, kind):
            return -1 if isinstance(one, kind) else 1
    return _sign(one.element_order, other.element_order)


def _calls(one: Any, other: Any, depth: int) -> int:
    found = _sign(len(one.elements), len(other.elements)) or compared(one.head, other.head, depth + 1)
    if found:
        return found
    for first, second in zip(one.elements, other.elements, strict=True):
        found = compared(first, second, depth + 1)
        if found:
            return found
    return 0


_KEY = cmp_to_key(compared)


def sorted_terms(elements: list[Any]) -> list[Any]:
    """Return the terms of a sum, or the factors of a product, in order."""
    if all(type(each) in _REALS for each in elements):
        elements.sort()
        return elements
    try:
        if all(compared(first, second) <= 0 for first, second in itertools.pairwise(elements)):
            return elements
        return sorted(elements, key=_KEY)
    except (_TooDeep, TypeError):
        elements.sort()
        return elements


def correct_order() -> None:
    """Have Mathics3's sums and products be in this order; call this before definitions are made."""
    import mathics.builtin.arithfns.basic as builtins
    import mathics.eval.arithfns.basic as arithmetic

    add, their_product = arithmetic.eval_add_numbers, arithmetic.eval_Times

    def plus(*items: Any) -> Any:
        return _sum(items, add)

    def exponents(*items: Any) -> Any:
        # Of equal bases in a product: any two, which are evaluated with the product.
        return add(*items) if all(isinstance(each, Number) for each in items) else Expression(SymbolPlus, *items)

    def times(*items: Any) -> Any:
        # -(a + b) is -a - b, but of -(a + b)*c only the whole is negative.
        negative = len(items) > 2 and isinstance(items[0], Integer) and items[0].value == -1 and not isinstance(items[1], Number)
        given = items[1:] if negative else items
        found = their_product(*given)
        if isinstance(found, Expression) and found.head is SymbolTimes:
            elements = [*items[:1], *found.elements] if negative else list(found.elements)
            found = _unless_same(SymbolTimes, sorted_terms(elements), items)
        elif found is not None:
            return Expression(SymbolTimes, items[0], found) if negative else found
        if found is None and (roots := with_roots(items)) is not None:
            return roots[0] if len(roots) == 1 else Expression(SymbolTimes, *sorted_terms(roots))
        return found

    builtins.eval_Plus, arithmetic.eval_Plus = plus, exponents
    arithmetic.eval_Times = builtins.eval_Times = times


def _unless_same(head: Any, elements: Sequence[Any], items: Sequence[Any]) -> Any:
    """Return the expression, None if it is that of the items."""
    if len(elements) == len(items) and all(one is other or one.sameQ(other) for one, other in zip(elements, items, strict=True)):
        return None
    return Expression(head, *elements)


def _sum(items: Sequence[Any], add: Callable[..., Any]) -> Any:
    """Return a sum of sorted items, in which terms that differ by their numbers only are one."""
    count = next((at for at, each in enumerate(items) if not isinstance(each, Number)), len(items))
    number = add(*items[:count]) if count else Integer(0)
    groups: list[tuple[Any, Sequence[Any], Any]] = []
    for item in items[count:]:
        factors, how_many = _factors(item)
        if groups and len(groups[-1][1]) == len(factors) and all(map(_same, groups[-1][1], factors)):
            before = groups[-1][2]
            groups[-1] = None, factors, add(Integer(1) if before is None else before, Integer(1) if how_many is None else how_many)
        else:
            groups.append((item, factors, how_many))
    terms: list[Any] = []
    for item, factors, how_many in groups:
        if item is not None:
            terms.append(item)
        elif isinstance(how_many, Integer) and how_many.value == 1:
            terms.append(factors[0] if len(factors) == 1 else Expression(SymbolTimes, *factors))
        elif not isinstance(how_many, Integer) or how_many.value:
            terms.append(Expression(SymbolTimes, how_many, *factors))
    if not terms:
        return number
    if not isinstance(number, Integer) or number.value:
        terms.insert(0, number)
    return terms[0] if len(terms) == 1 else _unless_same(SymbolPlus, sorted_terms(terms), items)


def _same(one: Any, other: Any) -> bool:
    return one is other or bool(one.sameQ(other))

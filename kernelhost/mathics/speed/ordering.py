"""The canonical order of expressions, as in Wolfram kernels.

Mathics3 sorts by names, depth and kinds of its own. Here numbers come first, by their values, then
strings as in a dictionary, then symbols, then calls: one with fewer arguments before one with more,
then by their heads, then by their arguments. Products and sums stand in the order of polynomials:
two products are compared from their last factors, and so are two sums from their last terms; powers
by base, then by exponent; of two that agree so far the shorter comes first, and numbers in front
decide last. No evaluation.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Sequence
from functools import cmp_to_key, lru_cache
from typing import Any, Final

from mathics.core.atoms import Complex, Integer, MachineReal, Number, PrecisionReal, Rational, String
from mathics.core.element import BaseElement
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol
from mathics.core.systemsymbols import SymbolPlus, SymbolPower, SymbolTimes

from kernelbus.kernelhost.mathics.speed.roots import with_roots

__all__ = ["canonical", "canonical_places", "compared", "correct_order", "sorted_terms"]

_REALS: Final = (Integer, MachineReal, Rational, PrecisionReal)
#: Expressions that are nested deeper are left to Mathics3's order.
_DEEPEST = 500
#: Each character of ASCII in the order of dictionaries: signs, digits, letters.
_PLACES: Final = {
    each: chr(at) if not each.isalpha() else each
    for at, each in enumerate(sorted(map(chr, range(128)), key=lambda each: (each.isalpha(), each.isdigit(), each)))
}
#: The heads whose calls are compared in the order of polynomials.
_POLYNOMIAL: Final = frozenset({SymbolPlus, SymbolPower, SymbolTimes})


class _TooDeep(Exception):
    """Say that expressions are nested too deeply to be compared here."""


def _sign(one: Any, other: Any) -> int:
    # SymPy's numbers are compared to truth values of SymPy.
    return bool(one > other) - bool(one < other)


def _number_key(number: Any) -> tuple[Any, ...]:
    """Return what a number is ordered by.

    That is its real part, then the size of its imaginary part, negative before positive, and exact
    before inexact numbers.
    """
    kind = type(number)
    if kind is Integer or kind is Rational:
        return (number.value,)
    if kind is Complex:
        imaginary = number.imag.value
        return number.real.value, abs(imaginary), imaginary, not isinstance(number.real, (Integer, Rational))
    return number.value, 0, 0, True


def _numbers(one: Any, other: Any) -> int:
    return _sign(_number_key(one), _number_key(other))


@lru_cache(maxsize=20000)
def _text_key(text: str) -> tuple[Any, ...]:
    """Return what texts are ordered by, as in a dictionary.

    Signs come before digits, and those before letters. Accents decide only between texts with the
    same letters, then lower case comes before upper case.
    """
    if text.isascii():
        letters = text.lower()
        if letters.isalpha():
            return letters, "", text.swapcase()
        return "".join(map(_PLACES.__getitem__, letters)), "", text.swapcase()
    parts = unicodedata.normalize("NFD", text)
    letters = "".join(each for each in parts if not unicodedata.combining(each)).lower()
    return "".join(_PLACES.get(each, each) for each in letters), parts.lower(), text.swapcase()


def _names(one: str, other: str) -> int:
    """Compare names: by their letters, lower case before upper case, then by their contexts."""
    return _sign(_name_key(one), _name_key(other))


def _name_key(name: str) -> tuple[Any, ...]:
    return (*_text_key(name.rpartition("`")[2]), name)


def _from_last(one: Sequence[Any], other: Sequence[Any], depth: int) -> int:
    for first, second in zip(reversed(one), reversed(other), strict=False):
        found = compared(first, second, depth)
        if found:
            return found
    return 0


def _by_number(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Compare sums of which one ends as the other: x is 0 + x, so -1 + x comes before it."""
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    if len(longer) == len(shorter):
        return 0
    number = longer[len(longer) - len(shorter) - 1]
    negative = isinstance(number, Number) and bool(_number_key(number) < (0,))
    return -1 if negative is (longer is one) else 1


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
        found = _from_last(left, right, depth + 1) or _sign(len(left), len(right))
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
            return _from_last(terms[0], terms[1], depth + 1) or _by_number(terms[0], terms[1])
    if not first or not second:
        return 1 if first else -1
    return _calls(one, other, depth)


def _atoms(one: Any, other: Any) -> int:
    for kind in (Number, String, Symbol):
        if isinstance(one, kind) and isinstance(other, kind):
            if kind is Number:
                return _numbers(one, other)
            return _names(one.name, other.name) if kind is Symbol else _sign(_text_key(one.value), _text_key(other.value))
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


def _sort_key(expr: Any, depth: int = 0) -> tuple[Any, ...]:
    """Return a key in the canonical order, for whatever has no sums, products or powers.

    Raises:
        _TooDeep: there is none.
    """
    if type(expr) is Integer:
        return 0, expr._value
    if isinstance(expr, Number):
        return 0, *_number_key(expr)
    if isinstance(expr, Symbol):
        return 2, *_name_key(expr.name)
    if isinstance(expr, String):
        return 1, *_text_key(expr.value)
    if not isinstance(expr, Expression) or depth > _DEEPEST or expr.head in _POLYNOMIAL:
        raise _TooDeep
    elements = expr.elements
    return 3, len(elements), _sort_key(expr.head, depth + 1), *[_sort_key(each, depth + 1) for each in elements]


def canonical_places(elements: Sequence[Any]) -> list[int]:
    """Return the places of elements in the canonical order. Those that are the same keep theirs."""
    places = list(range(len(elements)))
    kinds = set(map(type, elements))
    if kinds <= {Integer} or kinds <= {MachineReal}:
        values = [each._value for each in elements]
        places.sort(key=values.__getitem__)
        return places
    try:
        keys = [_sort_key(each) for each in elements]
        places.sort(key=keys.__getitem__)
        return places
    except (_TooDeep, TypeError):  # TypeError: numbers that have no order, as an invalid one
        pass
    try:
        return sorted(places, key=lambda place: _KEY(elements[place]))
    except (_TooDeep, TypeError):
        return sorted(places, key=lambda place: elements[place].element_order)


def canonical(elements: Sequence[Any]) -> list[Any]:
    """Return elements in the canonical order. Those that are the same keep their order."""
    return [elements[place] for place in canonical_places(elements)]


def _compared(one: Any, other: Any) -> int:
    """Compare any two expressions."""
    try:
        return compared(one, other)
    except (_TooDeep, TypeError):
        first, second = one.element_order, other.element_order
        # One comparison at each depth, not two: they would double from depth to depth.
        return 0 if first == second else 1 if first > second else -1


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
        return sorted(elements, key=lambda each: each.element_order)


def correct_order() -> None:
    """Have Mathics3's expressions be in this order; call this before definitions are made."""
    import mathics.builtin.arithfns.basic as builtins
    import mathics.eval.arithfns.basic as arithmetic

    # Mathics3 sorts by Python's operators.
    BaseElement.__lt__ = lambda self, other: _compared(self, other) < 0
    BaseElement.__le__ = lambda self, other: _compared(self, other) <= 0
    BaseElement.__gt__ = lambda self, other: _compared(self, other) > 0
    BaseElement.__ge__ = lambda self, other: _compared(self, other) >= 0

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

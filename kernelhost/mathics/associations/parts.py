"""Find and set the parts of lists, associations and other expressions.

A part specification is a position, ``All``, a ``Span``, a key (a string or ``Key[key]``), or a list
of positions and keys. Parts are set in a copy that shares with the original what is not set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mathics.core.atoms import Integer, String
from mathics.core.exceptions import MessageException
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Atom, Symbol, SymbolList

from kernelbus.kernelhost.mathics.associations.expression import (
    AssociationExpression,
    as_association,
    key_of,
    missing,
    rule,
    without_key,
)
from kernelbus.kernelhost.mathics.library.sparse import assigned as sparse_assigned

__all__ = ["assigned", "is_key", "part", "rebuilt", "updated", "without_parts"]

_ALL, _KEY, _SPAN, _PART = (Symbol(f"System`{name}") for name in ("All", "Key", "Span", "Part"))
_ASSOCIATION, _SPARSE = Symbol("System`Association"), Symbol("System`SparseArray")


def is_key(spec: Any) -> bool:
    """Tell whether a part specification names a key: a string or ``Key[key]``."""
    return isinstance(spec, String) or (isinstance(spec, Expression) and spec.head is _KEY and len(spec.elements) == 1)


def rebuilt(expr: Any, elements: Sequence[Any]) -> Any:
    """Return an expression of the same head with other elements."""
    return ListExpression(*elements) if expr.head is SymbolList else Expression(expr.head, *elements)


def part(expr: Any, specs: Sequence[Any]) -> Any:
    """Return ``expr[[specs]]``, which is to be evaluated.

    Raises:
        MessageException: there is no such part, or a specification is none.
    """
    return _part(expr, specs, expr, specs)


def _part(expr: Any, specs: Sequence[Any], whole: Any, given: Sequence[Any]) -> Any:
    for done, spec in enumerate(specs):
        rest = specs[done + 1 :]
        association = as_association(expr)
        if isinstance(expr, Atom) or not isinstance(expr, Expression):
            raise MessageException("Part", "partd", Expression(_PART, whole, *given))
        if is_key(spec):
            if association is None:
                raise MessageException("Part", "partw", spec, expr)
            key = without_key(spec)
            found = association.get(key)
            if found is None:
                return missing(key)
            expr = found
            continue
        if isinstance(spec, Integer):
            expr = _single(expr, association, spec)
            continue
        places = _places(spec, expr, association)
        if association is not None:
            return _some_of(association, places, rest, whole, given)
        elements = expr.elements
        return rebuilt(
            expr, [_part(expr.head if place is None else elements[place], rest, whole, given) for place in places]
        )
    return expr


def _some_of(
    association: AssociationExpression, places: Sequence[Any], rest: Sequence[Any], whole: Any, given: Sequence[Any]
) -> Any:
    """Return the association of the parts ``rest`` of the values at places, absent keys too."""
    rules = []
    for place in places:
        if isinstance(place, int):
            old = association.elements[place]
            rules.append(rule(old.elements[0], _part(old.elements[1], rest, whole, given)))
        else:
            rules.append(rule(place, missing(place)))
    return Expression(_ASSOCIATION, *rules)


def _single(expr: Any, association: AssociationExpression | None, spec: Any) -> Any:
    number, elements = spec.value, expr.elements
    if not number:
        return expr.head
    if not -len(elements) <= number <= len(elements):
        raise MessageException("Part", "partw", spec, expr)
    found = elements[number - 1 if number > 0 else number]
    return found if association is None else found.elements[1]


def _places(spec: Any, expr: Any, association: AssociationExpression | None) -> list[Any]:
    """Return the places, counted from 0, that a specification of several parts names.

    The head is None. A key that an association does not have is itself.
    """
    count = len(expr.elements)
    if spec is _ALL:
        return list(range(count))
    if isinstance(spec, Expression) and spec.head is _SPAN:
        return list(range(count)[_slice(spec, expr)])
    if not isinstance(spec, Expression) or spec.head is not SymbolList:
        raise MessageException("Part", "pspec", spec)
    places: list[Any] = []
    for each in spec.elements:
        if isinstance(each, Integer):
            if not -count <= each.value <= count:
                raise MessageException("Part", "partw", spec, expr)
            places.append(None if not each.value else each.value - 1 if each.value > 0 else count + each.value)
        elif association is not None and is_key(each):
            key = without_key(each)
            place = association.index(key)
            places.append(key if place is None else place)
        else:
            raise MessageException("Part", "partw" if is_key(each) else "pspec", *((spec, expr) if is_key(each) else (spec,)))
    return places


def _slice(spec: Any, expr: Any) -> slice:
    """Return the Python slice of a ``Span``.

    Raises:
        MessageException: it does not lie within the expression.
    """
    count = len(expr.elements)
    bounds = [*spec.elements, _ALL, Integer(1)][: max(3, len(spec.elements))]
    if len(spec.elements) < 3:
        bounds[2] = Integer(1)
    if len(bounds) != 3 or any(not isinstance(each, Integer) and each is not _ALL for each in bounds):
        raise MessageException("Part", "span", spec)
    first, last, step = (None if each is _ALL else each.value for each in bounds)
    step = 1 if step is None else step
    start = (1 if step > 0 else -1) if first is None else first
    stop = (-1 if step > 0 else 1) if last is None else last
    if not step:
        raise MessageException("Part", "span", spec)
    low = start - 1 if start > 0 else count + start
    high = stop - 1 if stop > 0 else count + stop
    if start and stop and ((step > 0 and high == low - 1) or (step < 0 and high == low + 1)):
        return slice(0, 0)
    if not count and first in (None, 1) and last is None:
        return slice(0, 0)
    if not start or not stop or not 0 <= low < count or not 0 <= high < count:
        raise MessageException("Part", "take", Integer(start), Integer(stop), expr)
    if step > 0:
        return slice(low, max(high + 1, low), step)
    end = high - 1
    return slice(low, None if end < 0 else min(end, low), step)


def updated(expr: Any, specs: Sequence[Any], change: Callable[[Any], Any], add: bool = True) -> Any:
    """Return an expression with ``change(part)`` in the place of each part that ``specs`` names.

    ``change`` is given None for a key that an association does not have.

    Raises:
        MessageException: there is no such part, or a specification is none.
    """
    if not specs:
        return change(expr)
    spec, rest = specs[0], specs[1:]
    if isinstance(expr, Atom) or not isinstance(expr, Expression):
        raise MessageException("Part", "partd", Expression(_PART, expr, *specs))
    association = as_association(expr)
    if is_key(spec):
        if association is None:
            raise MessageException("Part", "partw", spec, expr)
        key = without_key(spec)
        found = association.get(key)
        if found is None and (rest or not add):
            raise MessageException("Part", "partw", spec, expr)
        value = change(None) if found is None else updated(found, rest, change, add)
        return association.with_rule(rule(key, value))
    if isinstance(spec, Integer):
        if not -len(expr.elements) <= spec.value <= len(expr.elements):
            raise MessageException("Part", "partw", spec, expr)
        places = [spec.value - 1 if spec.value > 0 else len(expr.elements) + spec.value if spec.value else None]
    else:
        places = _places(spec, expr, association)
    if association is not None:
        for place in places:
            if place is None:
                return Expression(change(expr.head), *expr.elements)
            if not isinstance(place, int):
                raise MessageException("Part", "partw", place, expr)
            old = association.elements[place]
            association = association.with_rule(rule(old.elements[0], updated(old.elements[1], rest, change, add)))
        return association
    head, elements = expr.head, list(expr.elements)
    for place in places:
        if place is None:
            head = updated(head, rest, change, add)
        else:
            elements[place] = updated(elements[place], rest, change, add)
    return ListExpression(*elements) if head is SymbolList else Expression(head, *elements)


def assigned(expr: Any, specs: Sequence[Any], value: Any) -> Any:
    """Return an expression with the parts that ``specs`` names set to a value.

    A list sets the parts of several positions one by one, if it has as many elements.

    Raises:
        MessageException: there is no such part, or a specification is none.
    """
    if isinstance(expr, Expression) and expr.head is _SPARSE:
        sparse = sparse_assigned(expr, lambda full: assigned(full, specs, value))
        if sparse is not None:
            return sparse
    several = next((at for at, spec in enumerate(specs) if not is_key(spec) and not isinstance(spec, Integer)), None)
    if several is None or not isinstance(value, Expression) or value.head is not SymbolList:
        return updated(expr, specs, lambda _: value)
    rest = specs[several + 1 :]

    def spread(inner: Any) -> Any:
        if inner is None or isinstance(inner, Atom):
            raise MessageException("Part", "partd", Expression(_PART, expr, *specs))
        places = _places(specs[several], inner, as_association(inner))
        if len(places) != len(value.elements):
            return updated(inner, specs[several:], lambda _: value)
        if as_association(inner) is None and None not in places:
            elements = list(inner.elements)
            for place, one in zip(places, value.elements, strict=True):
                elements[place] = assigned(elements[place], rest, one)
            return rebuilt(inner, elements)
        for place, one in zip(places, value.elements, strict=True):
            spec = Integer(0) if place is None else Integer(place + 1) if isinstance(place, int) else Expression(_KEY, place)
            inner = assigned(inner, [spec, *rest], one)
        return inner

    return updated(expr, specs[:several], spread)


def without_parts(expr: Any, specs: Sequence[Any]) -> Any:
    """Return an expression without the part that ``specs`` names; absent keys are no error.

    Raises:
        MessageException: there is no such part, or a specification is none.
    """

    def shorter(inner: Any) -> Any:
        association = as_association(inner)
        spec = specs[-1]
        if is_key(spec) and association is not None:
            wanted = key_of(without_key(spec))
            return AssociationExpression(each for each in association.elements if key_of(each.elements[0]) != wanted)
        if not isinstance(inner, Expression):
            raise MessageException("Part", "partd", Expression(_PART, expr, *specs))
        if isinstance(spec, Integer):
            if not spec.value or not -len(inner.elements) <= spec.value <= len(inner.elements):
                raise MessageException("Part", "partw", spec, inner)
            places = [spec.value - 1 if spec.value > 0 else len(inner.elements) + spec.value]
        else:
            places = _places(spec, inner, association)
        kept = [each for place, each in enumerate(inner.elements) if place not in places]
        return AssociationExpression(kept) if association is not None else rebuilt(inner, kept)

    return updated(expr, specs[:-1], shorter, add=False)

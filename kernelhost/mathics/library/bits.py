"""The functions of the bits of integers; a negative integer has infinitely many bits that are 1."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

from mathics.core.atoms import Integer
from mathics.core.attributes import A_FLAT, A_LISTABLE, A_ONE_IDENTITY, A_ORDERLESS, A_PROTECTED
from mathics.core.expression import Expression

from kernelbus.kernelhost.mathics.native import define, definition_of

__all__ = ["install_bits"]

#: The most bits that a number is shifted to the left by.
_MOST_BITS = 1 << 28


def _joined(function: Callable[[int, int], int], neutral: int) -> Callable[[Any, Any], Any]:
    """Return a function of any number of integers; what is none stays beside their value."""

    def apply(expression: Any, evaluation: Any) -> Any:
        numbers = [each.value for each in expression.elements if isinstance(each, Integer)]
        others = [each for each in expression.elements if not isinstance(each, Integer)]
        if len(numbers) < 2 and others:
            return None
        value = Integer(reduce(function, numbers, neutral))
        return Expression(expression.head, value, *others) if others else value

    return apply


def _of_integers(count: int, function: Callable[..., int | None], default: int | None = None) -> Callable[[Any, Any], Any]:
    def apply(expression: Any, evaluation: Any) -> Any:
        elements = expression.elements
        values = [each.value for each in elements if isinstance(each, Integer)]
        if len(values) != len(elements):
            return None
        if default is not None and len(values) == count - 1:
            values.append(default)
        value = function(*values) if len(values) == count else None
        return None if value is None else Integer(value)

    return apply


def _shifted(number: int, by: int) -> int | None:
    if by <= 0:
        # Towards zero, as documented: the integer part of the quotient.
        return number >> -by if number >= 0 else -(-number >> -by)
    return number << by if by < _MOST_BITS else None


def _length(number: int) -> int:
    return (number if number >= 0 else ~number).bit_length()


def _at(change: Callable[[int, int], int]) -> Callable[[int, int], int | None]:
    """Return a function of the bit at a place; a negative place counts from the highest bit."""

    def apply(number: int, place: int) -> int | None:
        if place < 0:
            place += _length(number)
        return change(number, place) if 0 <= place < _MOST_BITS else None

    return apply


def install_bits(definitions: Any) -> None:
    """Define the functions."""
    for name, function, neutral in (("BitAnd", operator.and_, -1), ("BitOr", operator.or_, 0), ("BitXor", operator.xor, 0)):
        define(definitions, name, _joined(function, neutral))
        definition_of(definitions, f"System`{name}").attributes = A_FLAT | A_LISTABLE | A_ONE_IDENTITY | A_ORDERLESS | A_PROTECTED
    for name, count, single, default in (
        ("BitNot", 1, operator.invert, None),
        ("BitLength", 1, _length, None),
        ("BitShiftLeft", 2, _shifted, 1),
        ("BitShiftRight", 2, lambda number, by: _shifted(number, -by), 1),
        ("BitGet", 2, _at(lambda number, place: number >> place & 1), None),
        ("BitSet", 2, _at(lambda number, place: number | 1 << place), None),
        ("BitClear", 2, _at(lambda number, place: number & ~(1 << place)), None),
    ):
        define(definitions, name, _of_integers(count, single, default), replace=True)
        definition_of(definitions, f"System`{name}").attributes = A_LISTABLE | A_PROTECTED

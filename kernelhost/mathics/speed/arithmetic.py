"""Compute with integers and machine reals without SymPy.

Mathics3 adds, multiplies and compares every two numbers by SymPy's general arithmetic, and makes a
SymPy number of each integer.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import sympy
from mathics.core.atoms import Integer, MachineReal, Rational
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolList, SymbolTrue

from kernelbus.kernelhost.mathics.forms.precision import machine_real
from kernelbus.kernelhost.mathics.native import define
from kernelbus.kernelhost.mathics.speed.roots import power_of as root_of

__all__ = ["correct_numbers", "install_arithmetic"]

#: Two machine reals that differ by less than this part of them are compared by Mathics3.
_NEAR = 1e-10
#: Larger powers are computed by Mathics3, which refuses those that are too large.
_LARGE_BITS = 1 << 16


class _Lazy:
    """Make an integer's SymPy number when it is first asked for."""

    def __get__(self, number: Any, kind: Any) -> Any:
        if number is None:
            return self
        made = number._sympy = sympy.Integer(number._value)
        return made


def correct_numbers() -> None:
    """Change how Mathics3 makes integers."""

    def make(kind: Any, value: Any) -> Any:
        found = kind._integers.get(value)
        if found is None:
            found = object.__new__(kind)
            found._value = int(value)
            found.hash = hash((kind, found._value))
            kind._integers[found._value] = found
        return found

    Integer._sympy = _Lazy()
    Integer.__new__ = make


def _plain(elements: Sequence[Any]) -> bool | None:
    """Return True if all are integers, False if all are those or machine reals, None otherwise."""
    exact = True
    for element in elements:
        kind = type(element)
        if kind is MachineReal:
            exact = False
        elif kind is not Integer:
            return None
    return exact


def _real(value: float) -> Any:
    return machine_real(value) if math.isfinite(value) else None


def _sum(values: Any, exact: bool) -> Any:
    if exact:
        return Integer(sum(values))
    try:
        return _real(float(math.fsum(values) if len(values) > 2 else sum(values)))
    except OverflowError:
        return None


def _product(values: Any, exact: bool) -> Any:
    if exact:
        return Integer(math.prod(values))
    if any(type(value) is int and not value for value in values):
        return Integer(0)
    try:
        value = float(math.prod(values))
    except OverflowError:
        return None
    # An underflow has a message, which is not said here.
    return _real(value) if value or not all(values) else None


_Fold = Callable[[Any, bool], Any]


def _folded(fold: _Fold) -> Callable[[Any, Any], Any]:
    """Return the function of a sum or product: of numbers, and of lists of them."""

    def apply(expression: Any, evaluation: Any) -> Any:
        elements = expression._elements
        if len(elements) < 2:
            return None
        exact = _plain(elements)
        if exact is None:
            return None
        return fold([element._value for element in elements], exact)

    return apply


def _threaded(fold: _Fold) -> Callable[[Any], Any]:
    """Return the function that threads over flat lists of plain numbers; None for anything else."""

    def thread(expression: Any) -> Any:
        elements = expression._elements
        count = None
        for element in elements:
            if isinstance(element, Expression):
                if element._head is not SymbolList or count not in (None, len(element._elements)):
                    return None
                count = len(element._elements)
        if not count or len(elements) < 2:
            return None
        columns: list[list[Any]] = []
        all_exact = True
        for element in elements:
            inner = element._elements if isinstance(element, Expression) else (element,)
            exact = _plain(inner)
            if exact is None:
                return None
            all_exact = all_exact and exact
            values = [each._value for each in inner]
            columns.append(values if isinstance(element, Expression) else values * count)
        found = []
        for row in zip(*columns, strict=True):
            exact = all_exact or all(type(value) is int for value in row)
            one = fold(row, exact)
            if one is None:
                return None
            found.append(one)
        return ListExpression(*found)

    return thread


def _power(expression: Any, evaluation: Any) -> Any:
    elements = expression._elements
    if len(elements) != 2:
        return None
    return _power_of(*elements)


def _power_of(base: Any, exponent: Any) -> Any:
    if type(exponent) is not Integer:
        return root_of(base, exponent) if type(exponent) is Rational else None
    number = exponent._value
    if type(base) is Integer:
        if number > 0 and base._value.bit_length() * number < _LARGE_BITS:
            return Integer(base._value**number)
        return None
    if type(base) is MachineReal and number > 0:
        try:
            value = base._value**number
        except OverflowError:
            return None
        return _real(value) if value or not base._value else None
    return None


def _threaded_power(expression: Any) -> Any:
    elements = expression._elements
    if len(elements) != 2 or elements[0].get_head() is not SymbolList:
        return None
    found = [_power_of(each, elements[1]) for each in elements[0]._elements]
    return None if None in found or not found else ListExpression(*found)


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    def apply(expression: Any, evaluation: Any) -> Any:
        elements = expression._elements
        if len(elements) < 2:
            return None
        exact = _plain(elements)
        if exact is None:
            return None
        values = [element._value for element in elements]
        if not exact:
            for one, other in itertools.pairwise(values):
                if abs(one - other) <= _NEAR * max(abs(one), abs(other)):
                    return None
        return SymbolTrue if all(map(compare, values, values[1:])) else SymbolFalse

    return apply


def _unequal(expression: Any, evaluation: Any) -> Any:
    elements = expression._elements
    if len(elements) != 2 or not _plain(elements):
        return None
    return SymbolTrue if elements[0]._value != elements[1]._value else SymbolFalse


def _minus(expression: Any, evaluation: Any) -> Any:
    elements = expression._elements
    if len(elements) != 1 or _plain(elements) is None:
        return None
    number = elements[0]
    return Integer(-number._value) if type(number) is Integer else machine_real(-number._value)


def _subtract(expression: Any, evaluation: Any) -> Any:
    elements = expression._elements
    if len(elements) != 2:
        return None
    exact = _plain(elements)
    if exact is None:
        return None
    value = elements[0]._value - elements[1]._value
    return Integer(value) if exact else _real(float(value))


def _mod(expression: Any, evaluation: Any) -> Any:
    elements = expression._elements
    if len(elements) != 2 or not _plain(elements) or not elements[1]._value:
        return None
    return Integer(elements[0]._value % elements[1]._value)


def _quotient(expression: Any, evaluation: Any) -> Any:
    elements = expression._elements
    if len(elements) != 2 or not _plain(elements) or not elements[1]._value:
        return None
    return Integer(elements[0]._value // elements[1]._value)


def _parity(odd: int) -> Callable[[Any, Any], Any]:
    def apply(expression: Any, evaluation: Any) -> Any:
        elements = expression._elements
        if len(elements) != 1 or type(elements[0]) is not Integer:
            return None
        return SymbolTrue if elements[0]._value % 2 == odd else SymbolFalse

    return apply


def install_arithmetic(definitions: Any) -> None:
    """Give arithmetic its values for plain numbers, before all others."""
    from mathics.core.expression import Expression as Kind

    threads = {
        Symbol("System`Plus"): _threaded(_sum),
        Symbol("System`Times"): _threaded(_product),
        Symbol("System`Power"): _threaded_power,
    }
    theirs = Kind.thread

    def thread(self: Any, evaluation: Any, head: Any = None) -> Any:
        quick = threads.get(self._head) if head is None and isinstance(self._head, Symbol) else None
        if quick is not None:
            found = quick(self)
            if found is not None:
                return True, found
        return theirs(self, evaluation, head)

    Kind.thread = thread
    for name, function in {
        "Plus": _folded(_sum),
        "Times": _folded(_product),
        "Power": _power,
        "Less": _compared(operator.lt),
        "LessEqual": _compared(operator.le),
        "Greater": _compared(operator.gt),
        "GreaterEqual": _compared(operator.ge),
        "Equal": _compared(operator.eq),
        "Unequal": _unequal,
        "Minus": _minus,
        "Subtract": _subtract,
        "Mod": _mod,
        "Quotient": _quotient,
        "EvenQ": _parity(0),
        "OddQ": _parity(1),
    }.items():
        define(definitions, name, function)

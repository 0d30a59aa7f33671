"""Keep chains of different comparisons, ``1 < x <= 3``, as the value ``Inequality[...]``.

Mathics3 splits each chain into ``And`` of its comparisons. As documented, a chain whose comparisons
lead in one direction stays together. Comparisons at its ends that are known to be true are left
out, and a false one makes the whole chain false. Chains with ``!=``, and chains of both directions,
are split.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import sympy
from mathics.core.atoms import Integer
from mathics.core.convert.sympy import mathics_to_sympy
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.native import call, define

__all__ = ["comparisons", "install_inequalities"]

_NAMES = ("Less", "LessEqual", "Equal", "GreaterEqual", "Greater", "Unequal")
_COMPARISONS = {f"System`{name}" for name in _NAMES}
_UP = {Symbol("System`Less"), Symbol("System`LessEqual")}
_DOWN = {Symbol("System`Greater"), Symbol("System`GreaterEqual")}
_UNEQUAL = Symbol("System`Unequal")
_FEWEST = 3


def comparisons(chain: Any) -> Iterator[Any]:
    """Yield the comparisons of neighbours in ``Inequality[...]`` or ``a < b < c``, in order."""
    elements = chain.elements
    if chain.get_head_name() == "System`Inequality":
        for at in range(0, len(elements) - 2, 2):
            yield Expression(elements[at + 1], elements[at], elements[at + 2])
    else:
        for one, other in itertools.pairwise(elements):
            yield Expression(chain.head, one, other)


def _chain(elements: Sequence[Any]) -> Any:
    """Return the chain of operands and operators that alternate."""
    if len(elements) == 1:
        return SymbolTrue
    operators = set(elements[1::2])
    if len(operators) == 1:
        return Expression(elements[1], *elements[::2])
    return call("Inequality", *elements)


def _inequality(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    count = len(elements)
    if count == 1:
        return SymbolTrue
    if count % 2 == 0 or count == 0:
        evaluation.message("Inequality", "ineq", Integer(count))
        return None
    operators = elements[1::2]
    if any(each.get_name() not in _COMPARISONS for each in operators):
        return None
    if len(set(operators)) == 1:
        return _chain(elements)
    directions = set(operators)
    if _UNEQUAL in directions or (directions & _UP and directions & _DOWN):
        return call("And", *map(_chain, _runs(elements)))
    values = [each.evaluate(evaluation) for each in comparisons(expression)]
    if SymbolFalse in values:
        return SymbolFalse
    first, last = 0, len(values)
    while first < last and values[first] is SymbolTrue:
        first += 1
    while last > first and values[last - 1] is SymbolTrue:
        last -= 1
    if (first, last) == (0, len(values)):
        return None
    return _chain(elements[2 * first : 2 * last + 1])


def _runs(elements: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield the longest parts of a chain that lead in one direction."""
    start, kind = 0, ""
    for at in range(1, len(elements), 2):
        operator = elements[at]
        here = "up" if operator in _UP else "down" if operator in _DOWN else "unequal" if operator is _UNEQUAL else ""
        if at > start + 1 and ("unequal" in (here, kind) or (here and kind and here != kind)):
            yield elements[start:at]
            start, kind = at - 1, ""
        kind = here or kind
    yield elements[start:]


class _Chains:
    """Convert chains for SymPy, which has no such thing, as ``And``."""

    def to_sympy(self, expr: Any, **options: Any) -> Any:
        found = [each.to_sympy(**options) for each in comparisons(expr)] if len(expr.elements) >= _FEWEST else [None]
        return None if None in found else sympy.And(*found)


def install_inequalities(definitions: Any) -> None:
    """Define ``Inequality``."""
    define(definitions, "Inequality", _inequality, replace=True)
    mathics_to_sympy["System`Inequality"] = _Chains()

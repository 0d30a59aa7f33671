"""Sort lists, and multiply and add up lists of plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import Any

import numpy as np
from mathics.core.atoms import Integer, MachineReal
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import SymbolList

from kernelbus.kernelhost.mathics.forms.precision import machine_real
from kernelbus.kernelhost.mathics.native import define
from kernelbus.kernelhost.mathics.speed.ordering import canonical, canonical_places

__all__ = ["install_arrays"]

#: Sums of products of integers below this are exact in machine reals.
_EXACT = 1 << 53


def _sort(expression: Any, evaluation: Any) -> Any:
    elements = expression._elements
    if len(elements) != 1 or type(elements[0]) is not ListExpression:
        return None
    return ListExpression(*canonical(elements[0]._elements))


def _sort_by(expression: Any, evaluation: Any) -> Any:
    elements = expression._elements
    if len(elements) != 2 or type(elements[0]) is not ListExpression:
        return None
    function = elements[1]
    items: Sequence[Any]
    if type(function) is ListExpression:
        # Each function decides about what those before it leave open, and nothing else does.
        items = elements[0]._elements
        values = [ListExpression(*(Expression(each, item).evaluate(evaluation) for each in function._elements)) for item in items]
    else:
        # The order of the items decides about those with the same value.
        items = canonical(elements[0]._elements)
        values = [Expression(function, item).evaluate(evaluation) for item in items]
    return ListExpression(*(items[place] for place in canonical_places(values)))


def _ordering(expression: Any, evaluation: Any) -> Any:
    elements = expression._elements
    if len(elements) != 1 or type(elements[0]) is not ListExpression:
        return None
    return ListExpression(*(Integer(place + 1) for place in canonical_places(elements[0]._elements)))


def _numbers(expr: Any) -> tuple[list[Any], bool] | None:
    """Return the numbers of a flat list, and whether all are integers; None for another list."""
    if not isinstance(expr, Expression) or expr._head is not SymbolList or not expr._elements:
        return None
    exact = True
    for each in expr._elements:
        kind = type(each)
        if kind is MachineReal:
            exact = False
        elif kind is not Integer:
            return None
    return [each._value for each in expr._elements], exact


def _matrix(expr: Any) -> tuple[list[list[Any]], bool] | None:
    """Return the rows of a matrix of plain numbers, and whether all are integers; None for others.
    """
    if not isinstance(expr, Expression) or expr._head is not SymbolList or not expr._elements:
        return None
    rows: list[list[Any]] = []
    exact = True
    for row in expr._elements:
        found = _numbers(row)
        if found is None or (rows and len(found[0]) != len(rows[0])):
            return None
        rows.append(found[0])
        exact = exact and found[1]
    return rows, exact


def _largest(rows: list[list[Any]]) -> int:
    return max(max(map(abs, row)) for row in rows)


def _multiplied(left: list[list[Any]], right: list[list[Any]], exact: bool) -> list[list[Any]] | None:
    """Return the product of matrices; None if it has no finite value in machine reals."""
    if exact and _largest(left) * _largest(right) * len(right) >= _EXACT:
        columns = list(zip(*right, strict=True))
        return [[sum(map(mul, row, column)) for column in columns] for row in left]
    if not exact and max(_largest(left), _largest(right)) > 1e150:
        return None
    product = np.asarray(left, dtype=float) @ np.asarray(right, dtype=float)
    if not np.isfinite(product).all():
        return None
    return [[round(value) for value in row] for row in product.tolist()] if exact else product.tolist()


def _dot(expression: Any, evaluation: Any) -> Any:
    if len(expression._elements) != 2:
        return None
    one, other = expression._elements
    left_vector, right_vector = _numbers(one), _numbers(other)
    left = ([left_vector[0]], left_vector[1]) if left_vector else _matrix(one)
    right = ([[value] for value in right_vector[0]], right_vector[1]) if right_vector else _matrix(other)
    if left is None or right is None or len(left[0][0]) != len(right[0]):
        return None
    exact = left[1] and right[1]
    product = _multiplied(left[0], right[0], exact)
    if product is None:
        return None
    make = Integer if exact else machine_real
    rows = [[make(value) for value in row] for row in product]
    if left_vector and right_vector:
        return rows[0][0]
    if left_vector:
        return ListExpression(*rows[0])
    if right_vector:
        return ListExpression(*(row[0] for row in rows))
    return ListExpression(*(ListExpression(*row) for row in rows))


def _total(expression: Any, evaluation: Any) -> Any:
    found = _numbers(expression._elements[0]) if len(expression._elements) == 1 else None
    if found is None:
        return None
    values, exact = found
    if exact:
        return Integer(sum(values))
    total = math.fsum(values) if max(map(abs, values)) < 1e290 else math.inf
    return machine_real(total) if math.isfinite(total) else None


def install_arrays(definitions: Any) -> None:
    """Give functions of arrays their values for plain numbers, before all others."""
    for name, function in {"Sort": _sort, "SortBy": _sort_by, "Ordering": _ordering, "Dot": _dot, "Total": _total}.items():
        define(definitions, name, function)

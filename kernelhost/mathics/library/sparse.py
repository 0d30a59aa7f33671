"""Sparse arrays: ``SparseArray`` of all forms of positions, its parts, arithmetic and functions.

A sparse array evaluates to ``SparseArray[Automatic, dimensions, default, {1, {pointers, columns},
values}]`` as in Wolfram kernels: the elements that are not the default, row by row. Functions that
have no own way with it see the full array.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from mathics.core.atoms import Integer, Integer0, Integer1, String
from mathics.core.attributes import A_LISTABLE
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.rules import Rule
from mathics.core.symbols import Symbol, SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.native import (
    NativeRule,
    add_message,
    call,
    define,
    define_up,
    definition_of,
)

__all__ = ["Sparse", "assigned", "correct_threading", "install_sparse", "made", "read"]

_SPARSE, _AUTOMATIC, _ALL = Symbol("System`SparseArray"), Symbol("System`Automatic"), Symbol("System`All")
_RULES = ("System`Rule", "System`RuleDelayed")
#: The most positions that are tried with a pattern, and elements of a full array.
_MOST: Final = 4_000_000


class _Unknown(Exception):
    """Say that arguments are none that a sparse array is made of."""


class Sparse(NamedTuple):
    """Hold a sparse array.

    Attributes:
        dimensions: the size of each level.
        default: the value of all elements that are not given.
        values: the other elements by their positions, which count from 1.
    """

    dimensions: tuple[int, ...]
    default: Any
    values: dict[tuple[int, ...], Any]

    def full(self) -> Any:
        """Return the array as lists."""
        if math.prod(self.dimensions) > _MOST:
            raise _Unknown

        def level(prefix: tuple[int, ...]) -> Any:
            if len(prefix) == len(self.dimensions):
                return self.values.get(prefix, self.default)
            return ListExpression(*(level((*prefix, at)) for at in range(1, self.dimensions[len(prefix)] + 1)))

        return level(())


def made(sparse: Sparse) -> Any:
    """Return the expression of a sparse array; elements that are the default are left out."""
    places = sorted(place for place, value in sparse.values.items() if not value.sameQ(sparse.default))
    rows = sparse.dimensions[0] if len(sparse.dimensions) > 1 else 1
    pointers, count, at = [0], 0, 0
    for row in range(1, rows + 1):
        while at < len(places) and (len(sparse.dimensions) == 1 or places[at][0] == row):
            at += 1
            count += 1
        pointers.append(count)
    columns = (place if len(place) == 1 else place[1:] for place in places)
    structure = ListExpression(_integers(pointers), ListExpression(*map(_integers, columns)))
    data = ListExpression(Integer1, structure, ListExpression(*(sparse.values[place] for place in places)))
    return Expression(_SPARSE, _AUTOMATIC, _integers(sparse.dimensions), sparse.default, data)


def _integers(values: Sequence[int]) -> Any:
    return ListExpression(*map(Integer, values))


def read(expr: Any) -> Sparse | None:
    """Return the sparse array that an expression is, None if it is none."""
    if not isinstance(expr, Expression) or expr.head is not _SPARSE or len(expr.elements) != 4 or expr.elements[0] is not _AUTOMATIC:
        return None
    dimensions = _sizes(expr.elements[1])
    data = expr.elements[3]
    if dimensions is None or not data.has_form("List", 3) or not data.elements[1].has_form("List", 2):
        return None
    pointers = _sizes(data.elements[1].elements[0])
    columns = [_sizes(each) for each in data.elements[1].elements[1].get_elements()]
    values = data.elements[2].get_elements()
    if pointers is None or None in columns or len(columns) != len(values):
        return None
    found: dict[tuple[int, ...], Any] = {}
    for row, (start, end) in enumerate(itertools.pairwise(pointers), 1):
        for at in range(start, min(end, len(values))):
            column = columns[at] or ()
            found[column if len(dimensions) == 1 else (row, *column)] = values[at]
    return Sparse(dimensions, expr.elements[2], found)


def _sizes(expr: Any) -> tuple[int, ...] | None:
    if isinstance(expr, ListExpression) and all(isinstance(each, Integer) for each in expr.elements):
        return tuple(each.value for each in expr.elements)
    return None


# -- making one ------------------------------------------------------------------------------------


def _make(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    if not 1 <= len(elements) <= 3 or elements[0] is _AUTOMATIC:
        return None
    default = elements[2] if len(elements) == 3 else Integer0
    size: tuple[int, ...] | None = None
    if len(elements) > 1 and elements[1] is not _AUTOMATIC:
        size = (elements[1].value,) if isinstance(elements[1], Integer) else _sizes(elements[1])
        if size is None or any(each < 0 for each in size):
            return None
    try:
        known = read(elements[0])
        if known is not None:
            shown = known.default if len(elements) < 3 else default
            values = {place: value for place, value in known.values.items() if size is None or _within(place, size)}
            return made(Sparse(size or known.dimensions, shown, values))
        rules = _rules(elements[0])
        if rules is None:
            return made(_of_lists(elements[0], size, default))
        return made(_of_rules(rules, size, default, evaluation))
    except _Unknown as wrong:
        if wrong.args:
            evaluation.message("SparseArray", *wrong.args)
        return None


def _rules(spec: Any) -> list[tuple[Any, Any, bool]] | None:
    """Return positions, values, and whether a rule is delayed; None if there are no rules."""
    if spec.get_head_name() in _RULES and len(spec.elements) == 2:
        places, values = spec.elements
        if (
            isinstance(places, ListExpression)
            and isinstance(values, ListExpression)
            and places.elements
            and all(isinstance(each, ListExpression) for each in places.elements)
            and len(places.elements) == len(values.elements)
        ):
            return [(place, value, False) for place, value in zip(places.elements, values.elements, strict=True)]
        if isinstance(places, ListExpression) and places.elements and all(isinstance(each, ListExpression) for each in places.elements):
            return [(place, values, False) for place in places.elements]
        return [(places, values, spec.get_head_name() == "System`RuleDelayed")]
    if isinstance(spec, ListExpression) and spec.elements and all(each.has_form(("Rule", "RuleDelayed"), 2) for each in spec.elements):
        return [(*each.elements, each.get_head_name() == "System`RuleDelayed") for each in spec.elements]
    return None


def _of_lists(spec: Any, size: tuple[int, ...] | None, default: Any) -> Sparse:
    if not isinstance(spec, ListExpression):
        raise _Unknown("list", spec)
    sizes: list[int] = []
    level = spec
    while isinstance(level, ListExpression):
        sizes.append(len(level.elements))
        level = level.elements[0] if level.elements else None
    values: dict[tuple[int, ...], Any] = {}

    def walk(expr: Any, place: tuple[int, ...]) -> None:
        if len(place) == len(sizes):
            if isinstance(expr, ListExpression):
                raise _Unknown("rect", spec)
            values[place] = expr
        elif not isinstance(expr, ListExpression) or len(expr.elements) != sizes[len(place)]:
            raise _Unknown("rect", spec)
        else:
            for at, each in enumerate(expr.elements, 1):
                walk(each, (*place, at))

    walk(spec, ())
    dimensions = size or tuple(sizes)
    return Sparse(dimensions, default, {place: value for place, value in values.items() if _within(place, dimensions)})


def _within(place: Sequence[int], dimensions: Sequence[int]) -> bool:
    return len(place) == len(dimensions) and all(1 <= at <= most for at, most in zip(place, dimensions, strict=True))


def _position(spec: Any) -> tuple[int, ...] | None:
    return (spec.value,) if isinstance(spec, Integer) else _sizes(spec)


def _of_rules(rules: list[tuple[Any, Any, bool]], size: tuple[int, ...] | None, default: Any, evaluation: Any) -> Sparse:
    dimensions = size or _dimensions(rules)
    values: dict[tuple[int, ...], Any] = {}
    for spec, value, delayed in rules:
        place = _position(spec)
        if place is not None:
            place = tuple(at if at > 0 else most + 1 + at for at, most in zip(place, dimensions, strict=False))
            if not _within(place, dimensions):
                raise _Unknown("pos", spec, _integers(dimensions))
            values.setdefault(place, value.evaluate(evaluation) if delayed else value)
        elif spec.has_form("Band", 1, 2, 3):
            for place, each in _band(spec, value, dimensions):
                values.setdefault(place, each)
        else:
            _by_pattern(spec, value, dimensions, values, evaluation)
    return Sparse(dimensions, default, values)


def _dimensions(rules: list[tuple[Any, Any, bool]]) -> tuple[int, ...]:
    """Return the least dimensions that have room for all positions."""
    places: list[tuple[int, ...]] = []
    for spec, value, _ in rules:
        place = _position(spec)
        if place is None and spec.has_form("Band", 1, 2, 3):
            start = _sizes(spec.elements[0]) or ()
            end = _sizes(spec.elements[1]) if len(spec.elements) > 1 else None
            if end is None and isinstance(value, ListExpression):
                end = tuple(at + len(value.elements) - 1 for at in start)
            place = end or start
        if place is None:
            raise _Unknown("exdims", spec)
        places.append(place)
    if not places or len({len(each) for each in places}) != 1 or any(at < 1 for each in places for at in each):
        raise _Unknown("exdims", ListExpression(*(spec for spec, _, _ in rules)))
    return tuple(max(level) for level in zip(*places, strict=True))


def _band(spec: Any, value: Any, dimensions: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield the positions of a diagonal with their values, which a list repeats in turn."""
    start = _sizes(spec.elements[0])
    end = _sizes(spec.elements[1]) if len(spec.elements) > 1 and spec.elements[1] is not _AUTOMATIC else dimensions
    step = _sizes(spec.elements[2]) if len(spec.elements) > 2 else (1,) * len(dimensions)
    if start is None or end is None or step is None or not len(start) == len(end) == len(step) == len(dimensions) or not any(step):
        raise _Unknown("pos", spec, _integers(dimensions))
    place = tuple(at if at > 0 else most + 1 + at for at, most in zip(start, dimensions, strict=True))
    end = tuple(at if at > 0 else most + 1 + at for at, most in zip(end, dimensions, strict=True))
    signs = [1 if by >= 0 else -1 for by in step]
    values = itertools.cycle(value.elements) if isinstance(value, ListExpression) and value.elements else itertools.repeat(value)
    while _within(place, dimensions) and all(at * sign <= last * sign for at, last, sign in zip(place, end, signs, strict=True)):
        yield place, next(values)
        place = tuple(at + by for at, by in zip(place, step, strict=True))


def _by_pattern(spec: Any, value: Any, dimensions: tuple[int, ...], values: dict[tuple[int, ...], Any], evaluation: Any) -> None:
    if math.prod(dimensions) > _MOST:
        raise _Unknown("exdims", spec)
    bare = spec.elements[0] if spec.has_form("Condition", 2) else spec
    if len(dimensions) == 1 and not bare.has_form("List", None):
        spec = ListExpression(spec)
    rule = Rule(spec, value)
    for place in itertools.product(*(range(1, size + 1) for size in dimensions)):
        if place not in values:
            found = rule.apply(_integers(place), evaluation)
            if found is not None:
                values[place] = found.evaluate(evaluation)


def assigned(expr: Any, change: Callable[[Any], Any]) -> Any | None:
    """Return a sparse array whose full array was changed; None if an expression is none."""
    sparse = read(expr)
    if sparse is None:
        return None
    try:
        return made(_of_lists(change(sparse.full()), None, sparse.default))
    except _Unknown:
        return None


# -- parts and functions ---------------------------------------------------------------------------


def _part(sparse: Sparse, specs: Sequence[Any]) -> Any:
    """Return parts; elements that stay together are a sparse array again."""
    if len(specs) > len(sparse.dimensions):
        raise _Unknown
    kept: list[int] = []
    chosen: list[dict[int, list[int]]] = []
    for spec, size in itertools.zip_longest(specs, sparse.dimensions, fillvalue=_ALL):
        if isinstance(spec, Integer):
            at = spec.value if spec.value > 0 else size + 1 + spec.value
            if not 1 <= at <= size or not spec.value:
                raise _Unknown
            chosen.append({at: [0]})
            kept.append(0)
            continue
        places = _places(spec, size)
        where: dict[int, list[int]] = {}
        for new, old in enumerate(places, 1):
            where.setdefault(old, []).append(new)
        chosen.append(where)
        kept.append(len(places))
    dimensions = tuple(size for size, spec in itertools.zip_longest(kept, specs) if not isinstance(spec, Integer))
    values: dict[tuple[int, ...], Any] = {}
    for place, value in sparse.values.items():
        if all(old in where for old, where in zip(place, chosen, strict=True)):
            for new_place in itertools.product(*(where[old] for old, where in zip(place, chosen, strict=True))):
                values[tuple(level for level in new_place if level)] = value
    if not dimensions:
        return values.get((), sparse.default)
    return made(Sparse(dimensions, sparse.default, values))


def _places(spec: Any, size: int) -> list[int]:
    """Return the positions that a specification of several parts names."""
    if spec is _ALL:
        return list(range(1, size + 1))
    if spec.has_form("Span", 2, 3):
        bounds = (*spec.elements, Integer1)[:3]
        step = bounds[2].value if isinstance(bounds[2], Integer) else 0
        first, last = (
            at.value if isinstance(at, Integer) else end if at is _ALL else 0
            for at, end in zip(bounds, (1, -1) if step > 0 else (-1, 1), strict=False)
        )
        if 0 in (first, last, step):
            raise _Unknown
        start, end = (at if at > 0 else size + 1 + at for at in (first, last))
        if not 1 <= start <= size or not 1 <= end <= size:
            raise _Unknown
        return list(range(start, end + (1 if step > 0 else -1), step))
    places = [at if at > 0 else size + 1 + at for at in _sizes(spec) or ()]
    if not places or not all(1 <= at <= size for at in places):
        raise _Unknown
    return places


def _elementwise(head: Any, elements: Sequence[Any], evaluation: Any) -> Any:
    """Return a listable function of arrays of the same size and of single values."""
    arrays = [read(each) for each in elements]
    sparse = [each for each in arrays if each is not None]
    if any(isinstance(each, ListExpression) for each in elements):
        full = (each if array is None else array.full() for each, array in zip(elements, arrays, strict=True))
        found = Expression(head, *full).evaluate(evaluation)
        return Expression(_SPARSE, found) if head.get_name() == "System`Times" else found
    if len({each.dimensions for each in sparse}) != 1:
        return None

    def at(place: tuple[int, ...] | None) -> Any:
        values = (
            each if array is None else array.default if place is None else array.values.get(place, array.default)
            for each, array in zip(elements, arrays, strict=True)
        )
        return Expression(head, *values).evaluate(evaluation)

    places = set().union(*(each.values for each in sparse))
    return made(Sparse(sparse[0].dimensions, at(None), {place: at(place) for place in places}))


def _transposed(sparse: Sparse) -> Any:
    if len(sparse.dimensions) < 2:
        raise _Unknown
    rows, columns, *rest = sparse.dimensions
    return made(Sparse((columns, rows, *rest), sparse.default, {(b, a, *more): v for (a, b, *more), v in sparse.values.items()}))


def _array_rules(sparse: Sparse, default: Any) -> Any:
    places = sorted(place for place, value in sparse.values.items() if not value.sameQ(default))
    rules = [call("Rule", _integers(place), sparse.values[place]) for place in places]
    return ListExpression(*rules, call("Rule", ListExpression(*(call("Blank") for _ in sparse.dimensions)), default))


#: Functions of one array that need no full one.
_OF_ONE: Final[dict[str, Callable[[Sparse], Any]]] = {
    "Normal": Sparse.full,
    "Dimensions": lambda sparse: _integers(sparse.dimensions),
    "Length": lambda sparse: Integer(sparse.dimensions[0]),
    "ArrayDepth": lambda sparse: Integer(len(sparse.dimensions)),
    "TensorRank": lambda sparse: Integer(len(sparse.dimensions)),
    "VectorQ": lambda sparse: SymbolTrue if len(sparse.dimensions) == 1 else SymbolFalse,
    "MatrixQ": lambda sparse: SymbolTrue if len(sparse.dimensions) == 2 else SymbolFalse,
    "ArrayQ": lambda sparse: SymbolTrue,
    "SparseArrayQ": lambda sparse: SymbolTrue,
    "AtomQ": lambda sparse: SymbolTrue,
    "ListQ": lambda sparse: SymbolFalse,
    "Transpose": _transposed,
    "ArrayRules": lambda sparse: _array_rules(sparse, sparse.default),
}
#: Functions whose value for the full array becomes sparse again.
_SPARSE_AGAIN: Final = frozenset((
    "ArrayFlatten", "ArrayPad", "ArrayReshape", "ConjugateTranspose", "Drop", "Flatten", "Join", "KroneckerProduct", "LowerTriangularize",
    "MatrixPower", "Most", "PadLeft", "PadRight", "Partition", "Rest", "Reverse", "RotateLeft", "RotateRight", "Take", "UpperTriangularize",
))  # fmt: skip
#: Functions that are given the full array.
_FULL: Final = frozenset((
    "Accumulate", "AdjacencyGraph", "ArrayPlot", "CharacteristicPolynomial", "CholeskyDecomposition", "Count", "Cross", "Det", "Diagonal",
    "DiagonalMatrixQ", "Dot", "Eigensystem", "Eigenvalues", "Eigenvectors", "Equal", "First", "HermitianMatrixQ", "Image", "Inner",
    "Inverse", "Last", "LeastSquares", "LinearSolve", "ListDensityPlot", "ListLinePlot", "ListPlot", "LUDecomposition", "MatrixExp",
    "MatrixForm", "MatrixPlot", "MatrixRank", "Max", "Mean", "Median", "MemberQ", "Min", "Minors", "Norm", "NullSpace",
    "OrthogonalMatrixQ", "Outer", "Position", "PositiveDefiniteMatrixQ", "PseudoInverse", "QRDecomposition", "RowReduce", "Select",
    "SingularValueDecomposition", "SingularValueList", "Sort", "SquareMatrixQ", "StandardDeviation", "SymmetricMatrixQ", "TableForm",
    "Total", "Tr", "Unequal", "Variance",
))  # fmt: skip


def _of_sparse(expression: Any, evaluation: Any) -> Any:
    """Return the value of a call with a sparse array among its arguments."""
    name = expression.get_name() or expression.get_head_name()
    if not name.startswith("System`"):
        return None
    name = name.removeprefix("System`")
    elements = expression.elements
    first = read(elements[0])
    try:
        if first is not None and len(elements) == 1 and name in _OF_ONE:
            return _OF_ONE[name](first)
        if first is not None and name == "Part" and len(elements) > 1:
            return _part(first, elements[1:])
        if first is not None and name == "ArrayRules" and len(elements) == 2:
            return _array_rules(first, elements[1])
        if name == "Map" and len(elements) == 2:
            array = read(elements[1])
            return None if array is None or len(array.dimensions) > 1 else _elementwise(elements[0], elements[1:], evaluation)
        if not any(map(read, elements)):
            return None
        if evaluation.definitions.get_attributes(f"System`{name}") & A_LISTABLE:
            return _elementwise(expression.head, elements, evaluation)
        if name not in _FULL and name not in _SPARSE_AGAIN:
            return None
        arrays = [read(each) for each in elements]
        plain = (each if array is None else array.full() for each, array in zip(elements, arrays, strict=True))
        found = Expression(expression.head, *plain).evaluate(evaluation)
        again = name in _SPARSE_AGAIN or (name == "Dot" and None not in arrays)
        return Expression(_SPARSE, found) if again and isinstance(found, ListExpression) else found
    except _Unknown:
        return None


def _property(expression: Any, evaluation: Any) -> Any:
    """Return ``array["NonzeroValues"]`` and its like."""
    sparse = read(expression.head)
    if sparse is None or len(expression.elements) != 1 or not isinstance(expression.elements[0], String):
        return None
    places = sorted(sparse.values)
    data = expression.head.elements[3].elements
    found = {
        "NonzeroValues": lambda: ListExpression(*(sparse.values[place] for place in places)),
        "ExplicitValues": lambda: ListExpression(*(sparse.values[place] for place in places)),
        "NonzeroPositions": lambda: ListExpression(*map(_integers, places)),
        "ExplicitPositions": lambda: ListExpression(*map(_integers, places)),
        "ExplicitLength": lambda: Integer(len(places)),
        "Background": lambda: sparse.default,
        "ImplicitValue": lambda: sparse.default,
        "Dimensions": lambda: _integers(sparse.dimensions),
        "Density": lambda: call("N", call("Rational", Integer(len(places)), Integer(math.prod(sparse.dimensions)))),
        "RowPointers": lambda: data[1].elements[0],
        "ColumnIndices": lambda: data[1].elements[1],
    }.get(expression.elements[0].value)
    return None if found is None else found()


def _rules_of_list(expression: Any, evaluation: Any) -> Any:
    """Return ``ArrayRules`` of a list."""
    elements = expression.elements
    if len(elements) not in (1, 2) or not isinstance(elements[0], ListExpression):
        return None
    rules = _rules(elements[0])
    default = elements[1] if len(elements) == 2 else Integer0
    try:
        found = _of_lists(elements[0], None, default) if rules is None else _of_rules(rules, None, default, evaluation)
        return _array_rules(found, default)
    except _Unknown:
        return None


def correct_threading() -> None:
    """Let listable functions see a sparse array beside a list; call this first of all who thread.
    """
    theirs = Expression.thread

    def thread(self: Any, evaluation: Any, head: Any = None) -> Any:
        if head is None and any(isinstance(each, Expression) and each.head is _SPARSE for each in self.elements):
            found = _elementwise(self.head, self.elements, evaluation) if any(map(read, self.elements)) else None
            return (False, self) if found is None else (True, found)
        return theirs(self, evaluation, head)

    Expression.thread = thread


def install_sparse(definitions: Any) -> None:
    """Define ``SparseArray`` in the place of Mathics3's."""
    definition = definition_of(definitions, _SPARSE.name)
    definition.upvalues = []
    define(definitions, "SparseArray", _make, replace=True)
    definition.subvalues = [NativeRule(Expression(_SPARSE), _property)]
    define_up(definitions, "SparseArray", _of_sparse)
    define(definitions, "ArrayRules", _rules_of_list, replace=True)
    for name in ("Dimensions", "Normal"):
        found = definition_of(definitions, f"System`{name}")
        found.downvalues = [rule for rule in found.downvalues if "SparseArray" not in str(rule.pattern)]
    add_message(definitions, "SparseArray", "pos", "The position `1` is not within the dimensions `2`.")

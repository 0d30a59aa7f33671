"""Queries: ``Query[...]`` of lists and associations, and ``Dataset``, which is asked by queries.

The first operator of a query is about the whole data, the next about its elements, and so on. An
operator that picks or orders parts (*descending*: a position, a key, ``All``, ``Select[...]``) is
applied before those behind it, any other function (*ascending*: ``Total``) after them. What a query
of a dataset gives is a dataset again if it is a list or an association.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mathics.core.atoms import Integer, String
from mathics.core.exceptions import MessageException
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.associations.expression import (
    AssociationExpression,
    as_association,
    association_of,
    is_rule,
    missing,
    rule,
    without_key,
)
from kernelbus.kernelhost.mathics.associations.parts import is_key, part
from kernelbus.kernelhost.mathics.native import NativeRule, call, define_up, definition_of

__all__ = ["install_queries", "query"]

_ALL, _QUERY, _DATASET = Symbol("System`All"), Symbol("System`Query"), Symbol("System`Dataset")
_COMPOSITION: Final = "System`RightComposition"

#: Operators that pick or order parts, with whether what they give is one part.
_PICKING: Final = {
    **dict.fromkeys(
        (
            "Select", "KeySelect", "KeyTake", "KeyDrop", "KeySort", "KeySortBy", "MaximalBy", "MinimalBy", "GroupBy", "SortBy",
            "ReverseSortBy", "Cases", "DeleteCases", "DeleteMissing", "DeleteDuplicates", "DeleteDuplicatesBy", "TakeLargestBy",
            "TakeSmallestBy", "Take", "Drop", "Values",
        ),
        False,
    ),
    "SelectFirst": True,
}  # fmt: skip
#: Those of them whose first argument is a function, for which a key may stand.
_BY: Final = frozenset((
    "MaximalBy", "MinimalBy", "GroupBy", "SortBy", "ReverseSortBy", "DeleteDuplicatesBy", "TakeLargestBy", "TakeSmallestBy",
    "CountsBy", "Select", "SelectFirst",
))  # fmt: skip

#: Functions of datasets that are those of their data; the dataset is the first argument.
_OF_DATA: Final = frozenset((
    "AllTrue", "AnyTrue", "Append", "Cases", "Catenate", "Commonest", "Count", "Counts", "CountsBy", "Delete", "DeleteCases",
    "DeleteDuplicates", "DeleteDuplicatesBy", "DeleteMissing", "Dimensions", "Drop", "First", "Gather", "GatherBy", "GroupBy", "Join",
    "KeyDrop", "KeyMap", "Keys", "KeySelect", "KeySort", "KeyTake", "KeyValueMap", "Last", "Length", "Lookup", "Max", "MaximalBy",
    "Mean", "Median", "MemberQ", "Merge", "Min", "MinimalBy", "Most", "Part", "Position", "Prepend", "RandomChoice", "RandomSample",
    "Rest", "Reverse", "ReverseSort", "ReverseSortBy", "Select", "SelectFirst", "Sort", "SortBy", "StandardDeviation", "Take",
    "TakeLargestBy", "TakeSmallestBy", "Tally", "Total", "Transpose", "Values", "Variance",
))  # fmt: skip


def query(operators: Sequence[Any], data: Any, evaluation: Any) -> Any:
    """Return what a query gives for data.

    Args:
        operators: the query's arguments.
        data: lists and associations of any depth.
        evaluation: the running evaluation.
    """
    if not operators:
        return data
    operator, rest = operators[0], operators[1:]
    first, then = _halves(operator)
    several = True
    for each in first:
        data, one = _picked(each, data, evaluation)
        several = several and not one
    if rest:
        data = _mapped(rest, data, evaluation) if several else query(rest, data, evaluation)
    for each in then:
        data = _applied(each, data, evaluation)
    return data


def _halves(operator: Any) -> tuple[list[Any], list[Any]]:
    """Return an operator's descending part and its ascending part, each to be applied in order."""
    parts = list(operator.elements) if operator.get_head_name() == _COMPOSITION else [operator]
    count = 0
    while count < len(parts) and _descends(parts[count]):
        count += 1
    return parts[:count], parts[count:]


def _descends(operator: Any) -> bool:
    if isinstance(operator, Integer) or is_key(operator) or operator is _ALL or operator.has_form("Span", None):
        return True
    if isinstance(operator, ListExpression):
        return bool(operator.elements) and all(isinstance(each, Integer) or is_key(each) for each in operator.elements)
    name = operator.get_head_name() if isinstance(operator, Expression) else operator.get_name()
    return name.removeprefix("System`") in _PICKING


def _picked(operator: Any, data: Any, evaluation: Any) -> tuple[Any, bool]:
    """Return the parts of data that a descending operator picks, and whether that is one part."""
    if operator is _ALL:
        return data, False
    if is_key(operator):
        association = as_association(data)
        found = association.get(without_key(operator)) if association is not None else None
        return (missing(without_key(operator)) if found is None else found), True
    if isinstance(operator, (Integer, ListExpression)) or operator.has_form("Span", None):
        try:
            return part(data, [operator]).evaluate(evaluation), isinstance(operator, Integer)
        except MessageException as wrong:
            wrong.message(evaluation)
            return Expression(Symbol("System`Missing"), String("PartAbsent"), operator), True
    name = operator.get_head_name() if isinstance(operator, Expression) else operator.get_name()
    return _applied(operator, data, evaluation), _PICKING[name.removeprefix("System`")]


def _mapped(operators: Sequence[Any], data: Any, evaluation: Any) -> Any:
    """Return data with a query's value in the place of each element."""
    association = as_association(data)
    if association is not None:
        return association_of(rule(each.elements[0], query(operators, each.elements[1], evaluation)) for each in association.elements)
    if isinstance(data, ListExpression):
        return ListExpression(*(query(operators, each, evaluation) for each in data.elements))
    return data


def _applied(operator: Any, data: Any, evaluation: Any) -> Any:
    """Return what a function, a query, or several of these give for data."""
    if isinstance(operator, ListExpression):
        if operator.elements and all(map(is_rule, operator.elements)):
            return _at_keys(operator.elements, data, evaluation)
        return ListExpression(*(query([each], data, evaluation) for each in operator.elements))
    association = as_association(operator)
    if association is not None:
        return association_of(rule(each.elements[0], query([each.elements[1]], data, evaluation)) for each in association.elements)
    if isinstance(operator, Expression) and operator.head is _QUERY:
        return query(operator.elements, data, evaluation)
    if isinstance(operator, Expression) and operator.get_head_name().removeprefix("System`") in _BY and operator.elements:
        operator = Expression(operator.head, _function(operator.elements[0]), *operator.elements[1:])
    return Expression(operator, data).evaluate(evaluation)


def _function(spec: Any) -> Any:
    """Return the function that a key stands for, in rules and lists as well."""
    if is_key(spec):
        return call("Key", without_key(spec))
    if is_rule(spec):
        return Expression(spec.head, *map(_function, spec.elements))
    if isinstance(spec, ListExpression):
        return ListExpression(*map(_function, spec.elements))
    return spec


def _at_keys(rules: Sequence[Any], data: Any, evaluation: Any) -> Any:
    """Return data with operators applied to the parts at keys or positions."""
    for each in rules:
        place, operator = each.elements
        found, one = _picked(place, data, evaluation)
        if not one:
            continue
        value = query([operator], found, evaluation)
        association = as_association(data)
        if association is not None and not isinstance(place, Integer):
            data = association.with_rule(rule(without_key(place), value))
        else:
            data = call("ReplacePart", data, rule(place, value)).evaluate(evaluation)
    return data


# -- in the language -------------------------------------------------------------------------------


def _query_at(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 1 or expression.head.get_head() is not _QUERY:
        return None
    data = expression.elements[0]
    if _is_dataset(data):
        return _as_dataset(query(expression.head.elements, data.elements[0], evaluation))
    return query(expression.head.elements, data, evaluation)


def _is_dataset(expr: Any) -> bool:
    return isinstance(expr, Expression) and expr.head is _DATASET and bool(expr.elements)


def _as_dataset(found: Any) -> Any:
    """Return a dataset of a list or an association; anything else as it is."""
    return Expression(_DATASET, found) if isinstance(found, (ListExpression, AssociationExpression)) else found


def _dataset_at(expression: Any, evaluation: Any) -> Any:
    dataset = expression.head
    if not _is_dataset(dataset):
        return None
    return _as_dataset(query(expression.elements, dataset.elements[0], evaluation))


def _of_dataset(expression: Any, evaluation: Any) -> Any:
    """Return the value of a function of a dataset."""
    name = expression.get_name() or expression.get_head_name()
    elements = expression.elements
    name = name.removeprefix("System`")
    if name == "Normal" and len(elements) == 1 and _is_dataset(elements[0]):
        return elements[0].elements[0]
    if name in ("Map", "Scan", "Query") and len(elements) == 2 and _is_dataset(elements[1]):
        return _as_dataset(Expression(expression.head, elements[0], elements[1].elements[0]).evaluate(evaluation))
    if name == "Dataset" and len(elements) == 1 and _is_dataset(elements[0]):
        return elements[0]
    if name not in _OF_DATA or not _is_dataset(elements[0]):
        return None
    plain = (each.elements[0] if _is_dataset(each) else each for each in elements)
    return _as_dataset(Expression(expression.head, *plain).evaluate(evaluation))


def install_queries(definitions: Any) -> None:
    """Define ``Query`` and ``Dataset``."""
    for name, value in (("Query", _query_at), ("Dataset", _dataset_at)):
        symbol = Symbol(f"System`{name}")
        definition_of(definitions, symbol.name).subvalues.insert(0, NativeRule(Expression(symbol), value))
    define_up(definitions, "Dataset", _of_dataset)

"""How functions of lists see an association: as its values, where these matter with their keys.

Each call with an association among its arguments comes here first, as to an upvalue of
``Association``. :data:`SEEN` says by the function's name what its value is. Functions that only
want values are given the list of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import Any

from mathics.core.atoms import Integer, String
from mathics.core.attributes import A_LISTABLE
from mathics.core.exceptions import MessageException
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolList, SymbolNull, SymbolTrue
from mathics.eval import parts as their_parts
from mathics.eval.patterns import Matcher

from kernelbus.kernelhost.mathics.associations.expression import (
    AssociationExpression,
    association_of,
    is_rule,
    key_of,
    rule,
)
from kernelbus.kernelhost.mathics.associations.parts import is_key, updated, without_parts
from kernelbus.kernelhost.mathics.native import call

__all__ = ["SEEN", "first_argument_positions", "see"]

_MISSING = Symbol("System`Missing")

#: Takes the call, its association and the evaluation, and returns the call's value or None.
Sight = Callable[[Any, AssociationExpression, Any], Any]


def _values(association: AssociationExpression) -> Any:
    return ListExpression(*association.values)


# -- functions that only want values ---------------------------------------------------------------

#: Functions whose first argument becomes the list of values.
_OF_VALUES = [
    "AllTrue", "AnyTrue", "BarChart", "Cases", "Catenate", "Commonest", "ContainsAll", "ContainsAny",
    "ContainsNone", "ContainsOnly", "Correlation", "Count", "CountDistinct", "Covariance", "Differences",
    "Dimensions", "DuplicateFreeQ", "FirstCase", "FreeQ", "GeometricMean", "HarmonicMean", "Histogram",
    "InterquartileRange", "Kurtosis", "ListLinePlot", "ListLogPlot", "ListPlot", "Max", "Mean", "MeanDeviation",
    "Median", "MedianDeviation", "MemberQ", "Min", "MinMax", "MovingAverage", "NoneTrue", "Norm", "OrderedQ",
    "Ordering", "Partition", "PieChart", "Quantile", "Quartiles", "RandomChoice", "Ratios", "RootMeanSquare",
    "SelectFirst", "Skewness", "Split", "SplitBy", "StandardDeviation", "StringJoin", "Subsequences",
    "Tally", "Total", "Tuples", "Union", "Variance",
]  # fmt: skip

#: Functions whose second argument becomes the list of values.
_SECOND_OF_VALUES = ["FoldList", "Fold", "FoldWhile", "FoldWhileList", "FoldPair", "FoldPairList", "Scan"]


def _of_values(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if expression.elements[0] is not association:
        return None
    return Expression(expression.head, _values(association), *expression.elements[1:])


def _second_of_values(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    elements = expression.elements
    if elements[-1] is not association or len(elements) < 2:
        return None
    return Expression(expression.head, *elements[:-1], _values(association))


def _of_sequences(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    """Give each argument that is an association as the list of its values."""
    return Expression(
        expression.head,
        *(_values(each) if isinstance(each, AssociationExpression) else each for each in expression.elements),
    )


# -- functions that pick rules by their place ------------------------------------------------------

_BY_PLACE = ["Drop", "Most", "RandomSample", "Rest", "Reverse", "RotateLeft", "RotateRight", "Take", "TakeDrop"]


def _by_place(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    """Apply the function to the places, and take the rules there."""
    if expression.elements[0] is not association:
        return None
    places = ListExpression(*(Integer(place) for place in range(len(association.elements))))
    marked = Expression(expression.head, places, *expression.elements[1:]).evaluate(evaluation)
    return _at_places(association, marked)


def _at_places(association: AssociationExpression, marked: Any) -> Any:
    if not isinstance(marked, Expression) or marked.head is not SymbolList:
        return None
    if marked.elements and all(isinstance(each, Expression) for each in marked.elements):
        inner = [_at_places(association, each) for each in marked.elements]
        return None if None in inner else ListExpression(*inner)
    if not all(isinstance(each, Integer) for each in marked.elements):
        return None
    return association.picked(each.value for each in marked.elements)


# -- functions that choose values and keep their keys ----------------------------------------------


def _tested(value: Any, test: Any, evaluation: Any) -> bool:
    return Expression(test, value).evaluate(evaluation) is SymbolTrue


def _count(spec: Any) -> int | None:
    """Return the number that a count stands for; None for one that is none."""
    if isinstance(spec, Integer) and spec.value >= 0:
        return int(spec.value)
    return None


def _select(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    _, test, *more = expression.elements
    limit = _count(more[0]) if more else None
    found: list[int] = []
    for place, value in enumerate(association.values):
        if limit is not None and len(found) >= limit:
            break
        if _tested(value, test, evaluation):
            found.append(place)
    return association.picked(found)


def _discard(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    test = expression.elements[1]
    return association.picked(
        place for place, value in enumerate(association.values) if not _tested(value, test, evaluation)
    )


def _take_while(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    count = 0
    for value in association.values:
        if not _tested(value, expression.elements[1], evaluation):
            break
        count += 1
    return association.picked(range(count))


def _delete_missing(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    return association.picked(
        place for place, value in enumerate(association.values) if value.get_head() is not _MISSING
    )


def _delete_duplicates(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    same = expression.elements[1] if len(expression.elements) > 1 else None
    by = expression.get_head_name() == "System`DeleteDuplicatesBy"
    seen: set[Any] = set()
    kept: list[int] = []
    for place, value in enumerate(association.values):
        if same is None or by:
            key = key_of(value if same is None else Expression(same, value).evaluate(evaluation))
            if key in seen:
                continue
            seen.add(key)
        elif any(
            Expression(same, association.values[old], value).evaluate(evaluation) is SymbolTrue for old in kept
        ):
            continue
        kept.append(place)
    return association.picked(kept)


def _sort(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    values = association.values
    if len(expression.elements) == 1:
        order = sorted(range(len(values)), key=values.__getitem__)
    else:
        test = expression.elements[1]

        def compare(one: int, other: int) -> int:
            result = Expression(test, values[one], values[other]).evaluate(evaluation)
            if isinstance(result, Integer):
                return -int(result.value)
            if result is SymbolFalse:
                return 1
            return -1 if result is SymbolTrue and Expression(test, values[other], values[one]).evaluate(
                evaluation
            ) is not SymbolTrue else 0

        order = sorted(range(len(values)), key=cmp_to_key(compare))
    if expression.get_head_name() == "System`ReverseSort":
        order.reverse()
    return association.picked(order)


def _sort_by(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    values, function = association.values, expression.elements[1]
    functions = function.elements if function.has_form("List", None) else (function,)
    keys = [(*(Expression(each, value).evaluate(evaluation) for each in functions), value) for value in values]
    order = sorted(range(len(values)), key=keys.__getitem__)
    if expression.get_head_name() == "System`ReverseSortBy":
        order.reverse()
    return association.picked(order)


def _extreme(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    """Take the largest or smallest values, as they are or by a function of them."""
    name = expression.get_head_name().removeprefix("System`")
    _, *more = expression.elements
    by = more.pop(0) if name.endswith("By") else None
    if not more or _count(more[0]) is None:
        return None
    values = association.values
    keys = values if by is None else [Expression(by, value).evaluate(evaluation) for value in values]
    order = sorted(range(len(values)), key=keys.__getitem__, reverse="Largest" in name)
    return association.picked(order[: _count(more[0])])


def _extremal_by(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    values, function = association.values, expression.elements[1]
    keys = [Expression(function, value).evaluate(evaluation) for value in values]
    if not keys:
        return association
    wanted = (max if expression.get_head_name() == "System`MaximalBy" else min)(keys)
    return association.picked(place for place, key in enumerate(keys) if key == wanted)


def _pick(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    _, selector, *form = expression.elements
    marks = selector.values if isinstance(selector, AssociationExpression) else selector.get_elements()
    if len(marks) != len(association.elements):
        return None
    match = Matcher(form[0] if form else SymbolTrue, evaluation).match
    return association.picked(place for place, mark in enumerate(marks) if match(mark, evaluation))


# -- functions that map over values ----------------------------------------------------------------


def _map(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if len(expression.elements) != 2 or expression.elements[1] is not association:
        return None
    function = expression.elements[0]
    return association.mapped(lambda value, key: Expression(function, value), evaluation)


def _apply(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if len(expression.elements) == 2 and expression.elements[1] is association:
        return Expression(expression.elements[0], *association.values)
    if len(expression.elements) == 3 and expression.elements[1] is association:
        level = expression.elements[2]
        if level.has_form("List", 1) and level.elements[0].get_int_value() == 1:
            function = expression.elements[0]

            def applied(value: Any, key: Any) -> Any:
                if isinstance(value, AssociationExpression):
                    return Expression(function, *value.values)
                return Expression(function, *value.elements) if isinstance(value, Expression) else value

            return association.mapped(applied, evaluation)
    return None


def _each(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    """Apply the function to each value, with the other arguments as they are."""
    if expression.elements[0] is not association:
        return None
    more = expression.elements[1:]
    return association.mapped(lambda value, key: Expression(expression.head, value, *more), evaluation)


def _fold_list(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    """Keep the keys of what is accumulated from the first value on."""
    elements = expression.elements
    name = expression.get_head_name()
    if elements[-1] is not association or len(elements) != (1 if name == "System`Accumulate" else 2):
        return _second_of_values(expression, association, evaluation)
    values = Expression(expression.head, *elements[:-1], _values(association)).evaluate(evaluation)
    if not values.has_form("List", len(association.elements)):
        return None
    return association.with_values(values.elements)


def _first(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if association.elements and expression.elements[0] is association:
        return association.values[0 if expression.get_head_name() == "System`First" else -1]
    return None


def _group_by(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    """Group the rules by what the function gives for their values; the groups are associations."""
    _, by, *reduce = expression.elements
    if by.has_form("List", None):
        if not by.elements:
            return association
        first, *rest = by.elements
        grouped = call("GroupBy", association, first).evaluate(evaluation)
        if rest and isinstance(grouped, AssociationExpression):
            function = ListExpression(*rest)
            return grouped.mapped(lambda value, key: call("GroupBy", value, function, *reduce), evaluation)
        return grouped
    after = None
    if is_rule(by):
        by, after = by.elements
    groups: dict[Any, tuple[Any, list[Any]]] = {}
    for each in association.elements:
        key = Expression(by, each.elements[1]).evaluate(evaluation)
        found = each if after is None else rule(each.elements[0], Expression(after, each.elements[1]).evaluate(evaluation))
        groups.setdefault(key_of(key), (key, []))[1].append(found)
    rules = []
    for key, members in groups.values():
        group: Any = AssociationExpression(members)
        rules.append(rule(key, Expression(reduce[0], group).evaluate(evaluation) if reduce else group))
    return association_of(rules)


def _gather(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    function = expression.elements[1] if len(expression.elements) > 1 else Symbol("System`Identity")
    groups = call("GroupBy", association, function).evaluate(evaluation)
    return ListExpression(*groups.values) if isinstance(groups, AssociationExpression) else None


# -- functions that add, remove and replace rules --------------------------------------------------


def _append(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if expression.elements[0] is not association or len(expression.elements) != 2:
        return None
    added = _rules_in(expression.elements[1])
    name = expression.get_head_name().removeprefix("System`")
    if added is None:
        evaluation.message(name, "invdt", expression.elements[1])
        return None
    new = {key_of(each.elements[0]) for each in added}
    kept = [each for each in association.elements if key_of(each.elements[0]) not in new]
    if name == "Prepend":
        return association_of((*added, *kept))
    return association_of((*association.elements, *added))


def _rules_in(expr: Any) -> list[Any] | None:
    """Return the rules of a rule, an association, or a list of rules; None for anything else."""
    if is_rule(expr):
        return [expr]
    if isinstance(expr, AssociationExpression):
        return list(expr.elements)
    if isinstance(expr, ListExpression) and all(map(is_rule, expr.elements)):
        return list(expr.elements)
    return None


def _join(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    rules: list[Any] = []
    for each in expression.elements:
        found = _rules_in(each)
        if found is None:
            return None
        rules += found
    return association_of(rules)


def _complement(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    """Take the rules that the other associations have all, or have none of."""
    if not all(isinstance(each, AssociationExpression) for each in expression.elements):
        return None
    first, *others = expression.elements
    sets = [set(map(key_of, other.elements)) for other in others]
    both = expression.get_head_name() == "System`Intersection"
    rules = first.elements
    if both:
        kept = [each for each in rules if all(key_of(each) in found for found in sets)]
    else:
        kept = [each for each in rules if not any(key_of(each) in found for found in sets)]
    return AssociationExpression(sorted(kept))


def first_argument_positions(spec: Any) -> list[Sequence[Any]]:
    """Return the paths that a position specification of ``MapAt`` and its like names."""
    if not isinstance(spec, ListExpression):
        return [[spec]]
    if spec.elements and all(isinstance(each, ListExpression) for each in spec.elements):
        return [each.elements for each in spec.elements]
    return [spec.elements]


def _map_at(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    return map_at(expression, evaluation)


def map_at(expression: Any, evaluation: Any) -> Any:
    """Return the value of a call of ``MapAt``, None where a part does not exist."""
    if len(expression.elements) != 3:
        return None
    function, found, spec = expression.elements
    try:
        for path in first_argument_positions(spec):
            found = updated(
                found,
                path,
                lambda old: Expression(function, Symbol("System`Missing") if old is None else old).evaluate(evaluation),
                add=False,
            )
    except MessageException as fault:
        evaluation.message("MapAt", "partw", *fault.args[1:] if len(fault.args) > 1 else (spec, expression.elements[1]))
        return None
    return found


def _delete(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if len(expression.elements) != 2 or expression.elements[0] is not association:
        return None
    found: Any = association
    paths = first_argument_positions(expression.elements[1])
    # Later places first, so that the earlier ones stay where they are.
    paths.sort(key=lambda path: path[0].value if path and isinstance(path[0], Integer) else 0, reverse=True)
    try:
        for path in paths:
            found = without_parts(found, path)
    except MessageException as fault:
        fault.message(evaluation)
        return None
    return found


def _insert(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if len(expression.elements) != 3 or expression.elements[0] is not association:
        return None
    _, new, place = expression.elements
    added = _rules_in(new)
    count = len(association.elements)
    if place.has_form("List", 1):
        place = place.elements[0]
    at: int | None = None
    if isinstance(place, Integer) and place.value and -count - 1 <= place.value <= count + 1:
        at = place.value - 1 if place.value > 0 else count + 1 + place.value
    elif is_key(place):
        at = association.index(place.elements[0] if isinstance(place, Expression) else place)
    if added is None or at is None:
        evaluation.message("Insert", "ins", place, association)
        return None
    names = {key_of(each.elements[0]) for each in added}
    before = [each for each in association.elements[:at] if key_of(each.elements[0]) not in names]
    after = [each for each in association.elements[at:] if key_of(each.elements[0]) not in names]
    return association_of((*before, *added, *after))


def _replace_part(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if len(expression.elements) != 2 or expression.elements[0] is not association:
        return None
    rules = _rules_in(expression.elements[1])
    found: Any = association
    for each in rules or ():
        spec, value = each.elements
        try:
            for path in first_argument_positions(spec):
                found = updated(found, path, lambda _, value=value: value.evaluate(evaluation))  # type: ignore[misc]
        except MessageException:
            continue
    return None if rules is None else found


def _delete_cases(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if expression.elements[0] is not association or len(expression.elements) not in (2, 3, 4):
        return None
    _, pattern, *more = expression.elements
    limit = -1
    if len(more) == 2 and isinstance(more[1], Integer):
        limit = more[1].value
    try:
        level = their_parts.python_levelspec(more[0]) if more else (1, 1)
    except their_parts.InvalidLevelspecError:
        return None
    return their_parts.deletecases_with_levelspec(association, pattern, evaluation, level, limit)


def _transpose(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    """Return the association by the keys of the inner associations, or a list by their places."""
    inner = association.values
    if len(expression.elements) != 1 or not inner:
        return None
    if all(isinstance(each, AssociationExpression) for each in inner):
        keys = inner[0].keys
        if any(len(each.elements) != len(keys) or any(each.index(key) is None for key in keys) for each in inner):
            return None
        return AssociationExpression(
            rule(key, association.with_values([each.get(key) for each in inner])) for key in keys
        )
    if all(isinstance(each, ListExpression) and len(each.elements) == len(inner[0].elements) for each in inner):
        return ListExpression(
            *(association.with_values([each.elements[at] for each in inner]) for at in range(len(inner[0].elements)))
        )
    return None


def _first_position(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if expression.elements[0] is not association or len(expression.elements) < 2:
        return None
    _, pattern, *more = expression.elements
    found = call("Position", association, pattern, *more[1:2]).evaluate(evaluation)
    if not isinstance(found, ListExpression):
        return None
    if found.elements:
        return found.elements[0]
    return more[0] if more else call("Missing", String("NotFound"))


def _length(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    return Integer(len(association.elements)) if len(expression.elements) == 1 else None


def _atom(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    return SymbolTrue


def _scan(expression: Any, association: AssociationExpression, evaluation: Any) -> Any:
    if len(expression.elements) != 2 or expression.elements[1] is not association:
        return None
    for value in association.values:
        Expression(expression.elements[0], value).evaluate(evaluation)
    return SymbolNull




def _threaded(expression: Any, evaluation: Any) -> Any:
    """Return the value of a listable function: applied to the values of each key."""
    found = [each for each in expression.elements if isinstance(each, AssociationExpression)]
    first = found[0]
    for other in found[1:]:
        if len(other.elements) != len(first.elements) or any(other.index(key) is None for key in first.keys):
            evaluation.message("Thread", "tdlen", expression)
            return None

    def at(value: Any, key: Any) -> Any:
        return Expression(
            expression.head,
            *(each.get(key) if isinstance(each, AssociationExpression) else each for each in expression.elements),
        )

    return first.mapped(at, evaluation)


#: What the functions that see associations do with them.
SEEN: dict[str, Sight] = {
    **dict.fromkeys(_OF_VALUES, _of_values),
    **dict.fromkeys(_SECOND_OF_VALUES, _second_of_values),
    **dict.fromkeys(_BY_PLACE, _by_place),
    **dict.fromkeys(("Max", "Min", "StringJoin", "Union"), _of_sequences),
    **dict.fromkeys(("N", "Chop", "Rationalize", "Simplify", "FullSimplify", "Expand", "Factor"), _each),
    **dict.fromkeys(("Sort", "ReverseSort"), _sort),
    **dict.fromkeys(("SortBy", "ReverseSortBy"), _sort_by),
    **dict.fromkeys(("TakeLargest", "TakeSmallest", "TakeLargestBy", "TakeSmallestBy"), _extreme),
    **dict.fromkeys(("MaximalBy", "MinimalBy"), _extremal_by),
    **dict.fromkeys(("Append", "Prepend"), _append),
    **dict.fromkeys(("First", "Last"), _first),
    **dict.fromkeys(("DeleteDuplicates", "DeleteDuplicatesBy"), _delete_duplicates),
    **dict.fromkeys(("Gather", "GatherBy"), _gather),
    **dict.fromkeys(("Complement", "Intersection"), _complement),
    **dict.fromkeys(("FoldList", "Accumulate"), _fold_list),
    **dict.fromkeys(("Counts", "CountsBy"), _of_values),
    "Select": _select,
    "Discard": _discard,
    "TakeWhile": _take_while,
    "DeleteCases": _delete_cases,
    "FirstPosition": _first_position,
    "Transpose": _transpose,
    "DeleteMissing": _delete_missing,
    "Pick": _pick,
    "Map": _map,
    "Apply": _apply,
    "Scan": _scan,
    "GroupBy": _group_by,
    "Join": _join,
    "MapAt": _map_at,
    "Delete": _delete,
    "Insert": _insert,
    "ReplacePart": _replace_part,
    "Length": _length,
    "AtomQ": _atom,
}

#: Functions that are given nothing else if they have no value for an association.
_NOT_LISTABLE = frozenset({"System`StringJoin", "System`Range"})


def see(expression: Any, evaluation: Any) -> Any:
    """Return the value of a call with an association among its arguments, None if it has none here.
    """
    head = expression.head
    if not isinstance(head, Symbol):
        return None
    association = next((each for each in expression.elements if type(each) is AssociationExpression), None)
    if association is None:
        return None
    sight = SEEN.get(head.name.removeprefix("System`")) if head.name.startswith("System`") else None
    if sight is not None:
        return sight(expression, association, evaluation)
    if A_LISTABLE & evaluation.definitions.get_attributes(head.name) and head.name not in _NOT_LISTABLE:
        return _threaded(expression, evaluation)
    return None

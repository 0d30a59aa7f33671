"""The functions of keys: what makes associations, and what looks at their keys.

Each takes the call and the evaluation, and returns the call's value, or None for arguments that it
has no value for. Lists of rules are taken for associations where the language does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mathics.core.atoms import Integer
from mathics.core.exceptions import MessageException
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Atom, Symbol, SymbolFalse, SymbolTrue
from mathics.eval import parts as their_parts
from mathics.eval.patterns import Matcher

from kernelbus.kernelhost.mathics.associations.expression import (
    AssociationExpression,
    as_association,
    as_rules,
    association_of,
    is_rule,
    key_of,
    missing,
    rule,
    without_key,
)
from kernelbus.kernelhost.mathics.associations.parts import is_key, part, rebuilt
from kernelbus.kernelhost.mathics.associations.seen import first_argument_positions, map_at
from kernelbus.kernelhost.mathics.native import Native

__all__ = ["FIRST_LAST", "FUNCTIONS", "LAST_FIRST", "association_at", "key_at", "make_association"]

_ASSOCIATION = Symbol("System`Association")
_RULE = Symbol("System`Rule")
_BYTE_ARRAY, _FAILED = Symbol("System`ByteArray"), Symbol("System`$Failed")


def make_association(expression: Any, evaluation: Any) -> Any:
    """Evaluate ``Association[...]``: its keys, its rules' values, and what it has besides rules."""
    rules: list[Any] = []
    others = False
    kept: list[Any] = []

    def add(item: Any) -> None:
        nonlocal others
        if is_rule(item):
            key, value = item.elements
            key = key.evaluate(evaluation)
            if item.head is _RULE:
                value = value.evaluate(evaluation)
            rules.append(Expression(item.head, key, value))
            kept.append(rules[-1])
        elif isinstance(item, AssociationExpression):
            rules.extend(item.elements)
            kept.append(item)
        elif isinstance(item, Expression) and item.has_form(("List", "Association", "Sequence"), None):
            for each in item.elements:
                add(each)
        elif item is not _NOTHING:
            others = True
            kept.append(item)

    for element in expression.elements:
        if not _is_held(element):
            element = element.evaluate(evaluation)
        add(element)
    if not others:
        return association_of(rules)
    made = Expression(_ASSOCIATION, *kept)
    return None if made.sameQ(expression) else made


_NOTHING = Symbol("System`Nothing")


def _is_held(item: Any) -> bool:
    """Tell whether an element of ``Association[...]`` is rules already, or a list of such."""
    if not isinstance(item, Expression):
        return False
    if item.has_form(("List", "Association"), None):
        return all(map(_is_held, item.elements))
    return is_rule(item)


def association_at(expression: Any, evaluation: Any) -> Any:
    """Return the value of ``association[key]``, and of ``association[key, more]``."""
    association = as_association(expression.head)
    if association is None or not expression.elements:
        return None
    found: Any = association
    for spec in expression.elements:
        inner = as_association(found)
        if inner is None:
            return Expression(found, spec)
        key = without_key(spec)
        found = inner.get(key)
        if found is None:
            return missing(key)
    return found


def _no_rules(expression: Any, evaluation: Any, argument: Any) -> None:
    evaluation.message(expression.get_head_name(), "invrl", argument)


def _first_rules(expression: Any, evaluation: Any, count: int) -> AssociationExpression | None:
    """Return the first argument of a call with so many, as an association; None with a message."""
    if len(expression.elements) != count:
        return None
    found = as_rules(expression.elements[0])
    if found is None:
        _no_rules(expression, evaluation, expression.elements[0])
    return found


def _evaluated(function: Any, *arguments: Any, evaluation: Any) -> Any:
    return Expression(function, *arguments).evaluate(evaluation)


def _wrapped(expr: Any, pick: int, function: Any | None, expression: Any, evaluation: Any) -> Any:
    """Return the keys (``pick`` 0) or values (1) of rules and associations, through lists."""
    if is_rule(expr):
        found = expr.elements[pick]
        return found if function is None else Expression(function, found)
    association = as_association(expr)
    if association is None and not isinstance(expr, ListExpression):
        raise ValueError
    elements = expr.elements if association is None else association.elements
    return ListExpression(*(_wrapped(each, pick, function, expression, evaluation) for each in elements))


def _keys_or_values(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) not in (1, 2):
        return None
    pick = 0 if expression.get_head_name() == "System`Keys" else 1
    function = expression.elements[1] if len(expression.elements) == 2 else None
    try:
        return _wrapped(expression.elements[0], pick, function, expression, evaluation)
    except ValueError:
        _no_rules(expression, evaluation, expression.elements[0])
        return None


def _key_map(expression: Any, evaluation: Any) -> Any:
    function = expression.elements[0]
    association = as_rules(expression.elements[1]) if len(expression.elements) == 2 else None
    if association is None:
        if len(expression.elements) == 2:
            _no_rules(expression, evaluation, expression.elements[1])
        return None
    return association_of(
        Expression(each.head, _evaluated(function, each.elements[0], evaluation=evaluation), each.elements[1])
        for each in association.elements
    )


def _key_value_map(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 2:
        return None
    association = as_rules(expression.elements[1])
    if association is None:
        _no_rules(expression, evaluation, expression.elements[1])
        return None
    return ListExpression(*(Expression(expression.elements[0], *each.elements) for each in association.elements))


def _key_select(expression: Any, evaluation: Any) -> Any:
    association = _first_rules(expression, evaluation, 2)
    if association is None:
        return None
    test = expression.elements[1]
    return AssociationExpression(
        each for each in association.elements if _evaluated(test, each.elements[0], evaluation=evaluation) is SymbolTrue
    )


def _key_sort(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) == 2:
        association = _first_rules(expression, evaluation, 2)
        if association is None:
            return None
        keys = Expression(Symbol("System`Sort"), ListExpression(*association.keys), expression.elements[1])
        order = keys.evaluate(evaluation)
        return AssociationExpression(rule(key, association.get(key)) for key in order.elements)
    association = _first_rules(expression, evaluation, 1)
    if association is None:
        return None
    return AssociationExpression(sorted(association.elements, key=lambda each: each.elements[0]))


def _key_sort_by(expression: Any, evaluation: Any) -> Any:
    association = _first_rules(expression, evaluation, 2)
    if association is None:
        return None
    function = expression.elements[1]
    keys = [(_evaluated(function, key, evaluation=evaluation), key) for key in association.keys]
    return association.picked(sorted(range(len(keys)), key=keys.__getitem__))


def _asked_keys(spec: Any) -> list[Any]:
    return [without_key(each) for each in (spec.elements if isinstance(spec, ListExpression) else (spec,))]


def _on_each(expression: Any, evaluation: Any) -> Any | None:
    """Return the call for each association of a list of them, None if there is no such list."""
    first = expression.elements[0] if expression.elements else None
    if not isinstance(first, ListExpression) or not first.elements or (as_rules(first) is not None and is_rule(first.elements[0])):
        return None
    if any(as_rules(each) is None for each in first.elements):
        return None
    return ListExpression(*(Expression(expression.head, each, *expression.elements[1:]) for each in first.elements))


def _key_take(expression: Any, evaluation: Any) -> Any:
    if (several := _on_each(expression, evaluation)) is not None:
        return several
    association = _first_rules(expression, evaluation, 2)
    if association is None:
        return None
    places = (association.index(key) for key in _asked_keys(expression.elements[1]))
    return AssociationExpression({place: association.elements[place] for place in places if place is not None}.values())


def _key_drop(expression: Any, evaluation: Any) -> Any:
    if (several := _on_each(expression, evaluation)) is not None:
        return several
    association = _first_rules(expression, evaluation, 2)
    if association is None:
        return None
    dropped = {association.index(key) for key in _asked_keys(expression.elements[1])}
    return association.picked(place for place in range(len(association.elements)) if place not in dropped)


def _truth(value: bool) -> Any:
    return SymbolTrue if value else SymbolFalse


def _key_exists(expression: Any, evaluation: Any) -> Any:
    association = _first_rules(expression, evaluation, 2)
    return None if association is None else _truth(association.index(without_key(expression.elements[1])) is not None)


def _key_member(expression: Any, evaluation: Any) -> Any:
    association = _first_rules(expression, evaluation, 2)
    if association is None:
        return None
    match = Matcher(expression.elements[1], evaluation).match
    found = any(match(key, evaluation) for key in association.keys)
    return _truth(found == (expression.get_head_name() == "System`KeyMemberQ"))


def _lookup(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    if len(elements) not in (2, 3):
        return None
    source, key = elements[0], elements[1].evaluate(evaluation)
    if isinstance(source, ListExpression) and all(as_association(each) is not None for each in source.elements):
        return ListExpression(*(Expression(expression.head, each, key, *elements[2:]) for each in source.elements))
    association = as_rules(source)
    if association is None:
        _no_rules(expression, evaluation, source)
        return None

    def find(asked: Any) -> Any:
        if isinstance(asked, ListExpression):
            return ListExpression(*map(find, asked.elements))
        found = association.get(without_key(asked))
        if found is not None:
            return found
        return elements[2] if len(elements) == 3 else missing(without_key(asked))

    return find(key)


def _association_thread(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    if len(elements) == 1 and is_rule(elements[0]):
        elements = elements[0].elements
    if len(elements) != 2:
        return None
    keys, values = elements
    if not isinstance(keys, ListExpression) or not isinstance(values, (ListExpression, AssociationExpression)):
        return None
    found = values.values if isinstance(values, AssociationExpression) else values.elements
    if len(keys.elements) != len(found):
        evaluation.message("AssociationThread", "idim", keys, values)
        return None
    return association_of(map(rule, keys.elements, found))


def _association_map(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 2:
        return None
    function, source = expression.elements
    association = as_association(source)
    if association is not None:
        return Expression(_ASSOCIATION, *(_evaluated(function, each, evaluation=evaluation) for each in association.elements))
    if not isinstance(source, ListExpression):
        return None
    return association_of(rule(key, _evaluated(function, key, evaluation=evaluation)) for key in source.elements)


def _groups(items: Iterable[Any], by: Callable[[Any], Any]) -> list[tuple[Any, list[Any]]]:
    found: dict[Any, tuple[Any, list[Any]]] = {}
    for item in items:
        key = by(item)
        found.setdefault(key_of(key), (key, []))[1].append(item)
    return list(found.values())


def _counts(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 1 or not isinstance(expression.elements[0], ListExpression):
        return None
    groups = _groups(expression.elements[0].elements, lambda item: item)
    return AssociationExpression(rule(key, Integer(len(members))) for key, members in groups)


def _counts_by(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 2 or not isinstance(expression.elements[0], ListExpression):
        return None
    items, function = expression.elements
    groups = _groups(items.elements, lambda item: _evaluated(function, item, evaluation=evaluation))
    return AssociationExpression(rule(key, Integer(len(members))) for key, members in groups)


def _group_by(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) not in (2, 3) or not isinstance(expression.elements[0], ListExpression):
        return None
    items, by, *reduce = expression.elements
    if isinstance(by, ListExpression):
        if not by.elements:
            return Expression(reduce[0], items) if reduce else items
        first, *rest = by.elements
        inner = [ListExpression(*rest), *reduce] if rest else []
        grouped = Expression(expression.head, items, first, *([] if rest else reduce)).evaluate(evaluation)
        if not rest or not isinstance(grouped, AssociationExpression):
            return grouped
        return grouped.mapped(lambda value, key: Expression(expression.head, value, *inner), evaluation)
    after = None
    if is_rule(by):
        by, after = by.elements
    rules = []
    for key, members in _groups(items.elements, lambda item: _evaluated(by, item, evaluation=evaluation)):
        if after is not None:
            members = [_evaluated(after, each, evaluation=evaluation) for each in members]
        group: Any = ListExpression(*members)
        rules.append(rule(key, _evaluated(reduce[0], group, evaluation=evaluation) if reduce else group))
    return association_of(rules)


def _position_index(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 1:
        return None
    source = expression.elements[0]
    association = as_association(source)
    if association is None and not isinstance(source, ListExpression):
        return None
    items = association.values if association is not None else source.elements
    names = association.keys if association is not None else [Integer(place + 1) for place in range(len(items))]
    groups = _groups(zip(items, names, strict=True), lambda pair: pair[0])
    return AssociationExpression(rule(key, ListExpression(*(name for _, name in members))) for key, members in groups)


def _associations_in(expression: Any, position: int) -> list[AssociationExpression] | None:
    if len(expression.elements) <= position or not isinstance(expression.elements[position], ListExpression):
        return None
    found = [as_rules(each) if not is_rule(each) else association_of([each]) for each in expression.elements[position].elements]
    return None if None in found else found  # type: ignore[return-value]


def _merge(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 2:
        return None
    associations = _associations_in(expression, 0)
    if associations is None:
        _no_rules(expression, evaluation, expression.elements[0])
        return None
    groups = _groups((each for one in associations for each in one.elements), lambda each: each.elements[0])
    function = expression.elements[1]
    return association_of(
        rule(
            key,
            _evaluated(function, ListExpression(*(each.elements[1] for each in members)), evaluation=evaluation),
        )
        for key, members in groups
    )


def _key_union(expression: Any, evaluation: Any) -> Any:
    associations = _associations_in(expression, 0)
    if associations is None:
        return None
    function = expression.elements[1] if len(expression.elements) > 1 else None
    keys = {key_of(key): key for each in associations for key in each.keys}.values()

    def value(association: AssociationExpression, key: Any) -> Any:
        found = association.get(key)
        if found is not None:
            return found
        return missing(key) if function is None else _evaluated(function, key, evaluation=evaluation)

    return ListExpression(
        *(AssociationExpression(rule(key, value(association, key)) for key in keys) for association in associations)
    )


def _key_intersection(expression: Any, evaluation: Any) -> Any:
    associations = _associations_in(expression, 0)
    if not associations:
        return None
    keys = [key for key in associations[0].keys if all(each.index(key) is not None for each in associations)]
    return ListExpression(*(AssociationExpression(rule(key, each.get(key)) for key in keys) for each in associations))


def _key_complement(expression: Any, evaluation: Any) -> Any:
    associations = _associations_in(expression, 0)
    if not associations:
        return None
    first, *others = associations
    return AssociationExpression(
        each for each in first.elements if all(other.index(each.elements[0]) is None for other in others)
    )


def _normal(expression: Any, evaluation: Any) -> Any:
    association = as_association(expression.elements[0]) if expression.elements else None
    return None if association is None else ListExpression(*association.elements)


def _association_q(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 1:
        return None
    return _truth(as_association(expression.elements[0]) is not None)


def _part(expression: Any, evaluation: Any) -> Any:
    if not expression.elements:
        return None
    source, *specs = expression.elements
    if not specs or source is _FAILED or source.get_head() is _BYTE_ARRAY:
        # Mathics3 has parts of byte arrays.
        return None
    try:
        return part(source, specs)
    except MessageException as fault:
        fault.message(evaluation)
        return expression


def _extract(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) not in (2, 3) or not isinstance(expression.elements[0], Expression):
        return None
    source, spec, *wrap = expression.elements
    try:
        found = [part(source, path) for path in first_argument_positions(spec)]
    except MessageException as fault:
        fault.message(evaluation)
        return expression
    if wrap:
        found = [Expression(wrap[0], each) for each in found]
    several = isinstance(spec, ListExpression) and all(isinstance(each, ListExpression) for each in spec.elements)
    return ListExpression(*found) if several else found[0]


def _map_at(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 3:
        return None
    paths = first_argument_positions(expression.elements[2])
    if not any(is_key(spec) or not isinstance(spec, Integer) for path in paths for spec in path):
        return None
    return map_at(expression, evaluation)


def _map_indexed(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) not in (2, 3) or is_rule(expression.elements[-1]):
        return None
    function, source, *level = expression.elements
    if isinstance(source, Atom):
        return source
    try:
        start, stop = their_parts.python_levelspec(level[0]) if level else (1, 1)
    except their_parts.InvalidLevelspecError:
        return None

    def at(value: Any, position: Sequence[Any]) -> Any:
        places = (Integer(place) if isinstance(place, int) else place for place in position)
        return Expression(function, value, ListExpression(*places))

    result, _ = their_parts.walk_levels(source, start, stop, callback=at, include_pos=True)
    result.elements_properties = None
    return result


def _apply(expression: Any, evaluation: Any) -> Any:
    """Apply a function at the levels 0 and 1, to values where there are associations."""
    if len(expression.elements) not in (2, 3):
        return None
    function, source, *level = expression.elements
    if isinstance(source, Atom):
        return source if not level else None

    def applied(inner: Any) -> Any:
        association = as_association(inner)
        if association is not None:
            return Expression(function, *association.values)
        return Expression(function, *inner.elements) if isinstance(inner, Expression) else inner

    if not level:
        return applied(source)
    if not level[0].has_form("List", 1) or level[0].elements[0].get_int_value() != 1:
        return None
    return rebuilt(source, [applied(each) for each in source.elements])


def _delete_cases(expression: Any, evaluation: Any) -> Any:
    """Keep the head of what cases are deleted from."""
    if len(expression.elements) != 2 or not isinstance(expression.elements[0], Expression):
        return None
    source, pattern = expression.elements
    match = Matcher(pattern, evaluation).match
    return rebuilt(source, [each for each in source.elements if not match(each, evaluation)])


def _catenate(expression: Any, evaluation: Any) -> Any:
    """Return the values of associations and the elements of lists in one list."""
    source = expression.elements[0] if len(expression.elements) == 1 else None
    association = as_association(source)
    parts_of = association.values if association is not None else source.elements if isinstance(source, ListExpression) else None
    if parts_of is None or not any(isinstance(each, AssociationExpression) for each in parts_of):
        return None
    if not all(isinstance(each, (AssociationExpression, ListExpression)) for each in parts_of):
        return None
    return ListExpression(
        *(one for each in parts_of for one in (each.values if isinstance(each, AssociationExpression) else each.elements))
    )


def _map_thread(expression: Any, evaluation: Any) -> Any:
    """Thread over associations with the same keys."""
    if len(expression.elements) != 2 or not isinstance(expression.elements[1], ListExpression):
        return None
    function, sources = expression.elements[0], expression.elements[1].elements
    if not sources or not all(isinstance(each, AssociationExpression) for each in sources):
        return None
    first = sources[0]
    if any(len(each.elements) != len(first.elements) or any(each.index(key) is None for key in first.keys) for each in sources):
        return None
    return first.mapped(lambda value, key: Expression(function, *(each.get(key) for each in sources)), evaluation)


def key_at(expression: Any, evaluation: Any) -> Any:
    operator = expression.head
    if operator.get_head_name() != "System`Key" or len(operator.elements) != 1 or len(expression.elements) != 1:
        return None
    association = as_association(expression.elements[0])
    if association is None:
        return None
    found = association.get(operator.elements[0])
    return missing(operator.elements[0]) if found is None else found


#: The functions, and whether they take the place of all that the name had before.
FUNCTIONS: dict[str, tuple[Native, bool]] = {
    "Keys": (_keys_or_values, True),
    "Values": (_keys_or_values, True),
    "KeyMap": (_key_map, True),
    "KeyValueMap": (_key_value_map, True),
    "KeySelect": (_key_select, True),
    "KeySort": (_key_sort, True),
    "KeySortBy": (_key_sort_by, True),
    "KeyTake": (_key_take, True),
    "KeyDrop": (_key_drop, True),
    "KeyExistsQ": (_key_exists, True),
    "KeyMemberQ": (_key_member, True),
    "KeyFreeQ": (_key_member, True),
    "Lookup": (_lookup, True),
    "AssociationThread": (_association_thread, True),
    "AssociationMap": (_association_map, True),
    "AssociationQ": (_association_q, True),
    "Counts": (_counts, True),
    "CountsBy": (_counts_by, True),
    "GroupBy": (_group_by, True),
    "PositionIndex": (_position_index, True),
    "Merge": (_merge, True),
    "KeyUnion": (_key_union, True),
    "KeyIntersection": (_key_intersection, True),
    "KeyComplement": (_key_complement, True),
    "Normal": (_normal, False),
    "Part": (_part, False),
    "Extract": (_extract, False),
    "MapAt": (_map_at, False),
    "MapIndexed": (_map_indexed, False),
    "Catenate": (_catenate, False),
    "MapThread": (_map_thread, False),
    "Apply": (_apply, False),
    "DeleteCases": (_delete_cases, False),
}

#: Operator forms ``f[a][x]`` that are ``f[a, x]``, and those that are ``f[x, a]``.
FIRST_LAST = ["AssociationMap", "KeyMap", "KeyValueMap"]
LAST_FIRST = [
    "CountsBy", "GroupBy", "KeyDrop", "KeyExistsQ", "KeyFreeQ", "KeyMemberQ", "KeySelect", "KeySortBy", "KeyTake",
    "Lookup", "Merge",
]  # fmt: skip

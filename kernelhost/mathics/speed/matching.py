"""Apply rules whose patterns can match in one way at most, without a search.

Mathics3 matches every pattern by a search with callbacks. Most patterns are calls with named blanks
and literal arguments, perhaps one sequence of blanks among them. A :class:`_Plan` of such a pattern
binds its names in one pass. All other patterns, and calls of flat and orderless functions, are
matched as before.
"""

from __future__ import annotations

import bisect
from typing import Any

import mathics.core.definitions as definitions_module
from mathics.builtin.patterns.basic import Blank, BlankNullSequence, BlankSequence
from mathics.builtin.patterns.composite import Pattern
from mathics.core.attributes import A_FLAT, A_ONE_IDENTITY, A_ORDERLESS
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.pattern import AtomPattern, ExpressionPattern
from mathics.core.rules import BaseRule, FunctionApplyRule, Rule, RuleApplicationFailed
from mathics.core.symbols import Atom, Symbol, SymbolList, SymbolTrue

__all__ = ["correct_matching"]

_CONDITION, _FUNCTION, _PATTERN, _SEQUENCE = (
    Symbol(f"System`{name}") for name in ("Condition", "Function", "Pattern", "Sequence")
)
_SEARCHED = A_FLAT | A_ORDERLESS | A_ONE_IDENTITY
_SCOPES = frozenset(Symbol(f"System`{name}") for name in ("Module", "Block", "With"))


class _Part:
    """Match one element, or a sequence of them."""

    __slots__ = ("head", "least", "literal", "name", "plan", "several")

    def __init__(self) -> None:
        self.name = ""
        self.head: Any = None
        self.literal: Any = None
        self.plan: _Plan | None = None
        #: Whether this matches a sequence, and the least number of its elements.
        self.several = False
        self.least = 1

    def bind(self, element: Any, bound: dict[str, Any], definitions: Any) -> bool:
        """Match a single element, and bind the name."""
        if self.literal is not None:
            if element is not self.literal and not (isinstance(element, Atom) and element.sameQ(self.literal)):
                return False
        elif self.plan is not None:
            if not isinstance(element, Expression) or not self.plan.bind(element, bound, definitions):
                return False
        elif self.head is not None and element.get_head() is not self.head:
            return False
        return self.keep(element, bound)

    def keep(self, value: Any, bound: dict[str, Any]) -> bool:
        """Bind the name; return False if it is bound to something else."""
        if self.name:
            old = bound.setdefault(self.name, value)
            return old is value or bool(old.sameQ(value))
        return True


class _Plan:
    """Match a call of a known head."""

    __slots__ = ("after", "any", "before", "head", "head_plan", "middle")

    def __init__(self, head: Any, head_plan: _Plan | None, parts: list[_Part]) -> None:
        self.head = head
        self.head_plan = head_plan
        at = next((place for place, each in enumerate(parts) if each.several), len(parts))
        self.before, self.after = parts[:at], parts[at + 1 :]
        self.middle = parts[at] if at < len(parts) else None
        self.any = len(parts) == 1 and self.middle is not None

    def bind(self, expression: Any, bound: dict[str, Any], definitions: Any) -> bool:
        """Match a call, and bind the names in its arguments."""
        head, elements = expression._head, expression._elements
        if self.head_plan is not None:
            if not isinstance(head, Expression) or not self.head_plan.bind(head, bound, definitions):
                return False
        elif head is not self.head:
            return False
        count, fixed = len(elements), len(self.before) + len(self.after)
        if self.middle is None:
            if count != fixed:
                return False
        elif count < fixed + self.middle.least:
            return False
        for part, element in zip(self.before, elements, strict=False):
            if not part.bind(element, bound, definitions):
                return False
        if self.middle is not None:
            last = count - len(self.after)
            some = elements[len(self.before) : last]
            wanted = self.middle.head
            if wanted is not None and any(each.get_head() is not wanted for each in some):
                return False
            if len(some) == 1:
                value = some[0]
            else:
                value = Expression(_SEQUENCE, *some)
                value.pattern_sequence = True
            if not self.middle.keep(value, bound):
                return False
            for part, element in zip(self.after, elements[last:], strict=True):
                if not part.bind(element, bound, definitions):
                    return False
        return True

    def holds_for(self, definitions: Any) -> bool:
        """Tell whether no head in the pattern has attributes that need a search."""
        if not isinstance(self.head, Symbol):
            return True
        attributes = definitions.get_definition(self.head.name).attributes
        if attributes & _SEARCHED and not self.any:
            return False
        return all(
            each.plan is None or each.plan.holds_for(definitions) for each in (*self.before, *self.after)
        )


def _part_of(pattern: Any) -> _Part | None:
    part = _Part()
    if type(pattern) is Pattern:
        part.name = pattern.varname
        pattern = pattern.pattern
        if type(pattern) not in (Blank, BlankSequence, BlankNullSequence):
            inner = _part_of(pattern)
            if inner is None or inner.name or inner.several:
                return None
            inner.name = part.name
            return inner
    kind = type(pattern)
    if kind in (Blank, BlankSequence, BlankNullSequence):
        part.head = pattern.target_head
        part.several = kind is not Blank
        part.least = 0 if kind is BlankNullSequence else 1
        return part
    if isinstance(pattern, AtomPattern):
        part.literal = pattern.atom
        return part
    if type(pattern) is ExpressionPattern:
        part.plan = _plan_of(pattern)
        return None if part.plan is None else part
    return None


def _plan_of(pattern: Any) -> _Plan | None:
    """Return the plan of a pattern, None if it has to be searched for."""
    if type(pattern) is not ExpressionPattern:
        return None
    head, head_plan = None, None
    if isinstance(pattern.head, AtomPattern):
        head = pattern.head.atom
        if not isinstance(head, Symbol):
            return None
    else:
        head_plan = _plan_of(pattern.head)
        if head_plan is None:
            return None
    parts = []
    for element in pattern.elements:
        part = _part_of(element)
        if part is None:
            return None
        parts.append(part)
    if sum(part.several for part in parts) > 1:
        return None
    return _Plan(head, head_plan, parts)


def correct_matching() -> None:
    """Change how Mathics3 applies rules, and how it puts what was bound in their right sides."""
    theirs = BaseRule.apply

    def apply(
        self: Any, expression: Any, evaluation: Any, fully: bool = True, return_list: bool = False, max_list: int | None = None
    ) -> Any:
        if return_list:
            return theirs(self, expression, evaluation, fully, return_list, max_list)
        plan = self.__dict__.get("_plan", False)
        if plan is False:
            plan = self._plan = _plan_of(self.pattern)
        definitions = evaluation.definitions
        if plan is None or not plan.holds_for(definitions):
            return theirs(self, expression, evaluation, fully)
        if not isinstance(expression, Expression):
            return None
        if evaluation.stopped:
            evaluation.check_stopped()
        bound: dict[str, Any] = {}
        if not plan.bind(expression, bound, definitions):
            return None
        if type(self) is FunctionApplyRule:
            try:
                result = self.apply_function(expression, bound, {}, evaluation)
            except RuleApplicationFailed:
                return None
            if result is None or result is False:
                return expression
            return _flat(result, bound, evaluation)
        if type(self) is not Rule:
            return theirs(self, expression, evaluation, fully)
        result = self.replace.replace_vars(bound) if bound else self.replace
        while type(result) is Expression and result._head is _CONDITION and len(result._elements) == 2:
            result, condition = result._elements
            if isinstance(condition, Expression):
                condition = condition.evaluate(evaluation)
            if condition is not SymbolTrue:
                return None
        if isinstance(result, Expression) and result.options:
            # Options of an earlier application, which are not those of this one.
            result = Expression(result._head, *result._elements)
        return _flat(result, bound, evaluation)

    BaseRule.apply = apply
    definitions_module.insert_rule = _inserting(definitions_module.insert_rule)
    Expression.replace_vars = _replace_vars(Expression.replace_vars)


def _inserting(theirs: Any) -> Any:
    """Return a function that inserts a user's rule behind those that are as special.

    Mathics3 inserts it before them. A pattern that has a name twice is more special than one that
    has two names.
    """

    def insert_rule(values: list[Any], rule: Any) -> None:
        if rule.system:
            theirs(values, rule)
            return
        if isinstance(rule, Rule) and not rule.replace.has_form("System`Condition", 2):
            for index, existing in enumerate(values):
                plain = type(existing) is Rule and not existing.replace.has_form("System`Condition", 2)
                if plain and existing.pattern.sameQ(rule.pattern):
                    values[index] = rule
                    return
        bisect.insort_right(values, rule, key=_speciality)

    return insert_rule


def _speciality(rule: Any) -> Any:
    names = _names(rule.pattern.expr)
    return rule.pattern_precedence, len(set(names)) - len(names)


def _names(expr: Any) -> list[str]:
    """Return the names in a pattern, each as often as it occurs."""
    if not isinstance(expr, Expression):
        return []
    if expr._head is _PATTERN and expr._elements:
        return [expr._elements[0].get_name(), *(name for each in expr._elements[1:] for name in _names(each))]
    return [name for each in (expr._head, *expr._elements) for name in _names(each)]


def _flat(result: Any, bound: dict[str, Any], evaluation: Any) -> Any:
    """Splice the sequences that were bound."""
    if isinstance(result, Expression):
        for value in bound.values():
            if type(value) is Expression and value.pattern_sequence:
                return result.flatten_pattern_sequence(evaluation)
    return result


def _replace_vars(theirs: Any) -> Any:
    """Return a function that replaces symbols, and keeps what has none of them as it is."""

    def replace_vars(self: Any, vars: Any, options: Any = None, in_scoping: bool = True, in_function: bool = True) -> Any:
        if not vars:
            return self
        head, elements = self._head, self._elements
        if head is _FUNCTION and len(elements) > 1 and in_function:
            if not _mentions(self, vars):
                return self
            return theirs(self, vars, options, in_scoping, in_function)
        if not in_scoping and head in _SCOPES:
            return theirs(self, vars, options, in_scoping, in_function)
        if isinstance(head, Symbol):
            new_head = vars.get(head.name, head)
        else:
            new_head = head.replace_vars(vars, options=options, in_scoping=in_scoping)
        found: list[Any] | None = None
        for index, element in enumerate(elements):
            if isinstance(element, Symbol):
                new = vars.get(element.name, element)
            elif isinstance(element, Expression):
                new = element.replace_vars(vars, options=options, in_scoping=in_scoping)
            else:
                continue
            if new is not element:
                if found is None:
                    found = list(elements)
                found[index] = new
        if found is None and new_head is head:
            return self
        if found is None:
            found = list(elements)
        return ListExpression(*found) if new_head is SymbolList else Expression(new_head, *found)

    return replace_vars


def _mentions(expr: Any, vars: Any) -> bool:
    if isinstance(expr, Symbol):
        return expr.name in vars
    if not isinstance(expr, Expression):
        return False
    return _mentions(expr._head, vars) or any(_mentions(each, vars) for each in expr._elements)

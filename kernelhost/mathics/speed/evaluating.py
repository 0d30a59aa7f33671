"""Evaluate symbols, expressions and lists.

The steps are those of the language: evaluate the head, and the elements that are not held; splice
sequences; flatten, sort, thread; apply upvalues, then downvalues or subvalues. What is rare, such
as ``Unevaluated``, is left to Mathics3's own evaluation, and so is everything while evaluations are
traced.

In Mathics3 each step builds properties of all elements, looks for limits in the definitions, and
copies the value of each symbol it comes upon. Its count of expansions of symbols is never reset
while an evaluation runs, so that a loop is aborted after 4096 of them.
"""

from __future__ import annotations

from typing import Any

from mathics.core.atoms import Complex, Integer, MachineReal, NumericArray, PrecisionReal, Rational, String
from mathics.core.attributes import (
    A_FLAT,
    A_HOLD_ALL,
    A_HOLD_ALL_COMPLETE,
    A_HOLD_FIRST,
    A_HOLD_REST,
    A_LISTABLE,
    A_ORDERLESS,
    A_SEQUENCE_HOLD,
)
from mathics.core.element import ElementsProperties, EvalMixin
from mathics.core.expression import Expression, ExpressionCache
from mathics.core.interrupt import ReturnInterrupt
from mathics.core.list import ListExpression
from mathics.core.rules import Rule
from mathics.core.symbols import Symbol, SymbolList
from mathics.core.systemsymbols import SymbolPlus, SymbolTimes
from mathics.eval import tracing

from kernelbus.kernelhost.mathics.speed.ordering import sorted_terms

__all__ = ["ATOMS", "correct_evaluation"]

#: Kinds of expressions that are their own values.
ATOMS = frozenset({Integer, MachineReal, String, Rational, PrecisionReal, Complex})

#: What can be done with an expression of a type.
_ATOM, _SYMBOL, _CALL, _OTHER = range(4)


class _Kinds(dict[type, int]):
    """Find out about types once; ``isinstance`` is slow with Mathics3's abstract classes."""

    def __missing__(self, kind: type) -> int:
        if issubclass(kind, Symbol):
            found = _SYMBOL
        elif issubclass(kind, Expression):
            found = _CALL
        else:
            # A numeric array has upvalues, unlike all other atoms (library/numericarrays.py).
            found = _OTHER if issubclass(kind, EvalMixin | NumericArray) else _ATOM
        self[kind] = found
        return found


_KINDS = _Kinds()

_ABORTED, _CONDITION, _EVALUATE, _NOTHING, _SEQUENCE, _UNEVALUATED = (
    Symbol(f"System`{name}") for name in ("$Aborted", "Condition", "Evaluate", "Nothing", "Sequence", "Unevaluated")
)
_OVERFLOW, _SPLICE = Symbol("System`Overflow"), Symbol("System`Splice")
_HOLDS_ALL = A_HOLD_ALL | A_HOLD_ALL_COMPLETE
_HOLDS = A_HOLD_ALL | A_HOLD_ALL_COMPLETE | A_HOLD_FIRST | A_HOLD_REST
_RECURSION, _ITERATION = "System`$RecursionLimit", "System`$IterationLimit"
_DEFAULT_RECURSION = 1024
_LEAST_RECURSION = 20
_NEVER = 1 << 62


def correct_evaluation() -> None:
    """Change how Mathics3 evaluates."""
    from mathics.core.definitions import Definitions
    from mathics.core.evaluation import Evaluation

    _correct_definitions(Definitions)
    _correct_depth(Evaluation)
    _correct_symbols()
    _correct_expressions()
    _correct_lists()


def _traced() -> bool:
    return tracing.trace_evaluate_on_call is not None or tracing.trace_evaluate_on_return is not None


def _limit(definitions: Any, name: str, default: int) -> int:
    """Return a limit that is a symbol's value; a very large one for ``Infinity``."""
    values = definitions.get_definition(name).ownvalues
    if values and type(getattr(values[0], "replace", None)) is Integer:
        return int(values[0].replace.value)
    found = definitions.get_config_value(name, default)
    return _NEVER if found is None else int(found)


def _correct_definitions(kind: Any) -> None:
    def is_uncertain_final_value(self: Any, last_evaluated_time: int, symbols: Any) -> bool:
        if self.now <= last_evaluated_time:
            return False
        cache = self.definitions_cache
        for name in symbols:
            found = cache.get(name)
            if found is None:
                try:
                    found = self.get_definition(name, only_if_exists=True)
                except KeyError:
                    continue
            if found.changed > last_evaluated_time:
                return True
        return False

    kind.is_uncertain_final_value = is_uncertain_final_value


def _correct_depth(kind: Any) -> None:
    def inc_recursion_depth(self: Any) -> None:
        if self.stopped:
            self.check_stopped()
        self.recursion_depth += 1
        if self.recursion_depth <= _LEAST_RECURSION:
            return
        limit = max(_limit(self.definitions, _RECURSION, _DEFAULT_RECURSION), _LEAST_RECURSION)
        if self.recursion_depth > limit:
            self.error("$RecursionLimit", "reclim", limit)

    kind.inc_recursion_depth = inc_recursion_depth


def _correct_symbols() -> None:
    theirs = Symbol.evaluate

    def evaluate(self: Any, evaluation: Any) -> Any:
        values = evaluation.definitions.get_definition(self.name).ownvalues
        if not values:
            return self
        if _traced():
            return theirs(self, evaluation)
        for rule in values:
            if type(rule) is Rule and rule.pattern.expr is self:
                result = rule.replace
                if type(result) is Expression and result._head is _CONDITION:
                    result = rule.apply(self, evaluation, fully=True)
            else:
                result = rule.apply(self, evaluation, fully=True)
            if result is None or result is self:
                continue
            if type(result) in ATOMS:
                return result
            before = evaluation.iteration_count
            if before > 20 and before > _limit(evaluation.definitions, _ITERATION, 4096):
                evaluation.error("$IterationLimit", "itlim", before - 1)
            evaluation.iteration_count = before + 1
            try:
                return result.evaluate(evaluation)
            finally:
                evaluation.iteration_count = before
        return self

    Symbol.evaluate = evaluate


def _correct_expressions() -> None:
    traced_evaluate, traced_step = Expression.evaluate, Expression.rewrite_apply_eval_step

    def evaluate(self: Any, evaluation: Any) -> Any:
        if _traced():
            return traced_evaluate(self, evaluation)
        if evaluation.timeout:
            return None
        definitions = evaluation.definitions
        cache = self._cache
        if cache is not None and cache.time is not None and not self.is_uncertain_final_definitions(definitions):
            return self
        options, depth = evaluation.options, evaluation.recursion_depth
        evaluation.inc_recursion_depth()
        expr: Any = self
        seen = []
        try:
            while True:
                if expr.options:
                    evaluation.options = expr.options
                seen.append(expr)
                expr, again = expr.rewrite_apply_eval_step(evaluation)
                if not again:
                    return expr
                kind = _KINDS[type(expr)]
                if kind != _CALL:
                    return expr if kind == _ATOM else expr.evaluate(evaluation)
                cache = expr._cache
                if cache is not None and cache.time is not None and not expr.is_uncertain_final_definitions(definitions):
                    return expr
                if len(seen) > 20 and len(seen) >= _limit(definitions, _ITERATION, 4096):
                    evaluation.error("$IterationLimit", "itlim", len(seen))
        except ReturnInterrupt as returned:
            # Return ends the rule of a user's function.
            if any(each.get_lookup_name() in definitions.user for each in seen):
                return returned.expr
            raise
        finally:
            evaluation.options = options
            evaluation.recursion_depth = depth

    def step(self: Any, evaluation: Any) -> tuple[Any, bool]:
        elements = self._elements
        for element in elements:
            if type(element) is Expression and element._head is _UNEVALUATED:
                return traced_step(self, evaluation)
        if tracing.trace_evaluate_on_call is not None or tracing.trace_evaluate_on_return is not None:
            return traced_step(self, evaluation)
        return _step(self, elements, evaluation)

    Expression.evaluate = evaluate
    Expression.rewrite_apply_eval_step = step


def _step(self: Any, elements: Any, evaluation: Any) -> tuple[Any, bool]:
    definitions = evaluation.definitions
    head = self._head
    if type(head) is Symbol:
        definition = definitions.get_definition(head.name)
        attributes = definition.attributes
        if definition.ownvalues:
            head = head.evaluate(evaluation) or head
            attributes = head.get_attributes(definitions)
    else:
        if _KINDS[type(head)] != _ATOM:
            head = head.evaluate(evaluation) or head
        attributes = head.get_attributes(definitions)

    found = _evaluated(elements, attributes, evaluation)
    if not attributes & (A_SEQUENCE_HOLD | A_HOLD_ALL_COMPLETE):
        for element in found:
            if type(element) is Expression and element._head is _SEQUENCE:
                found = _spliced(found)
                break
    new = ListExpression(*found) if head is SymbolList else Expression(head, *found)
    location = getattr(self, "location", None)
    if location is not None:
        new.location = location
    if head is SymbolList:
        return new.rewrite_apply_eval_step(evaluation)
    if attributes & A_FLAT:
        for element in found:
            if _KINDS[type(element)] == _CALL and element._head is head:
                new = new.flatten_with_respect_to_head(head)
                break
    if attributes & A_ORDERLESS and len(new._elements) > 1:
        ordered = list(new._elements)
        if head is SymbolPlus or head is SymbolTimes:
            ordered = sorted_terms(ordered)
        else:
            ordered.sort()
        new._elements = tuple(ordered)
    new._cache = ExpressionCache(definitions.now)

    if attributes & A_LISTABLE:
        for element in new._elements:
            if _KINDS[type(element)] == _CALL and element._head is SymbolList:
                done, threaded = new.thread(evaluation)
                if done:
                    return threaded, not threaded.sameQ(new)
                break

    if not attributes & A_HOLD_ALL_COMPLETE:
        done = None
        for element in new._elements:
            kind = _KINDS[type(element)]
            if kind == _ATOM:
                continue
            name = element.name if kind == _SYMBOL else element.get_lookup_name()
            if name == done:
                continue
            done = name
            rules = definitions.get_definition(name).upvalues if name else None
            if rules and (found := _applied(rules, new, evaluation)) is not None:
                return found
    if _KINDS[type(head)] == _SYMBOL:
        rules = definitions.get_definition(head.name).downvalues
    else:
        rules = definitions.get_definition(new.get_lookup_name()).subvalues
    if rules and (found := _applied(rules, new, evaluation)) is not None:
        return found
    new._cache = ExpressionCache(definitions.now)
    return new, False


def _applied(rules: Any, new: Any, evaluation: Any) -> tuple[Any, bool] | None:
    """Return what the first rule that applies gives, and whether to evaluate it; None for none."""
    for rule in rules:
        try:
            result = rule.apply(new, evaluation, fully=False)
        except OverflowError:
            evaluation.message("General", "ovfl")
            return Expression(_OVERFLOW), False
        if result is None:
            continue
        if _KINDS[type(result)] == _ATOM:
            return result, False
        if result is new or result.sameQ(new):
            if _KINDS[type(result)] == _CALL:
                result._timestamp_cache(evaluation)
            return result, False
        return result, result is not _ABORTED
    return None


def _evaluated(elements: Any, attributes: int, evaluation: Any) -> Any:
    """Return the elements, those evaluated that are not held."""
    held = attributes & _HOLDS
    found: list[Any] | None = None
    for index, element in enumerate(elements):
        kind = _KINDS[type(element)]
        if kind == _ATOM:
            continue
        if (
            held
            and (held & _HOLDS_ALL or (index == 0 if held & A_HOLD_FIRST else index > 0))
            and (held & A_HOLD_ALL_COMPLETE or kind != _CALL or element._head is not _EVALUATE)
        ):
            continue
        value = element.evaluate(evaluation)
        if value is element or value is None:
            continue
        if found is None:
            found = list(elements)
        if type(value) is Expression and value._head is _UNEVALUATED and len(value._elements) == 1:
            value = value._elements[0]
        found[index] = value
    return elements if found is None else found


def _spliced(elements: Any) -> list[Any]:
    found: list[Any] = []
    for element in elements:
        if type(element) is Expression and element._head is _SEQUENCE:
            found.extend(element._elements)
        else:
            found.append(element)
    return found


def _correct_lists() -> None:
    their_properties = Expression._build_elements_properties

    def step(self: Any, evaluation: Any) -> tuple[Any, bool]:
        if self._is_literal:
            return self, False
        elements = self._elements
        found: list[Any] | None = None
        special = False
        for index, element in enumerate(elements):
            if _KINDS[type(element)] == _ATOM:
                continue
            if type(element) is Expression and element._head is _UNEVALUATED:
                continue
            value = element.evaluate(evaluation)
            if value is None:
                continue
            if value is _NOTHING or (type(value) is Expression and (value._head is _SEQUENCE or value._head is _SPLICE)):
                special = True
            if value is not element:
                if found is None:
                    found = list(elements)
                found[index] = value
        if found is None and not special:
            new = self
        else:
            new = ListExpression(*(_without_nothing(found or elements) if special else found or elements))
        new._cache = ExpressionCache(evaluation.definitions.now, copy=new._cache if new is self else None)
        return new, False

    def build(self: Any) -> None:
        elements = self._elements
        kinds = set(map(type, elements))
        if len(kinds) != 1 or not kinds <= {Integer, String}:
            their_properties(self)
            return
        values = [element.value for element in elements]
        ordered = kinds == {Integer} and all(map(int.__le__, values, values[1:]))
        self.elements_properties = ElementsProperties(True, True, ordered, True)

    def literal(elements: Any) -> bool:
        kinds = set(map(type, elements)) - ATOMS
        return not kinds or all(each.is_literal for each in elements if type(each) in kinds)

    def make(self: Any, *elements: Any, elements_properties: Any = None, literal_values: Any = None) -> None:
        self.options = None
        self.pattern_sequence = False
        self._head = SymbolList
        self._sympy = None
        self._elements = elements
        self._values = literal_values
        self._is_literal = literal_values is not None or literal(elements)
        self.elements_properties = elements_properties
        self._sequences = None
        self._cache = None

    ListExpression.__init__ = make
    ListExpression.value = property(_values_of, _set_values)
    ListExpression.rewrite_apply_eval_step = step
    Expression._build_elements_properties = build


def _values_of(self: Any) -> Any:
    """Return the value in Python of a list of literals, made when it is first asked for."""
    if not self._is_literal:
        raise AttributeError("value")
    if self._values is None:
        self._values = tuple(each.value for each in self._elements)
    return self._values


def _set_values(self: Any, values: Any) -> None:
    self._values = values


def _without_nothing(elements: Any) -> list[Any]:
    found: list[Any] = []
    for element in _spliced(elements):
        if element.has_form("Splice", 1) and element._elements[0].get_head() is SymbolList:
            found.extend(element._elements[0]._elements)
        elif element is not _NOTHING:
            found.append(element)
    return found

"""The association: an expression that holds keys and values, and is not evaluated again.

``Association[...]`` evaluates once, to an :class:`AssociationExpression`. From then on it is an
atom of the language: its keys and values stay as they are, and finding a key takes the same time
however many keys there are. It never changes; what seems to change one makes another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mathics.core.atoms import Complex, Integer, MachineReal, PrecisionReal, Rational, String
from mathics.core.element import ElementsProperties
from mathics.core.expression import Expression, ExpressionCache
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol
from mathics.core.systemsymbols import SymbolAssociation, SymbolRule, SymbolRuleDelayed

__all__ = [
    "AssociationExpression",
    "as_association",
    "as_rules",
    "association_of",
    "is_rule",
    "key_of",
    "missing",
    "rule",
    "without_key",
]

_NOTHING = Symbol("System`Nothing")
_KEY, _MISSING, _SEQUENCE = Symbol("System`Key"), Symbol("System`Missing"), Symbol("System`Sequence")
_KEY_ABSENT = String("KeyAbsent")
_SLOTS = frozenset({"System`Slot", "System`SlotSequence"})


def key_of(expr: Any) -> Any:
    """Return a hashable value that is the same for keys that are the same."""
    kind = type(expr)
    if kind is String:
        return expr.value
    if kind is Symbol:
        return (Symbol, expr.name)
    if kind is Integer or kind is MachineReal:
        return (kind, expr.value)
    if kind is Complex:
        return (kind, key_of(expr.real), key_of(expr.imag))
    if kind is Rational or kind is PrecisionReal:
        return (kind, expr.value)
    if isinstance(expr, Expression):
        return (Expression, key_of(expr.head), *map(key_of, expr.elements))
    if isinstance(expr, Symbol):
        return (Symbol, expr.name)
    return (kind, expr)


def is_rule(expr: Any) -> bool:
    """Tell whether an expression is a rule of two elements, delayed or not."""
    if not isinstance(expr, Expression) or len(expr.elements) != 2:
        return False
    return expr.head is SymbolRule or expr.head is SymbolRuleDelayed


def rule(key: Any, value: Any) -> Any:
    """Return ``key -> value``."""
    return Expression(SymbolRule, key, value)


def missing(key: Any) -> Any:
    """Return what stands for the value of a key that there is none of."""
    return Expression(_MISSING, _KEY_ABSENT, key)


def without_key(spec: Any) -> Any:
    """Return the key that ``Key[key]`` stands for; anything else as it is."""
    if isinstance(spec, Expression) and spec.head is _KEY and len(spec.elements) == 1:
        return spec.elements[0]
    return spec


class AssociationExpression(Expression):
    """Hold rules with different keys, in order."""

    def __init__(self, rules: Iterable[Any] = ()) -> None:
        """Make an association.

        Args:
            rules: expressions with the head Rule or RuleDelayed and two evaluated elements. Their
                keys are different.
        """
        super().__init__(SymbolAssociation, *rules)
        self.elements_properties = ElementsProperties()
        self._index: dict[Any, int] | None = None
        self._symbols: frozenset[str] | None = None

    def __getnewargs__(self) -> tuple[Any, ...]:
        return ()

    @property
    def is_literal(self) -> bool:
        """Say that this has no value in Python."""
        return False

    @property
    def keys(self) -> list[Any]:
        """Return the keys."""
        return [each.elements[0] for each in self._elements]

    @property
    def values(self) -> list[Any]:
        """Return the values."""
        return [each.elements[1] for each in self._elements]

    def index(self, key: Any) -> int | None:
        """Return the place of a key, counted from 0; None if there is no such key."""
        if self._index is None:
            self._index = {key_of(each.elements[0]): place for place, each in enumerate(self._elements)}
        return self._index.get(key_of(key))

    def get(self, key: Any) -> Any | None:
        """Return the value of a key, None if there is no such key."""
        place = self.index(key)
        return None if place is None else self._elements[place].elements[1]

    def with_rule(self, new: Any) -> AssociationExpression:
        """Return this with a rule in the place of the one with its key, or at the end."""
        place = self.index(new.elements[0])
        if place is None:
            made = AssociationExpression((*self._elements, new))
            made._index = {**(self._index or {}), key_of(new.elements[0]): len(self._elements)}
        else:
            made = AssociationExpression((*self._elements[:place], new, *self._elements[place + 1 :]))
            made._index = self._index
        if self._symbols is not None:
            # A symbol too many does no harm.
            made._symbols = self._symbols | _symbols_of(new)
        return made

    def with_values(self, values: Sequence[Any]) -> AssociationExpression:
        """Return this with other values of its keys; a value ``Nothing`` takes its key away."""
        made = AssociationExpression(
            rule(old.elements[0], value)
            for old, value in zip(self._elements, values, strict=True)
            if value is not _NOTHING
        )
        if len(made._elements) == len(self._elements):
            made._index = self._index
        return made

    def mapped(self, function: Callable[[Any, Any], Any], evaluation: Any) -> AssociationExpression:
        """Return this with the evaluated ``function(value, key)`` for each value."""
        return self.with_values(
            [function(each.elements[1], each.elements[0]).evaluate(evaluation) for each in self._elements]
        )

    def picked(self, places: Iterable[int]) -> AssociationExpression:
        """Return the rules at these places."""
        return AssociationExpression(self._elements[place] for place in places)

    # What Mathics3 asks of an expression that is evaluated, or taken apart to be put together.

    def evaluate(self, evaluation: Any) -> Any:
        """Return this."""
        return self

    def rewrite_apply_eval_step(self, evaluation: Any) -> tuple[Any, bool]:
        """Return this, which is the end of its evaluation."""
        return self, False

    def is_uncertain_final_definitions(self, definitions: Any) -> bool:
        """Say that no definition changes this."""
        return False

    def copy(self, reevaluate: bool = False) -> Any:
        """Return this: nobody changes it."""
        return self

    shallow_copy = copy

    def flatten_sequence(self, evaluation: Any) -> Any:
        """Return this, in which sequences stay."""
        return self

    flatten_pattern_sequence = flatten_sequence

    def restructure(self, head: Any, elements: Any, evaluation: Any, structure_cache: Any = None, deps: Any = None) -> Any:
        """Return an expression, which is to be evaluated."""
        return Expression(head, *elements)

    def sequences(self) -> Any:
        """Return the places of sequences: none."""
        return []

    def symbols(self) -> frozenset[str]:
        """Return the names of the symbols in this, and perhaps of some that are not."""
        if self._symbols is None:
            self._symbols = frozenset({SymbolAssociation.name}).union(*map(_symbols_of, self._elements))
        return self._symbols

    def _rebuild_cache(self) -> Any:
        return ExpressionCache(None, set(self.symbols()), [])

    def clear_cache(self) -> None:
        """Do nothing: this has no cache."""

    def _timestamp_cache(self, evaluation: Any) -> None:
        pass

    def replace_vars(self, vars: Any, options: Any = None, in_scoping: bool = True, in_function: bool = True) -> Any:
        """Return this with symbols replaced, which is to be evaluated."""
        if self.symbols().isdisjoint(vars):
            return self
        return super().replace_vars(vars, options, in_scoping, in_function)

    def replace_slots(self, slots: Any, evaluation: Any) -> Any:
        """Return this with slots filled, which is to be evaluated."""
        if self.symbols().isdisjoint(_SLOTS):
            return self
        return super().replace_slots(slots, evaluation)

    def do_apply_rules(self, rules: Any, evaluation: Any, level: int = 0, options: Any = None) -> tuple[Any, bool]:
        """Apply rules to this, or to its values; not to its keys."""
        if options is None:
            for each in rules:
                result = each.apply(self, evaluation, fully=False)
                if result is not None:
                    return result, True
        changed = False
        values = []
        for value in self.values:
            new, applied = value.do_apply_rules(rules, evaluation, level + 1, options)
            changed = changed or applied
            values.append(new.evaluate(evaluation) if applied else value)
        result = self.with_values(values) if changed else self
        if options is None:
            return result, changed
        low, high = options["levelspec"]
        if level >= low and (high is None or level <= high):
            for each in rules:
                found = each.apply(result, evaluation, fully=False)
                if found is not None:
                    return found, True
        return result, changed

    def equal2(self, rhs: Any) -> bool | None:
        """Tell whether this is equal to another; None if that is not known."""
        if self.sameQ(rhs):
            return True
        if not isinstance(rhs, AssociationExpression):
            return None
        if len(rhs.elements) != len(self._elements) or any(
            key_of(mine) != key_of(theirs) for mine, theirs in zip(self.keys, rhs.keys, strict=True)
        ):
            return False
        equal: bool | None = True
        for mine, theirs in zip(self.values, rhs.values, strict=True):
            same = mine.equal2(theirs)
            if same is False:
                return False
            equal = equal if same else None
        return equal


def _symbols_of(expr: Any) -> frozenset[str]:
    if isinstance(expr, AssociationExpression):
        return expr.symbols()
    if isinstance(expr, Expression):
        return _symbols_of(expr.head).union(*map(_symbols_of, expr.elements))
    return frozenset({expr.name}) if isinstance(expr, Symbol) else frozenset()


def association_of(rules: Iterable[Any]) -> AssociationExpression:
    """Return the association of evaluated rules: of equal keys the last value, at the first place.

    Rules to ``Nothing`` are left out.
    """
    found: dict[Any, Any] = {}
    for each in rules:
        found[key_of(each.elements[0])] = each
    kept = [each for each in found.values() if each.elements[1] is not _NOTHING or each.head is SymbolRuleDelayed]
    made = AssociationExpression(kept)
    if len(kept) == len(found):
        made._index = {key: place for place, key in enumerate(found)}
    return made


def as_association(expr: Any) -> AssociationExpression | None:
    """Return an expression as an association, None if it is none."""
    if isinstance(expr, AssociationExpression):
        return expr
    if isinstance(expr, Expression) and expr.head is SymbolAssociation and all(map(is_rule, expr.elements)):
        return association_of(expr.elements)
    return None


def as_rules(expr: Any) -> AssociationExpression | None:
    """Return an association or a list of rules (of any depth) as an association, None for others.

    Of a list's rules with equal keys the first counts.
    """
    if not isinstance(expr, ListExpression):
        return as_association(expr)
    found: dict[Any, Any] = {}
    for each in expr.elements:
        inner = [each] if is_rule(each) else as_rules(each)
        if inner is None:
            return None
        for one in inner if isinstance(inner, list) else inner.elements:
            found.setdefault(key_of(one.elements[0]), one)
    return AssociationExpression(found.values())

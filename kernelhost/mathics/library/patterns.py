"""Pattern objects that Mathics3 lacks.

``KeyValuePattern`` matches an association, or a list of rules, that has rules for each of its
patterns, in any order. ``PatternSequence`` matches a sequence of elements,
``OrderlessPatternSequence`` one in any order. Both may be repeated, ``PatternSequence[1, 2] ..``.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any, ClassVar

from mathics.core.builtin import PatternObject
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.pattern import BasePattern, pattern_objects
from mathics.core.symbols import Symbol

__all__ = ["add_patterns", "correct_repeated"]

_RULES = ("System`Rule", "System`RuleDelayed")
_RULE, _SEQUENCE = Symbol("System`Rule"), Symbol("System`Sequence")


class KeyValuePattern(PatternObject):
    """Match associations and lists of rules by some of their keys and values."""

    context = "System`"
    arg_counts: ClassVar[Any] = [1]
    summary_text = "match associations with given keys and values"

    def init(self, expr: Any, evaluation: Any = None) -> None:
        """Make the patterns of the rules."""
        super().init(expr, evaluation=evaluation)
        rules = expr.elements[0]
        given = rules.elements if rules.get_head_name() in ("System`List", "System`Association") else (rules,)
        # A delayed rule matches as well.
        self.patterns = [
            BasePattern.create(Expression(_RULE, *each.elements) if each.get_head_name() in _RULES else each, evaluation=evaluation)
            for each in given
        ]

    def match(self, expression: Any, pattern_context: dict[str, Any]) -> None:
        """Find rules for the patterns one after the other, in each way there is."""
        if not isinstance(expression, Expression) or expression.get_head_name() not in ("System`List", "System`Association"):
            return
        rules = [each for each in expression.elements if each.get_head_name() in _RULES]
        if len(rules) < len(expression.elements):
            return
        rules = [each if each.head is _RULE else Expression(_RULE, *each.elements) for each in rules]
        yield_func = pattern_context["yield_func"]

        def go_on(at: int, vars_dict: dict[str, Any]) -> None:
            if at == len(self.patterns):
                yield_func(vars_dict, None)
                return

            def found(new_vars: dict[str, Any], _: Any) -> None:
                go_on(at + 1, new_vars)

            for each in rules:
                self.patterns[at].match(each, {**pattern_context, "yield_func": found, "vars_dict": vars_dict})

        go_on(0, pattern_context["vars_dict"])


class PatternSequence(PatternObject):
    """Match a sequence of elements by a sequence of patterns."""

    context = "System`"
    arg_counts: ClassVar[Any] = None
    summary_text = "match a sequence by a sequence of patterns"

    def init(self, expr: Any, evaluation: Any = None) -> None:
        """Make the patterns, and one of a list of them."""
        super().init(expr, evaluation=evaluation)
        self.whole = BasePattern.create(ListExpression(*expr.elements), evaluation=evaluation)

    def _orders(self, elements: Any) -> Any:
        return [elements]

    def match(self, expression: Any, pattern_context: dict[str, Any]) -> None:
        """Match a sequence, or a single element."""
        for elements in self._orders(expression.get_sequence()):
            self.whole.match(ListExpression(*elements), {**pattern_context, "fully": True})

    def get_match_count(self, vars_dict: Any = None) -> tuple[int, int | None]:
        """Return the least and the largest number of elements; None for any number."""
        counts = [each.get_match_count(vars_dict) for each in self.elements]
        largest = [most for _, most in counts]
        return sum(least for least, _ in counts), None if None in largest else sum(largest)


class OrderlessPatternSequence(PatternSequence):
    """Match a sequence of elements by patterns in any order."""

    summary_text = "match a sequence by patterns in any order"

    def _orders(self, elements: Any) -> Any:
        return permutations(elements)


def correct_repeated() -> None:
    """Let a pattern of a sequence be repeated; Mathics3 repeats patterns of one element only."""
    from mathics.builtin.patterns.composite import Repeated

    their_match, their_count = Repeated.match, Repeated.get_match_count

    def match(self: Any, expression: Any, pattern_context: dict[str, Any]) -> None:
        if not _takes_sequences(self.expr.elements[0]):
            their_match(self, expression, pattern_context)
            return
        elements = expression.get_sequence()
        least, most = self.pattern.get_match_count(pattern_context["vars_dict"])

        def go_on(at: int, times: int, vars_dict: dict[str, Any]) -> None:
            if at == len(elements) and times >= self.min:
                pattern_context["yield_func"](vars_dict, None)
            if times == self.max:
                return
            last = len(elements) if most is None else min(len(elements), at + most)
            for end in range(at + max(least, 1), last + 1):
                part = elements[at] if end == at + 1 else Expression(_SEQUENCE, *elements[at:end])

                def found(new_vars: dict[str, Any], _: Any, end: int = end) -> None:
                    go_on(end, times + 1, new_vars)

                self.pattern.match(part, {**pattern_context, "yield_func": found, "vars_dict": vars_dict})

        go_on(0, 0, pattern_context["vars_dict"])

    def get_match_count(self: Any, vars_dict: Any = None) -> Any:
        if not _takes_sequences(self.expr.elements[0]):
            return their_count(self, vars_dict)
        return self.min * self.pattern.get_match_count(vars_dict)[0], None

    Repeated.match, Repeated.get_match_count = match, get_match_count


def _takes_sequences(pattern: Any) -> bool:
    """Tell whether a pattern has a ``PatternSequence`` that stands for what it matches."""
    while pattern.has_form(("Condition", "PatternTest", "HoldPattern", "Pattern"), None) and pattern.elements:
        pattern = pattern.elements[-1 if pattern.has_form("Pattern", 2) else 0]
    if pattern.has_form("Alternatives", None):
        return any(map(_takes_sequences, pattern.elements))
    return bool(pattern.has_form(("PatternSequence", "OrderlessPatternSequence"), None))


def add_patterns(definitions: Any) -> None:
    """Make the pattern objects known, and their symbols."""
    for kind in (KeyValuePattern, PatternSequence, OrderlessPatternSequence):
        instance = kind(expression=False)
        pattern_objects[instance.get_name()] = kind
        instance.contribute(definitions)

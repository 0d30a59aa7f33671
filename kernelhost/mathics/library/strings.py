"""String functions that take patterns: rules with named parts, conditions, groups, splitting.

Mathics3 turns a string pattern into a regular expression. It has no delayed rules, no conditions
and tests in string patterns, and no ``$1``, and drops every empty field in ``StringSplit``. Here
the regular expression is asked where it matches, and tests decide; where one fails, shorter matches
at the same place are tried.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Iterator
from typing import Any

from mathics.core.atoms import Integer, String
from mathics.core.convert.regex import to_regex
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.native import Native, define

__all__ = ["install_strings"]

_RULES = (Symbol("System`Rule"), Symbol("System`RuleDelayed"))
_TEST, _CONDITION, _PATTERN = (Symbol(f"System`{name}") for name in ("PatternTest", "Condition", "Pattern"))
_EXPRESSION, _ALL, _IGNORE_CASE = (Symbol(f"System`{name}") for name in ("StringExpression", "All", "IgnoreCase"))
#: ``$1`` in what takes the place of a match.
_GROUP = re.compile(r"\$(\d)")


class _Unknown(Exception):
    """Say that an argument is not for the functions here."""


class _Form:
    """A string pattern: a regular expression, and tests of what its names match."""

    def __init__(self, pattern: Any, ignore_case: bool) -> None:
        self.tests: list[tuple[str, Any]] = []
        self.conditions: list[Any] = []
        text = to_regex(self._plain(pattern))
        if text is None:
            raise _Unknown
        self.regex = re.compile(text, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
        self.has_tests = bool(self.tests or self.conditions)

    def _plain(self, pattern: Any) -> Any:
        """Return a pattern without tests and conditions, which are kept."""
        if not isinstance(pattern, Expression):
            return pattern
        if pattern.head is _CONDITION and len(pattern.elements) == 2:
            self.conditions.append(pattern.elements[1])
            return self._plain(pattern.elements[0])
        if pattern.head is _TEST and len(pattern.elements) == 2:
            inner, test = pattern.elements
            inner = self._plain(inner)
            if inner.get_head() is not _PATTERN:
                inner = Expression(_PATTERN, Symbol(f"kernelbus`test{len(self.tests)}"), inner)
            self.tests.append((inner.elements[0].name, test))
            return inner
        return Expression(pattern.head, *map(self._plain, pattern.elements))

    def bound(self, match: re.Match[str]) -> dict[str, Any]:
        """Return what the names of the pattern stand for."""
        return {
            unhexlify(name[1:]).decode(): String(value) for name, value in match.groupdict().items() if value is not None
        }

    def _holds(self, match: re.Match[str], evaluation: Any) -> bool:
        names = self.bound(match)
        for name, test in self.tests:
            for character in names[name].value if name in names else "":
                if Expression(test, String(character)).evaluate(evaluation) is not SymbolTrue:
                    return False
        return all(each.replace_vars(names).evaluate(evaluation) is SymbolTrue for each in self.conditions)

    def search(self, text: str, start: int, evaluation: Any) -> re.Match[str] | None:
        """Return the first match at or behind a place, the longest there."""
        while start <= len(text):
            found = self.regex.search(text, start)
            if found is None or not self.has_tests or self._holds(found, evaluation):
                return found
            for end in range(found.end() - 1, found.start(), -1):
                shorter = self.regex.fullmatch(text, found.start(), end)
                if shorter is not None and self._holds(shorter, evaluation):
                    return shorter
            start = found.start() + 1
        return None

    def matches(self, text: str, evaluation: Any) -> bool:
        """Tell whether the pattern matches the whole text."""
        found = self.regex.fullmatch(text)
        return found is not None and self._holds(found, evaluation)


class _Rule:
    """What to look for, and what takes its place; None for the match itself."""

    def __init__(self, rule: Any, ignore_case: bool) -> None:
        self.value: Any = None
        self.groups = False
        pattern = rule
        if isinstance(rule, Expression) and rule.head in _RULES and len(rule.elements) == 2:
            pattern, self.value = rule.elements
            self.groups = pattern.has_form("RegularExpression", 1)
        self.form = _Form(pattern, ignore_case)

    def made(self, match: re.Match[str], evaluation: Any) -> Any:
        """Return what takes the place of a match."""
        if self.value is None:
            return String(match.group())
        value = self.value.replace_vars(self.form.bound(match)) if not isinstance(self.value, String) else self.value
        if self.groups:
            value = _with_groups(value, match)
        return value.evaluate(evaluation)


def _with_groups(value: Any, match: re.Match[str]) -> Any:
    """Put the groups of a match for ``$0`` to ``$9`` in strings."""
    if isinstance(value, String):
        count = len(match.groups())
        return String(
            _GROUP.sub(lambda each: (match.group(int(each[1])) or "") if int(each[1]) <= count else each[0], value.value)
        )
    if isinstance(value, Expression):
        return Expression(value.head, *(_with_groups(each, match) for each in value.elements))
    return value


def _found(
    text: str, rules: list[_Rule], limit: int | None, evaluation: Any
) -> Iterator[tuple[re.Match[str], _Rule]]:
    """Yield the matches from left to right, at each place that of the first rule that has one."""
    start = 0
    ahead: dict[int, re.Match[str] | None] = {}
    while limit is None or limit > 0:
        best: tuple[int, int] | None = None
        for index, rule in enumerate(rules):
            match = ahead.get(index)
            if index not in ahead or (match is not None and match.start() < start):
                match = ahead[index] = rule.form.search(text, start, evaluation)
            if match is not None and (best is None or match.start() < best[0]):
                best = match.start(), index
        if best is None:
            return
        match = ahead.pop(best[1])
        assert match is not None
        yield match, rules[best[1]]
        start = match.end() if match.end() > match.start() else match.end() + 1
        if limit is not None:
            limit -= 1


def _arguments(expression: Any, most: int) -> tuple[list[Any], bool]:
    """Return the arguments without options, and whether case is ignored.

    Raises:
        _Unknown: there are other options, or not as many arguments.
    """
    elements = list(expression.elements)
    ignore_case = False
    while len(elements) > 2 and isinstance(elements[-1], Expression) and elements[-1].head in _RULES:
        option = elements.pop()
        if option.elements[0] is not _IGNORE_CASE:
            raise _Unknown
        ignore_case = option.elements[1] is SymbolTrue
    if not 2 <= len(elements) <= most:
        raise _Unknown
    return elements, ignore_case


def _limit(elements: list[Any]) -> int | None:
    if len(elements) < 3 or elements[2].has_form("DirectedInfinity", 1):
        return None
    if isinstance(elements[2], Integer) and elements[2].value >= 0:
        return int(elements[2].value)
    raise _Unknown


def _each(source: Any, one: Any) -> Any:
    """Return ``one(text)`` of a string, or of each string in a list."""
    if isinstance(source, String):
        return one(source.value)
    if isinstance(source, ListExpression):
        return ListExpression(*(_each(each, one) for each in source.elements))
    raise _Unknown


def _rules_of(spec: Any, ignore_case: bool) -> list[_Rule]:
    return [_Rule(each, ignore_case) for each in (spec.elements if isinstance(spec, ListExpression) else (spec,))]


def _joined(parts: list[Any]) -> Any:
    """Join strings; what are none stay apart in a ``StringExpression``."""
    found: list[Any] = []
    for part in parts:
        if isinstance(part, String) and found and isinstance(found[-1], String):
            found[-1] = String(found[-1].value + part.value)
        elif not isinstance(part, String) or part.value:
            found.append(part)
    if not found:
        return String("")
    return found[0] if len(found) == 1 else Expression(_EXPRESSION, *found)


def _guarded(function: Native) -> Native:
    def apply(expression: Any, evaluation: Any) -> Any:
        try:
            return function(expression, evaluation)
        except _Unknown:
            return None

    return apply


@_guarded
def _replace(expression: Any, evaluation: Any) -> Any:
    elements, ignore_case = _arguments(expression, 3)
    rules, limit = _rules_of(elements[1], ignore_case), _limit(elements)
    if any(rule.value is None for rule in rules):
        return None

    def one(text: str) -> Any:
        parts: list[Any] = []
        at = 0
        for match, rule in _found(text, rules, limit, evaluation):
            parts += [String(text[at : match.start()]), rule.made(match, evaluation)]
            at = match.end()
        return _joined([*parts, String(text[at:])])

    return _each(elements[0], one)


@_guarded
def _cases(expression: Any, evaluation: Any) -> Any:
    elements, ignore_case = _arguments(expression, 3)
    rules, limit = _rules_of(elements[1], ignore_case), _limit(elements)
    return _each(
        elements[0],
        lambda text: ListExpression(
            *(rule.made(match, evaluation) for match, rule in _found(text, rules, limit, evaluation))
        ),
    )


@_guarded
def _split(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) == 1:
        return _each(expression.elements[0], lambda text: ListExpression(*map(String, text.split())))
    elements, ignore_case = _arguments(expression, 3)
    rules = _rules_of(elements[1], ignore_case)
    keep_all = len(elements) == 3 and elements[2] is _ALL
    pieces = None if keep_all else _limit(elements)
    empty = isinstance(elements[1], String) and not elements[1].value

    def one(text: str) -> Any:
        if empty:
            return ListExpression(*map(String, text))
        found: list[Any] = []
        at = 0
        for match, rule in _found(text, rules, None, evaluation):
            if match.end() == match.start():
                continue
            if pieces is not None and sum(isinstance(each, String) for each in found) >= pieces - 1:
                break
            if not found and match.start() == 0 and not keep_all and rule.value is None:
                at = match.end()
                continue
            found.append(String(text[at : match.start()]))
            if rule.value is not None:
                found.append(rule.made(match, evaluation))
            at = match.end()
        found.append(String(text[at:]))
        if not keep_all:
            while found and isinstance(found[-1], String) and not found[-1].value:
                found.pop()
            while found and isinstance(found[0], String) and not found[0].value:
                found.pop(0)
        return ListExpression(*found)

    return _each(elements[0], one)


def _asking(name: str) -> Native:
    """Return the function of ``StringMatchQ`` and its like, for patterns with tests alone."""

    @_guarded
    def apply(expression: Any, evaluation: Any) -> Any:
        elements, ignore_case = _arguments(expression, 2)
        forms = [rule.form for rule in _rules_of(elements[1], ignore_case)]
        if not any(form.has_tests for form in forms):
            return None

        def one(text: str) -> Any:
            if name == "StringMatchQ":
                found = any(form.matches(text, evaluation) for form in forms)
            else:
                found = any(form.search(text, 0, evaluation) for form in forms)
            return SymbolTrue if found != (name == "StringFreeQ") else SymbolFalse

        return _each(elements[0], one)

    return apply


def install_strings(definitions: Any) -> None:
    """Give the functions of string patterns their values, before all others."""
    define(definitions, "StringReplace", _replace)
    define(definitions, "StringCases", _cases)
    define(definitions, "StringSplit", _split)
    for name in ("StringMatchQ", "StringContainsQ", "StringFreeQ"):
        define(definitions, name, _asking(name))

"""Pad strings and join them: ``StringPadLeft``, ``StringPadRight``, ``StringRiffle``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mathics.core.atoms import Integer, String
from mathics.core.list import ListExpression

from kernelbus.kernelhost.mathics.native import call, define

__all__ = ["install_joining", "padded"]


def padded(text: str, length: int, padding: str, left: bool) -> str:
    """Return a text of a given length: cut, or filled up with a padding that is repeated.

    The padding lies as if it filled the whole length: its end is at the end on the left, its
    beginning at the beginning on the right.
    """
    if length <= len(text):
        return text[len(text) - length :] if left else text[:length]
    fill = padding * (length // len(padding) + 1)
    return fill[len(fill) - length : len(fill) - len(text)] + text if left else text + fill[len(text) : length]


def _pad(left: bool) -> Callable[[Any, Any], Any]:
    def apply(expression: Any, evaluation: Any) -> Any:
        elements = expression.elements
        if not 1 <= len(elements) <= 3:
            return None
        texts = elements[0].elements if isinstance(elements[0], ListExpression) else elements[:1]
        if not all(isinstance(each, String) for each in (*texts, *elements[2:])):
            return None
        padding = elements[2].value if len(elements) == 3 else " "
        if not padding:
            return None
        if len(elements) == 1:
            length = max((len(each.value) for each in texts), default=0)
        elif isinstance(elements[1], Integer) and elements[1].value >= 0:
            length = elements[1].value
        else:
            return None
        found = [String(padded(each.value, length, padding, left)) for each in texts]
        return ListExpression(*found) if isinstance(elements[0], ListExpression) else found[0]

    return apply


def _separator(spec: Any) -> tuple[str, str, str] | None:
    """Return what is before, between and after the parts; None for what is no separator."""
    if isinstance(spec, String):
        return "", spec.value, ""
    if spec.has_form("List", 3) and all(isinstance(each, String) for each in spec.elements):
        before, between, after = (each.value for each in spec.elements)
        return before, between, after
    return None


def _depth(expr: Any) -> int:
    return 1 + max(map(_depth, expr.elements), default=0) if isinstance(expr, ListExpression) else 0


def _riffle(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    if not elements or not isinstance(elements[0], ListExpression):
        return None
    given = [_separator(each) for each in elements[1:]]
    separators = [each for each in given if each is not None]
    if len(separators) < len(given):
        return None
    if not separators:
        # Words, lines, paragraphs.
        depth = _depth(elements[0])
        separators = [("", "\n" * (depth - 1 - level) if level < depth - 1 else " ", "") for level in range(depth)]
    return String(_riffled(elements[0], separators, evaluation))


def _riffled(expr: Any, separators: Sequence[tuple[str, str, str]], evaluation: Any) -> str:
    if not separators or not isinstance(expr, ListExpression):
        if isinstance(expr, String):
            return str(expr.value)
        found = call("ToString", expr).evaluate(evaluation)
        return str(found.value) if isinstance(found, String) else ""
    before, between, after = separators[0]
    return before + between.join(_riffled(each, separators[1:], evaluation) for each in expr.elements) + after


def install_joining(definitions: Any) -> None:
    """Define the functions."""
    define(definitions, "StringPadLeft", _pad(left=True), replace=True)
    define(definitions, "StringPadRight", _pad(left=False), replace=True)
    define(definitions, "StringRiffle", _riffle)

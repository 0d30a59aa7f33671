"""Give messages the texts and the arguments that the language documents.

* ``Thread::tdlen`` and ``StringJoin::string`` name the expression, ``Inverse::sing`` the matrix.
* ``iterb`` of functions with iterators names the iterator.
* ``Most[{}]``, a step of zero in ``Range`` and its bounds that are no numbers are said to be wrong.
* A range with a real step has real numbers only.
* ``Dot`` says ``Dot::dotsh`` of arrays that do not fit; Mathics3 makes an ``Inner`` of them.
* A message without a text is said nevertheless, with ``-- Message text not found --``.
* ``Nest`` and ``NestList`` want a number of times that is not negative.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Final

from mathics.core.atoms import Integer, MachineReal, Number, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolList

from kernelbus.kernelhost.mathics.native import add_message, call, define

__all__ = ["correct_texts", "install_texts"]

_NOT_FOUND: Final = "-- Message text not found --"


def correct_texts() -> None:
    """Change Mathics3's classes; call this before definitions are made."""
    import mathics.core.evaluation as evaluation
    from mathics.core.builtin import IterationFunction

    _name_iterators(IterationFunction, evaluation.Evaluation)
    theirs = evaluation.String

    def text(value: str) -> Any:
        # The only strings that are made in that module of such a text.
        return theirs(_NOT_FOUND if value.startswith("Message ") and value.endswith(" not found.") else value)

    evaluation.String = text

    thread_theirs = Expression.thread

    def thread(self: Any, running: Any, head: Any = None) -> Any:
        wanted = SymbolList if head is None else head
        lengths = {len(each.elements) for each in self.elements if isinstance(each, Expression) and each.head is wanted}
        if len(lengths) > 1:
            running.message("Thread", "tdlen", self)
            return True, self
        return thread_theirs(self, running, head)

    Expression.thread = thread


def _name_iterators(kind: Any, evaluations: Any) -> None:
    """Have functions with iterators say which iterator it is."""
    theirs_message = evaluations.message

    def message(self: Any, symbol: str, tag: str, *args: Any) -> Any:
        if tag == "iterb" and not args:
            args = (getattr(self, "iterator", None) or Symbol("System`Null"),)
        return theirs_message(self, symbol, tag, *args)

    evaluations.message = message
    for name in ("eval_symbol", "eval_range", "eval_max", "eval_iter_nostep", "eval_iter"):
        setattr(kind, name, _remembering(getattr(kind, name)))


def _remembering(theirs: Any) -> Any:
    """Return a method that notes its iterator while it runs."""
    signature = inspect.signature(theirs)

    @functools.wraps(theirs)
    def method(*given: Any, **named: Any) -> Any:
        found = signature.bind(*given, **named).arguments
        evaluation = found["evaluation"]
        before = getattr(evaluation, "iterator", None)
        parts = [found[each] for each in ("i", "imin", "imax", "di") if each in found]
        # Of one that calls another, the first has what was entered.
        evaluation.iterator = before or (found["iterator"] if "iterator" in found else ListExpression(*parts))
        try:
            return theirs(*given, **named)
        finally:
            evaluation.iterator = before

    return method


def _most(expression: Any, evaluation: Any) -> Any:
    """Say so of a list without elements."""
    elements = expression.elements
    if len(elements) != 1 or not isinstance(elements[0], Expression) or elements[0].elements:
        return None
    evaluation.message("Most", "nomost", elements[0])
    return expression


def _range(expression: Any, evaluation: Any) -> Any:
    """Say so of steps of zero and of bounds that are no numbers."""
    elements = expression.elements
    if not 1 <= len(elements) <= 3 or any(isinstance(each, ListExpression) for each in elements):
        return None
    numbers = [each if isinstance(each, Number) else call("N", each).evaluate(evaluation) for each in elements]
    if all(isinstance(each, Number) for each in elements) and not (len(numbers) == 3 and numbers[2].is_zero):
        if len(elements) == 3 and isinstance(elements[2], MachineReal) and not elements[0].is_inexact():
            # With a real step all numbers are real.
            return call("Range", call("N", elements[0]), *elements[1:])
        return None
    if len(elements) == 2:
        length = call("Subtract", elements[1], elements[0]).evaluate(evaluation)
        if isinstance(length, Number):
            return call("Plus", elements[0], call("Range", Integer(0), length))
    if all(isinstance(each, Number) for each in numbers) and len(numbers) < 3:
        # Numbers as Pi, which Mathics3 does not take.
        whole = call("Range", Integer(0), call("Floor", call("Subtract", elements[-1], elements[0])))
        return call("Range", call("Floor", elements[0])) if len(elements) == 1 else call("Plus", elements[0], whole)
    evaluation.message("Range", "range", expression)
    return expression


def _string_join(expression: Any, evaluation: Any) -> Any:
    """Say which argument is no string."""
    found = False
    for at, each in enumerate(expression.elements, 1):
        if not isinstance(each, (String, ListExpression)):
            evaluation.message("StringJoin", "string", Integer(at), expression)
            found = True
    return expression if found else None


def _dimensions(expr: Any) -> tuple[int, ...]:
    """Return the dimensions of an array, as far as it is one."""
    if not isinstance(expr, ListExpression):
        return ()
    inner = [_dimensions(each) for each in expr.elements]
    common: tuple[int, ...] = inner[0] if inner else ()
    for each in inner[1:]:
        fitting = next((at for at, (one, other) in enumerate(zip(common, each, strict=False)) if one != other), min(len(common), len(each)))
        common = common[:fitting]
    return len(expr.elements), *common


def _dot(expression: Any, evaluation: Any) -> Any:
    """Say of which two arrays the dimensions do not fit."""
    for one, other in zip(expression.elements, expression.elements[1:], strict=False):
        if isinstance(one, ListExpression) and isinstance(other, ListExpression) and _dimensions(one)[-1] != _dimensions(other)[0]:
            evaluation.message("Dot", "dotsh", one, other)
            return expression
    return None


def _nest(name: str) -> Any:
    def nest(expression: Any, evaluation: Any) -> None:
        elements = expression.elements
        if len(elements) == 3 and not (isinstance(elements[2], Integer) and elements[2].value >= 0):
            evaluation.message(name, "intnm", Integer(3), expression)

    return nest


def install_texts(definitions: Any) -> None:
    """Give the messages their texts, and the functions the rules that say them."""
    for name, tag, text in (
        ("Thread", "tdlen", "Objects of unequal length in `1` cannot be combined."),
        ("StringJoin", "string", "String expected at position `1` in `2`."),
        ("Inverse", "sing", "Matrix `1` is singular."),
        ("General", "iterb", "Iterator `1` does not have appropriate bounds."),
        ("General", "matsq", "Argument `1` at position 1 is not a non-empty square matrix."),
        ("Most", "nomost", "Cannot take Most of expression `1` with length zero."),
        ("Range", "range", "Range specification in `1` does not have appropriate bounds."),
        ("Dot", "dotsh", "Tensors `1` and `2` have incompatible shapes."),
        ("General", "intnm", "Non-negative machine-sized integer expected at position `1` in `2`."),
    ):
        add_message(definitions, name, tag, text)
    define(definitions, "StringJoin", _string_join)
    define(definitions, "Dot", _dot)
    define(definitions, "Most", _most)
    define(definitions, "Range", _range)
    for name in ("Nest", "NestList"):
        define(definitions, name, _nest(name))

"""Loops, nests and folds: each turn evaluates the body once, and nothing else.

Mathics3 looks for the end of a loop by evaluating a comparison, and makes and removes a definition
of the variable at each turn. Its ``FoldList`` folds anew from the start for each element.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

from mathics.core.atoms import Integer, MachineReal, Rational
from mathics.core.expression import Expression
from mathics.core.interrupt import BreakInterrupt, ContinueInterrupt, ReturnInterrupt
from mathics.core.list import ListExpression
from mathics.core.rules import Rule
from mathics.core.symbols import Symbol, SymbolList, SymbolNull, SymbolTrue

from kernelbus.kernelhost.mathics.associations.expression import AssociationExpression
from kernelbus.kernelhost.mathics.native import define

__all__ = ["install_iteration"]

_ALL, _PLUS, _TIMES = Symbol("System`All"), Symbol("System`Plus"), Symbol("System`Times")
_NOTHING = Symbol("System`Nothing")


class _Spec:
    """Hold one iterator: its symbol, None for a plain repetition, and its values."""

    __slots__ = ("symbol", "values")

    def __init__(self, symbol: Any, values: Iterable[Any]) -> None:
        self.symbol = symbol
        self.values = values


def _spec(iterator: Any, evaluation: Any) -> _Spec | None:
    """Return an iterator whose bounds are plain numbers or a list, None for others."""
    if not isinstance(iterator, Expression) or iterator._head is not SymbolList:
        iterator = iterator.evaluate(evaluation)
        if isinstance(iterator, Integer):
            return _Spec(None, range(max(iterator.value, 0)))
        if not isinstance(iterator, Expression) or iterator._head is not SymbolList:
            return None
    elements = iterator._elements
    if not 1 <= len(elements) <= 4:
        return None
    if len(elements) == 1:
        count = elements[0].evaluate(evaluation)
        return _Spec(None, range(max(count.value, 0))) if isinstance(count, Integer) else None
    symbol = elements[0]
    if type(symbol) is not Symbol:
        return None
    bounds = [each.evaluate(evaluation) for each in elements[1:]]
    if len(bounds) == 1:
        if isinstance(bounds[0], Expression) and bounds[0]._head is SymbolList:
            return _Spec(symbol, bounds[0]._elements)
        bounds.insert(0, Integer(1))
    if len(bounds) == 2:
        bounds.append(Integer(1))
    values = _numbers(bounds, evaluation)
    return None if values is None else _Spec(symbol, values)


def _numbers(bounds: Sequence[Any], evaluation: Any) -> Iterable[Any] | None:
    first, last, step = bounds
    if type(first) is Integer and type(step) is Integer:
        if not step.value:
            return None
        if type(last) is Integer:
            stop = last.value + (1 if step.value > 0 else -1)
        elif type(last) is MachineReal or type(last) is Rational:
            end = last.value // 1 if step.value > 0 else -(-last.value // 1)
            stop = int(end) + (1 if step.value > 0 else -1)
        else:
            return None
        return map(Integer, range(first.value, stop, step.value))
    kinds = (Integer, MachineReal, Rational)
    if any(type(each) not in kinds for each in (first, last, step)):
        return None
    width = float(step.value)
    if not width:
        return None
    if type(step) is MachineReal and type(first) is not MachineReal:
        # With a real step all values are real.
        first = MachineReal(float(first.value))
    count = int((float(last.value) - float(first.value)) / width + 1e-9)
    if (float(last.value) - float(first.value)) / width < -1e-9:
        return []
    return (
        first
        if not turn
        else Expression(_PLUS, first, Expression(_TIMES, Integer(turn), step)).evaluate(evaluation)
        for turn in range(count + 1)
    )


class _Variable:
    """Give a symbol one value after the other, and its definition back at the end."""

    def __init__(self, symbol: Any, evaluation: Any) -> None:
        self._name = symbol.name
        self._definitions = evaluation.definitions
        self._kept = self._definitions.get_user_definition(self._name)
        self._definitions.reset_user_definition(self._name)
        self._rule = Rule(symbol, SymbolNull)
        self._merged = self._name in self._definitions.builtin or self._name in self._definitions.pymathics

    def set(self, value: Any) -> None:
        definitions = self._definitions
        definition = definitions.get_user_definition(self._name)
        self._rule.replace = value
        definition.ownvalues = [self._rule]
        definitions.mark_changed(definition)
        if self._merged or definitions.definitions_cache.get(self._name) is not definition:
            definitions.clear_definitions_cache(self._name)

    def restore(self) -> None:
        self._definitions.add_user_definition(self._name, self._kept)


def _turns(spec: _Spec, evaluation: Any) -> Generator[None, None, None]:
    """Set the variable to each of its values."""
    if spec.symbol is None:
        for _ in spec.values:
            yield
        return
    variable = _Variable(spec.symbol, evaluation)
    try:
        for value in spec.values:
            variable.set(value)
            yield
    finally:
        variable.restore()


def _loop(expression: Any, evaluation: Any) -> tuple[Any, Generator[None, None, None]] | None:
    """Return what to evaluate in each turn of the first iterator, and its turns; None: not here."""
    if len(expression._elements) < 2:
        return None
    body, *iterators = expression._elements
    spec = _spec(iterators[0], evaluation)
    if spec is None:
        return None
    inner = Expression(expression._head, body, *iterators[1:]) if len(iterators) > 1 else body
    return inner, _turns(spec, evaluation)


def _table(expression: Any, evaluation: Any) -> Any:
    loop = _loop(expression, evaluation)
    if loop is None:
        return None
    inner, turns = loop
    found = []
    try:
        for _ in turns:
            evaluation.check_stopped()
            found.append(inner.evaluate(evaluation))
    finally:
        turns.close()
    if any(each is _NOTHING for each in found):
        found = [each for each in found if each is not _NOTHING]
    return ListExpression(*found)


def _do(expression: Any, evaluation: Any) -> Any:
    loop = _loop(expression, evaluation)
    if loop is None:
        return None
    inner, turns = loop
    try:
        for _ in turns:
            evaluation.check_stopped()
            try:
                inner.evaluate(evaluation)
            except ContinueInterrupt:
                continue
            except BreakInterrupt:
                break
            except ReturnInterrupt as returned:
                return returned.expr
    finally:
        turns.close()
    return SymbolNull


def _elements_of(expr: Any) -> Any:
    """Return the elements of an expression, the values of an association; None for an atom."""
    if isinstance(expr, AssociationExpression):
        return expr.values
    return expr._elements if isinstance(expr, Expression) else None


def _like(expr: Any, elements: Sequence[Any]) -> Any:
    """Return an expression with the head of another, a list for an association."""
    if expr._head is SymbolList or isinstance(expr, AssociationExpression):
        return ListExpression(*elements)
    return Expression(expr._head, *elements)


def _folding(expression: Any, evaluation: Any) -> list[Any] | None:
    """Return the start and all folds of ``Fold`` and ``FoldList``; [] for an empty fold."""
    arguments = expression._elements
    if len(arguments) not in (2, 3):
        return None
    elements = _elements_of(arguments[-1])
    if elements is None:
        return None
    if len(arguments) == 3:
        value = arguments[1]
    elif elements:
        value, *elements = elements
    else:
        return []
    function = arguments[0]
    found = [value]
    for element in elements:
        evaluation.check_stopped()
        value = Expression(function, value, element).evaluate(evaluation)
        found.append(value)
    return found


def _fold(expression: Any, evaluation: Any) -> Any:
    found = _folding(expression, evaluation)
    return found[-1] if found else None


def _fold_list(expression: Any, evaluation: Any) -> Any:
    found = _folding(expression, evaluation)
    return None if found is None else _like(expression._elements[-1], found)


def _accumulate(expression: Any, evaluation: Any) -> Any:
    if len(expression._elements) != 1 or _elements_of(expression._elements[0]) is None:
        return None
    return _fold_list(Expression(expression._head, _PLUS, expression._elements[0]), evaluation)


def _nest_list(expression: Any, evaluation: Any) -> Any:
    if len(expression._elements) != 3 or type(expression._elements[2]) is not Integer:
        return None
    function, value, count = expression._elements
    if count.value < 0:
        return None
    found = [value]
    for _ in range(count.value):
        evaluation.check_stopped()
        value = Expression(function, value).evaluate(evaluation)
        found.append(value)
    return ListExpression(*found)


def _fixed_point_list(expression: Any, evaluation: Any) -> Any:
    if len(expression._elements) not in (2, 3) or (
        len(expression._elements) == 3 and type(expression._elements[2]) is not Integer
    ):
        return None
    function, value, *limit = expression._elements
    found = [value]
    while not limit or len(found) <= limit[0].value:
        evaluation.check_stopped()
        new = Expression(function, value).evaluate(evaluation)
        found.append(new)
        if new is value or new.sameQ(value):
            break
        value = new
    return ListExpression(*found)


def _nest_while(expression: Any, evaluation: Any) -> list[Any] | None:
    """Return all values of ``NestWhile[f, expr, test, m, max, n]``; None for other arguments."""
    arguments = expression._elements
    if not 3 <= len(arguments) <= 6:
        return None
    function, value, test, *more = arguments
    given = more[0] if more else Integer(1)
    least, most = 1, 1
    if given is _ALL:
        most = -1
    elif isinstance(given, Integer):
        least = most = given.value
    elif given.has_form("List", 2) and isinstance(given.elements[0], Integer):
        least = given.elements[0].value
        most = given.elements[1].value if isinstance(given.elements[1], Integer) else -1
    else:
        return None
    limit = more[1].value if len(more) > 1 and isinstance(more[1], Integer) else None
    extra = more[2].value if len(more) > 2 and isinstance(more[2], Integer) else 0
    found = [value]

    def step() -> None:
        evaluation.check_stopped()
        found.append(Expression(function, found[-1]).evaluate(evaluation))

    while limit is None or len(found) <= limit:
        if len(found) >= least:
            asked = found if most < 0 else found[-most:]
            if Expression(test, *asked).evaluate(evaluation) is not SymbolTrue:
                break
        step()
    for _ in range(extra):
        step()
    return found[:extra] if extra < 0 else found


def _nest_while_last(expression: Any, evaluation: Any) -> Any:
    found = _nest_while(expression, evaluation)
    return found[-1] if found else None


def _nest_while_list(expression: Any, evaluation: Any) -> Any:
    found = _nest_while(expression, evaluation)
    return None if found is None else ListExpression(*found)


def _length_while(expression: Any, evaluation: Any) -> int | None:
    if len(expression._elements) != 2:
        return None
    elements = _elements_of(expression._elements[0])
    if elements is None:
        return None
    count = 0
    for element in elements:
        if Expression(expression._elements[1], element).evaluate(evaluation) is not SymbolTrue:
            break
        count += 1
    return count


def _length_while_count(expression: Any, evaluation: Any) -> Any:
    count = _length_while(expression, evaluation)
    return None if count is None else Integer(count)


def _take_while(expression: Any, evaluation: Any) -> Any:
    count = _length_while(expression, evaluation)
    source = expression._elements[0] if count is not None else None
    if source is None or isinstance(source, AssociationExpression):
        return None
    return _like(source, source._elements[:count])


_Loop = Callable[[Any, Any], Any]

_FUNCTIONS: dict[str, _Loop] = {
    "Table": _table,
    "Do": _do,
    "Fold": _fold,
    "FoldList": _fold_list,
    "Accumulate": _accumulate,
    "NestList": _nest_list,
    "NestWhile": _nest_while_last,
    "NestWhileList": _nest_while_list,
    "FixedPointList": _fixed_point_list,
    "LengthWhile": _length_while_count,
    "TakeWhile": _take_while,
}


def install_iteration(definitions: Any) -> None:
    """Give loops, nests and folds their values, before all others."""
    for name, function in _FUNCTIONS.items():
        define(definitions, name, function)

"""``Compile``: functions of numbers of declared types.

Mathics3 makes Python code of an expression, which gets integers wrong and takes no arrays, no
options and no types of local variables. Here a compiled function keeps its expression, and a call
evaluates it with its arguments as values of the variables: a real argument is a machine real
number, an integer stays one. The result is in machine numbers. It is not faster than evaluation.
"""

from __future__ import annotations

from typing import Any, Final

from mathics.builtin.compilation import CompiledCode
from mathics.core.atoms import Complex, Integer, MachineReal, Number, Rational, String
from mathics.core.attributes import A_HOLD_ALL
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.forms.precision import machine_real
from kernelbus.kernelhost.mathics.native import NativeRule, add_message, call, define, definition_of

__all__ = ["install_compiling"]

_TYPES: Final = {
    "System`Real": "real number",
    "System`Integer": "integer",
    "System`Complex": "complex number",
    "System`True": "boolean",
}


class _Code(CompiledCode):
    """Keep what a compiled function does.

    Args:
        variables: the name, the type's name and the number of dimensions of each argument.
        body: the expression.
        listable: whether the function threads over lists.
    """

    def __init__(self, variables: tuple[tuple[Any, str, int], ...], body: Any, listable: bool) -> None:
        super().__init__(None, ())
        self.variables = variables
        self.body = body
        self.listable = listable

    def do_copy(self) -> _Code:
        return self

    def __hash__(self) -> int:
        return id(self)


def _variable(spec: Any) -> tuple[Any, str, int] | None:
    if isinstance(spec, Symbol):
        return spec, "System`Real", 0
    if not isinstance(spec, ListExpression) or not 1 <= len(spec.elements) <= 3 or not isinstance(spec.elements[0], Symbol):
        return None
    kind, rank = "System`Real", 0
    if len(spec.elements) > 1:
        given = spec.elements[1]
        if given.has_form("Blank", 1) and isinstance(given.elements[0], Symbol):
            kind = given.elements[0].name
        elif given.has_form("Alternatives", 2):
            kind = "System`True"
    if len(spec.elements) > 2:
        if not isinstance(spec.elements[2], Integer):
            return None
        rank = spec.elements[2].value
    return (spec.elements[0], kind, rank) if kind in _TYPES else None


def _compile(expression: Any, evaluation: Any) -> Any:
    elements = [each for each in expression.elements if not each.has_form(("Rule", "RuleDelayed"), 2)]
    if not 2 <= len(elements) <= 3:
        return None
    if not isinstance(elements[0], ListExpression):
        evaluation.message("Compile", "invars")
        return None
    variables: list[tuple[Any, str, int]] = []
    for spec in elements[0].elements:
        found = _variable(spec)
        if found is None:
            evaluation.message("Compile", "invar", spec)
            return None
        if any(found[0] is each[0] for each in variables):
            evaluation.message("Compile", "fdup", found[0], elements[0])
            return None
        variables.append(found)
    listable = any("Listable" in str(each) for each in expression.elements if each.has_form("Rule", 2))
    code = _Code(tuple(variables), elements[1], listable)
    return call("CompiledFunction", ListExpression(*(each[0] for each in variables)), elements[1], code)


def _of_type(value: Any, kind: str, rank: int) -> Any:
    """Return an argument as a number of its type, or an array of such; None if it is none."""
    if rank:
        if not isinstance(value, ListExpression):
            return None
        found = [_of_type(each, kind, rank - 1) for each in value.elements]
        return None if any(each is None for each in found) else ListExpression(*found)
    if kind == "System`True":
        return value if value in (SymbolTrue, SymbolFalse) else None
    if kind == "System`Integer":
        return value if isinstance(value, Integer) else None
    if kind == "System`Complex" and isinstance(value, Complex):
        return value
    if isinstance(value, Number) and not isinstance(value, Complex):
        return value if isinstance(value, MachineReal) else machine_real(float(value.value))
    return None


def _machine(value: Any, evaluation: Any) -> Any:
    """Return a result with its exact numbers that are no integers as machine numbers."""
    if isinstance(value, (Integer, MachineReal, String)) or value in (SymbolTrue, SymbolFalse):
        return value
    if isinstance(value, ListExpression):
        return ListExpression(*(_machine(each, evaluation) for each in value.elements))
    if isinstance(value, (Rational, Complex, Expression)):
        found = call("N", value).evaluate(evaluation)
        return found if isinstance(found, Number) else value
    return value


def _apply(expression: Any, evaluation: Any) -> Any:
    function = expression.head
    if len(function.elements) != 3 or not isinstance(code := function.elements[2], _Code):
        return None
    given = expression.elements
    if len(given) != len(code.variables):
        evaluation.message("CompiledFunction", "cfct", Integer(len(given)), Integer(len(code.variables)))
        return None
    if code.listable and any(
        isinstance(each, ListExpression) and not rank for each, (_, _, rank) in zip(given, code.variables, strict=True)
    ):
        lists = [isinstance(each, ListExpression) and not rank for each, (_, _, rank) in zip(given, code.variables, strict=True)]
        length = min(len(each.elements) for each, is_list in zip(given, lists, strict=True) if is_list)
        rows = [[each.elements[at] if is_list else each for each, is_list in zip(given, lists, strict=True)] for at in range(length)]
        return ListExpression(*(Expression(function, *row).evaluate(evaluation) for row in rows))
    values = []
    for at, (value, (_, kind, rank)) in enumerate(zip(given, code.variables, strict=True), 1):
        found = _of_type(value, kind, rank)
        if found is None:
            if isinstance(value, Number) or rank:
                what = f"machine-size {_TYPES[kind]}" if not rank else f"rank {rank} tensor of machine-size {_TYPES[kind]}s"
                evaluation.message("CompiledFunction", "cfsa", value, Integer(at), String(what))
            # A symbolic argument: the expression is evaluated with it.
            found = value
        values.append(found)
    # As in Block, the variables have the values while the expression is evaluated.
    settings = (call("Set", name, value) for (name, _, _), value in zip(code.variables, values, strict=True))
    body = code.body
    if code.variables:
        body = call("Module", ListExpression(*settings), body)
    return _machine(body.evaluate(evaluation), evaluation)


def install_compiling(definitions: Any) -> None:
    """Define ``Compile`` and what it gives."""
    define(definitions, "Compile", _compile, replace=True)
    head = Symbol("System`CompiledFunction")
    definition = definition_of(definitions, head.name)
    definition.attributes |= A_HOLD_ALL
    any_call = Expression(Symbol("System`BlankNullSequence"))
    definition.subvalues = [NativeRule(Expression(head, any_call), _apply)]
    add_message(definitions, "CompiledFunction", "cfsa", "Argument `1` at position `2` should be a `3`.")
    add_message(definitions, "CompiledFunction", "cfct", "Number of arguments `1` does not match the length `2` of the argument template.")

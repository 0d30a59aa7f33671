"""Assign to keys and parts of a symbol's value: ``a["k"] = v``, ``a[["k"]] = v``, ``a["k"] =.``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mathics.core.assignment import is_protected
from mathics.core.exceptions import MessageException
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol, SymbolNull
from mathics.core.systemsymbols import SymbolAssociation, SymbolRuleDelayed

from kernelbus.kernelhost.mathics.associations.expression import (
    AssociationExpression,
    as_association,
    as_rules,
    association_of,
    key_of,
    without_key,
)
from kernelbus.kernelhost.mathics.associations.parts import assigned, is_key, part, without_parts
from kernelbus.kernelhost.mathics.native import define

__all__ = ["correct_assignment", "install_assignment"]

_PART, _KEY = Symbol("System`Part"), Symbol("System`Key")


def correct_assignment() -> None:
    """Change what Mathics3 does with assignments; call this before definitions are made."""
    import mathics.builtin.assignments.assignment as builtins
    import mathics.eval.assignments.assignment as assignment

    theirs = assignment.eval_assign

    def assign(self: Any, lhs: Any, rhs: Any, evaluation: Any, tags: Any = None, upset: bool = False) -> Any:
        if isinstance(lhs, Expression) and not tags and not upset and lhs.head is not _PART:
            done = _assign_keys(self.get_name(), lhs, rhs, evaluation)
            if done is not None:
                return done
        return theirs(self, lhs, rhs, evaluation, tags, upset)

    def assign_part(
        self: Any, lhs: Any, lhs_reference: Any, rhs: Any, evaluation: Any, tags: Any = None, upset: bool = False
    ) -> bool:
        name = self.get_name()
        if not lhs.elements:
            evaluation.message(name, "setp", lhs)
            return False
        target = _target(lhs)
        if target is None:
            evaluation.message(name, "setps", lhs.elements[0])
            return False
        return _store(name, *target, rhs, evaluation)

    assignment.eval_assign = builtins.eval_assign = assign
    assignment.ASSIGNMENT_FUNCTION_MAP["System`Part"] = assign_part


def _target(lhs: Any) -> tuple[Any, list[Any]] | None:
    """Return the symbol whose value an assignment changes, and the unevaluated path in that value.

    None if the left side is no path in the value of a symbol.
    """
    if isinstance(lhs, Symbol):
        return lhs, []
    if not isinstance(lhs, Expression) or lhs.head is SymbolAssociation:
        return None
    if lhs.head is _PART and lhs.elements:
        inner = _target(lhs.elements[0])
        return None if inner is None else (inner[0], [*inner[1], *lhs.elements[1:]])
    inner = _target(lhs.head)
    return None if inner is None else (inner[0], [*inner[1], *(Expression(_KEY, key) for key in lhs.elements)])


def _assign_keys(name: str, lhs: Any, rhs: Any, evaluation: Any) -> bool | None:
    """Assign to ``symbol[key]`` where the symbol's value is an association.

    Returns:
        Whether that was done; None if it is not for this function.
    """
    target = _target(lhs)
    if target is None or not target[1]:
        return None
    symbol, path = target
    if not evaluation.definitions.get_ownvalues(symbol.name):
        return None
    if as_association(symbol.evaluate(evaluation)) is None:
        return None
    delayed = name in ("SetDelayed", "System`SetDelayed")
    return _store(name, symbol, path, rhs, evaluation, delayed)


def _evaluated(path: Sequence[Any], evaluation: Any) -> list[Any]:
    return [spec.evaluate(evaluation) for spec in path]


def _store(name: str, symbol: Any, path: Sequence[Any], rhs: Any, evaluation: Any, delayed: bool = False) -> bool:
    definitions = evaluation.definitions
    if is_protected(symbol.name, definitions):
        evaluation.message(name, "wrsym", symbol)
        return False
    if not definitions.get_ownvalues(symbol.name):
        evaluation.message(name, "noval", symbol)
        return False
    specs = _evaluated(path, evaluation)
    try:
        value = symbol.evaluate(evaluation)
        if delayed and is_key(specs[-1]):
            inner = as_association(part(value, specs[:-1]))
            if inner is not None:
                rhs = inner.with_rule(Expression(SymbolRuleDelayed, without_key(specs[-1]), rhs))
                specs.pop()
        value = assigned(value, specs, rhs)
    except MessageException as fault:
        fault.message(evaluation)
        return False
    definitions.set_ownvalue(symbol.name, value)
    return True


def install_assignment(definitions: Any) -> None:
    """Give the functions that change an association in place their values."""
    define(definitions, "AssociateTo", _associate_to)
    define(definitions, "KeyDropFrom", _key_drop_from)
    define(definitions, "Unset", _unset)
    for name in ("AssociateTo", "KeyDropFrom"):
        from mathics.core.attributes import A_HOLD_FIRST, A_PROTECTED

        definitions.builtin[f"System`{name}"].attributes = A_HOLD_FIRST | A_PROTECTED


def _changed(call: Any, evaluation: Any) -> tuple[Any, AssociationExpression] | None:
    """Return the left side of a call and its value, None if that is no association."""
    if len(call.elements) != 2:
        return None
    old = as_association(call.elements[0].evaluate(evaluation))
    if old is None:
        evaluation.message(call.get_head_name(), "invak", call.elements[0])
        return None
    return call.elements[0], old


def _set(place: Any, value: Any, evaluation: Any) -> Any:
    return Expression(Symbol("System`Set"), place, value).evaluate(evaluation)


def _associate_to(call: Any, evaluation: Any) -> Any:
    found = _changed(call, evaluation)
    if found is None:
        return None
    added = as_rules(call.elements[1])
    if added is None:
        one = call.elements[1]
        if not (isinstance(one, Expression) and len(one.elements) == 2 and one.get_head_name() in _RULES):
            evaluation.message("AssociateTo", "invdt2", one)
            return None
        added = association_of([one])
    return _set(found[0], association_of((*found[1].elements, *added.elements)), evaluation)


_RULES = ("System`Rule", "System`RuleDelayed")


def _key_drop_from(call: Any, evaluation: Any) -> Any:
    found = _changed(call, evaluation)
    if found is None:
        return None
    keys = call.elements[1]
    dropped = {key_of(without_key(key)) for key in (keys.elements if keys.has_form("List", None) else (keys,))}
    kept = (each for each in found[1].elements if key_of(each.elements[0]) not in dropped)
    return _set(found[0], AssociationExpression(kept), evaluation)


def _unset(call: Any, evaluation: Any) -> Any:
    target = _target(call.elements[0]) if len(call.elements) == 1 else None
    if target is None or not target[1]:
        return None
    symbol, path = target
    if not evaluation.definitions.get_ownvalues(symbol.name):
        return None
    value = symbol.evaluate(evaluation)
    if as_association(value) is None:
        return None
    try:
        shorter = without_parts(value, _evaluated(path, evaluation))
    except MessageException as fault:
        fault.message(evaluation)
        return None
    evaluation.definitions.set_ownvalue(symbol.name, shorter)
    return SymbolNull

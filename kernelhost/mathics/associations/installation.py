"""Put the association in place: change Mathics3's functions, then the definitions made of them."""

from __future__ import annotations

from typing import Any

from mathics.core.attributes import A_HOLD_REST, A_PROTECTED
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.associations import keyed
from kernelbus.kernelhost.mathics.associations.assignment import correct_assignment, install_assignment
from kernelbus.kernelhost.mathics.associations.queries import install_queries
from kernelbus.kernelhost.mathics.associations.seen import see
from kernelbus.kernelhost.mathics.associations.slots import correct_slots
from kernelbus.kernelhost.mathics.associations.walking import correct_walking
from kernelbus.kernelhost.mathics.native import (
    NativeRule,
    add_message,
    define,
    define_operator,
    define_up,
    definition_of,
)

__all__ = ["correct_associations", "install_associations"]

_MESSAGES = {
    "invak": "The argument `1` is not a valid Association.",
    "invdt": "The argument `1` is not a rule, a list of rules, or an association.",
    "invdt2": "The argument `1` is not a rule, a list of rules, or an association.",
    "invrl": "The argument `1` is not a valid Association or a list of rules.",
    "idim": "`1` and `2` must have the same length.",
    "partd": "Part specification `1` is longer than depth of object.",
    "span": "`1` is not a valid Span specification.",
}


def correct_associations() -> None:
    """Change Mathics3's functions; call this before definitions are made of them."""
    correct_walking()
    correct_assignment()
    correct_slots()


def install_associations(definitions: Any) -> None:
    """Give the functions of associations their values; call this last."""
    association = definition_of(definitions, "System`Association")
    head = Symbol(association.name)
    association.downvalues = [NativeRule(head, keyed.make_association)]
    association.subvalues = [NativeRule(Expression(head), keyed.association_at)]
    define_up(definitions, "Association", see)
    for name, (function, replace) in keyed.FUNCTIONS.items():
        define(definitions, name, function, replace=replace)
    for name in keyed.FIRST_LAST:
        definition_of(definitions, f"System`{name}").subvalues = []
        define_operator(definitions, name, 1, lambda operator, last: (operator[0], last))
    for name in keyed.LAST_FIRST:
        definition_of(definitions, f"System`{name}").subvalues = []
        define_operator(definitions, name, 1, lambda operator, first: (first, operator[0]))
    definition_of(definitions, "System`Key").subvalues = [NativeRule(Expression(Symbol("System`Key")), keyed.key_at)]
    definition_of(definitions, "System`Lookup").attributes = A_HOLD_REST | A_PROTECTED
    install_assignment(definitions)
    install_queries(definitions)
    for tag, text in _MESSAGES.items():
        add_message(definitions, "General", tag, text)
    definitions.clear_cache()

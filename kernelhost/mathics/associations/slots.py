"""Fill the slots of a pure function: ``#``, ``#2``, ``##`` and ``#name``, a key's value.

What has no slot stays the expression that it was, and so needs no new evaluation where it has been
evaluated before.
"""

from __future__ import annotations

from typing import Any

from mathics.core.atoms import String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolList

from kernelbus.kernelhost.mathics.associations.expression import as_association

__all__ = ["correct_slots"]

_SLOT, _SLOT_SEQUENCE, _FUNCTION, _SEQUENCE = (
    Symbol(f"System`{name}") for name in ("Slot", "SlotSequence", "Function", "Sequence")
)


def correct_slots() -> None:
    """Change how Mathics3 fills slots."""
    from mathics.builtin.functional.application import Function

    def replace_slots(self: Any, slots: Any, evaluation: Any) -> Any:
        head = self._head
        if head is _SLOT:
            return _slot(self, slots, evaluation)
        if head is _SLOT_SEQUENCE:
            return _slot_sequence(self, slots, evaluation)
        if head is _FUNCTION and len(self._elements) == 1:
            # These slots are those of another function.
            return self
        changed = False
        new_head = head
        if not isinstance(head, Symbol):
            new_head = head.replace_slots(slots, evaluation)
            changed = new_head is not head
        elements = []
        for element in self._elements:
            if isinstance(element, Expression):
                new = element.replace_slots(slots, evaluation)
                changed = changed or new is not element
                element = new
            elements.append(element)
        if not changed:
            return self
        return ListExpression(*elements) if new_head is SymbolList else Expression(new_head, *elements)

    Expression.replace_slots = replace_slots
    Function.messages = {**Function.messages, "slota": "Named slot `1` in `2` cannot be filled from `3`."}


def _slot(slot: Any, slots: Any, evaluation: Any) -> Any:
    if len(slot.elements) != 1:
        evaluation.message_args("Slot", len(slot.elements), 1)
        return slot
    which = slot.elements[0]
    if isinstance(which, String):
        association = as_association(slots[1]) if len(slots) > 1 else None
        found = None if association is None else association.get(which)
        if found is None:
            source = slots[1] if len(slots) > 1 else Expression(_SEQUENCE)
            evaluation.message("Function", "slota", which, slots[0], source)
            return slot
        return found
    number = which.get_int_value()
    if number is None or number < 0:
        evaluation.message("Function", "slot", which)
    elif number >= len(slots):
        evaluation.message("Function", "slotn", slot)
    else:
        return slots[number]
    return slot


def _slot_sequence(slot: Any, slots: Any, evaluation: Any) -> Any:
    if len(slot.elements) != 1:
        evaluation.message_args("SlotSequence", len(slot.elements), 1)
        return slot
    number = slot.elements[0].get_int_value()
    if number is None or number < 1:
        evaluation.error("Function", "slot", slot.elements[0])
    return Expression(_SEQUENCE, *slots[number:])

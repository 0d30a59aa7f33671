"""Correct functions of Mathics3 whose results or messages are not what the language documents.

Each is changed in place, before definitions are made of it:

* ``Check`` minds what happens within it, not every message and print of the evaluation so far, and finds messages that a ``Quiet``
  around it hides.
* ``Function[Null, body, attributes]`` takes slots.
* ``Print[]`` prints an empty line.
"""

from __future__ import annotations

from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Make all corrections; before Mathics3's definitions are made."""
    _correct_check()
    _correct_function()
    _correct_print()


def _correct_check() -> None:
    from mathics.builtin.messages import Check
    from mathics.core.atoms import String
    from mathics.core.evaluation import Evaluation
    from mathics.core.expression import Expression
    from mathics.core.symbols import Symbol, ensure_context

    # For each Check under way: how messages count, and whether one did.
    watches: list[_Watch] = []
    their_message = Evaluation.message

    def message(self: Any, symbol_name: str, tag: str, *args: Any) -> Any:
        if watches:
            name = Expression(Symbol("System`MessageName"), Symbol(ensure_context(symbol_name)), String(tag))
            off = name in self.get_quiet_messages()
            for watch in watches:
                watch.see(name, off, self.quiet_all)
        return their_message(self, symbol_name, tag, *args)

    def check(self: Any, expr: Any, failexpr: Any, params: Any, evaluation: Any) -> Any:
        names = _names(params.get_sequence())
        if names is None:
            evaluation.message("Check", "name", params)
            return None
        watch = _Watch(names, evaluation.quiet_all)
        watches.append(watch)
        try:
            result = expr.evaluate(evaluation)
        finally:
            watches.remove(watch)
        return failexpr.evaluate(evaluation) if watch.seen else result

    check.__doc__ = "Check[expr_, failexpr_, params___]"
    Evaluation.message = message
    Check.eval_with_fail = check


class _Watch:
    """Remember whether a message that counts was given. ``names`` are those that do, none for all."""

    def __init__(self, names: list[Any], quiet_around: bool) -> None:
        self._names = names
        self._quiet_around = quiet_around
        self.seen = False

    def __eq__(self, other: object) -> bool:
        return self is other

    def see(self, name: Any, off: bool, quiet: bool) -> None:
        heard = not off and (self._quiet_around or not quiet)
        counts = name in self._names if self._names else heard
        self.seen = self.seen or counts


def _names(params: Any) -> list[Any] | None:
    """Return the names of messages in lists and out of them; None when something is none."""
    found: list[Any] = []
    waiting = list(params)
    while waiting:
        item = waiting.pop()
        if item.has_form("List", None):
            waiting.extend(item.elements)
        elif item.has_form("MessageName", 2):
            found.append(item)
        else:
            return None
    return found


def _correct_function() -> None:
    from mathics.builtin.functional.application import Function

    theirs = Function.eval_named_attr

    def named(self: Any, vars: Any, body: Any, attr: Any, args: Any, evaluation: Any) -> Any:
        if vars.get_name() == "System`Null":
            return self.eval_slots(body, args, evaluation)
        return theirs(self, vars, body, attr, args, evaluation)

    named.__doc__ = theirs.__doc__
    Function.eval_named_attr = named


def _correct_print() -> None:
    from mathics.builtin.inout import Print
    from mathics.core.atoms import String
    from mathics.core.symbols import SymbolNull

    def empty(self: Any, evaluation: Any) -> Any:
        evaluation.print_out(String(""))
        return SymbolNull

    empty.__doc__ = "Print[]"
    Print.eval_empty = empty

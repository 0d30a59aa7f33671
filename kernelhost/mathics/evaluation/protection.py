"""Evaluate under a limit of memory, or with steps around it that are always taken.

``MemoryConstrained[expr, b]``
    stops the evaluation when it takes more than b bytes beyond what the kernel had, and gives
    ``$Aborted``, or its third argument. The kernel's resident size is looked at every 50 ms of
    processor time, and the system refuses single allocations that are too large; so an evaluation
    can take some MiB more than b before it is stopped. Linux only; elsewhere nothing is limited.
``Internal`WithLocalSettings[before, expr, after]``
    evaluates the three in turn and gives the value of the second. ``after`` is evaluated whatever
    ends ``expr``: an abort, a time limit, ``Throw``.
``Internal`InheritedBlock[{x, ...}, expr]``
    as ``Block``, but the symbols begin with the definitions that they have.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from mathics.core.attributes import A_HOLD_ALL, A_HOLD_FIRST, A_PROTECTED
from mathics.core.builtin import Builtin
from mathics.core.interrupt import AbortInterrupt
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.evaluation.interrupts import Interrupts, KernelAbort
from kernelbus.kernelhost.mathics.evaluation.memory import guard

__all__ = ["install"]

_ABORTED = Symbol("System`$Aborted")


class _Protected(Builtin):
    """A function that deals with aborts."""

    interrupts: Interrupts


class MemoryConstrained(_Protected):
    """Evaluate under a limit of memory."""

    attributes = A_HOLD_FIRST | A_PROTECTED
    messages: ClassVar[dict[str, str]] = {
        "memc": "Memory limit `1` must be a nonnegative real number or Infinity.",
    }
    summary_text = "evaluate under a limit of memory"

    def eval(self, expr: Any, limit: Any, evaluation: Any) -> Any:
        "MemoryConstrained[expr_, limit_]"
        return self._evaluate(expr, limit, _ABORTED, evaluation)

    def eval_otherwise(self, expr: Any, limit: Any, otherwise: Any, evaluation: Any) -> Any:
        "MemoryConstrained[expr_, limit_, otherwise_]"
        return self._evaluate(expr, limit, otherwise, evaluation)

    def _evaluate(self, expr: Any, limit: Any, otherwise: Any, evaluation: Any) -> Any:
        if limit.has_form("DirectedInfinity", 1):
            return expr.evaluate(evaluation)
        number = limit.round_to_float(evaluation)
        if number is None or number < 0:
            evaluation.message("MemoryConstrained", "memc", limit)
            return None
        depth = evaluation.recursion_depth
        constraint = guard.constrain(int(number), self.interrupts.abort)
        # An abort may be raised in the inner ``finally``; the outer one still does the work then.
        try:
            try:
                try:
                    result = expr.evaluate(evaluation)
                finally:
                    guard.release(constraint)
                # The abort of the limit counts also if it came in the last instructions.
                self.interrupts.check()
            finally:
                guard.release(constraint)
        except (AbortInterrupt, KernelAbort):
            if not constraint.exceeded:
                raise
            self.interrupts.acknowledge()
        except MemoryError:
            guard.refused()
        else:
            return result
        evaluation.recursion_depth = depth
        guard.relieve()
        return otherwise.evaluate(evaluation)


class WithLocalSettings(_Protected):
    """Evaluate with a step before and one behind that are always taken."""

    attributes = A_HOLD_ALL | A_PROTECTED
    context = "Internal`"
    summary_text = "evaluate with a step before it and one behind it, which is always taken"

    def eval(self, before: Any, expr: Any, after: Any, evaluation: Any) -> Any:
        "Internal`WithLocalSettings[before_, expr_, after_]"
        self.interrupts.protect(lambda: before.evaluate(evaluation))
        depth = evaluation.recursion_depth
        try:
            return expr.evaluate(evaluation)
        finally:
            evaluation.recursion_depth = depth
            self.interrupts.protect(lambda: after.evaluate(evaluation))


class InheritedBlock(_Protected):
    """Evaluate with local copies of symbols' definitions."""

    attributes = A_HOLD_ALL | A_PROTECTED
    context = "Internal`"
    summary_text = "evaluate while symbols keep their definitions, and restore these afterwards"

    def eval(self, symbols: Any, expr: Any, evaluation: Any) -> Any:
        "Internal`InheritedBlock[symbols_List, expr_]"
        definitions = evaluation.definitions
        kept: dict[str, Any] = {}
        values: list[Any] = []
        for item in symbols.elements:
            target = item
            if item.has_form(("Set", "SetDelayed"), 2):
                target = item.elements[0]
                values.append(item)
            name = target.get_name()
            if not name:
                evaluation.message("Block", "lvsym", symbols, item)
                return None
            kept[name] = definitions.get_user_definition(name)
        try:
            for name, definition in kept.items():
                definitions.add_user_definition(name, _copied(definition))
            for value in values:
                value.evaluate(evaluation)
            return expr.evaluate(evaluation)
        finally:
            for name, definition in kept.items():
                definitions.add_user_definition(name, definition)


def _copied(definition: Any) -> Any:
    """Return a copy of a definition that can be changed without changing the definition."""
    made = copy.copy(definition)
    for name, value in vars(definition).items():
        if isinstance(value, (list, dict)):
            setattr(made, name, copy.copy(value))
    return made


def install(definitions: Any, interrupts: Interrupts) -> None:
    """Define the functions."""
    for kind in (MemoryConstrained, WithLocalSettings, InheritedBlock):
        builtin = kind(expression=False)
        builtin.interrupts = interrupts
        builtin.contribute(definitions)

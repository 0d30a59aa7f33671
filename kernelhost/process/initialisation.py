"""A pool's initialisation: what is evaluated in a kernel before any client has it, and what counts
as its failing.

Rules of this module: no I/O, no bus, no Mathics3; the kernel host and the embedded kernel's
preloaded parent both follow it.

A step fails when it gives `$Failed` (a file that is not there, wrong syntax), is aborted, or is
left by `Throw`. Messages alone do not make it fail. Whoever evaluates it sees the other ways: that
the kernel quits, or does not come to an end.
"""

from __future__ import annotations

from typing import NamedTuple

from wstp.expr import Expr, Function, Symbol

__all__ = ["Initialisation", "Step", "verdict"]

_DONE = "done"
_FAILED = "gave $Failed"
_ABORTED = "was aborted"


class Step(NamedTuple):
    """One thing to evaluate. `name` is for people; the expression's value is what :func:`verdict`
    understands.
    """

    name: str
    expression: Function


class Initialisation(NamedTuple):
    """What two pools have in common when their kernels can be forked from one parent:
    InitializationFile and InitializationCode.
    """

    file: str | None = None
    code: str | None = None

    def steps(self) -> list[Step]:
        """Give what is to be evaluated, in order."""
        steps = []
        if self.file:
            steps.append(Step(f"InitializationFile {self.file}", _judged(Symbol("Get")(self.file))))
        if self.code:
            steps.append(Step("InitializationCode", _judged(Symbol("ToExpression")(self.code))))
        return steps

    def __str__(self) -> str:
        return " and ".join(step.name for step in self.steps()) or "no initialisation"


def _judged(work: Function) -> Function:
    # The kernel judges, so that no large result has to be sent.
    cases: list[Expr] = [Symbol("$Failed"), _FAILED, Symbol("$Aborted"), _ABORTED, Symbol("Blank")(), _DONE]
    return Symbol("Switch")(work, *cases)


def verdict(value: object) -> str | None:
    """Say what a step's value (a string, or a symbol's name; None: anything else) tells of its
    failure; None: it did not fail.
    """
    match value:
        case "done":
            return None
        case "gave $Failed" | "was aborted":
            return str(value)
        case "$Aborted" | "System`$Aborted":
            return _ABORTED
        case "$Failed" | "System`$Failed":
            return _FAILED
        case _:
            return "was left by Throw or Return"

"""A pool's initialisation: what a kernel evaluates before it has a client, and when that fails.

Sans-IO, without the bus and without Mathics3: both the kernel host and the preloaded parent of
embedded kernels (:mod:`kernelbus.kernelhost.mathics.start.preparation`) use it.

A step fails when it gives `$Failed` (a missing file, wrong syntax), when it is aborted, and when
`Throw` leaves it. Messages alone do not make it fail. Two other failures are seen by whoever runs
the step: the kernel quits, or the step does not end in time.
"""

from __future__ import annotations

from typing import NamedTuple

from wstp.expr import Expr, Function, Symbol

__all__ = ["CONFINE", "Initialisation", "Step", "judged", "verdict"]

#: The function of the embedded kernel that forbids files and programs
#: (:mod:`kernelbus.kernelhost.mathics.evaluation.confinement`).
CONFINE = "WSTPServer`Private`Confine"
_DONE = "done"
_FAILED = "gave $Failed"
_ABORTED = "was aborted"


class Step(NamedTuple):
    """One step of an initialisation.

    Attributes:
        name: what messages call it.
        expression: what is evaluated; :func:`verdict` understands its value.
    """

    name: str
    expression: Function


class Initialisation(NamedTuple):
    """A pool's InitializationFile and InitializationCode.

    Kernels of two pools with equal initialisations can be forked from the same parent.

    Attributes:
        file: the file; None: there is none.
        code: the code; None: there is none.
        environment: the environment variables that they are run with, beside those of the host.
    """

    file: str | None = None
    code: str | None = None
    environment: tuple[tuple[str, str], ...] = ()

    def steps(self) -> list[Step]:
        """Return what is to be evaluated, in order."""
        steps = []
        if self.file:
            steps.append(Step(f"InitializationFile {self.file}", judged(Symbol("Get")(self.file))))
        if self.code:
            steps.append(Step("InitializationCode", judged(Symbol("ToExpression")(self.code))))
        return steps

    def __str__(self) -> str:
        return " and ".join(step.name for step in self.steps()) or "no initialisation"


def judged(work: Function) -> Function:
    """Return the evaluation of `work`, whose value :func:`verdict` understands."""
    # The kernel itself reduces the result to a word, so that no large result has to be sent.
    cases: list[Expr] = [Symbol("$Failed"), _FAILED, Symbol("$Aborted"), _ABORTED, Symbol("Blank")(), _DONE]
    return Symbol("Switch")(work, *cases)


def verdict(value: object) -> str | None:
    """Return in words how a step failed; None: it did not fail.

    Args:
        value: the value of the step's expression, if it is a string or the name of a symbol; None:
            it is anything else.
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

"""What kernels say, and the errors that evaluations raise. No I/O.

Errors and messages can be pickled, so that they may cross processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

__all__ = [
    "EvaluationAborted",
    "EvaluationError",
    "EvaluationFailed",
    "KernelDied",
    "KernelMessage",
    "KernelPoolError",
    "KernelWarning",
    "NoKernel",
    "Question",
    "Rendering",
    "TokenRefused",
]


class KernelPoolError(Exception):
    """The base of all errors of kernels and evaluations; the text is one line."""


class NoKernel(KernelPoolError, BrokenExecutor):
    """No kernel can be attached, or none is left; the text says why."""


class TokenRefused(NoKernel):
    """The server wants its token, and was given none or a wrong one; the text says what to do."""


class KernelWarning(UserWarning):
    """A message that an evaluation issued although it has a value."""


class KernelDied(KernelPoolError):
    """The kernel ended during an evaluation; in a pool, so did a second one that tried it."""


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """A message that an evaluation issued.

    Attributes:
        symbol, tag: its name, as in Power::infy.
        text: the whole message, as the kernel words it.
    """

    symbol: str
    tag: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Rendering:
    """How the text that is printed next can be shown, for a front end that has asked for it."""

    value: Any


class Question:
    """What an evaluation asks, and waits for.

    Attributes:
        prompt: what is asked.
    """

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        self._answer: SimpleQueue[str | None] = SimpleQueue()

    def answer(self, text: str | None) -> None:
        """Answer; None: nobody does."""
        self._answer.put(text)

    def wait(self) -> str | None:
        """Return the answer, when there is one."""
        return self._answer.get()


class EvaluationError(KernelPoolError):
    """The base of what goes wrong in an evaluation.

    Attributes:
        messages: what the evaluation issued, in order; the exception's text quotes the last.
    """

    def __init__(self, text: str, messages: Sequence[KernelMessage] = ()) -> None:
        said = " ".join(messages[-1].text.split()) if messages else ""
        super().__init__(f"{text}: {said}" if said else text)
        self.messages = tuple(messages)


class EvaluationFailed(EvaluationError):
    """The value is $Failed, as for wrong syntax, or is not of the expected form.

    Examples:
        >>> try:  # doctest: +SKIP
        ...     session.evaluate("1 +")
        ... except EvaluationFailed as error:
        ...     print(error.messages[-1].tag)
        sntxi
    """


class EvaluationAborted(EvaluationError):
    """The value is $Aborted: the code called Abort[], or the evaluation was interrupted."""

"""Run a pool's initialisation once, in the parent that the pool's kernels are forked from.

Afterwards look for what a fork cannot share: open descriptors (two kernels would move one position
in one file), threads and child processes (a forked process has neither). If there are any, the
parent cannot be used, and each kernel runs the initialisation itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from kernelbus.kernelhost.mathics.engine.process import engine
from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.forms.convert import to_mathics
from kernelbus.kernelhost.process.initialisation import Initialisation, verdict

__all__ = ["InitialisationError", "prepare"]

_SIGNALS = (signal.SIGINT, signal.SIGALRM, signal.SIGUSR1)
#: The most lines of an initialisation's output that are logged, and the most characters of a line.
_LINES = 200
_LINE = 2000


class InitialisationError(Exception):
    """Say that an initialisation failed, and how."""


class _Log:
    """Pass output on while the initialisation runs, and remember the last message."""

    def __init__(self, say: Callable[[str, bool], None]) -> None:
        self._say = say
        self._lines = 0
        self.last_message = ""

    def text(self, text: str) -> None:
        self._add(text.rstrip("\n"), False)

    def message(self, symbol: str, tag: str, text: str) -> None:
        self.last_message = f"{symbol}::{tag}: {text}"[:_LINE]
        self._add(self.last_message, True)

    def _add(self, text: str, is_message: bool) -> None:
        self._lines += 1
        if self._lines < _LINES:
            self._say(text[:_LINE], is_message)
        elif self._lines == _LINES:
            self._say("(further output is not logged)", is_message)


def prepare(loaded: Loaded, initialisation: Initialisation, say: Callable[[str, bool], None]) -> str:
    """Run an initialisation, and return what it left that a fork cannot share.

    Args:
        loaded: the Mathics3 to run it in.
        initialisation: what to run.
        say: receives each printed line and each message; its second argument is True for a message.

    Returns:
        A description in words, "" if there is nothing.

    Raises:
        InitialisationError: a step failed.
    """
    before = _descriptors()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    loaded.interrupts.install()
    try:
        _run(loaded, initialisation, _Log(say))
    finally:
        loaded.interrupts.forget()
        # Each kernel has an engine of its own when it needs one.
        engine.stop()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    loaded.prune_numbers()
    return _unshareable(before)


def _run(loaded: Loaded, initialisation: Initialisation, log: _Log) -> None:
    evaluator = Evaluator(loaded, log)
    for step in initialisation.steps():
        try:
            result = evaluator.evaluate(lambda step=step: to_mathics(step.expression, loaded.definitions))  # type: ignore[misc]
        except SystemExit as left:
            raise InitialisationError(f"{step.name} quit the kernel (exit status {left.code or 0})") from None
        why = verdict(result.get_string_value() or result.get_name())
        if why is not None:
            because = f"; its last message: {log.last_message}" if log.last_message else ""
            raise InitialisationError(f"{step.name} {why}{because}")


def _descriptors() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:
            pass  # the listing's own descriptor
    return found


def _unshareable(before: set[str]) -> str:
    opened = [name.split(" ", 1)[1] for name in sorted(_descriptors() - before)]
    if opened:
        return f"it leaves {', '.join(opened)[:500]} open"
    if len(os.listdir("/proc/self/task")) > 1:
        return "it leaves threads running"
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return ""
    return "it leaves processes running"

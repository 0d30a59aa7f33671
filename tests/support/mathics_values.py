"""Evaluate in the Mathics3 of a test's own process."""

from __future__ import annotations

from typing import Any

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded

__all__ = ["Recorder", "evaluate", "text_of"]


class Recorder:
    """Keep what evaluations print, and the names of their messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def text(self, text: str) -> None:
        self.lines.append(text)

    def message(self, symbol: str, tag: str, text: str) -> None:
        self.lines.append(f"{symbol}::{tag}")


def evaluate(loaded: Loaded, code: str) -> Any:
    """Return the Mathics3 value of the last expression in some code."""
    found = []
    evaluator = Evaluator(loaded, Recorder())
    evaluator.read(code, False, lambda query, _: bool(found.append(evaluator.evaluate(lambda: query))) or True)
    return found[-1]


def text_of(loaded: Loaded, code: str) -> str:
    """Return the InputForm of the value of some code."""
    return str(evaluate(loaded, f"ToString[{code}, InputForm]").value)

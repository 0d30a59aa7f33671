"""Texts that stand for an expression as a whole: what ``Definition[f]`` and its like show.

Such an expression is a value, which programs can hold and print; in text it is what it is about.
:mod:`kernelbus.kernelhost.mathics.library.inspection` says what the texts are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["describe", "described"]

#: What makes the text of an expression with this head; it returns None if it has none.
_MAKERS: dict[str, Callable[[Any, Any], str | None]] = {}


def describe(head: str, make: Callable[[Any, Any], str | None]) -> None:
    """Have expressions with a head shown as a text.

    Args:
        head: the whole name of the head.
        make: called with an expression and the running evaluation; returns the text, or None to
            have the expression shown as any other.
    """
    _MAKERS[head] = make


def described(expr: Any, evaluation: Any) -> str | None:
    """Return the text that an expression is shown as, None if it is shown as any other."""
    make = _MAKERS.get(expr.get_head_name())
    return None if make is None or evaluation is None else make(expr, evaluation)

"""Calls of functions of the Wolfram Language as expressions. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kernelbus.shell.pool.values import to_expr
from wstp import Expr, Function, Symbol

__all__ = ["call_of", "function_of"]

_WORD = r"(?:[^\W\d_]|\$)(?:[^\W_]|\$)*"
_NAME = re.compile(rf"{_WORD}(?:`{_WORD})*")


def call_of(fn: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Function:
    """Return `fn[args..., options...]`; an option `WorkingPrecision=30` is a rule.

    Raises:
        TypeError: `fn` names no function, or a value cannot travel.
    """
    rules = [Symbol("Rule")(Symbol(key), to_expr(value, key)) for key, value in options.items()]
    made = function_of(fn)(*(to_expr(value, f"argument {number}") for number, value in enumerate(args, 1)), *rules)
    assert isinstance(made, Function)
    return made


def function_of(fn: Any) -> Expr:
    """Return the function that `fn` names, as an expression that can be called.

    Raises:
        TypeError: it names none.
    """
    if isinstance(fn, Symbol | Function):
        return fn
    if isinstance(fn, str):
        if not fn.strip():
            raise TypeError("the function's name is empty")
        return Symbol(fn.strip()) if _NAME.fullmatch(fn.strip()) else Symbol("ToExpression")(fn)
    if callable(fn):
        raise TypeError(f'{fn!r} is a function of Python; kernels evaluate the Wolfram Language: give a name or code, as "#^2 &"')
    raise TypeError(f'a function is a name or code ("Prime", "#^2 &"), a Symbol or a Function, not {type(fn).__name__}')

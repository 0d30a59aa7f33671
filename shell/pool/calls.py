"""Calls of functions of the Wolfram Language as expressions. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kernelbus.shell.pool.values import to_expr
from wstp import Expr, Function, Symbol

__all__ = ["attaching_time", "call_of", "function_of", "time_limit", "too_long"]

#: Seconds beyond which a limit is none: what waits takes no number beyond some 10^9.
_LONGEST = 10.0**8
#: Seconds for which a kernel is waited for, at most; sockets take no more than 2^31 ms.
_ATTACHING = 10.0**6
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


def time_limit(timeout: float | None) -> float | None:
    """Return a number of seconds that a caller gave as a limit; None: there is none.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative or not a number.
    """
    if timeout is None:
        return None
    try:
        seconds = float(timeout)
    except (TypeError, ValueError):
        raise TypeError(f"timeout is a number of seconds or None, not {timeout!r}") from None
    if not seconds >= 0:
        raise ValueError(f"timeout is {timeout!r}: it is a number of seconds from 0 up, or None for no limit")
    return seconds if seconds < _LONGEST else None


def attaching_time(timeout: float | None) -> float:
    """Return in how many seconds a kernel must be attached; None for `timeout` is no limit.

    Raises:
        TypeError, ValueError: as :func:`time_limit`.
    """
    limit = time_limit(timeout)
    return _ATTACHING if limit is None else min(limit, _ATTACHING)


def too_long(timeout: float | None) -> TimeoutError:
    """Return the error of an evaluation that was aborted at the end of its limit."""
    return TimeoutError(f"it took longer than {timeout:g} s, and was aborted")

"""What is told about a name: usage, definition, options. Sans-IO."""

from __future__ import annotations

import re
from typing import Any

from kernelbus.shell.jupyter.kernelcode import code, quoted
from wstp import Expr

__all__ = ["described", "description"]

#: The longest definition that is shown, in characters.
_LONGEST = 10_000


def description(name: str) -> Expr:
    """Return an expression for what a kernel knows about a name: :func:`described` takes its value.

    Raises:
        ValueError: it is no name.
    """
    if not re.fullmatch(r"[\w$`]+", name):
        raise ValueError(f"{name!r} is no name")
    return code(
        f"If[Names[{quoted(name)}] === {{}}, {{}}, ToExpression[{quoted(name)}, InputForm, Function[s, "
        "{Context[s], MessageName[s, \"usage\"], ToString /@ Attributes[s], ToString[#, InputForm] & /@ Options[s], "
        f"TimeConstrained[StringTake[ToString[Definition[s]], UpTo[{_LONGEST}]], 2, \"...\"]}}, HoldAllComplete]]]"
    )


def described(name: str, answer: Expr, detail: int) -> dict[str, Any]:
    """Return the content of an `inspect_reply`.

    Args:
        name: the name.
        answer: the value of :func:`description`.
        detail: 0: usage and options; 1: also the definition.
    """
    match answer:
        case [context, usage, list(attributes), list(options), definition]:
            pass
        case _:
            return {"status": "ok", "found": False, "data": {}, "metadata": {}}
    parts = [f"{context}{name}" if isinstance(context, str) and context != "System`" and "`" not in name else name]
    if isinstance(usage, str) and usage.strip():
        parts.append(usage.strip())
    if attributes:
        parts.append(f"Attributes: {', '.join(map(str, attributes))}")
    if options:
        parts.append("Options:\n" + "\n".join(f"  {option}" for option in options))
    known = isinstance(usage, str) and bool(usage.strip())
    if isinstance(definition, str) and definition.strip() not in ("", "Null") and (detail > 0 or not known):
        parts.append(f"Definition:\n{definition.strip()}")
    return {"status": "ok", "found": True, "data": {"text/plain": "\n\n".join(parts)}, "metadata": {}}

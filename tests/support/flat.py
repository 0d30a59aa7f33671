"""Expressions as flat lists of tokens in prefix order, to compare `wstp`, a C library, recordings.

`clibrary.FlatToken` is the token. The lists are flat because JSON and Python's `==` fail at 5000
levels. Arrays are nested functions whose leaves are numbers, as they read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from clibrary import FlatToken

from wstp import BigReal, Expr, Function, Symbol

__all__ = ["flat_expression", "flat_record", "unflatten"]


def flat_expression(expression: Expr) -> list[FlatToken]:
    """Flatten a value of `wstp`."""
    tokens: list[FlatToken] = []
    stack: list[Any] = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, np.ndarray):
            node = node.tolist()
        if isinstance(node, np.generic):
            node = node.item()
        if isinstance(node, bool) or node is None:
            node = Symbol("Null" if node is None else str(node))
        if isinstance(node, int):
            tokens.append(["i", str(node)])
        elif isinstance(node, float):
            tokens.append(["r", repr(node)])
        elif isinstance(node, str):
            tokens.append(['"', node])
        elif isinstance(node, Symbol):
            tokens.append(["#", node.name])
        elif isinstance(node, BigReal):
            tokens.append(["R", node.text])
        else:
            head, arguments = _parts(node)
            tokens.append(["F", len(arguments)])
            stack.extend(reversed(arguments))
            stack.append(head)
    return tokens


def _parts(node: Any) -> tuple[Any, list[Any]]:
    if isinstance(node, Function):
        return node.head, list(node.args)
    if isinstance(node, list | tuple):
        return Symbol("List"), list(node)
    if isinstance(node, bytes):
        return Symbol("ByteArray"), list(node)
    if isinstance(node, complex):
        return Symbol("Complex"), [node.real, node.imag]
    raise TypeError(f"no expression: {node!r}")


def flat_record(record: dict[str, Any]) -> list[FlatToken]:
    """Flatten the expression that a recording means, as tokens.json writes it."""
    tokens: list[FlatToken] = []
    stack: list[dict[str, Any]] = [record]
    while stack:
        node = stack.pop()
        if "head" in node:
            tokens.append(["F", len(node["args"])])
            stack.extend(reversed(node["args"]))
            stack.append(node["head"])
        elif "real" in node:
            tokens.append(["r", repr(float(node["real"]))])
        else:
            for key, kind in (("integer", "i"), ("bigreal", "R"), ("string", '"'), ("symbol", "#")):
                if key in node:
                    tokens.append([kind, node[key]])
    return tokens


def unflatten(tokens: Iterable[FlatToken]) -> Expr:
    """Build the value of a flat expression: a list for List, a `Function` for other functions."""
    done: list[Any] = []
    for kind, value in reversed(list(tokens)):
        if kind == "F":
            head = done.pop()
            arguments = [done.pop() for _ in range(int(value))]
            done.append(arguments if head == Symbol("List") else Function(head, *arguments))
        elif kind == "i":
            done.append(int(value))
        elif kind == "r":
            done.append(float(value))
        else:
            done.append({"R": BigReal, '"': str, "#": Symbol}[str(kind)](value))
    return done.pop()

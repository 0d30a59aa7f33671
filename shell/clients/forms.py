"""Expressions as text for people."""

from __future__ import annotations

import wstp
from kernelbus.shell.commands import name_of
from wstp import Function, Symbol

__all__ = ["full_form"]


def full_form(value: object) -> str:
    """Return an expression in FullForm, for an answer that did not come as text.

    Without recursion, since expressions may be nested deeply.
    """
    pieces: list[str] = []
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Piece):
            pieces.append(item)
        elif isinstance(item, Symbol):
            pieces.append(name_of(item))
        elif isinstance(item, Function | list):
            head, arguments = (item.head, item.args) if isinstance(item, Function) else (Symbol("List"), item)
            parted = [part for argument in arguments for part in (_Piece(", "), argument)]
            waiting += reversed([head, _Piece("["), *parted[1:], _Piece("]")])
        elif isinstance(item, str):
            text = item.replace("\\", "\\\\").replace('"', '\\"')
            pieces.append(f'"{text}"')
        elif isinstance(item, wstp.BigReal):
            pieces.append(item.text)
        else:
            pieces.append(str(item))
    return "".join(pieces)


class _Piece(str):
    """Text that is written as it is."""

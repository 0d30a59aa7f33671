"""Whole packets as bytes, for whoever speaks on a link whose token stream it otherwise only passes on."""

from __future__ import annotations

from wstp.expr import Function, Symbol
from wstp.expression import write_expression

__all__ = ["encode_packet", "packet"]


def packet(head: str, *arguments: object) -> Function:
    """Give the packet `head[arguments...]` (PROTOCOL.md section 8)."""
    return Function(Symbol(head), *arguments)


def encode_packet(expression: Function) -> bytes:
    """Give the bytes of `expression` and the end of packet behind it, for a peer that takes our fixed features."""
    return b"".join([*write_expression(expression), b"]"])

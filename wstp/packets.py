"""Whole packets as bytes and back, for whoever speaks on a link whose token stream it otherwise
only passes on. No I/O.
"""

from __future__ import annotations

from wstp.errors import RemoteProtocolError
from wstp.expr import Expr, Function, Symbol
from wstp.expression import ExpressionReader, write_expression
from wstp.features import OURS, Features
from wstp.lexer import Buffer
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.tokens import NEED_DATA

__all__ = ["decode_expression", "encode_packet", "packet"]


def packet(head: str, *arguments: Expr) -> Function:
    """Give the packet `head[arguments...]` (PROTOCOL.md section 8)."""
    return Function(Symbol(head), *arguments)


def encode_packet(expression: Function, features: Features = OURS) -> bytes:
    """Give the bytes of `expression`, and the end of packet behind it, for a peer that announced
    `features`.
    """
    return b"".join([*write_expression(expression, features), b"]"])


def decode_expression(data: Buffer, limits: Limits = DEFAULT_LIMITS) -> Expr:
    """Read the one expression that `data` holds.

    Raises:
        RemoteProtocolError: it holds none, or only part of one.
        LimitExceeded: a bound of `limits`.
    """
    reader = ExpressionReader(limits)
    reader.feed(data)
    expression = reader.next()
    if expression is NEED_DATA:
        raise RemoteProtocolError("an expression that is not complete", reader.offset)
    return expression

"""Whole packets as bytes and back. No I/O.

For programs that pass a token stream on undecoded and now and then say something of their own.
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
    """Return the packet `head[arguments...]` (PROTOCOL.md section 8).

    >>> encode_packet(packet("ReturnTextPacket", "4"))
    b'FA#SA~PReturnTextPacket\\n"DD~A4\\n]'
    """
    return Function(Symbol(head), *arguments)


def encode_packet(expression: Function, features: Features = OURS) -> bytes:
    """Return `expression` and an end of packet as bytes, for a peer that announced `features`."""
    return b"".join([*write_expression(expression, features), b"]"])


def decode_expression(data: Buffer, limits: Limits = DEFAULT_LIMITS) -> Expr:
    """Return the first expression in `data`.

    Raises:
        RemoteProtocolError: the bytes are wrong, or no complete expression.
        LimitExceeded: a bound of `limits` was passed.
    """
    reader = ExpressionReader(limits)
    reader.feed(data)
    expression = reader.next()
    if expression is NEED_DATA:
        raise RemoteProtocolError("an expression that is not complete", reader.offset)
    return expression

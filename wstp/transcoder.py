"""Rewrite a token stream for a peer that takes fewer kinds of tokens than `features.OURS`. No I/O.

A server passes token bytes on undecoded. A peer that lists fewer number types or text encodings in
its greeting (PROTOCOL.md section 4) is the exception: each expression for it is decoded, and
written again with what it does list. A whole expression is held in memory meanwhile.
"""

from __future__ import annotations

from wstp.errors import EarlyEnd, Misread
from wstp.expr import Expr, Function, Symbol
from wstp.expression import ExpressionReader, write_expression
from wstp.features import Features
from wstp.lexer import Buffer
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.tokens import NEED_DATA, encode_symbol

__all__ = ["Transcoder", "covers"]


def covers(peer: Features, ours: Features) -> bool:
    """Tell whether `peer` takes everything that a stream written for `ours` may hold."""
    return peer.packed_types >= ours.packed_types and set(peer.formats) >= set(ours.formats)


class Transcoder:
    """Rewrite one stream for a peer that announced `features`.

    >>> [utf8] = write_expression("\u03b1")
    >>> Transcoder(Features(tokens=(), formats=(1,))).feed(utf8)
    [b'"IA~A\\\\:03b1\\n', b']']
    """

    def __init__(self, features: Features, limits: Limits = DEFAULT_LIMITS) -> None:
        self._features = features
        self._reader = ExpressionReader(limits)

    def feed(self, data: Buffer) -> list[Buffer]:
        """Take the stream's next bytes, and return the expressions that they complete as tokens.

        An end of packet follows each expression. What cannot be read is replaced by the symbol
        `$Failed`. An expression that ended early does so again, behind its head.

        Raises:
            RemoteProtocolError: the bytes are not tokens.
            LimitExceeded: an expression passes a bound of `limits`.
        """
        self._reader.feed(data)
        out: list[Buffer] = []
        while True:
            try:
                expression = self._reader.next()
            except Misread as fault:
                expression = fault.expr
            except EarlyEnd as fault:
                out.append(self._incomplete(fault.expr))
                continue
            if expression is NEED_DATA:
                return out
            out += write_expression(expression, self._features)
            out.append(b"]")

    def _incomplete(self, expression: Expr) -> bytes:
        """Return a function with one argument due, and an end of packet in the argument's place."""
        head = expression.head if isinstance(expression, Function) else None
        name = encode_symbol(head.name, self._features, True) if isinstance(head, Symbol) else b""
        return b"FA%b]" % name

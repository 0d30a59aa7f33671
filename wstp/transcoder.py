"""Rewrite a token stream for a peer that takes fewer kinds of tokens than `features.OURS`. No I/O.

A server passes token bytes on undecoded. A peer that lists fewer number types or text encodings in
its greeting (PROTOCOL.md section 4) is the exception: each expression for it is decoded, and
written again with what it does list. A whole expression is held in memory meanwhile.

A peer of version 5 takes all kinds of tokens, but waits for ever behind the escape of six digits
that libraries of version 6 can write in encoding A (backslash, bar, `01f600`). For it only the
expressions are written again in whose bytes a backslash and a bar stand; the others pass unchanged.
"""

from __future__ import annotations

from wstp.errors import EarlyEnd, Misread
from wstp.expr import Expr, Function, Symbol
from wstp.expression import ExpressionReader, write_expression
from wstp.features import OURS, Features
from wstp.lexer import Buffer
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.tokens import NEED_DATA, encode_symbol
from wstp.tracker import End, PacketEnd, Tracker

__all__ = ["Transcoder", "covers"]

_SIX_DIGITS = b"\\|"


def covers(peer: Features, ours: Features) -> bool:
    """Tell whether `peer` takes everything that a stream written for `ours` may hold."""
    return peer.version >= ours.version and _takes_tokens(peer, ours)


def _takes_tokens(peer: Features, ours: Features) -> bool:
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
        # For a peer that only does not take the escape of six digits: what finds the expressions,
        # and the bytes from `_position` on that belong to none that is complete.
        self._tracker = Tracker(limits) if _takes_tokens(features, OURS) else None
        self._held = bytearray()
        self._position = 0

    def feed(self, data: Buffer) -> list[Buffer]:
        """Take the stream's next bytes, and return the expressions that they complete as tokens.

        An end of packet follows each expression that is written again. What cannot be read in it is
        replaced by the symbol `$Failed`. One that ended early does so again, behind its head.

        Raises:
            RemoteProtocolError: the bytes are not tokens.
            LimitExceeded: an expression passes a bound of `limits`.
        """
        if self._tracker is None:
            return self._rewrite(data)
        marks = self._tracker.feed(data)
        self._held += data
        out: list[Buffer] = []
        for mark in marks:
            if type(mark) is End or type(mark) is PacketEnd:
                size = mark.offset - self._position
                self._position = mark.offset
                if size:
                    piece = bytes(memoryview(self._held)[:size])
                    del self._held[:size]
                    out += self._without_six_digits(piece)
        return out

    def _without_six_digits(self, piece: bytes) -> list[Buffer]:
        """Return the bytes of an expression, or of an end of packet, for a peer of version 5."""
        if _SIX_DIGITS not in piece:
            return [piece]
        *out, last = self._rewrite(piece + b"]")
        return [*out, bytes(last)[:-1]]  # its own end of packet, if it has one, is still to come

    def _rewrite(self, data: Buffer) -> list[Buffer]:
        """Return all expressions that `data` completes, each with an end of packet."""
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

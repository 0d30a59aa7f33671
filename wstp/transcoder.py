"""Write a token stream anew for a peer that takes fewer kinds of tokens than our fixed features
promise (PROTOCOL.md section 4).

The exception to "bytes pass through": a peer that lists fewer number types or text encodings gets
every expression decoded and written again in what it does list. Whole expressions are held while
this is done.
"""

from __future__ import annotations

from wstp.expression import ExpressionReader, write_expression
from wstp.features import Features
from wstp.lexer import Buffer
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.tokens import NEED_DATA

__all__ = ["Transcoder", "covers"]


def covers(peer: Features, ours: Features) -> bool:
    """Tell whether `peer` takes everything that a stream written for `ours` may hold."""
    return peer.packed_types >= ours.packed_types and set(peer.formats) >= set(ours.formats)


class Transcoder:
    """Rewrites one stream for `features`."""

    def __init__(self, features: Features, limits: Limits = DEFAULT_LIMITS) -> None:
        self._features = features
        self._reader = ExpressionReader(limits)

    def feed(self, data: Buffer) -> list[Buffer]:
        """Take the stream's next bytes and give what they complete, each expression closed by an
        end of packet.

        Raises:
            RemoteProtocolError: the bytes are not tokens.
            LimitExceeded: an expression is larger than `limits` allow.
        """
        self._reader.feed(data)
        out: list[Buffer] = []
        while (expression := self._reader.next()) is not NEED_DATA:
            out += write_expression(expression, self._features)
            out.append(b"]")
        return out

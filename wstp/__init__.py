"""WSTP, the protocol of Wolfram Language kernels, as a library of its own.

The core takes bytes and gives bytes, and does no I/O: `wstp.handshake`, `wstp.messages`,
`wstp.tokens`, `wstp.expression`, `wstp.tracker`. Over it stand a blocking link (`connect`,
`listen`, `Link`) and an asyncio link (`wstp.aio`). Needs the standard library and numpy only.

>>> import wstp
>>> link = wstp.connect("31415@127.0.0.1")                      # doctest: +SKIP
>>> link.put(wstp.Symbol("EvaluatePacket")(wstp.Symbol("Plus")(2, 2)), end_packet=True)  # doctest: +SKIP
>>> link.flush(); link.next_packet()                             # doctest: +SKIP
"""

from __future__ import annotations

from wstp.errors import (
    ConnectFailed,
    LimitExceeded,
    LinkClosed,
    LinkLost,
    LinkSpecError,
    LinkTimeout,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    WSTPError,
)
from wstp.expr import BigReal, Expr, Function, Symbol, same
from wstp.expression import ExpressionReader, Misread, write_expression
from wstp.features import OURS, Features
from wstp.limits import Limits
from wstp.link import Link, Listener, connect, listen
from wstp.linkspec import LinkSpec
from wstp.machine import LinkState, Ready
from wstp.messages import Message, MessageCode, MessageReader, encode_message
from wstp.tokens import NEED_DATA, TokenReader, TokenWriter
from wstp.tracker import Tracker

__all__ = [
    "NEED_DATA",
    "OURS",
    "BigReal",
    "ConnectFailed",
    "Expr",
    "ExpressionReader",
    "Features",
    "Function",
    "LimitExceeded",
    "Limits",
    "Link",
    "LinkClosed",
    "LinkLost",
    "LinkSpec",
    "LinkSpecError",
    "LinkState",
    "LinkTimeout",
    "Listener",
    "LocalProtocolError",
    "Message",
    "MessageCode",
    "MessageReader",
    "Misread",
    "ProtocolError",
    "Ready",
    "RemoteProtocolError",
    "Symbol",
    "TokenReader",
    "TokenWriter",
    "Tracker",
    "WSTPError",
    "connect",
    "encode_message",
    "listen",
    "same",
    "write_expression",
]

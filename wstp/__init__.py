"""WSTP, the protocol of Wolfram Language kernels, as a library of its own.

The library needs the standard library and numpy. A link is one connection between two programs; it
carries expressions in both directions. Either end may listen:

>>> import threading
>>> import wstp
>>> def kernel(listener: wstp.Listener) -> None:
...     with listener.accept(timeout=60) as link:
...         packet = link.next_packet(timeout=60)  # EvaluatePacket[Plus[2, 2]]
...         total = sum(packet.args[0].args)
...         link.put(wstp.Symbol("ReturnPacket")(total), end_packet=True)
...         link.flush()
>>> listener = wstp.listen()  # any free port on 127.0.0.1
>>> thread = threading.Thread(target=kernel, args=(listener,))
>>> thread.start()
>>> with listener, wstp.connect(listener.port, timeout=60) as link:
...     request = wstp.Symbol("EvaluatePacket")(wstp.Symbol("Plus")(2, 2))
...     link.put(request, end_packet=True)
...     answer = link.next_packet(timeout=60)
...     thread.join()
>>> answer
Symbol('ReturnPacket')(4)

Where to begin:

* Links. `connect()` and `listen()` give a `Link`, which blocks. `wstp.aio` has the same names for
  asyncio. `LinkSpec` reads link specifications. `MessageCode` names the out-of-band messages.
  `wstp.tls` has blocking links to a server behind a proxy that speaks TLS.
* Values. `wstp.expr` has the table of expressions and Python values. `Symbol`, `Function` and
  `BigReal` stand for what Python has no type for. `same()` compares expressions exactly.
* Bytes. `write_expression()` and `ExpressionReader` turn expressions into token bytes and back.
  `TokenWriter` and `TokenReader` do so token by token. `Tracker` follows a stream without decoding
  it. These do no I/O.
* Bounds and errors. `Limits` bounds what a peer can cost. `wstp.errors` has the tree of errors;
  `WSTPError` is its root.

The sections that docstrings cite are those of PROTOCOL.md, the description of the wire protocol.

For contributors, from the bytes upwards: `lexer` and `text` find tokens, `tokens` reads and writes
them, `expression` does so with expressions. `tracker` and `completion` follow a stream undecoded,
`transcoder` rewrites one for a peer that takes less. `handshake` and `rendezvous` begin links,
`machine` is the life of one link. All these do no I/O. `link`, `aio` and `relay` are shells that
add sockets; `linkbase`, `connecting` and `reception` are what the first two share. `sockets` and
`tls` are what is between a link and the system.
"""

from __future__ import annotations

from wstp.errors import (
    ConnectFailed,
    EarlyEnd,
    LimitExceeded,
    LinkClosed,
    LinkLost,
    LinkSpecError,
    LinkTimeout,
    LocalProtocolError,
    Misread,
    PacketFault,
    ProtocolError,
    RemoteProtocolError,
    TurnedAway,
    UnsupportedVersion,
    WSTPError,
)
from wstp.expr import BigReal, Expr, Function, Symbol, same
from wstp.expression import ExpressionReader, write_expression
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
    "EarlyEnd",
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
    "PacketFault",
    "ProtocolError",
    "Ready",
    "RemoteProtocolError",
    "Symbol",
    "TokenReader",
    "TokenWriter",
    "Tracker",
    "TurnedAway",
    "UnsupportedVersion",
    "WSTPError",
    "connect",
    "encode_message",
    "listen",
    "same",
    "write_expression",
]

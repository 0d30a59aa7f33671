"""The errors that wstp raises, in one tree.

* `WSTPError`: everything below.
    * `ProtocolError`: abstract; the protocol was broken.
        * `LocalProtocolError`: by the caller; nothing was sent.
        * `RemoteProtocolError`: by the peer; it has the offset of the first wrong byte.
            * `UnsupportedVersion`: the peer's version is not spoken here; the text names it.
    * `LimitExceeded`: a bound of `wstp.Limits` was passed. The bytes may be legal, but they are not
      accepted here.
    * `PacketFault`: abstract; one packet cannot be read, and the link can: read on.
        * `Misread`: a text or an array in it is wrong.
        * `EarlyEnd`: it ended before it was complete.
    * `LinkClosed`: the link was closed with message 9.
    * `LinkLost`: the TCP connection ended without message 9.
    * `LinkTimeout`: a deadline passed (also a `TimeoutError`).
    * `ConnectFailed`: no link could be made.
    * `LinkSpecError`: a link specification cannot be understood (also a `ValueError`).

This module imports nothing of wstp.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ConnectFailed",
    "EarlyEnd",
    "LimitExceeded",
    "LinkClosed",
    "LinkLost",
    "LinkSpecError",
    "LinkTimeout",
    "LocalProtocolError",
    "Misread",
    "PacketFault",
    "ProtocolError",
    "RemoteProtocolError",
    "UnsupportedVersion",
    "WSTPError",
]


class WSTPError(Exception):
    """The base of every error that this library raises on purpose."""


class ProtocolError(WSTPError):
    """The protocol was broken; only the two subclasses are ever raised."""

    def __init__(self, message: str) -> None:
        if type(self) is ProtocolError:
            raise TypeError("ProtocolError is abstract: raise LocalProtocolError or RemoteProtocolError")
        super().__init__(message)


class LocalProtocolError(ProtocolError):
    """The caller asked for something that the protocol does not allow; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer's bytes do not follow the protocol.

    Attributes:
        offset: the position of the first wrong byte, counted in bytes from the start of the stream
            that was read (a connection, or a token stream); None when no single byte is wrong.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (byte {offset})")
        self.offset = offset


class UnsupportedVersion(RemoteProtocolError):
    """The peer says a version of the protocol that is not spoken here.

    Attributes:
        version: the version that it says, for instance "7".
    """

    def __init__(self, message: str, version: str) -> None:
        super().__init__(message)
        self.version = version


class LimitExceeded(WSTPError):
    """A bound of `wstp.Limits` was passed; the text names the bound."""


class PacketFault(WSTPError):
    """One packet cannot be read. The reader is behind it, and the next call reads the next packet.

    Only the subclasses are ever raised.

    Attributes:
        what: the kind of the fault: "number", "text", "array" or "end".
        expr: what came of the packet, with the symbol `$Failed` in the place of all that is wrong
            or missing.
        offset: the position of the fault, counted in bytes from the start of the token stream.
    """

    def __init__(self, what: str, message: str, expr: Any, offset: int) -> None:
        if type(self) is PacketFault:
            raise TypeError("PacketFault is abstract: raise Misread or EarlyEnd")
        super().__init__(message)
        self.what = what
        self.expr = expr
        self.offset = offset


class Misread(PacketFault):
    """A text in a packet cannot be decoded, or is no number; or an array cannot be had as one.

    The packet came whole, and its shape is right: only what it says cannot be read. The text says
    what is wrong with the first such part.

    >>> import wstp
    >>> reader = wstp.ExpressionReader()
    >>> reader.feed(b"FA#GA~DList\\n+HA~Etwice\\n")
    >>> try:
    ...     reader.next()
    ... except Misread as fault:
    ...     print(fault, fault.expr)
    "twice" was sent as a number, and is none that can be read [Symbol('$Failed')]
    """


class EarlyEnd(PacketFault):
    """A packet ended (`]`) before it was complete. The C library calls this error 24.

    >>> import wstp
    >>> reader = wstp.ExpressionReader()
    >>> reader.feed(b'FA#GA~DList\\n]"GD~Dnext\\n]')
    >>> reader.next()
    Traceback (most recent call last):
        ...
    wstp.errors.EarlyEnd: the packet ended before it was complete
    >>> reader.next()
    'next'
    """


class LinkClosed(WSTPError):
    """The peer closed the link with message 9 (PROTOCOL.md section 7), or we closed it."""


class LinkLost(WSTPError):
    """The TCP connection ended without message 9."""


class LinkTimeout(WSTPError, TimeoutError):
    """A deadline passed; the link is as usable as before."""


class ConnectFailed(WSTPError):
    """No link could be made; the text names port@host."""


class TurnedAway(ConnectFailed):
    """The other end closed or reset the connection before a link was made."""


class LinkSpecError(WSTPError, ValueError):
    """A link specification (PROTOCOL.md section 1) cannot be understood."""

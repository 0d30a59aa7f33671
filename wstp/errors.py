"""The errors that wstp raises, in one tree.

* `WSTPError`: everything below.
    * `ProtocolError`: abstract; somebody broke PROTOCOL.md.
        * `LocalProtocolError`: we (the caller) did; nothing was sent.
        * `RemoteProtocolError`: the peer's bytes are wrong; carries their offset.
    * `LimitExceeded`: a bound of `wstp.Limits` was passed; the bytes may be legal, but are not
      accepted here.
    * `LinkClosed`: the peer said message 9 before it went.
    * `LinkLost`: the TCP connection went without message 9.
    * `LinkTimeout`: a deadline passed (also a `TimeoutError`).
    * `ConnectFailed`: nobody took the connection.
    * `LinkSpecError`: a link specification that cannot be understood (also a `ValueError`).

This module imports nothing of wstp.
"""

from __future__ import annotations

__all__ = [
    "ConnectFailed",
    "LimitExceeded",
    "LinkClosed",
    "LinkLost",
    "LinkSpecError",
    "LinkTimeout",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "WSTPError",
]


class WSTPError(Exception):
    """Be the base of every error that this library raises on purpose."""


class ProtocolError(WSTPError):
    """Say that the protocol was broken; only its two subclasses are ever raised."""

    def __init__(self, message: str) -> None:
        if type(self) is ProtocolError:
            raise TypeError("ProtocolError is abstract: raise LocalProtocolError or RemoteProtocolError")
        super().__init__(message)


class LocalProtocolError(ProtocolError):
    """Say that the caller asked for something the protocol does not allow; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """Say that the peer's bytes are not the protocol.

    Attributes:
        offset: where the first wrong byte stands, counted in bytes from the start of the stream
            that was read (the first byte of a connection, or of a token stream); None when no one
            byte is to blame.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (byte {offset})")
        self.offset = offset


class LimitExceeded(WSTPError):
    """Say that a bound of `wstp.Limits` was passed; the text names the bound."""


class LinkClosed(WSTPError):
    """Say that the peer closed the link in order (message 9, PROTOCOL.md section 7), or that we
    did.
    """


class LinkLost(WSTPError):
    """Say that the TCP connection went away without message 9."""


class LinkTimeout(WSTPError, TimeoutError):
    """Say that a deadline passed; the link is as usable as before."""


class ConnectFailed(WSTPError):
    """Say that no link came about; the text names port@host."""


class LinkSpecError(WSTPError, ValueError):
    """Say that a link specification (PROTOCOL.md section 1) cannot be understood."""

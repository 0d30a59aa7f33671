"""The errors that wstp raises, in one tree.

* `WSTPError`: everything below.
    * `ProtocolError`: abstract; the protocol was broken.
        * `LocalProtocolError`: by the caller; nothing was sent.
        * `RemoteProtocolError`: by the peer; it has the offset of the first wrong byte.
            * `UnsupportedVersion`: the peer's version is not spoken here; the text names it.
    * `LimitExceeded`: a bound of `wstp.Limits` was passed. The bytes may be legal, but they are not
      accepted here.
    * `LinkClosed`: the link was closed with message 9.
    * `LinkLost`: the TCP connection ended without message 9.
    * `LinkTimeout`: a deadline passed (also a `TimeoutError`).
    * `ConnectFailed`: no link could be made.
    * `LinkSpecError`: a link specification cannot be understood (also a `ValueError`).

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


class LinkClosed(WSTPError):
    """The peer closed the link with message 9 (PROTOCOL.md section 7), or we closed it."""


class LinkLost(WSTPError):
    """The TCP connection ended without message 9."""


class LinkTimeout(WSTPError, TimeoutError):
    """A deadline passed; the link is as usable as before."""


class ConnectFailed(WSTPError):
    """No link could be made; the text names port@host."""


class LinkSpecError(WSTPError, ValueError):
    """A link specification (PROTOCOL.md section 1) cannot be understood."""

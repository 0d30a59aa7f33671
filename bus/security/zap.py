"""ZAP (ZeroMQ RFC 27): how ZeroMQ asks whether a connection may be made.

The functions turn bytes into requests and decisions into bytes; they do no I/O.

A request comes from ZeroMQ itself, over inproc, as frames behind an empty delimiter. By then CURVE
has proved that the peer holds the secret of the key that it shows; the question is whether that key
is allowed. The key's text becomes the User-Id of every message of the connection. It is the key and
not the machine's name, so that it tells both whether the sender is still allowed and who it is,
also after the machine was renamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from kernelbus.bus.errors import BusError
from kernelbus.bus.security.keys import key_text

__all__ = ["ADDRESS", "DOMAIN", "ZapError", "ZapRequest", "accept", "parse_request", "refuse"]

#: The address at which ZeroMQ looks for the handler of requests, in each context.
ADDRESS: Final = "inproc://zeromq.zap.01"
#: The domain of the bus's sockets in requests.
DOMAIN: Final = "kernelbus"

_VERSION: Final = b"1.0"
_KEY_SIZE: Final = 32


class ZapError(BusError):
    """A request that cannot be decided.

    Attributes:
        request: its number; None if it has none and cannot be answered.
    """

    def __init__(self, text: str, request: bytes | None = None) -> None:
        super().__init__(text)
        self.request = request


class ZapRequest(NamedTuple):
    """The question whether the holder of `key` may connect.

    Attributes:
        request: the number that the answer repeats.
        address: the peer's address, without its port.
        key: the peer's public key, in Z85.
    """

    request: bytes
    address: str
    key: str


def parse_request(frames: Sequence[bytes]) -> ZapRequest:
    """Read a request from its frames, the delimiter included.

    Raises:
        ZapError: it is malformed, not of CURVE, or not of a socket of the bus.
    """
    if len(frames) < 3 or frames[0]:
        raise ZapError(f"a request of {len(frames)} frames")
    _, version, request, *rest = frames
    if not 0 < len(request) <= 255:
        raise ZapError(f"a request with a number of {len(request)} bytes")
    if version != _VERSION:
        raise ZapError(f"a request of version {version[:20]!r} instead of {_VERSION!r}", request)
    if len(rest) < 4:
        raise ZapError(f"a request of {len(frames)} frames", request)
    domain, address, _, mechanism, *credentials = rest
    if domain != DOMAIN.encode():
        raise ZapError(f"a request for the domain {domain[:60]!r}, which is not {DOMAIN!r}", request)
    if mechanism != b"CURVE":
        raise ZapError(f"a request of the mechanism {mechanism[:20]!r}", request)
    if [len(each) for each in credentials] != [_KEY_SIZE]:
        raise ZapError(f"a request with {len(credentials)} credentials, which are not one key of {_KEY_SIZE} bytes", request)
    # With IPv6 on, ZeroMQ shows an IPv4 address in its mapped form, which users do not write.
    return ZapRequest(request, address.decode("ascii", "replace").removeprefix("::ffff:"), key_text(credentials[0]))


def accept(request: bytes, user: str) -> list[bytes]:
    """Return the frames that admit a connection; its messages carry `user` as their User-Id."""
    return [b"", _VERSION, request, b"200", b"OK", user.encode(), b""]


def refuse(request: bytes, text: str) -> list[bytes]:
    """Return the frames that refuse a connection; the peer does not receive `text`."""
    return [b"", _VERSION, request, b"400", text.encode("ascii", "replace"), b"", b""]

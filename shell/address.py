"""Addresses of servers, as people and WSTP programs write them.

| written | meaning |
|---|---|
| `31415` | that port of this machine |
| `31415@host`, `host:31415` | that port of `host`; the first form is a WSTP link name |
| `host` | port 31415 of `host` |
| `wstp://host:31415/pool` | the same, and a pool of that server; port and pool are optional |
| `wstps://host:31443/pool` | the same under TLS; without a port it is 31443 |

IPv6 addresses stand in brackets, as in `[::1]:31415`; after an @ they need none. In the name of the
pool, characters that an address cannot hold are percent-encoded (%20). The pool is a notation of
these clients: they name it to the server with ``WSTPServer`ConnectKernel``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote_to_bytes

import wstp
from kernelbus.shell.defaults import DEFAULT_PORT, DEFAULT_TLS_PORT
from wstp.linkspec import USE_UUID

__all__ = ["Address", "AddressError"]

_LOCAL = "127.0.0.1"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOW = "write PORT@HOST, HOST:PORT or wstp://HOST:PORT/POOL (wstps:// for TLS)"


class AddressError(ValueError):
    """An address cannot be understood; the text quotes it and says what to write, in one line."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and perhaps a pool of it.

    Attributes:
        host: a name, or an IPv4 or IPv6 address without brackets.
        port: 1 to 65535.
        pool: the name of the pool; "" without one.
        tls: whether a proxy that speaks TLS is there.
        ca_file: with `tls`, the file of certificates to trust; "" for those of this machine.
    """

    host: str = _LOCAL
    port: int = DEFAULT_PORT
    pool: str = ""
    tls: bool = False
    ca_file: str = ""

    @classmethod
    def parse(cls, text: str | int | Address) -> Address:
        """Read an address in any of the forms above; a number is a port of this machine.

        Raises:
            AddressError: `text` has none of these forms.
        """
        if isinstance(text, Address):
            return text
        text = str(text).strip()
        found = _SCHEME.fullmatch(text)
        if found is None:
            return cls(*_place(text, text))
        scheme, rest = found.groups()
        if scheme.lower() not in ("wstp", "wstps"):
            raise _wrong(text, f"{scheme}:// is not for kernels")
        tls = scheme.lower() == "wstps"
        place, _, path = rest.partition("/")
        if not place:
            raise _wrong(text, f"there is no host after {scheme}://")
        if "@" in place or place.isdigit():
            raise _wrong(text, f"after {scheme}:// comes HOST:PORT")
        return cls(*_place(place, text, DEFAULT_TLS_PORT if tls else DEFAULT_PORT), _pool(path, text), tls)

    def trusting(self, ca_file: str | None) -> Address:
        """Return the same with a file of certificates to trust; None: as it is.

        Raises:
            AddressError: it is not an address under TLS, where certificates say nothing.
        """
        if ca_file is None:
            return self
        if not self.tls:
            raise AddressError(f"a file of certificates is for wstps://, and {self} is not under TLS")
        return replace(self, ca_file=ca_file)

    @property
    def link_name(self) -> str:
        """Return the place as a WSTP link name, PORT@HOST."""
        return f"{self.port}@{self.host}"

    @property
    def place(self) -> str:
        """Return how the place is named to people: a link name, or an address under TLS."""
        return str(replace(self, pool="")) if self.tls else self.link_name

    @property
    def spec(self) -> wstp.LinkSpec:
        """Return what `wstp.connect` takes: the specification of a link to a link server."""
        return wstp.LinkSpec(name=self.link_name, options=USE_UUID)

    def __str__(self) -> str:
        """Return the address as `wstp://host:port/pool`, or `wstps://...`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"wstp{'s' if self.tls else ''}://{host}:{self.port}" + (f"/{quote(self.pool, safe='')}" if self.pool else "")


def _wrong(text: str, why: str) -> AddressError:
    shown = text if len(text) <= 100 else f"{text[:97]}..."
    return AddressError(f"{shown!r} is no server's address: {why}; {_HOW}")


def _place(place: str, text: str, default: int = DEFAULT_PORT) -> tuple[str, int]:
    """Read host and port, in either order; `text` is the whole address, for errors."""
    if place.isdigit():
        return _LOCAL, _port(place, text)
    if "@" in place:
        port, _, host = place.partition("@")
        return _host(host, text), _port(port, text)
    if place.startswith("["):
        host, closed, rest = place.partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise _wrong(text, "after [ comes an IPv6 address, ] and perhaps :PORT")
        return _host(host + closed, text), _port(rest[1:], text) if rest else default
    if place.count(":") > 1:
        raise _wrong(text, "an IPv6 address stands in brackets")
    host, colon, port = place.partition(":")
    return _host(host, text), _port(port, text) if colon else default


def _port(port: str, text: str) -> int:
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise _wrong(text, f"{port[:20]!r} is no port (1 to 65535)")
    return int(port)


def _host(host: str, text: str) -> str:
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not host:
        raise _wrong(text, "there is no host")
    if bracketed or ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise _wrong(text, f"{host[:50]!r} is no IPv6 address") from None
    elif not re.fullmatch(r"\w[\w.-]*", host):
        raise _wrong(text, f"{host[:50]!r} is no host")
    return host


def _pool(path: str, text: str) -> str:
    if re.search(r"[/?#]", path.removesuffix("/")):
        raise _wrong(text, "after the host comes a pool's name alone (/, ? and # in it are written %2F, %3F and %23)")
    try:
        if re.search(r"%(?![0-9A-Fa-f]{2})", path):
            raise ValueError("% without two digits after it")
        pool = unquote_to_bytes(path.removesuffix("/")).decode()
    except ValueError:
        raise _wrong(text, "a % in the pool's name is followed by two hexadecimal digits, of UTF-8") from None
    if not pool.isprintable():
        raise _wrong(text, "the pool's name has characters that cannot be shown")
    return pool

"""Who may look at the web page: decisions about requests. No I/O, no clock.

A request is refused, or has to give the token, as a link of its sender would be (`Access` and
grants). What browsers do unasked makes three rules more: a request names the server as a person
would have typed it, since a page of elsewhere can lead a name of its own here (DNS rebinding);
pages of elsewhere fetch nothing from here; and only GET and HEAD are answered, which change
nothing.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kernelbus.bus.settings.config import AccessConfig
from kernelbus.bus.settings.networks import Network
from kernelbus.frontend.access import WINDOW, Access, Attempt, Standing

__all__ = ["Guard", "Refusal", "Request"]

_REALM: Final = "kernelbus: any user name, and the token as the password"


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of a request before it is answered.

    Attributes:
        method: GET and the like.
        address: its sender's.
        here: whether that is a program of this machine.
        host, authorization, fetch_site, fetch_mode: its headers; None: it has none.
    """

    method: str
    address: str
    here: bool
    host: str | None
    authorization: str | None = None
    fetch_site: str | None = None
    fetch_mode: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered.

    Attributes:
        status: the code and its name.
        text: says why, and what to do.
        headers: to be sent with it.
    """

    status: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()


class Guard:
    """Decides about requests.

    Args:
        names: the names of this machine by which it may be asked, beside `localhost` and addresses.
        access: returns who may use the server; another object after a change.
        attached: returns the networks to which this machine is attached.
        token: returns the right token; "": there is none.
        granted: tells whether a grant of an administrator holds for an address, at a time.
    """

    def __init__(
        self,
        names: Iterable[str],
        access: Callable[[], AccessConfig],
        attached: Callable[[], Sequence[Network]],
        token: Callable[[], str],
        granted: Callable[[str, float], bool],
    ) -> None:
        self._names = {"localhost", *(name.rstrip(".").lower() for name in names)}
        self._configured = access
        self._config = access()
        self._access = Access(self._config)
        self._attached = attached
        self._token = token
        self._granted = granted

    def refuse(self, request: Request, now: float) -> Refusal | None:
        """Say why a request is not answered at `now`; None: it is."""
        if request.method not in ("GET", "HEAD"):
            return Refusal("405 Method Not Allowed", "this page shows, and changes nothing: GET it", (("Allow", "GET, HEAD"),))
        if (config := self._configured()) is not self._config:
            self._config = config
            self._access.configure(config)
        standing = self._access.decide(request.address, here=request.here, attached=self._attached(), now=now)
        if standing is Standing.REFUSED:
            return Refusal("403 Forbidden", f"{request.address} is in a network that is not in Access/Allow, or is in Access/Deny")
        if request.host is None:
            return Refusal("400 Bad Request", "the request does not say which host it is for")
        name = host_of(request.host)
        if not self._is_ours(name):
            told = f"this server is not called {name[:100] or 'so'}: ask for it by an address, as localhost, or by its machine's name"
            return Refusal("421 Misdirected Request", told)
        if request.fetch_site not in (None, "none", "same-origin") and request.fetch_mode != "navigate":
            return Refusal("403 Forbidden", "pages of other servers get nothing from here")
        if standing is not Standing.TOKEN or self._granted(request.address, now):
            return None
        return self._ask_token(request, now)

    def _ask_token(self, request: Request, now: float) -> Refusal | None:
        challenge = (("WWW-Authenticate", f'Basic realm="{_REALM}", charset="UTF-8"'),)
        if request.authorization is None:
            return Refusal(
                "401 Unauthorized", "give the server's token, which kernelbus access shows on its machine, as the password", challenge
            )
        match self._access.attempt(request.address, _given(request.authorization), self._token(), now):
            case Attempt.RIGHT:
                return None
            case Attempt.TOO_MANY:
                wait = (("Retry-After", f"{WINDOW:.0f}"),)
                return Refusal("429 Too Many Requests", f"there were too many wrong tokens: try again in {WINDOW:.0f} s", wait)
        return Refusal("401 Unauthorized", "this is not the server's token: kernelbus access shows it on the server's machine", challenge)

    def _is_ours(self, name: str) -> bool:
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        # No other name leads here where a request is for an address.
        return True


def host_of(header: str) -> str:
    """Return the name or the address in a `Host` header, without brackets and port."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0].partition("%")[0]
    return text.partition(":")[0].rstrip(".") if text.count(":") <= 1 else text


def _given(authorization: str) -> str:
    """Return the token in an `Authorization` header, of the scheme Basic or Bearer; "": none."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(text.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def request_of(environ: Mapping[str, object], here: bool) -> Request:
    """Return what a WSGI environment says of a request."""

    def header(name: str) -> str | None:
        value = environ.get(f"HTTP_{name}")
        return value if isinstance(value, str) else None

    return Request(
        str(environ.get("REQUEST_METHOD", "")),
        str(environ.get("REMOTE_ADDR", "")),
        here,
        header("HOST"),
        header("AUTHORIZATION"),
        header("SEC_FETCH_SITE"),
        header("SEC_FETCH_MODE"),
    )

"""Link specifications, `-linkmode connect -linkname 31415@host` (PROTOCOL.md section 1). No I/O."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wstp.errors import LinkSpecError
from wstp.handshake import Mode

__all__ = ["USE_UUID", "LinkSpec", "ModeName", "resolve_spec"]

ModeName = Literal["uuid", "default"]

# UseUUIDTCPIPConnection: the link goes to a link server, one port for any number of clients.
USE_UUID = 4

_MODES = {"connect": "connect", "listen": "listen", "create": "listen", "launch": "launch"}
_OPTIONS = ("linkmode", "linkprotocol", "linkname", "linkoptions", "linkhost")


def _endpoint(text: str, name: str) -> tuple[int, str | None]:
    """Split one `port@host` or `port` of the link name `name`."""
    port, at, host = text.strip().partition("@")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise LinkSpecError(f"link name {name!r}: {port!r} is not a port; write port@host or port")
    host = host.strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if at and not host:
        raise LinkSpecError(f"link name {name!r}: no host after '@'")
    return int(port), host or None


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """What a link is opened from.

    >>> LinkSpec.parse("kernel -mathlink -linkmode connect -linkname 31415@localhost,31416@here")
    LinkSpec(mode='connect', protocol='TCPIP', name='31415@localhost,31416@here', options=0)
    >>> spec = LinkSpec.parse(31415)
    >>> spec.port, spec.host, spec.to_argv()
    (31415, None, ['-linkmode', 'connect', '-linkprotocol', 'TCPIP', '-linkname', '31415'])

    Attributes:
        mode: "connect", "listen" or "launch".
        protocol: "TCPIP", or the name of a protocol that this library does not speak.
        name: for TCPIP `port@host`, `port` or `port@host,port2@host2`; "" when none was given.
        options: the option bits; 4 asks for UUID mode.
    """

    mode: str = "connect"
    protocol: str = "TCPIP"
    name: str = ""
    options: int = 0

    @classmethod
    def parse(cls, text_or_argv: str | int | Sequence[str] | LinkSpec) -> LinkSpec:
        """Return the specification in a command line (text or list), a link name, or a bare port.

        Words that are no link options (`-wstp`, a program's name) are skipped, as `WSOpenArgcArgv`
        does. A bare port or link name means "connect".

        Raises:
            LinkSpecError: a mode, an option number or a name cannot be understood, or a value is
                missing.
        """
        if isinstance(text_or_argv, LinkSpec):
            return text_or_argv
        if isinstance(text_or_argv, int):
            text_or_argv = str(text_or_argv)
        if isinstance(text_or_argv, str):
            try:
                words = shlex.split(text_or_argv)
            except ValueError as error:
                raise LinkSpecError(f"link specification {text_or_argv!r}: {error}") from None
            if len(words) == 1 and not words[0].startswith("-"):
                spec = cls(name=words[0])
                spec._endpoints()
                return spec
        else:
            words = list(text_or_argv)
        found: dict[str, str] = {}
        at = 0
        while at < len(words):
            key = words[at].lower().lstrip("-")
            if words[at].startswith("-") and key in _OPTIONS:
                if at + 1 >= len(words):
                    raise LinkSpecError(f"link specification: nothing after {words[at]}")
                found[key] = words[at + 1]
                at += 2
            else:
                at += 1
        if not found:
            raise LinkSpecError(f"link specification {text_or_argv!r} has no -linkmode and no -linkname")
        mode = _MODES.get(found.get("linkmode", "connect").lower())
        if mode is None:
            raise LinkSpecError(f"-linkmode {found['linkmode']}: not one of connect, listen, launch")
        try:
            options = int(found.get("linkoptions", "0"), 0)
        except ValueError:
            raise LinkSpecError(f"-linkoptions {found['linkoptions']}: not a number") from None
        name = found.get("linkname", "")
        if "linkhost" in found and name and "@" not in name:
            name = f"{name}@{found['linkhost']}"
        protocol = found.get("linkprotocol", "TCPIP")
        spec = cls(mode, "TCPIP" if protocol.upper() in ("TCPIP", "TCP") else protocol, name, options)
        if spec.is_tcp and name:
            spec._endpoints()
        return spec

    def _endpoints(self) -> list[tuple[int, str | None]]:
        parts = self.name.split(",")
        if len(parts) > 2:
            raise LinkSpecError(f"link name {self.name!r}: more than two of port@host")
        return [_endpoint(part, self.name) for part in parts]

    @property
    def is_tcp(self) -> bool:
        """Tell whether the protocol is TCPIP and the link is not a program to launch."""
        return self.protocol == "TCPIP" and self.mode != "launch"

    @property
    def port(self) -> int:
        """Return the data port; 0 ("any") when a listening link has no name."""
        if not self.name and self.mode == "listen":
            return 0
        return self._endpoints()[0][0]

    @property
    def host(self) -> str | None:
        """Return the host of the data port, None when the name does not say."""
        return self._endpoints()[0][1] if self.name else None

    @property
    def message_port(self) -> int | None:
        """Return the second port, None when the name has one port only."""
        endpoints = self._endpoints() if self.name else []
        return endpoints[1][0] if len(endpoints) == 2 else None

    @property
    def message_host(self) -> str | None:
        """Return the host of the second port, or that of the first when the name does not say."""
        endpoints = self._endpoints() if self.name else []
        return (endpoints[1][1] if len(endpoints) == 2 else None) or self.host

    @property
    def uuid_mode(self) -> bool:
        """Tell whether option bit 4 asks for UUID mode (a link server's clients)."""
        return bool(self.options & USE_UUID)

    def to_argv(self) -> list[str]:
        """Return the argument list that opens this link."""
        argv = ["-linkmode", self.mode, "-linkprotocol", self.protocol]
        if self.name:
            argv += ["-linkname", self.name]
        if self.options:
            argv += ["-linkoptions", str(self.options)]
        return argv


def resolve_spec(
    spec: int | str | LinkSpec | Sequence[str], mode: str | None, default_host: str = "127.0.0.1"
) -> tuple[LinkSpec, Mode, str]:
    """Return (specification, connection mode, host) for what a caller asked for.

    Without `mode`, a bare port means a link server (UUID mode); any other specification says so by
    link option 4.

    Raises:
        LinkSpecError: the link is no TCPIP link, or the specification cannot be understood.
    """
    parsed = LinkSpec.parse(spec)
    if not parsed.is_tcp:
        raise LinkSpecError(f"only TCPIP links can be opened here, not {parsed.mode} over {parsed.protocol}")
    if mode not in (None, "uuid", "default"):
        raise LinkSpecError(f"link mode {mode!r} is neither 'uuid' nor 'default'")
    bare = isinstance(spec, int) or (isinstance(spec, str) and spec.strip().isdigit())
    uuid_mode = mode == "uuid" if mode is not None else parsed.uuid_mode or bare
    return parsed, (Mode.UUID if uuid_mode else Mode.DEFAULT), parsed.host or default_host

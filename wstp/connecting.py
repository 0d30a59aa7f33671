"""The connecting side of a link, up to the active link (PROTOCOL.md sections 2 to 4). No I/O.

Both `connect()` functions follow these steps: open the data connection; write what the machine
wants to send; open the message connection when `Connecting.message_endpoint()` names one; read,
until the machine is active.
"""

from __future__ import annotations

from collections.abc import Sequence

from wstp.errors import ConnectFailed, LinkSpecError, LinkTimeout, TurnedAway, UnsupportedVersion
from wstp.handshake import Connector, Mode
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.linkspec import LinkSpec, resolve_spec
from wstp.machine import LinkMachine

__all__ = ["Connecting", "cannot_connect"]


class Connecting:
    """Say what to open next, and name what went wrong.

    Attributes:
        machine: the link's machine; it takes the bytes and gives the bytes to send.
        host: the host of the data connection.
        port: the port of the data connection.
        where: `port@host`, the link's name.
    """

    def __init__(
        self,
        spec: int | str | LinkSpec | Sequence[str],
        mode: str | None,
        uuid: str,
        *,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Resolve the specification; `uuid` (36 characters, random) names the link in UUID mode.

        Raises:
            LinkSpecError: the specification cannot be understood, or names no port.
        """
        self._spec, self._mode, self.host = resolve_spec(spec, mode)
        if not self._spec.name:
            raise LinkSpecError("no -linkname to connect to")
        self.port = self._spec.port
        self.where = f"{self.port}@{self.host}"
        connector = Connector(
            self._mode,
            uuid if self._mode is Mode.UUID else None,
            knows_message_port=self._spec.message_port is not None,
        )
        self.machine = LinkMachine(connector, limits=limits)

    def message_endpoint(self) -> tuple[str, int] | None:
        """Return (host, port) of the message connection once it may be opened; None before."""
        if not self.machine.opens_message:
            return None
        if self._mode is Mode.UUID:
            return self.host, self.port
        port = self._spec.message_port or self.machine.message_port or 0
        return self._spec.message_host or self.host, port

    def check(self) -> None:
        """Raise ConnectFailed when the peer's bytes are not those of a listener in this mode."""
        if self.machine.failed:
            error = self.machine.end_error()
            if isinstance(error, UnsupportedVersion):
                raise ConnectFailed(f"{self.where}: {error}") from error
            raise ConnectFailed(f"{self.where} is no WSTP peer in {self._mode.value} mode: {error}") from error

    def ended(self) -> TurnedAway:
        """Return the error for a data connection that ended too soon."""
        text = f"{self.where} closed the connection before the link was made"
        if self._spec.message_port is not None and self._mode is Mode.DEFAULT and not self.machine.opens_message:
            text += f"; a server takes no second port: name one, as in -linkname {self.where}"
        return TurnedAway(text)

    def late(self, timeout: float | None) -> LinkTimeout:
        """Return the error for a link that was not made within `timeout` seconds."""
        return LinkTimeout(f"{self.where}: the link was not made in {timeout:g} s")


def cannot_connect(where: str, error: OSError) -> ConnectFailed:
    """Return the error for a connection to `where` (`port@host`) that could not be made or kept."""
    kind = TurnedAway if isinstance(error, ConnectionResetError | BrokenPipeError) else ConnectFailed
    return kind(f"cannot connect to {where}: {error.strerror or error}")

"""Ask a server whether it has a kernel, without attaching to it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import wstp
from kernelbus.shell.address import Address
from kernelbus.shell.clients.session import SessionError, proves, rules_of
from kernelbus.shell.commands import COMMAND_LINE, command, name_of, unreachable
from kernelbus.shell.dialing import dial
from kernelbus.shell.extras import missing
from wstp import Expr, Function, Symbol

__all__ = ["Presence", "find_kernel", "find_moved"]

#: Characters of other clients' ids that a server shows.
_SHOWN = 8
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Presence:
    """A kernel that a server has.

    Attributes:
        state: `attached`, `detached` or another one that the status knows.
        busy: whether it evaluates.
        evaluations: how many evaluations it was asked for.
        idle: seconds since the last one.
        client: the address of the client that it is attached to; "": none.
        since: for how many seconds it has been in this state.
    """

    state: str
    busy: bool
    evaluations: int
    idle: float
    client: str = ""
    since: float = 0.0

    def __str__(self) -> str:
        doing = ", evaluating" if self.busy else ""
        count = "1 evaluation" if self.evaluations == 1 else f"{self.evaluations} evaluations"
        return f"{self.state}{doing}, after {count}"


def find_kernel(address: Address, kernel: str, token: str = "", *, prove: bool = False) -> Presence | None:
    """Return what a server says of a kernel; None: it has none with this id.

    Args:
        address: the server.
        kernel: the kernel's id.
        token: what is given to a server that wants its token first.
        prove: whether the server has to prove that it knows the token, which it is not told.

    Raises:
        SessionError: the server cannot be reached, does not answer, or refuses.
    """
    deadline = time.monotonic() + _SECONDS
    try:
        with dial(address, _SECONDS) as link:
            answer = _ask(link, deadline, command("Kernels"))
            if answer == Symbol("$Failed") and token:
                if not prove:
                    _ask(link, deadline, command("Authenticate", token))
                elif not proves(token, lambda asked: _ask(link, deadline, asked)):
                    raise SessionError(f"the server at {address.place}: {COMMAND_LINE.unproven}")
                answer = _ask(link, deadline, command("Kernels"))
            if answer == Symbol("$Failed"):
                raise SessionError(f"the server at {address.place} does not say which kernels it has")
            if any(isinstance(key, str) and len(key) > _SHOWN for key, _ in rules_of(answer)):
                # This link was given a kernel, and the answer has told its id. Nobody wants it.
                # (Without one, this would ask for one.)
                link.put(command("KeepAlive", Symbol("False")), end_packet=True)
                link.flush(timeout=_SECONDS)
            return _presence(answer, kernel)
    except (wstp.WSTPError, OSError) as error:
        raise SessionError(unreachable(address, error)) from None


def find_moved(service: str, former: Address, kernel: str, token: str = "") -> Address | None:
    """Look for a server by the name under which it is advertised, at another address than before.

    Anyone can advertise any name. So a server is taken for the one that is looked for only if it
    knows the kernel, of whose id it is told nothing here, and the token, if it wants one.

    Args:
        service: the name; "": none is known, and nobody is looked for.
        former: where the server was.
        kernel: the id of a kernel that it has.
        token: what is given to a server that wants its token first.

    Returns:
        Where it is now; None: it is not found.
    """
    if not service or missing("discovery") is not None:
        return None
    from kernelbus.shell.clients.discover import DiscoveryError, look

    try:
        found = look(service)
    except DiscoveryError:
        return None
    for server in found:
        for host in server.addresses:
            place = Address(host, server.port)
            with contextlib.suppress(SessionError):
                if place != former and find_kernel(place, kernel, token, prove=True) is not None:
                    return place
    return None


def _ask(link: wstp.Link, deadline: float, asked: Function) -> Expr:
    link.put(asked, end_packet=True)
    link.flush(timeout=_SECONDS)
    while True:
        packet = link.next_packet(timeout=max(0.0, deadline - time.monotonic()))
        # Before the answer comes the prompt of the kernel that a new link is given.
        if name_of(packet.head) == "ReturnPacket" and len(packet.args) == 1:
            return packet.args[0]


def _presence(table: Expr, kernel: str) -> Presence | None:
    for key, value in rules_of(table):
        if key in (kernel, kernel[:_SHOWN]):
            said = {str(name): entry for name, entry in rules_of(value)}
            state = str(said.get("State", ""))
            if state in ("ended", "lost", "ending"):
                return None
            evaluations, idle, since = said.get("Evaluations", 0), said.get("Idle", 0.0), said.get("Since", 0.0)
            return Presence(
                state,
                said.get("Busy") == Symbol("True"),
                evaluations if isinstance(evaluations, int) else 0,
                float(idle) if isinstance(idle, int | float) else 0.0,
                str(said.get("Client", "")),
                float(since) if isinstance(since, int | float) else 0.0,
            )
    return None

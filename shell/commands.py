"""Commands to a server (DESIGN.md, "The command language"), and names of symbols in its answers.

Shared by the clients that people use and by the pool for Python programs. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import wstp
from kernelbus.shell.address import Address
from wstp import Expr, Function, Symbol

__all__ = [
    "COMMAND_LINE", "CONTEXT", "LOCKED", "PYTHON", "WAITING", "Words", "command", "for_earlier", "name_of", "unreachable", "without_origin",
]  # fmt: skip

#: The context of the commands (:mod:`kernelbus.frontend.commands`).
CONTEXT = "WSTPServer`"

#: The symbol and the tag of the message with which a server asks for its token.
LOCKED = (CONTEXT + "Authenticate", "token")

#: The name of the message with which a server says what a kernel is waited for.
WAITING = (CONTEXT + "ConnectKernel", "waiting")

@dataclass(frozen=True, slots=True)
class Words:
    """How the texts of errors say what to do, to people at a command line or to a Python program.

    Attributes:
        token: give the server's token.
        server: name the server.
        server_or_profile: use the profile's server, or another profile.
        anew: have a damaged profile written anew; `{name}` is its name.
        go_on: go on with the kernel `{kernel}` at the server `{server}`, and the profile `{name}`.
    """

    token: str
    server: str
    server_or_profile: str
    anew: str
    go_on: str

    @property
    def no_token(self) -> str:
        """What a client says that has no token to give."""
        return (
            f"it wants its token, which kernelbus access shows on its machine: give it {self.token}, or in KERNELBUS_TOKEN; "
            "or have its operator say kernelbus access grant"
        )

    @property
    def unproven(self) -> str:
        """What is said of an advertised server that cannot have the token for which it asks."""
        return (
            "it asks for a token, and does not prove that it has the one that is known here: it is another server, or has another "
            f"token by now; where it is certain which one it is, name it {self.server}"
        )


COMMAND_LINE = Words(
    "with --token-file",
    "with --server",
    "leave --server out, or write another profile with --start-profile",
    "make it anew with --start-profile {name}",
    "say {server} --kernel-id={kernel} --start-profile {name}",
)

#: For :mod:`kernelbus` as Python programs use it.
PYTHON = Words(
    "as the argument token",
    "as the argument server",
    "leave the argument server out, or give another profile",
    "remove the file to get another kernel",
    "give server and kernel_id={kernel!r} in the place of the profile",
)


def command(name: str, *arguments: Expr) -> Function:
    """Return the expression that gives a server the command `name`."""
    return Symbol(CONTEXT + name)(*arguments)


#: Options that servers have not always known, and that a client can do without.
_DISPENSABLE = ("Progress",)


def for_earlier(asked: Sequence[Expr], refusal: str) -> list[Expr] | None:
    """Return a command's arguments as a server of an earlier version understands them.

    Args:
        asked: the arguments; options are in an association, or rules among them.
        refusal: what the server said of them.

    Returns:
        The arguments without the option that the server does not know; None: that is not why it
        refused, or the option is needed.
    """
    unknown = next((option for option in _DISPENSABLE if f'knows no "{option}"' in refusal), None)
    if unknown is None:
        return None
    plain: list[Expr] = []
    for argument in asked:
        if isinstance(argument, dict):
            plain.append({key: value for key, value in argument.items() if key != unknown})
        elif not (isinstance(argument, Function) and name_of(argument.head) == "Rule" and argument.args[0] == unknown):
            plain.append(argument)
    return plain


def name_of(symbol: object) -> str:
    """Return a symbol's name without its context System`; "" for anything but a symbol."""
    return symbol.name.removeprefix("System`") if isinstance(symbol, Symbol) else ""


def unreachable(address: Address, error: wstp.WSTPError | OSError) -> str:
    """Say in one line that no link to the server at `address` could be opened, and why."""
    where = "" if address.link_name in str(error) else f"{address.place}: "
    if isinstance(error, wstp.TurnedAway):
        # A server cuts an address that may not connect before it has read or said a byte.
        return f"cannot reach a server: {where}{error}; if it is one, its Access/Allow does not have the address of this machine"
    return f"cannot reach a server: {where}{error}"


def without_origin(text: str) -> str:
    """Return the text of a message without the name at its beginning, as in ``f::tag: ``."""
    return _ORIGIN.sub("", text.strip(), count=1)


_ORIGIN = re.compile(r"\A[\w$`]+::\w+: ")

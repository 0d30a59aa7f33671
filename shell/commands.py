"""Commands to a server (DESIGN.md, "The command language"), and names of symbols in its answers.

Shared by the clients that people use and by the pool for Python programs. No I/O.
"""

from __future__ import annotations

from collections.abc import Sequence

import wstp
from kernelbus.shell.address import Address
from wstp import Expr, Function, Symbol

__all__ = ["CONTEXT", "LOCKED", "NO_TOKEN", "UNPROVEN", "WAITING", "command", "for_earlier", "name_of", "unreachable"]

#: The context of the commands (:mod:`kernelbus.frontend.commands`).
CONTEXT = "WSTPServer`"

#: The symbol and the tag of the message with which a server asks for its token.
LOCKED = (CONTEXT + "Authenticate", "token")

#: The name of the message with which a server says what a kernel is waited for.
WAITING = (CONTEXT + "ConnectKernel", "waiting")

#: What a client says that has no token to give.
NO_TOKEN = (
    "it wants its token, which kernelbus access shows on its machine: give it with --token-file, or in KERNELBUS_TOKEN; "
    "or have its operator say kernelbus access grant"
)

#: What is said of an advertised server that cannot have the token for which it asks.
UNPROVEN = (
    "it asks for a token, and does not prove that it has the one that is known here: it is another server, or has another token "
    "by now; where it is certain which one it is, name it with --server"
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

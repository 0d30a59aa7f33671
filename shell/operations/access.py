"""`kernelbus access`: the token of a server of this user, and who may use a server without it."""

from __future__ import annotations

from collections.abc import Callable

from kernelbus.bus.errors import BusError
from kernelbus.bus.settings.config import load
from kernelbus.shell.exits import OK, UNUSABLE
from kernelbus.shell.terminal import complain
from kernelbus.shell.token import TokenError, TokenFile

__all__ = ["new_token", "run_access", "show_token"]


def run_access(action: Callable[[TokenFile], int], *, program: str, configuration_file: str | None = None) -> int:
    """Find the file of the token and run `action` on it; return the exit status.

    Args:
        action: takes the file, and returns the exit status.
        program: the words that begin an error's line.
        configuration_file: the configuration; None: the one that the server would find.
    """
    try:
        return action(TokenFile(load(configuration_file).access.token))
    except BusError as error:
        complain(program, error)
        return UNUSABLE


def show_token(file: TokenFile, *, quiet: bool = False) -> int:
    """Print the token, and how it is given; `quiet`: the token alone.

    Raises:
        TokenError: there is none, or it cannot be read.
    """
    try:
        token = file.read()
    except FileNotFoundError:
        text = f"{file}: there is no token yet: a server makes it when it starts, as does kernelbus access new"
        raise TokenError(text) from None
    if quiet:
        print(token)
    else:
        print(f"The token is {token}\nIt is in {file}. On other machines, give it with --token-file, or as KERNELBUS_TOKEN.")
    return OK


def new_token(file: TokenFile, *, quiet: bool = False) -> int:
    """Make another token, and print it as :func:`show_token` does.

    Raises:
        TokenError: it cannot be made.
    """
    file.replace()
    return show_token(file, quiet=quiet)

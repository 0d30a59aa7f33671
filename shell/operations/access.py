"""`kernelbus access`: the token of a server of this user, and who may use a server without it."""

from __future__ import annotations

import time
from collections.abc import Callable

from kernelbus.bus.client import OrderRefused
from kernelbus.bus.errors import BusError
from kernelbus.bus.protocol.orders import AccessOrder
from kernelbus.bus.settings.config import load
from kernelbus.shell.exits import FAILED, OK, UNUSABLE
from kernelbus.shell.operations.adminclient import admin_client
from kernelbus.shell.operations.tables import duration, printable
from kernelbus.shell.terminal import complain
from kernelbus.shell.token import TokenError, TokenFile

__all__ = ["grant_access", "list_grants", "new_token", "run_access", "show_token"]


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


def grant_access(network: str, seconds: float, *, bus: str | None, configuration_file: str | None, program: str) -> int:
    """Have all frontends let programs of `network` in without a token for `seconds`; 0: no longer.

    Returns:
        0: it is done; 1: it was refused; 2: no broker answered.
    """
    order = AccessOrder(0, "", network, "grant" if seconds else "revoke", seconds)
    try:
        with admin_client(bus, configuration_file) as client:
            try:
                answer = client.order(order)
            except OrderRefused as refused:
                answer = refused.answer
    except BusError as error:
        complain(program, error)
        return UNUSABLE
    for line in answer.lines:
        _say(printable(line), answer.ok, program)
    for part in answer.parts:
        for line in part.lines or [part.code]:
            _say(printable(f"{part.part}: {line}"), part.ok, program)
    return OK if answer.ok else FAILED


def _say(line: str, ok: bool, program: str) -> None:
    if ok:
        print(line)
    else:
        complain(program, line)


def list_grants(*, bus: str | None, configuration_file: str | None, program: str) -> int:
    """Print who may use each frontend, and the grants; return 0, or 2 if no broker answered."""
    try:
        with admin_client(bus, configuration_file) as client:
            frontends = client.status().frontends
    except BusError as error:
        complain(program, error)
        return UNUSABLE
    for frontend in frontends:
        print(printable(f"{frontend.name}: {frontend.access}"))
        for grant in frontend.grants:
            left = duration(max(0.0, grant.until - time.time()))
            print(printable(f"  {grant.network} needs no token for {left} more, granted by {grant.sender}"))
    return OK


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

"""Options that several commands share: the parser of the command line, times, and which kernel."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from kernelbus.bus.plaintext import plain
from kernelbus.shell.exits import UNUSABLE
from kernelbus.shell.terminal import complain

if TYPE_CHECKING:
    from kernelbus.shell.clients.choice import Choice

__all__ = ["Parser", "add_choice", "lasting", "run_client", "seconds"]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(UNUSABLE, f"{self.prog}: {plain(message)}; {self.prog} --help tells more\n")


def seconds(text: str) -> float:
    """Return a number of seconds above 0.

    Raises:
        argparse.ArgumentTypeError: `text` is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def lasting(text: str) -> float:
    """Return the seconds of a length of time with its unit: 90s, 5m, 2h, 7d.

    Raises:
        argparse.ArgumentTypeError: `text` is none.
    """
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1:])
    try:
        return seconds(text[:-1]) * unit if unit is not None else seconds("")
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: give a number with s, m, h or d behind it, as 8h") from None


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which kernel is meant."""
    group = parser.add_argument_group("which kernel")
    group.add_argument(
        "--server",
        metavar="ADDRESS",
        help="the server, as PORT@HOST, HOST:PORT, wstp://HOST:PORT/POOL or wstps://... (31415@127.0.0.1, or the profile's)",
    )
    group.add_argument(
        "--discover",
        metavar="NAME",
        nargs="?",
        const="",
        help="a server that is advertised (kernelbus discover lists them): the one of this name, or without NAME any",
    )
    group.add_argument("--pool", metavar="NAME", help="a fresh kernel of this pool (the server's default pool)")
    group.add_argument("--kernel-id", metavar="ID", help="the kernel with this id, which is kept afterwards")
    group.add_argument(
        "--token-file", metavar="FILE", help="a file with the server's token, if the server wants it (KERNELBUS_TOKEN, or the profile's)"
    )
    group.add_argument("--ca-file", metavar="FILE", help="for wstps://, the certificates to trust (PEM; those that this machine trusts)")
    profiles = group.add_mutually_exclusive_group()
    profiles.add_argument("--start-profile", metavar="P", help="get a kernel, keep it, and write how to get back to it to P")
    profiles.add_argument(
        "--continue-profile", metavar="P", help="go back to the kernel of profile P, and show what it said meanwhile"
    )
    profiles.add_argument("--prefer-profile", metavar="P", help="continue P, or start it if its kernel is gone")
    told = "P is a path, if there is a / in it or .json at its end, or a name of your choice."
    parser.epilog = f"{told} {parser.epilog}" if parser.epilog else told


def run_client(options: argparse.Namespace, run: Callable[[Choice], int]) -> int:
    """Find out which kernel is meant, and run a client on it."""
    from kernelbus.shell.clients.choice import Choice, ChoiceError

    try:
        choice = Choice.of(
            server=options.server,
            discover=options.discover,
            pool=options.pool,
            kernel_id=options.kernel_id,
            start_profile=options.start_profile,
            continue_profile=options.continue_profile,
            prefer_profile=options.prefer_profile,
            token_file=options.token_file,
            ca_file=options.ca_file,
            confirm=_confirm if sys.stdin.isatty() and sys.stderr.isatty() else None,
        )
    except ChoiceError as error:
        complain(options.parser.prog, error)
        return UNUSABLE
    return run(choice)


def _confirm(question: str) -> bool:
    """Ask a person at the terminal; anything but yes is no."""
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")

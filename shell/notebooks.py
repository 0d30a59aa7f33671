"""`kernelbus jupyter`: what may be typed, and what is then called."""

from __future__ import annotations

import argparse
import re
import sys

from kernelbus.shell.arguments import Parser
from kernelbus.shell.exits import UNUSABLE
from kernelbus.shell.extras import require
from kernelbus.shell.terminal import complain

__all__ = ["add_jupyter"]


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no kernel's name: give letters, digits, ., _ and -")
    return text


def add_jupyter(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command `jupyter`."""
    jupyter = commands.add_parser(
        "jupyter",
        help="install the kernel for Jupyter notebooks",
        description="Install, list and remove kernels of Jupyter whose notebooks use kernels of a server.",
        epilog="exit status: 0; 1 there is no such kernel; 2 it cannot be written, or a package is missing.",
    )
    actions = jupyter.add_subparsers(metavar="ACTION", dest="action", required=True)
    told = "write the kernelspec, for the system unless an option says for whom"
    install = actions.add_parser("install", help=told, description=told.capitalize() + ".")
    where = install.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for this user")
    where.add_argument("--sys-prefix", action="store_true", help="for the Python environment that has kernelbus")
    where.add_argument("--prefix", metavar="P", help="below P/share/jupyter")
    install.add_argument("--server", metavar="ADDRESS", help="the server of its notebooks (31415@127.0.0.1)")
    install.add_argument(
        "--discover",
        metavar="NAME",
        nargs="?",
        const="",
        help="a server that is advertised when a notebook needs it: the one of this name, or without NAME any",
    )
    install.add_argument("--pool", metavar="NAME", help="the pool of their kernels (the server's default pool)")
    install.add_argument("--token-file", metavar="FILE", help="a file with the server's token, if the server wants it")
    install.add_argument("--ca-file", metavar="FILE", help="for wstps://, the certificates to trust (PEM)")
    install.add_argument("--no-start", action="store_true", help="do not start a server of this user where there is none")
    install.add_argument("--name", metavar="NAME", type=_name, default="kernelbus", help="what Jupyter calls it (%(default)s)")
    install.add_argument("--display-name", metavar="TEXT", default="", help="what people choose it by (Wolfram Language (kernelbus))")
    listing = actions.add_parser("list", help="show the installed ones", description="Show the installed kernels of kernelbus.")
    remove = actions.add_parser("remove", help="remove one", description="Remove an installed kernel of kernelbus.")
    remove.add_argument("name", metavar="NAME", help="what Jupyter calls it")
    for action in (install, listing, remove):
        action.set_defaults(run=_jupyter, parser=action)


def _jupyter(options: argparse.Namespace) -> int:
    require("jupyter")
    from kernelbus.shell.jupyter import install

    match options.action:
        case "list":
            return install.list_kernels()
        case "remove":
            return install.remove(options.name)
    from kernelbus.shell.clients.choice import Choice, ChoiceError

    given = {
        "server": options.server,
        "discover": options.discover,
        "pool": options.pool,
        "token_file": options.token_file,
        "ca_file": options.ca_file,
    }
    try:
        Choice.of(**given)
    except ChoiceError as error:
        complain(options.parser.prog, error)
        return UNUSABLE
    if options.discover is not None:
        require("discovery")
        # In one word, since the name may be empty.
        given["discover"] = None
    words = [word for name, value in given.items() if value is not None for word in (f"--{name.replace('_', '-')}", value)]
    words += [f"--discover={options.discover}"] if options.discover is not None else []
    words += ["--no-start"] if options.no_start else []
    prefix = sys.prefix if options.sys_prefix else options.prefix
    return install.install(words, name=options.name, display_name=options.display_name, user=options.user, prefix=prefix)
